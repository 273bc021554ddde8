//! A web application firewall engine: runs SecLang rule sets, such as the OWASP Core Rule Set, unmodified.
//!
//! The language is ModSecurity's. What its reference manual says is done; where libmodsecurity does something
//! else the tests say so and why. Nothing unknown is skipped: a construct that cannot be honoured is a load
//! error with its file and line. The crate does no I/O and reads no clock: rule files come through
//! [`lang::Files`], time and bytes as arguments.
//!
//! # The life of a transaction
//!
//! ```
//! use std::sync::Arc;
//! use transom_waf::lang::NoFiles;
//! use transom_waf::{Connection, Engine, Fed, Now, RequestLine, RuleSource, Transaction, Verdict};
//!
//! let rules = r#"
//! SecRuleEngine On
//! SecRequestBodyAccess On
//! SecRule ARGS "@detectSQLi" "id:1,phase:2,deny,status:403,msg:'SQL injection in %{MATCHED_VAR_NAME}'"
//! "#;
//! let engine = Engine::load(&[RuleSource::Text { name: "my.conf", text: rules }], &NoFiles).unwrap();
//!
//! let ends = Connection { client: "192.0.2.1:1234".parse().unwrap(), server: "192.0.2.2:443".parse().unwrap() };
//! let mut transaction = Transaction::new(&engine, None, ends, "request-1", Now::default());
//! let line = RequestLine { method: b"POST", uri: b"/login", protocol: b"HTTP/1.1" };
//! let headers: [(&[u8], &[u8]); 1] = [(b"Content-Type", b"application/x-www-form-urlencoded")];
//! // Headers first: they may be refused, and they decide whether the body is looked at or streamed.
//! let verdict = transaction.request_headers(line, headers);
//! assert!(matches!(verdict, Verdict::InspectBody { .. }));
//! assert_eq!(transaction.request_body(b"user=x&password=' or 1=1--"), Fed::More);
//! let refused = transaction.request_end().expect("the rule refuses");
//! assert_eq!((refused.rule_id, refused.status), (1, 403));
//! // The logging phase, and everything there is to say.
//! let report = transaction.finish();
//! assert_eq!(report.matches[0].msg, "SQL injection in ARGS:password");
//! ```
//!
//! A response goes the same way: [`Transaction::response_headers`], `response_body`, `response_end`. Collections
//! that outlive a transaction (IP, GLOBAL, SESSION, USER, RESOURCE) are in a [`Store`] that the caller keeps.
//!
//! # How it is fast
//!
//! * **Byte sets.** Every value knows which of the 256 bytes occur in it. A transformation that would change none
//!   of them is not run, and from a pattern's syntax tree follows what must be in a value before it can match
//!   (`prefilter`): asked for 64 values with a few ANDs and ORs, it spares most patterns from being run at all.
//! * **Columns.** Rules that look at the same targets through the same transformations share the result, and
//!   chains of transformations share their beginnings (`select`). A step that changes nothing costs one look.
//! * **Interned values.** The same bytes are transformed and tested once, wherever they occur (`values`).
//! * **TX members are slots**, and comparing them, which is most of what rule sets do, makes no strings (`eval`).
//! * **Room is handed on** from one transaction to the next (`engine`).
//!
//! While a transaction is traced it takes a slow, obvious way without any of this; tests hold the two together.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`lang`] | text to rules: lines, targets, operators, actions, settings |
//! | `compile`, `program` | rules to what runs: numbered, shared, resolved |
//! | `ops`, [`xform`], `body` | operators, transformations, body parsers: a file each |
//! | `facts`, `values`, `request` | a transaction's variables, and how they are filled |
//! | `select`, `prefilter` | what a rule gets to see |
//! | `eval`, `effects` | running rules, and what they change |
//! | `transaction`, `report`, `trace` | one request and its response, and what came of it |
//! | `policy`, `inspection`, `decision` | the same under a site's policy: what a proxy calls |
//! | `exclude`, `packages` | exceptions from rule sets: a site's own, and ours |
//! | [`ftw`] | runs regression tests in go-ftw's form |
//! | `audit`, `explain`, `mask`, `counters` | what is written about it |

mod audit;
mod body;
mod byteset;
mod compile;
mod counters;
mod decision;
mod effects;
mod engine;
mod eval;
mod exclude;
mod explain;
mod facts;
pub mod ftw;
mod inspection;
pub mod lang;
mod mask;
mod ops;
mod packages;
mod policy;
mod prefilter;
mod program;
mod report;
mod request;
mod select;
mod short;
mod store;
mod trace;
mod transaction;
mod values;
mod var;
pub mod xform;

pub use counters::{Counters, Totals};
pub use decision::{Action, BodySeen, Broken, Decision, Recent};
pub use engine::{Engine, RuleSource};
pub use exclude::Exclude;
pub use explain::explain;
pub use inspection::Inspection;
pub use packages::Package;
pub use policy::{Mode, Policy, WhenBroken};
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
