//! A second evaluator, slow and obvious: rules are data, values are vectors of bytes, and nothing is shared, cached,
//! compiled or left out. It knows a part of the language, and knows it by itself: what it says about a rule set and a
//! request must be what the engine says, on its fast way and on its traced one.
//!
//! A case is made from bytes, so that tests can roll dice for it and a fuzzer can search. Used by
//! `tests/differential.rs` and by the fuzz target `waf_engine`.

mod evaluate;
mod request;
mod rules;

pub(crate) use request::Request;
pub(crate) use rules::Rule;

use std::net::SocketAddr;
use transom_waf::lang::NoFiles;
use transom_waf::{Connection, Engine, Fed, Now, Report, RequestLine, RuleSource, Transaction, Verdict};

/// Takes decisions from bytes; zeros when they are used up.
pub(crate) struct Source<'b>(pub(crate) &'b [u8]);

impl Source<'_> {
    /// A number below `below`, which is at most 256.
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % below
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.roll(n) == n - 1
    }
}

/// A rule's id, how many values it matched, and their names and values, sorted; none when they are too many to be kept.
pub(crate) type Matched = (u64, usize, Vec<(String, String)>);

/// What came of a case: the rules that matched with what they matched, what refused, and the score.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// In order.
    pub(crate) matches: Vec<Matched>,
    /// The rule that refused.
    pub(crate) refused: Option<u64>,
    /// TX:anomaly_score.
    pub(crate) score: i64,
}

/// Rules and a request.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) rules: Vec<Rule>,
    pub(crate) request: Request,
}

impl Case {
    /// The case that these bytes mean; all bytes mean one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut source = Source(bytes);
        let rules = rules::generate(&mut source);
        Self { rules, request: Request::generate(&mut source) }
    }

    /// The rules in their language.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from(
            "SecRuleEngine On\nSecRequestBodyAccess On\n\
             SecAction \"id:1,phase:1,nolog,pass,setvar:tx.anomaly_score=0\"\n",
        );
        self.rules.iter().for_each(|rule| rule.write(&mut text));
        text.push_str("SecMarker END\n");
        text
    }

    /// What is to come of it.
    pub(crate) fn expected(&self) -> Outcome {
        evaluate::evaluate(&self.rules, &self.request)
    }

    /// Panics unless the engine says what the obvious evaluator says, both ways.
    pub(crate) fn assert_agreement(&self) {
        let text = self.text();
        let engine = Engine::load(&[RuleSource::Text { name: "case.conf", text: &text }], &NoFiles)
            .unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
        let expected = self.expected();
        for traced in [false, true] {
            let end = SocketAddr::from(([127, 0, 0, 1], 80));
            let ends = Connection { client: end, server: end };
            let mut transaction = Transaction::new(&engine, None, ends, "1", Now::default());
            if traced {
                transaction.start_trace();
            }
            let found = outcome(&self.request.send(&mut transaction));
            assert_eq!(found, expected, "traced: {traced}\n{text}\n{:?}", self.request);
        }
    }
}

impl Request {
    fn send(&self, transaction: &mut Transaction) -> Report {
        let uri = self.uri();
        let line = RequestLine { method: self.method.as_bytes(), uri: &uri, protocol: b"HTTP/1.1" };
        let headers = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        if let Verdict::InspectBody { .. } = transaction.request_headers(line, headers) {
            for piece in self.body.chunks(13) {
                assert_eq!(transaction.request_body(piece), Fed::More);
            }
        }
        transaction.request_end();
        transaction.finish()
    }
}

fn outcome(report: &Report) -> Outcome {
    let matches = report.matches.iter().map(|found| {
        let mut matched: Vec<(String, String)> =
            found.matched.iter().map(|matched| (matched.full_name(), matched.value.clone())).collect();
        matched.sort();
        kept(found.rule_id, matched)
    });
    Outcome {
        matches: matches.collect(),
        refused: report.interruption.as_ref().map(|refused| refused.rule_id),
        score: report.inbound_score,
    }
}

/// The engine keeps a limited number of matched values, and which ones depends on the order it looked at them.
fn kept(id: u64, matched: Vec<(String, String)>) -> Matched {
    if matched.len() >= transom_waf::MATCHED_MAX {
        return (id, transom_waf::MATCHED_MAX, Vec::new());
    }
    (id, matched.len(), matched)
}
