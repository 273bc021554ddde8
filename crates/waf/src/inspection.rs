//! A transaction under a policy: what a proxy calls.
//!
//! | the proxy has | it calls | and |
//! |---|---|---|
//! | a request's head | [`Inspection::request_headers`] | refuses, or sends it on, holding the body back if told to |
//! | a piece of its body | [`Inspection::request_body`] | goes on, or stops feeding, or refuses |
//! | all of the body that is wanted | [`Inspection::request_end`] | refuses, or lets go what was held back |
//! | a response's head | [`Inspection::response_headers`] | as above |
//! | a piece of its body | [`Inspection::response_body`] | as above |
//! | all of the body that is wanted | [`Inspection::response_end`] | as above |
//! | nothing more | [`Inspection::finish`] | writes logs, counts |
//!
//! `request_end` is to be called even where the body streams uninspected: the second phase is where rule sets
//! decide. After [`Fed::Enough`] it is called at once, and the rest of the body streams.

use crate::Var;
use crate::decision::{BodySeen, Broken, Decision};
use crate::policy::{Mode, Policy, WhenBroken};
use crate::report::{Interruption, Refusal};
use crate::transaction::{Connection, Fed, Now, RequestLine, Transaction, Verdict};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The status of a request that could not be looked at.
const BROKEN_STATUS: u16 = 503;

/// One request and its response under a [`Policy`].
pub struct Inspection {
    pub(crate) transaction: Transaction,
    mode: Mode,
    when_broken: WhenBroken,
    broken: Option<Broken>,
}

impl Inspection {
    /// Begins. `id` names the request in every log.
    pub fn begin(policy: &Policy, connection: Connection, id: &str, now: Now) -> Self {
        let mut transaction = Transaction::new(&policy.engine, Some(&policy.store), connection, id, now);
        transaction.set_mode(policy.mode.engine());
        Self { transaction, mode: policy.mode, when_broken: policy.when_broken, broken: None }
    }

    /// Says that time has passed.
    pub fn set_now(&mut self, now: Now) {
        self.transaction.set_now(now);
    }

    /// Takes the request's head. Nothing of the request may go to a server before this has answered.
    pub fn request_headers<'h>(
        &mut self,
        line: RequestLine<'_>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Verdict {
        let verdict = self.guard(Verdict::StreamUninspected, |tx| tx.request_headers(line, headers));
        self.or_broken(verdict, 1)
    }

    /// Takes a piece of the request's body.
    pub fn request_body(&mut self, piece: &[u8]) -> Fed {
        self.guard(Fed::Enough, |tx| tx.request_body(piece))
    }

    /// The request's body is over, or as much of it as is wanted: whether to refuse the request.
    pub fn request_end(&mut self) -> Option<Interruption> {
        let refused = self.guard(None, |tx| tx.request_end().cloned());
        refused.or_else(|| self.refused_as_broken(2))
    }

    /// Takes the response's head.
    pub fn response_headers<'h>(
        &mut self,
        status: u16,
        protocol: &[u8],
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Verdict {
        let take = |tx: &mut Transaction| tx.response_headers(status, protocol, headers);
        let verdict = self.guard(Verdict::StreamUninspected, take);
        self.or_broken(verdict, 3)
    }

    /// Takes a piece of the response's body.
    pub fn response_body(&mut self, piece: &[u8]) -> Fed {
        self.guard(Fed::Enough, |tx| tx.response_body(piece))
    }

    /// The response's body is over, or as much of it as is wanted: whether to refuse the response.
    pub fn response_end(&mut self) -> Option<Interruption> {
        let refused = self.guard(None, |tx| tx.response_end().cloned());
        refused.or_else(|| self.refused_as_broken(4))
    }

    /// Runs the logging phase and answers with everything there is to say. Call it once.
    pub fn finish(&mut self, now: Now) -> Decision {
        self.transaction.set_now(now);
        let refused = self.refused_as_broken(5);
        let mut report = self.guard(Default::default(), Transaction::finish);
        if report.interruption.is_none() {
            report.interruption = refused;
        }
        let tx = &self.transaction;
        let text = |var| String::from_utf8_lossy(tx.facts.bytes(var)).into_owned();
        let mut decision = Decision::new(&text(Var::UniqueId), self.mode, report);
        decision.broken = self.broken;
        decision.request_body = body_seen(tx.request_body.len(), tx.request_body_cut);
        decision.response_body = body_seen(tx.response_body.len(), tx.response_body_cut);
        if !decision.is_clean() {
            decision.method = text(Var::RequestMethod);
            decision.path = text(Var::RequestFilename);
        }
        decision
    }

    /// Does a step. A fault of the engine costs this transaction its inspection, and nothing else anything.
    fn guard<T>(&mut self, otherwise: T, step: impl FnOnce(&mut Transaction) -> T) -> T {
        if self.broken == Some(Broken::Fault) {
            return otherwise;
        }
        let tx = &mut self.transaction;
        match catch_unwind(AssertUnwindSafe(|| step(tx))) {
            Ok(answer) => {
                if self.transaction.pattern_limit_hits > 0 {
                    self.broken = Some(Broken::PatternLimit);
                }
                answer
            }
            Err(_) => {
                self.transaction.spoiled = true;
                self.broken = Some(Broken::Fault);
                otherwise
            }
        }
    }

    fn or_broken(&self, verdict: Verdict, phase: u8) -> Verdict {
        match (verdict, self.refused_as_broken(phase)) {
            (Verdict::Refuse(refused), _) | (_, Some(refused)) => Verdict::Refuse(refused),
            (verdict, None) => verdict,
        }
    }

    /// What `when-broken` makes of a transaction that could not be looked at in full.
    fn refused_as_broken(&self, phase: u8) -> Option<Interruption> {
        let closed = self.mode == Mode::Block && self.when_broken == WhenBroken::Closed;
        (closed && self.broken.is_some()).then_some(Interruption {
            rule_id: 0,
            phase,
            status: BROKEN_STATUS,
            action: Refusal::Deny,
        })
    }
}

fn body_seen(bytes: usize, cut: bool) -> BodySeen {
    match (bytes, cut) {
        (0, _) => BodySeen::Nothing,
        (bytes, false) => BodySeen::Whole(bytes),
        (bytes, true) => BodySeen::Beginning(bytes),
    }
}
