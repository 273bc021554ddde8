//! Firewalls and budgets, written out whole.

use super::{Line, inline, list, quote, rows, sink, time};
use crate::text::size;
use crate::words::{self, word};
use crate::{Abuse, AbuseRule, PerSource, Waf, WafExclude, WafRules};

/// The keys of a firewall.
pub(super) fn waf_lines(waf: &Waf) -> Vec<Line> {
    let some = |entries: &[Box<str>]| (!entries.is_empty()).then(|| list(entries));
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| quote(&size::written(bytes)));
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let given = |lines: &[Line]| lines.iter().any(|(_, value)| value.is_some()).then(|| inline(lines));
    let exclude: Vec<String> = waf.exclude.iter().map(exclude).collect();
    vec![
        ("packages", some(&waf.packages)),
        ("rules", some(&waf.rules)),
        ("mode", Some(quote(word(words::WAF_MODES, &waf.mode)))),
        ("when-broken", Some(quote(word(words::WHEN_BROKEN, &waf.when_broken)))),
        ("paranoia", waf.paranoia.map(|level| level.to_string())),
        (
            "thresholds",
            given(&[
                ("inbound", number(waf.thresholds.inbound)),
                ("outbound", number(waf.thresholds.outbound)),
            ]),
        ),
        (
            "limits",
            given(&[
                ("request-body", bytes(waf.limits.request_body)),
                ("response-body", bytes(waf.limits.response_body)),
            ]),
        ),
        ("exclude", (!exclude.is_empty()).then(|| rows(&exclude))),
        ("error-log", Some(sink(&waf.error_log))),
        (
            "audit-log",
            waf.audit_log.as_ref().map(|log| {
                inline(&[
                    ("file", Some(quote(&log.file.display().to_string()))),
                    ("format", Some(quote(word(words::AUDIT_FORMATS, &log.format)))),
                ])
            }),
        ),
    ]
}

fn exclude(exclude: &WafExclude) -> String {
    let rules = match &exclude.rules {
        WafRules::Rule(rule) => ("rule", Some(rule.to_string())),
        WafRules::Tag(tag) => ("tag", Some(quote(tag))),
    };
    inline(&[
        rules,
        ("paths", (!exclude.paths.is_empty()).then(|| list(&exclude.paths))),
        ("argument", exclude.argument.as_deref().map(quote)),
        ("why", Some(quote(&exclude.why))),
    ])
}

/// The keys of `[abuse]`.
pub(super) fn abuse_lines(abuse: &Abuse) -> Vec<Line> {
    let rule = |rule: &Option<AbuseRule>| {
        rule.map(|rule| {
            inline(&[
                ("count", Some(rule.count.to_string())),
                ("per", time(rule.per)),
                ("ban", rule.ban.and_then(time)),
            ])
        })
    };
    vec![
        ("size", Some(abuse.size.to_string())),
        ("exempt", (!abuse.exempt.is_empty()).then(|| list(&abuse.exempt))),
        ("requests-per-source", rule(&abuse.requests_per_source)),
        ("requests-per-user", rule(&abuse.requests_per_user)),
        ("failures-per-source", rule(&abuse.failures_per_source)),
        ("failures-per-user", rule(&abuse.failures_per_user)),
    ]
}

/// `per-source` of a listener.
pub(super) fn per_source(limits: &PerSource) -> Option<String> {
    (*limits != PerSource::default()).then(|| {
        inline(&[
            ("connections", limits.connections.map(|n| n.to_string())),
            ("connections-rate", limits.connections_rate.map(|rate| quote(&rate.to_string()))),
        ])
    })
}
