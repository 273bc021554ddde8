//! A web application firewall engine: runs SecLang rule sets, such as the OWASP Core Rule Set, unmodified.
#![expect(dead_code, reason = "the evaluator that uses these parts comes next")]
mod body;
mod byteset;
pub mod lang;
mod ops;
mod prefilter;
mod values;
mod var;
pub mod xform;
pub use var::Var;
