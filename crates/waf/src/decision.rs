//! What came of a transaction: what access logs, error logs, counters and `explain` are made from.

use crate::Mode;
use crate::mask;
use crate::report::{Interruption, Match, Report};
use std::collections::VecDeque;

/// What was done, or would have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Nothing was against it.
    #[default]
    Passed,
    /// It was refused.
    Refused(Interruption),
    /// In detect mode: this would have refused it.
    WouldRefuse(Interruption),
}

/// Why the engine could not do its work. What happens then is `when-broken`'s matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A pattern reached its step limit: a rule could not be asked.
    PatternLimit,
    /// A fault of the engine itself.
    Fault,
}

impl Broken {
    /// As logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PatternLimit => "pattern-limit",
            Self::Fault => "fault",
        }
    }
}

/// How much of a body the rules saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodySeen {
    /// There was none, or it was let through unseen.
    #[default]
    Nothing,
    /// All of it: this many bytes.
    Whole(usize),
    /// The first bytes of a longer one.
    Beginning(usize),
}

/// Everything there is to say about a transaction. Values are shortened and secrets masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The request's id, as in every log.
    pub id: String,
    /// The request's method; empty when there is nothing to explain.
    pub method: String,
    /// The request's path, decoded, without its query; empty when there is nothing to explain.
    pub path: String,
    /// The mode it was looked at in.
    pub mode: Mode,
    /// What was done.
    pub action: Action,
    /// The inbound anomaly score.
    pub inbound_score: i64,
    /// The outbound anomaly score.
    pub outbound_score: i64,
    /// The rules that matched and are to be logged, in order.
    pub rules: Vec<Match>,
    /// How much of the request's body was looked at.
    pub request_body: BodySeen,
    /// How much of the response's body was looked at.
    pub response_body: BodySeen,
    /// The engine could not do all of its work.
    pub broken: Option<Broken>,
    /// Rules that could not be asked because a pattern reached its step limit.
    pub pattern_limit_hits: u32,
    /// The audit log wants it.
    pub audit: bool,
}

impl Decision {
    pub(crate) fn new(id: &str, mode: Mode, mut report: Report) -> Self {
        report.matches.iter_mut().for_each(mask::clean);
        let action = match (report.interruption, report.would_refuse) {
            (Some(refused), _) => Action::Refused(refused),
            (None, Some(would)) => Action::WouldRefuse(would),
            (None, None) => Action::Passed,
        };
        Self {
            id: id.to_owned(),
            mode,
            action,
            inbound_score: report.inbound_score,
            outbound_score: report.outbound_score,
            rules: report.matches,
            pattern_limit_hits: report.pattern_limit_hits,
            audit: report.audit,
            ..Self::default()
        }
    }

    /// What refused it.
    pub fn refused(&self) -> Option<&Interruption> {
        match &self.action {
            Action::Refused(interruption) => Some(interruption),
            _ => None,
        }
    }

    /// The ids of the rules that belong in logs.
    pub fn rule_ids(&self) -> impl Iterator<Item = u64> {
        self.rules.iter().filter(|found| found.log).map(|found| found.rule_id)
    }

    /// Nothing matched, nothing was refused, nothing broke: there is nothing to explain.
    pub fn is_clean(&self) -> bool {
        self.rules.is_empty() && self.action == Action::Passed && self.broken.is_none()
    }

    /// Lines for the error log in ModSecurity's form, one a matched rule. `client` is the client's address,
    /// `host` and `uri` are those of the request.
    pub fn error_log(&self, client: &str, host: &str, uri: &str) -> Vec<String> {
        let status = self.refused().map_or(403, |refused| refused.status);
        let logged = self.rules.iter().filter(|found| found.log);
        logged.map(|found| found.error_log_line(client, host, &mask::pairs(uri), &self.id, status)).collect()
    }
}

/// The last decisions that say something, for `explain`: a worker keeps one.
#[derive(Debug)]
pub struct Recent {
    decisions: VecDeque<Decision>,
    max: usize,
}

impl Recent {
    /// Keeps the last `max`.
    pub fn new(max: usize) -> Self {
        Self { decisions: VecDeque::new(), max }
    }

    /// Keeps `decision` unless there is nothing to explain in it.
    pub fn push(&mut self, decision: Decision) {
        if decision.is_clean() || self.max == 0 {
            return;
        }
        if self.decisions.len() >= self.max {
            self.decisions.pop_front();
        }
        self.decisions.push_back(decision);
    }

    /// The last one of that id.
    pub fn find(&self, id: &str) -> Option<&Decision> {
        self.decisions.iter().rev().find(|decision| decision.id == id)
    }

    /// All of them, the last first.
    pub fn iter(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().rev()
    }
}
