//! Audit log entries: everything about a transaction, for a file of their own.
//!
//! The parts are those of `SecAuditLogParts`: B the request's head, C or I its body, E the response's body, F its
//! head, H the rules. Values of secret headers, cookies and arguments are masked; a body that is no form and holds a
//! secret argument is left out.

use crate::Var;
use crate::decision::Decision;
use crate::inspection::Inspection;
use crate::lang::action::BodyKind;
use crate::mask;
use crate::report::{Match, escape};
use crate::request::{clock, date};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Stands for a body that may not be shown.
const LEFT_OUT: &str = "(left out: it holds a secret argument)";

impl Inspection {
    /// An entry in libmodsecurity's JSON form: one line, with its line feed. After [`Inspection::finish`].
    pub fn audit_json(&self, decision: &Decision) -> Vec<u8> {
        let mut request = Map::new();
        request.insert("method".to_owned(), self.text(Var::RequestMethod).into());
        let protocol = self.text(Var::RequestProtocol);
        let version = protocol.strip_prefix("HTTP/").unwrap_or(&protocol);
        request.insert("http_version".to_owned(), version.into());
        request.insert("uri".to_owned(), mask::pairs(&self.text(Var::RequestUriRaw)).into());
        if let Some(body) = self.request_body_text() {
            request.insert("body".to_owned(), body.into());
        }
        if self.has('B') {
            request.insert("headers".to_owned(), object(self.headers(Var::RequestHeaders)));
        }
        let mut response = Map::new();
        if let Some(body) = self.response_body_text() {
            response.insert("body".to_owned(), body.into());
        }
        response.insert("http_code".to_owned(), self.status().into());
        if self.has('F') {
            response.insert("headers".to_owned(), object(self.headers(Var::ResponseHeaders)));
        }
        let mut entry = json!({
            "client_ip": self.text(Var::RemoteAddr),
            "time_stamp": self.time_stamp(),
            "client_port": number(&self.text(Var::RemotePort)),
            "host_ip": self.text(Var::ServerAddr),
            "host_port": number(&self.text(Var::ServerPort)),
            "unique_id": decision.id,
            "request": request,
            "response": response,
            "producer": self.producer(decision),
            "anomaly_score": { "inbound": decision.inbound_score, "outbound": decision.outbound_score },
        });
        if self.has('H') {
            let audited = decision.rules.iter().filter(|found| found.audit);
            entry["messages"] = audited.map(message).collect();
        }
        let mut line = json!({ "transaction": entry }).to_string().into_bytes();
        line.push(b'\n');
        line
    }

    /// An entry in ModSecurity's native form. `boundary` parts it: eight random hexadecimal digits, which the body
    /// cannot know. After [`Inspection::finish`].
    pub fn audit_native(&self, decision: &Decision, boundary: &str) -> Vec<u8> {
        let mut out = String::new();
        let part = |out: &mut String, letter| {
            let _ = writeln!(out, "--{boundary}-{letter}--");
        };
        part(&mut out, 'A');
        let _ = writeln!(
            out,
            "[{}] {} {} {} {} {}",
            self.log_time(),
            decision.id,
            self.text(Var::RemoteAddr),
            self.text(Var::RemotePort),
            self.text(Var::ServerAddr),
            self.text(Var::ServerPort)
        );
        if self.has('B') {
            part(&mut out, 'B');
            let _ = writeln!(out, "{}", mask::pairs(&plain(&self.text(Var::RequestLine))));
            write_headers(&self.headers(Var::RequestHeaders), &mut out);
        }
        if let Some(body) = self.request_body_text() {
            part(&mut out, if self.has('C') { 'C' } else { 'I' });
            let _ = writeln!(out, "{}", plain(&body));
        }
        if let Some(body) = self.response_body_text() {
            part(&mut out, 'E');
            let _ = writeln!(out, "{}", plain(&body));
        }
        if self.has('F') {
            part(&mut out, 'F');
            let _ = writeln!(out, "{} {}", plain(&self.text(Var::ResponseProtocol)), self.status());
            write_headers(&self.headers(Var::ResponseHeaders), &mut out);
        }
        if self.has('H') {
            part(&mut out, 'H');
            self.write_messages(decision, &mut out);
        }
        part(&mut out, 'Z');
        out.push('\n');
        out.into_bytes()
    }

    fn write_messages(&self, decision: &Decision, out: &mut String) {
        let (client, host) = (self.text(Var::RemoteAddr), self.text(Var::ServerName));
        let (uri, status) = (mask::pairs(&self.text(Var::RequestUri)), self.status());
        for found in decision.rules.iter().filter(|found| found.audit) {
            let line = found.error_log_line(&client, &plain(&host), &uri, &decision.id, status);
            let _ = writeln!(out, "{}", line.split_once("] ").map_or(line.as_str(), |(_, rest)| rest));
        }
        let _ = writeln!(out, "Engine-Mode: \"{}\"", engine_mode(decision));
        let (inbound, outbound) = (decision.inbound_score, decision.outbound_score);
        let _ = writeln!(out, "Anomaly-Score: inbound {inbound}, outbound {outbound}");
    }

