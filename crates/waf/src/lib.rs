//! A web application firewall engine: runs SecLang rule sets, such as the OWASP Core Rule Set, unmodified.

mod body;
mod byteset;
mod compile;
mod effects;
mod engine;
mod eval;
mod facts;
pub mod lang;
mod ops;
mod prefilter;
mod program;
mod report;
mod request;
mod select;
mod store;
mod trace;
mod transaction;
mod values;
mod var;
pub mod xform;

pub use engine::{Engine, RuleSource};
pub use report::{Interruption, MATCHED_MAX, Match, MatchedVar, Refusal, Report};
pub use store::Store;
pub use trace::{Event, Skip};
pub use transaction::{Connection, Fed, Now, RequestLine, Transaction, Verdict};
pub use var::Var;

/// The fingerprint of an SQL injection, if `value` is one: what `@detectSQLi` asks.
pub fn detect_sqli(value: &[u8]) -> Option<Vec<u8>> {
    ops::injection::sqli(value)
}

/// Whether a browser would find script in `value`: what `@detectXSS` asks.
pub fn detect_xss(value: &[u8]) -> bool {
    ops::injection::xss(value)
}
