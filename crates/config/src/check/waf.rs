//! `[waf.NAME]`, `[abuse]` and `per-source`.

use std::sync::Arc;

use super::Checker;
use super::matches::below;
use crate::file::{Fields, Named, Value};
use crate::model::listener::LISTENER_LIMITS;
use crate::model::waf::{ABUSE, ABUSE_RULE, AUDIT_LOG, LIMITS, PER_SOURCE, THRESHOLDS};
use crate::report::Code;
use crate::{
    Abuse, AbuseRule, Name, PerSource, Waf, WafAuditFormat, WafAuditLog, WafExclude, WafLimits, WafMode,
    WafRules, WafThresholds, WafWhenBroken, words,
};

impl Checker<'_> {
    /// Every firewall.
    pub(super) fn wafs(&mut self, root: &Fields) -> Vec<Arc<Waf>> {
        root.named("waf").iter().map(|named| Arc::new(self.waf(named))).collect()
    }

    fn waf(&mut self, named: &Named) -> Waf {
        let fields = &named.fields;
        if fields.written("rules").is_none() && fields.list("packages").is_empty() {
            let message = format!("`waf.{}` has no rules: it would find nothing", named.name);
            let remedy = "add `rules = [\"/usr/share/modsecurity-crs/owasp-crs.load\"]`";
            self.fault(Code::MissingKey, named.span, message, remedy);
        }
        let packages = fields.list("packages").iter().filter_map(|item| match item.value {
            Value::Word(word) => Some(Box::from(word)),
            _ => None,
        });
        let thresholds = fields.table("thresholds", &THRESHOLDS);
        let limits = fields.table("limits", &LIMITS);
        let score = |key: &str| thresholds.integer(key).and_then(|score| u32::try_from(score).ok());
        Waf {
            name: named.name.clone(),
            packages: packages.collect(),
            rules: fields.texts("rules").map(Into::into).collect(),
            mode: fields.word("mode", words::WAF_MODES).unwrap_or(WafMode::Block),
            when_broken: fields.word("when-broken", words::WHEN_BROKEN).unwrap_or(WafWhenBroken::Closed),
            paranoia: fields.integer("paranoia").and_then(|level| u8::try_from(level).ok()),
            thresholds: WafThresholds { inbound: score("inbound"), outbound: score("outbound") },
            limits: WafLimits {
                request_body: limits.integer("request-body"),
                response_body: limits.integer("response-body"),
            },
            exclude: self.excludes(fields),
            error_log: fields.sink("error-log"),
            audit_log: audit_log(fields),
            place: self.place(named.span),
        }
    }

    fn excludes(&mut self, waf: &Fields) -> Vec<WafExclude> {
        let all: Vec<Fields> = waf.tables("exclude").cloned().collect();
        all.iter().filter_map(|fields| self.exclude(fields)).collect()
    }

    fn exclude(&mut self, fields: &Fields) -> Option<WafExclude> {
        if fields.written("rule").is_some() == fields.written("tag").is_some() {
            let (code, message) = match fields.written("rule") {
                Some(_) => {
                    (Code::ContradictoryKeys, "an exclusion is about a `rule` or about a `tag`, not both")
                }
                None => (Code::MissingKey, "the exclusion does not say which rules it is about"),
            };
            self.fault(
                code,
                fields.span,
                message,
                "write `rule = 942100`, or `tag = \"…\"` for all that have it",
            );
            return None;
        }
        let rules = match fields.text("tag") {
            Some(tag) => WafRules::Tag(tag.into()),
            None => WafRules::Rule(fields.integer("rule")?),
        };
        Some(WafExclude {
            rules,
            paths: fields.texts("paths").map(below).collect(),
            argument: fields.text("argument").map(Into::into),
            why: fields.text("why")?.into(),
        })
    }

    /// The firewall that a listener or route names.
    pub(super) fn waf_named(&mut self, fields: &Fields) -> Option<Name> {
        let name = Name::from(fields.text("waf")?);
        let fault = self.wafs.name(&name, fields.place("waf"), self.report);
        self.dangling(fault);
        Some(name)
    }

    /// `[abuse]`
    pub(super) fn abuse(&mut self, root: &Fields) -> Option<Abuse> {
        root.given("abuse")?;
        let fields = root.table("abuse", &ABUSE);
        let rule = |key: &str| -> Option<AbuseRule> {
            fields.given(key)?;
            let rule = fields.table(key, &ABUSE_RULE);
            let ban = rule.given("ban").map(|_| rule.duration("ban"));
            Some(AbuseRule { count: rule.number("count"), per: rule.duration("per"), ban })
        };
        let exempt = fields.list("exempt").iter().filter_map(|item| match item.value {
            Value::Network(network) => Some(network),
            _ => None,
        });
        let abuse = Abuse {
            size: fields.number("size"),
            exempt: exempt.collect(),
            requests_per_source: rule("requests-per-source"),
            requests_per_user: rule("requests-per-user"),
            failures_per_source: rule("failures-per-source"),
            failures_per_user: rule("failures-per-user"),
        };
        if abuse.failures_per_user.is_some_and(|rule| rule.ban.is_some()) {
            let span = fields.table("failures-per-user", &ABUSE_RULE).place("ban");
            let message =
                "whoever knows a user's name can lock that user out, from everywhere, by failing in it";
            self.fault(
                Code::UsersLockedOut,
                span,
                message,
                "take `ban` out: what is over the budget is refused anyway",
            );
        }
        let rules = ["requests-per-source", "requests-per-user", "failures-per-source", "failures-per-user"];
        if rules.iter().all(|key| fields.written(key).is_none()) {
            let remedy = "add `failures-per-source = { count = 30, per = \"10m\", ban = \"15m\" }`, or take `[abuse]` out";
            self.fault(Code::MissingKey, fields.span, "`[abuse]` has no budget: nothing is counted", remedy);
        }
        Some(abuse)
    }
}

/// `per-source` of a listener's `limits`.
pub(super) fn per_source(listener: &Fields) -> PerSource {
    let fields = listener.table("limits", &LISTENER_LIMITS).table("per-source", &PER_SOURCE);
    let rate = match fields.given("connections-rate").map(|item| &item.value) {
        Some(Value::Rate(rate)) => Some(*rate),
        _ => None,
    };
    let connections = fields.integer("connections").and_then(|n| u32::try_from(n).ok());
    PerSource { connections, connections_rate: rate }
}

fn audit_log(waf: &Fields) -> Option<WafAuditLog> {
    waf.given("audit-log")?;
    let fields = waf.table("audit-log", &AUDIT_LOG);
    let format = fields.word("format", words::AUDIT_FORMATS).unwrap_or(WafAuditFormat::Json);
    Some(WafAuditLog { file: fields.text("file")?.into(), format })
}
