//! `health-check` of a pool.

use super::Checker;
use crate::file::{Entry, Fields, Item, Value};
use crate::model::health::{HEALTH_CHECK, PROBES};
use crate::report::{Code, Fault};
use crate::words::{self, Verified};
use crate::{Expect, HealthCheck, Pattern, Probe, ProbeExpect, ProbeStep, StatusRange, Verify};

/// The status that EHLO is answered with (RFC 5321 section 4.3.2).
const EHLO_EXPECTED: u64 = 250;

impl Checker<'_> {
    /// The health check of a pool, if it has one. `tls`: the pool's connections are encrypted.
    pub(super) fn health_check(&mut self, pool: &Fields, tls: bool) -> Option<HealthCheck> {
        pool.given("health-check")?;
        let fields = pool.table("health-check", &HEALTH_CHECK);
        let word = self.which_probe(&fields)?;
        self.not_for_probe(&fields, word);
        let verify = self.verify(&fields, word, tls);
        let expect: Option<u16> = fields.integer("expect").and_then(|status| u16::try_from(status).ok());
        let sequence = self.sequence(&fields);
        let statuses = self.statuses(&fields, expect);
        let http = |tls: Option<Verify>| Probe::Http {
            tls,
            method: method(&fields),
            path: fields.text(word).unwrap_or("/").into(),
            headers: headers(&fields),
            host: fields.text("host").map(Into::into),
            expect: Expect {
                statuses,
                not_statuses: ranges(&fields, "not-statuses"),
                body: fields.text("body").map(Into::into),
                lacks: fields.text("body-lacks").map(Into::into),
                regex: fields.text("body-regex").and_then(Pattern::new),
            },
        };
        let probe = match word {
            "tcp" if !sequence.is_empty() => Probe::Sequence { tls: None, steps: sequence },
            "tls" if !sequence.is_empty() => Probe::Sequence { tls: Some(verify), steps: sequence },
            "tcp" => Probe::Tcp,
            "tls" => Probe::Tls { verify },
            "http" => http(None),
            "https" => http(Some(verify)),
            _ => Probe::Smtp { expect: expect.unwrap_or(EHLO_EXPECTED as u16) },
        };
        Some(HealthCheck {
            probe,
            every: fields.duration("every"),
            timeout: fields.duration("timeout"),
            rise: fields.number("rise"),
            fall: fields.number("fall"),
            port: fields.integer("port").and_then(|port| u16::try_from(port).ok()),
        })
    }

    /// The statuses that will do: `statuses`, or the one of `expect`.
    fn statuses(&mut self, fields: &Fields, expect: Option<u16>) -> Vec<StatusRange> {
        if let (Some(one), Some(more)) = (fields.written("expect"), fields.written("statuses")) {
            let message = "`expect` and `statuses` both say what will do";
            let fault =
                Fault::new(Code::ContradictoryKeys, more.span, message).also(one.span, "the other one");
            self.report.push(fault.remedy("take one of the two out"));
        }
        if let Some(header) =
            fields.headers("headers").iter().find(|header| header.name.eq_ignore_ascii_case("host"))
        {
            let message = "the `Host` header of a health check is its own key";
            self.fault(Code::BadHeader, header.item.span, message, "write `host = \"…\"`");
        }
        let one = expect.map(|status| StatusRange { first: status, last: status });
        one.into_iter().chain(ranges(fields, "statuses")).collect()
    }

    /// The steps of a conversation.
    fn sequence(&mut self, check: &Fields) -> Vec<ProbeStep> {
        let mut steps = Vec::new();
        let all: Vec<Fields> = check.tables("sequence").cloned().collect();
        for fields in &all {
            let send = self.one_of(fields, &["send", "send-hex"]);
            let expect = self.one_of(fields, &["expect", "expect-hex", "expect-regex"]);
            if fields.entries().is_empty() {
                let remedy = "write `{ send = \"…\" }`, `{ expect = \"…\" }` or both";
                self.fault(
                    Code::MissingKey,
                    fields.span,
                    "the step neither sends nor awaits anything",
                    remedy,
                );
            }
            let octets = |key: &str| match fields.given(key).map(|item| &item.value) {
                Some(Value::Octets(bytes)) => bytes.clone(),
                Some(Value::Text(text)) => text.as_bytes().into(),
                _ => Box::default(),
            };
            let expect = expect.and_then(|key| match key {
                "expect-regex" => fields.text(key).map(|regex| ProbeExpect::Regex(regex.into())),
                key => Some(ProbeExpect::Bytes(octets(key))),
            });
            steps.push(ProbeStep { send: send.map(octets).unwrap_or_default(), expect });
        }
        steps
    }

    /// The one key of some that is given; reports a second.
    fn one_of(&mut self, fields: &Fields, keys: &[&'static str]) -> Option<&'static str> {
        let mut given = keys.iter().filter_map(|key| Some((*key, fields.written(key)?)));
        let (first, one) = given.next()?;
        if let Some((second, other)) = given.next() {
            let message = format!("`{first}` and `{second}` are both given");
            let fault =
                Fault::new(Code::ContradictoryKeys, other.span, message).also(one.span, "the other one");
            self.report.push(fault.remedy("take one of the two out, or write two steps"));
        }
        Some(first)
    }

    /// The one key that names a probe.
    fn which_probe(&mut self, fields: &Fields) -> Option<&'static str> {
        let named: Vec<(&'static str, &Entry)> =
            PROBES.iter().filter_map(|probe| Some((*probe, fields.written(probe)?))).collect();
        for (probe, entry) in &named {
            if matches!(entry.item, Some(Item { value: Value::Bool(false), .. })) {
                let message = format!("`{probe} = false` asks for nothing");
                let remedy =
                    format!("write `{probe} = true`, or take the whole `health-check` out to have none");
                self.fault(Code::ContradictoryKeys, entry.span, message, remedy);
                return None;
            }
        }
        match named.as_slice() {
            [(probe, _)] => Some(probe),
            [] => {
                let remedy = "add one of `tcp = true`, `tls = true`, `http = \"/path\"`, `https = \"/path\"`, `smtp = \"EHLO\"`";
                self.fault(Code::MissingKey, fields.span, "the health check names no probe", remedy);
                None
            }
            [(first, one), (second, other), ..] => {
                let message =
                    format!("a health check is one probe, but `{first}` and `{second}` are both named");
                let fault =
                    Fault::new(Code::ContradictoryKeys, other.span, message).also(one.span, "the other one");
                self.report.push(
                    fault.remedy("keep the one that tells most: an answer tells more than a connection"),
                );
                None
            }
        }
    }

    /// Keys that this probe does nothing with.
    fn not_for_probe(&mut self, fields: &Fields, probe: &str) {
        for entry in fields.entries() {
            if let Some(probes) = entry.key.only
                && !probes.contains(&probe)
            {
                let which = probes.iter().map(|probe| format!("`{probe}`")).collect::<Vec<_>>().join(", ");
                let message = format!("the probe `{probe}` does nothing with `{}`", entry.key.name);
                self.fault(
                    Code::KeyNotHonoured,
                    entry.span,
                    message,
                    format!("take it out; it is for {which}"),
                );
            }
        }
    }

    fn verify(&mut self, fields: &Fields, probe: &str, pool: bool) -> Verify {
        if !matches!(probe, "tls" | "https") {
            return Verify::None;
        }
        let otherwise = if pool { Verified::Pool } else { Verified::None };
        let verified = fields.word("verify", words::VERIFY).unwrap_or(otherwise);
        let full = verified == Verified::Full;
        if verified == Verified::Pool && !pool {
            let message = "`verify = \"pool\"` does as the pool's connections, but those are not encrypted";
            let remedy = "add `connect = { tls = … }` to the pool, or write `verify = \"none\"` or \"full\"";
            self.fault(Code::ContradictoryKeys, fields.place("verify"), message, remedy);
        }
        for key in ["ca", "name"] {
            let entry = fields.written(key);
            match entry {
                None if full => {
                    let message = format!("`verify = \"full\"` needs `{key}`");
                    let example = HEALTH_CHECK.key(key).map_or("", |key| key.example);
                    let remedy = format!("add `{key} = {example}`, or write `verify = \"none\"`");
                    self.fault(Code::MissingKey, fields.place("verify"), message, remedy);
                }
                Some(entry) if !full => {
                    let instead = match verified {
                        Verified::Pool => "the pool's `connect` says what is believed",
                        _ => "the certificate is not verified",
                    };
                    let message = format!("`{key}` is for `verify = \"full\"`, but {instead}");
                    let remedy = format!("add `verify = \"full\"`, or take `{key}` out");
                    self.fault(Code::ContradictoryKeys, entry.span, message, remedy);
                }
                _ => {}
            }
        }
        match verified {
            // Probes have no word for `chain`.
            Verified::None | Verified::Chain => return Verify::None,
            Verified::Pool => return Verify::Pool,
            Verified::Full => {}
        }
        match (self.named_file(fields, "ca"), fields.text("name")) {
            (Some(ca), Some(name)) => Verify::Full { ca, name: name.into() },
            _ => Verify::None,
        }
    }
}

fn ranges(fields: &Fields, key: &str) -> Vec<StatusRange> {
    let ranges = fields.list(key).iter().filter_map(|item| match item.value {
        Value::Statuses(range) => Some(range),
        _ => None,
    });
    ranges.collect()
}

fn method(fields: &Fields) -> Box<str> {
    fields.text("method").unwrap_or("GET").into()
}

fn headers(fields: &Fields) -> Vec<(Box<str>, Box<str>)> {
    let headers = fields.headers("headers").iter().filter_map(|header| match &header.item.value {
        Value::Text(value) => Some((header.name.clone(), value.clone())),
        _ => None,
    });
    headers.collect()
}
