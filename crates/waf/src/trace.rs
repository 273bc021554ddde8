//! What a transaction did, step by step, for whoever asks why.

use crate::xform::Xform;

/// Why a rule was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// `ctl` took it away.
    Removed,
    /// An `allow` lets everything through.
    Allowed,
    /// A rule before it had `skip` or `skipAfter`.
    Jumped,
}

/// One step. Values are text for people: bytes that are not UTF-8 are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what the variant's sentence names")]
pub enum Event {
    /// A rule begins to look at its targets.
    Operator { rule: u64, name: &'static str, argument: String, targets: String },
    /// A transformation made this of the value.
    Transformed { xform: Xform, value: String },
    /// The operator is asked about this.
    Target { variable: String, value: String },
    /// A match put this into TX.
    Captured { slot: usize, value: String },
    /// A rule, or one rule of a chain, has its answer.
    Returned { rule: u64, matched: bool },
    /// A rule was not asked.
    Skipped { rule: u64, why: Skip },
    /// Anything else, in words.
    Note(String),
}