    fn has(&self, part: char) -> bool {
        self.transaction.audit_parts().contains(part)
    }

    fn text(&self, var: Var) -> String {
        String::from_utf8_lossy(self.transaction.facts.bytes(var)).into_owned()
    }

    fn status(&self) -> u16 {
        let refused = self.transaction.interruption().map(|refused| refused.status);
        refused.or_else(|| self.text(Var::ResponseStatus).parse().ok()).unwrap_or(0)
    }

    fn headers(&self, var: Var) -> Vec<(String, String)> {
        let facts = &self.transaction.facts;
        let text = |id| String::from_utf8_lossy(facts.values.get(id)).into_owned();
        let header = |name: String, value: String| {
            let shown = if mask::is_secret_header(&name) { "***".to_owned() } else { mask::pairs(&value) };
            (name, shown)
        };
        facts.members(var).iter().map(|entry| header(text(entry.name), text(entry.value))).collect()
    }

    /// The request's body as far as it may be shown, if there is one and the entry is to have it.
    fn request_body_text(&self) -> Option<String> {
        let tx = &self.transaction;
        if tx.request_body.is_empty() || !self.has('C') && !self.has('I') {
            return None;
        }
        let arguments = tx.facts.members(Var::ArgsPost);
        let text = |id| String::from_utf8_lossy(tx.facts.values.get(id)).into_owned();
        if tx.body_kind == Some(BodyKind::Multipart) && !self.has('C') {
            // Part I is the body without its files, in the form of a form.
            let pairs: Vec<String> =
                arguments.iter().map(|entry| format!("{}={}", text(entry.name), text(entry.value))).collect();
            return Some(mask::pairs(&pairs.join("&")));
        }
        let body = String::from_utf8_lossy(&tx.request_body);
        if tx.body_kind == Some(BodyKind::Urlencoded) {
            return Some(mask::pairs(&body));
        }
        let secret = arguments.iter().any(|entry| mask::is_secret_name(&text(entry.name)));
        Some(if secret { LEFT_OUT.to_owned() } else { body.into_owned() })
    }

    fn response_body_text(&self) -> Option<String> {
        let body = &self.transaction.response_body;
        (self.has('E') && !body.is_empty()).then(|| String::from_utf8_lossy(body).into_owned())
    }

    fn producer(&self, decision: &Decision) -> Value {
        let settings = &self.transaction.engine.program.settings;
        json!({
            "modsecurity": concat!("transom ", env!("CARGO_PKG_VERSION")),
            "secrules_engine": engine_mode(decision),
            "components": settings.component_signatures,
        })
    }

    /// `Fri Nov 20 16:33:41 2026`
    fn time_stamp(&self) -> String {
        let (days, [hour, minute, second]) = clock(self.transaction.started);
        let (year, month, day) = date(days);
        let (weekday, month) = (WEEKDAYS[days.rem_euclid(7) as usize], MONTHS[month as usize - 1]);
        format!("{weekday} {month} {day:>2} {hour:02}:{minute:02}:{second:02} {year}")
    }

    /// `20/Nov/2026:16:33:41 +0000`
    fn log_time(&self) -> String {
        let started = self.transaction.started;
        let (days, [hour, minute, second]) = clock(started);
        let (year, month, day) = date(days);
        let offset = started.utc_offset_seconds;
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
        let (month, zone_hour, zone_minute) = (MONTHS[month as usize - 1], minutes / 60, minutes % 60);
        format!(
            "{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} {sign}{zone_hour:02}{zone_minute:02}"
        )
    }
}

fn engine_mode(decision: &Decision) -> &'static str {
    match decision.mode {
        crate::Mode::Block => "Enabled",
        crate::Mode::Detect => "DetectionOnly",
        crate::Mode::Off => "Disabled",
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// Headers of one name become one, as in HTTP (RFC 9110 section 5.3).
fn object(headers: Vec<(String, String)>) -> Value {
    let mut object = Map::new();
    for (name, value) in headers {
        match object.get_mut(&name) {
            Some(Value::String(known)) => {
                known.push_str(", ");
                known.push_str(&value);
            }
            _ => drop(object.insert(name, value.into())),
        }
    }
    Value::Object(object)
}

fn message(found: &Match) -> Value {
    json!({
        "message": found.msg,
        "details": {
            "match": found.explanation(),
            "ruleId": found.rule_id.to_string(),
            "file": found.place.file.as_ref(),
            "lineNumber": found.place.line.to_string(),
            "data": found.data,
            "severity": found.severity.map_or_else(String::new, |severity| severity.to_string()),
            "ver": found.ver,
            "rev": found.rev,
            "tags": found.tags,
            "maturity": found.maturity.to_string(),
            "accuracy": found.accuracy.to_string(),
        }
    })
}

fn write_headers(headers: &[(String, String)], out: &mut String) {
    for (name, value) in headers {
        let _ = writeln!(out, "{}: {}", escape(name), plain(value));
    }
    out.push('\n');
}

/// Control characters other than those of text are written as escapes.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\r' | '\t') {
            let _ = write!(out, "\\x{:02x}", c as u32);
        } else {
            out.push(c);
        }
    }
    out
}
