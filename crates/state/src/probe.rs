//! Probes of a server and the changes of condition they make.

use std::time::{Duration, Instant};

use transom_config::Name;

use crate::Fault;
use crate::health::{Condition, Thresholds};

/// The result of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// Passed, or what was wrong.
    pub outcome: Result<(), Fault>,
    /// What was seen, in words: `HTTP status 302, expected 200`. Empty when there is nothing to add.
    pub detail: Box<str>,
    /// How long the probe took.
    pub took: Duration,
}

/// The latest probe of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastProbe {
    /// What came out.
    pub result: ProbeResult,
    /// When it ended.
    pub at: Instant,
}

/// A server changed its condition: worth a line in the program log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The pool.
    pub pool: Name,
    /// The server.
    pub server: Name,
    /// What it was.
    pub from: Condition,
    /// What it is now.
    pub to: Condition,
    /// The fault that took it down; `None` when it came up.
    pub fault: Option<Fault>,
    /// Why, in words.
    pub why: Box<str>,
}

impl std::fmt::Display for Transition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pool, server, from, to, why, .. } = self;
        write!(f, "server {pool}/{server} is {to} (was {from}): {why}")
    }
}

/// The sentence in the log for a change that a probe made.
pub(crate) fn why_probed(from: Condition, probe: &ProbeResult, limits: Thresholds) -> String {
    let colon = if probe.detail.is_empty() { "" } else { ": " };
    let detail = &probe.detail;
    match (probe.outcome, from) {
        (Ok(()), Condition::Unknown) => "the first health check passed".into(),
        (Ok(()), _) => format!("health checks pass again, {} in a row", limits.rise.max(1)),
        (Err(fault), Condition::Unknown) => format!("the first health check failed: {fault}{colon}{detail}"),
        (Err(fault), _) => {
            format!("health checks failed, {} in a row; the last: {fault}{colon}{detail}", limits.fall.max(1))
        }
    }
}
