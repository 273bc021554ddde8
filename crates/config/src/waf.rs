//! `[waf.NAME]`: a web application firewall, as listeners and routes name it.

use std::path::PathBuf;

use crate::{LogSink, Name, Place};

/// `[waf.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Waf {
    /// Its name.
    pub name: Name,
    /// `packages`: rules that come with the program, by name; they go before `rules`.
    pub packages: Vec<Box<str>>,
    /// `rules`: files of SecLang, as absolute paths, perhaps with `*`, in this order. Whoever loads the engine reads
    /// them, and what they include.
    pub rules: Vec<Box<str>>,
    /// What comes of a match.
    pub mode: WafMode,
    /// What happens to requests that the engine could not look at.
    pub when_broken: WafWhenBroken,
    /// `paranoia`: 1 to 4, in place of what the rule files say (`tx.blocking_paranoia_level`).
    pub paranoia: Option<u8>,
    /// `thresholds`: scores that refuse, in place of what the rule files say.
    pub thresholds: WafThresholds,
    /// `limits`: bytes of bodies that are looked at, in place of what the rule files say.
    pub limits: WafLimits,
    /// What rules are not to look at.
    pub exclude: Vec<WafExclude>,
    /// A line for each match, as ModSecurity writes them.
    pub error_log: LogSink,
    /// A record of each request that rules want recorded.
    pub audit_log: Option<WafAuditLog>,
    /// Where it was written.
    pub place: Place,
}

/// What comes of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WafMode {
    /// Attacks are refused.
    Block,
    /// Everything passes; logs say what would have been refused.
    Detect,
    /// Nothing is looked at.
    Off,
}

/// What happens to requests that the engine could not look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WafWhenBroken {
    /// 503.
    Closed,
    /// They are let through, loudly.
    Open,
}

/// Scores that refuse; `None`: as the rule files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WafThresholds {
    /// `inbound`: of requests (`tx.inbound_anomaly_score_threshold`).
    pub inbound: Option<u32>,
    /// `outbound`: of responses (`tx.outbound_anomaly_score_threshold`).
    pub outbound: Option<u32>,
}

/// Bytes of bodies that are looked at; `None`: as the rule files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WafLimits {
    /// `request-body`
    pub request_body: Option<u64>,
    /// `response-body`
    pub response_body: Option<u64>,
}

/// An entry of `exclude`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WafExclude {
    /// The rules it is about.
    pub rules: WafRules,
    /// Paths it holds for, and those below them, in lower case; none is every path.
    pub paths: Vec<Box<str>>,
    /// The argument that the rules are not to look at; `None`: they do not run.
    pub argument: Option<Box<str>>,
    /// Why, for whoever reads it next.
    pub why: Box<str>,
}

/// Rules that an exclusion is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WafRules {
    /// `rule`: the one of this number.
    Rule(u64),
    /// `tag`: those with this tag.
    Tag(Box<str>),
}

/// `audit-log`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WafAuditLog {
    /// Appended to; opened again at each reload.
    pub file: PathBuf,
    /// How a record looks.
    pub format: WafAuditFormat,
}

/// How a record of the audit log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WafAuditFormat {
    /// One JSON object a line, as libmodsecurity writes it.
    Json,
    /// ModSecurity's parts between boundaries.
    Native,
}
