//! What the engine has to say about a transaction.

use crate::Var;
use crate::lang::Place;
use crate::mask::shorten;
use std::fmt::Write as _;

/// Why and how a request or response is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interruption {
    /// The rule that decided, or zero when a limit did.
    pub rule_id: u64,
    /// The phase it decided in, one to five.
    pub phase: u8,
    /// The status to answer with.
    pub status: u16,
    /// What to do.
    pub action: Refusal,
}

/// How to refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Answer with the status.
    Deny,
    /// Close the connection.
    Drop,
    /// Answer with the status and this location.
    Redirect(String),
}

/// A rule that matched and is to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The rule.
    pub rule_id: u64,
    /// The rule's number in the program.
    pub(crate) index: u32,
    /// Where it stands.
    pub place: Place,
    /// The phase it ran in.
    pub phase: u8,
    /// `msg`, filled in.
    pub msg: String,
    /// `logdata`, filled in.
    pub data: String,
    /// `severity`, zero is the worst.
    pub severity: Option<u8>,
    /// `tag`s, filled in.
    pub tags: Vec<String>,
    /// `rev`
    pub rev: String,
    /// `ver`
    pub ver: String,
    /// `maturity`
    pub maturity: u8,
    /// `accuracy`
    pub accuracy: u8,
    /// What matched, the last first in the error log; at most [`MATCHED_MAX`] of them.
    pub matched: Vec<MatchedVar>,
    /// The test that matched, as `Operator "Rx" with parameter "…"`.
    pub test: String,
    /// This rule refused.
    pub disruptive: bool,
    /// To be in the error log.
    pub log: bool,
    /// To be in the audit log.
    pub audit: bool,
}

/// How many matched variables are kept of one rule.
pub const MATCHED_MAX: usize = 16;

/// A variable that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedVar {
    /// Which collection.
    pub var: Var,
    /// Which member of it.
    pub name: String,
    /// What the operator saw, transformed.
    pub value: String,
}

impl MatchedVar {
    /// `ARGS:id`, as MATCHED_VAR_NAME has it.
    pub fn full_name(&self) -> String {
        if self.name.is_empty() {
            self.var.name().to_owned()
        } else {
            format!("{}:{}", self.var.name(), self.name)
        }
    }
}

/// Everything about a transaction once its logging phase is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rules that matched, in order.
    pub matches: Vec<Match>,
    /// What the first disruptive rule decided, if the engine acts.
    pub interruption: Option<Interruption>,
    /// In detection mode: what the first disruptive rule would have decided.
    pub would_refuse: Option<Interruption>,
    /// The rule set's inbound anomaly score.
    pub inbound_score: i64,
    /// The rule set's outbound anomaly score.
    pub outbound_score: i64,
    /// Wants to be in the audit log.
    pub audit: bool,
    /// Patterns that hit their step limit: each is a rule that could not be asked.
    pub pattern_limit_hits: u32,
}

impl Match {
    /// A line of the error log as ModSecurity writes it, with `[id "…"]`, so that tools made for it read it.
    /// `request` adds what the engine does not know: host name, request path and the transaction's id.
    pub fn error_log_line(
        &self,
        client: &str,
        host: &str,
        uri: &str,
        unique_id: &str,
        status: u16,
    ) -> String {
        let mut line = match self.disruptive {
            true => format!(
                "[client {client}] ModSecurity: Access denied with code {status} (phase {}). ",
                self.phase
            ),
            false => format!("[client {client}] ModSecurity: Warning. "),
        };
        line.push_str(&self.explanation());
        self.write_fields(&mut line);
        let _ = write!(line, " [hostname \"{host}\"] [uri \"{}\"] [unique_id \"{unique_id}\"]", escape(uri));
        line
    }

    /// `Matched "Operator `Rx' with parameter `…' against variable `ARGS:a' (Value: `…' )`.
    pub fn explanation(&self) -> String {
        match self.matched.last() {
            None => "Unconditional match in SecAction.".to_owned(),
            Some(matched) => format!(
                "Matched \"{} against variable `{}' (Value: `{}' )\"",
                self.test,
                escape(&matched.full_name()),
                escape(&shorten(&matched.value, 100))
            ),
        }
    }

    fn write_fields(&self, line: &mut String) {
        let severity = self.severity.map_or_else(|| "0".to_owned(), |severity| severity.to_string());
        for (name, value) in [
            ("file", self.place.file.to_string()),
            ("line", self.place.line.to_string()),
            ("id", self.rule_id.to_string()),
            ("rev", self.rev.clone()),
            ("msg", self.msg.clone()),
            ("data", shorten(&self.data, 200)),
            ("severity", severity),
            ("ver", self.ver.clone()),
            ("maturity", self.maturity.to_string()),
            ("accuracy", self.accuracy.to_string()),
        ] {
            let _ = write!(line, " [{name} \"{}\"]", escape(&value));
        }
        for tag in &self.tags {
            let _ = write!(line, " [tag \"{}\"]", escape(tag));
        }
    }
}

/// No value may end its field, or its line.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}
