//! One request and its response on their way past the rules.
//!
//! The caller feeds what it has as it comes and is told after each step what to do next; nothing here
//! waits, reads or writes. Steps may be left out (a request without a body, a response nobody looks at),
//! but not be taken out of order.

use crate::Var;
use crate::engine::{Engine, Room};
use crate::facts::Facts;
use crate::lang::action::{AllowScope, BodyKind, EngineMode, Phase, XmlArgs};
use crate::lang::settings::LimitAction;
use crate::program::{Exclusion, Program};
use crate::report::{Interruption, Match, Refusal, Report};
use crate::select::{Column, Hit, STORED, Source};
use crate::short::Short;
use crate::store::{At, Store};
use crate::trace::Event;
use std::net::SocketAddr;
use std::sync::Arc;

/// Who talks to whom.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The client's end.
    pub client: SocketAddr,
    /// Our end.
    pub server: SocketAddr,
}

/// The time, as the caller knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Microseconds since 1970-01-01 UTC.
    pub unix_micros: u64,
    /// What to add for local time, which the TIME variables show.
    pub utc_offset_seconds: i32,
}

/// The request line.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'r> {
    /// `GET`
    pub method: &'r [u8],
    /// As it came: path and query, or a whole URI.
    pub uri: &'r [u8],
    /// `HTTP/1.1`
    pub protocol: &'r [u8],
}

/// What to do after the headers of a request or response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Do not let it pass.
    Refuse(Interruption),
    /// Feed the body.
    InspectBody {
        /// More bytes than this are not wanted.
        limit: usize,
        /// Whether it must be held back until the rules have seen it. In detection mode it need not.
        hold: bool,
    },
    /// Let the body through; no rule will see it. The body's phase is still to be run.
    StreamUninspected,
}

/// What to do after a piece of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fed {
    /// Feed the next.
    More,
    /// The limit is reached: what was fed will be looked at, the rest will not.
    Enough,
    /// Do not let it pass.
    Refuse(Interruption),
}

/// One request and its response.
pub struct Transaction {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) facts: Facts,
    pub(crate) columns: Vec<Column>,
    pub(crate) mode: EngineMode,
    /// What rules may raise the mode to.
    pub(crate) mode_max: EngineMode,
    pub(crate) phase: Phase,
    pub(crate) allowed: Option<AllowScope>,
    pub(crate) allowed_phase: bool,
    pub(crate) interruption: Option<Interruption>,
    /// What would be refused if the engine acted.
    pub(crate) would_refuse: Option<Interruption>,
    /// Rules that `ctl` took away, by number; empty when there is none.
    pub(crate) removed: Vec<bool>,
    /// Targets that `ctl` took away from rules.
    pub(crate) exempt: Vec<(Arc<[u32]>, Exclusion)>,
    /// The rule that runs.
    pub(crate) rule: u32,
    /// What it and the rules of its chain have matched so far.
    pub(crate) matched: Vec<Hit>,
    pub(crate) matches: Vec<Match>,
    pub(crate) keys: [Option<Vec<u8>>; STORED.len()],
    pub(crate) highest_severity: u8,
    pub(crate) pattern_limit_hits: u32,
    pub(crate) request_body_access: bool,
    pub(crate) response_body_access: bool,
    pub(crate) request_body_limit: usize,
    pub(crate) response_body_limit: usize,
    pub(crate) force_request_body: bool,
    pub(crate) body_kind: Option<BodyKind>,
    pub(crate) xml_into_args: XmlArgs,
    pub(crate) audit_engine: Option<bool>,
    /// In place of those that the rule files set.
    pub(crate) audit_parts: Option<String>,
    /// For texts that are filled in.
    pub(crate) buffers: Vec<Vec<u8>>,
    pub(crate) request_body: Vec<u8>,
    pub(crate) response_body: Vec<u8>,
    /// More of it came than the limit lets in.
    pub(crate) request_body_cut: bool,
    pub(crate) response_body_cut: bool,
    pub(crate) started: Now,
    pub(crate) now: Now,
    pub(crate) trace: Option<Vec<Event>>,
    /// A fault left the room in disorder: nobody may have it after this.
    pub(crate) spoiled: bool,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.spoiled || std::thread::panicking() {
            return;
        }
        self.matched.clear();
        let room = Room {
            facts: std::mem::take(&mut self.facts),
            columns: std::mem::take(&mut self.columns),
            matched: std::mem::take(&mut self.matched),
            buffers: std::mem::take(&mut self.buffers),
        };
        self.engine.take_back(room);
    }
}

impl Transaction {
    /// Begins a transaction. `unique_id` names it in logs; collections are kept in `store`, if there is one.
    pub fn new(
        engine: &Arc<Engine>,
        store: Option<&Arc<Store>>,
        connection: Connection,
        unique_id: &str,
        now: Now,
    ) -> Self {
        let program = &engine.program;
        let settings = &program.settings;
        let Room { facts, columns, matched, buffers } = engine.room();
        let mut transaction = Self {
            facts,
            columns,
            mode: settings.engine,
            mode_max: EngineMode::On,
            phase: Phase::RequestHeaders,
            allowed: None,
            allowed_phase: false,
            interruption: None,
            would_refuse: None,
            removed: Vec::new(),
            exempt: Vec::new(),
            rule: u32::MAX,
            matched,
            matches: Vec::new(),
            // GLOBAL is there without being asked for.
            keys: STORED.map(|var| (var == Var::Global).then(Vec::new)),
            highest_severity: u8::MAX,
            pattern_limit_hits: 0,
            request_body_access: settings.request_body_access,
            response_body_access: settings.response_body_access,
            request_body_limit: settings.request_body_limit,
            response_body_limit: settings.response_body_limit,
            force_request_body: false,
            body_kind: None,
            xml_into_args: settings.xml_into_args,
            audit_engine: settings.audit.engine,
            audit_parts: None,
            buffers,
            request_body: Vec::new(),
            response_body: Vec::new(),
            request_body_cut: false,
            response_body_cut: false,
            started: now,
            now,
            trace: None,
            spoiled: false,
            store: store.cloned(),
            engine: Arc::clone(engine),
        };
        transaction.fill_connection(connection, unique_id);
        transaction
    }

    /// From here on remembers every step. Slow: for explaining and for tests.
    pub fn start_trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// The steps so far, and forgets them.
    pub fn take_trace(&mut self) -> Vec<Event> {
        self.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Overrides the mode that the rule files set; rules may lower it, and not raise it to refusing.
    pub fn set_mode(&mut self, mode: EngineMode) {
        self.mode = mode;
        self.mode_max = mode;
    }

    /// Says that time has passed; DURATION and expiry go by it.
    pub fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    /// Takes the request line and headers, and runs the first phase.
    pub fn request_headers<'h>(
        &mut self,
        line: RequestLine<'_>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Verdict {
        if self.mode == EngineMode::Off {
            self.note(|| "Rule engine disabled, returning...".to_owned());
            return Verdict::StreamUninspected;
        }
        self.fill_request(line, headers);
        let engine = Arc::clone(&self.engine);
        self.exclude(&engine.program);
        self.run(Phase::RequestHeaders);
        if let Some(interruption) = &self.interruption {
            return Verdict::Refuse(interruption.clone());
        }
        if self.sees_request_body() {
            Verdict::InspectBody { limit: self.request_body_limit, hold: self.mode == EngineMode::On }
        } else {
            Verdict::StreamUninspected
        }
    }

    /// Whether any rule could see the request's body.
    fn sees_request_body(&mut self) -> bool {
        if self.request_body_access && self.mode != EngineMode::Off {
            return self.allowed.is_none() && (self.body_kind.is_some() || self.force_request_body);
        }
        if self.engine.program.settings.request_body_access {
            self.note(|| {
                "Request body processing is enabled, but disabled to this transaction due to ctl:requestBodyAccess action"
                    .to_owned()
            });
        }
        false
    }

    /// Takes a piece of the request's body.
    pub fn request_body(&mut self, piece: &[u8]) -> Fed {
        if let Some(interruption) = &self.interruption {
            return Fed::Refuse(interruption.clone());
        }
        let room = self.request_body_limit.saturating_sub(self.request_body.len());
        self.request_body.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() <= room {
            return Fed::More;
        }
        self.facts.set_flag(Var::InboundDataError, true);
        self.request_body_cut = true;
        let action = self.engine.program.settings.request_body_limit_action;
        self.over_limit(action, Phase::RequestBody, 413)
    }

    /// The request's body is over, or there was none: runs the second phase.
    pub fn request_end(&mut self) -> Option<&Interruption> {
        if self.mode != EngineMode::Off {
            if self.interruption.is_none() {
                self.fill_request_body();
            }
            self.run(Phase::RequestBody);
        }
        self.interruption.as_ref()
    }

    /// Takes the response's status and headers, and runs the third phase.
    pub fn response_headers<'h>(
        &mut self,
        status: u16,
        protocol: &[u8],
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Verdict {
        if self.mode == EngineMode::Off {
            return Verdict::StreamUninspected;
        }
        self.fill_response(status, protocol, headers);
        self.run(Phase::ResponseHeaders);
        if let Some(interruption) = &self.interruption {
            return Verdict::Refuse(interruption.clone());
        }
        if self.sees_response_body() {
            Verdict::InspectBody { limit: self.response_body_limit, hold: self.mode == EngineMode::On }
        } else {
            Verdict::StreamUninspected
        }
    }

    fn sees_response_body(&mut self) -> bool {
        if !self.response_body_access
            || self.mode == EngineMode::Off
            || self.allowed == Some(AllowScope::Everything)
        {
            return false;
        }
        let settings = &self.engine.program.settings;
        let content_type = self.facts.bytes(Var::ResponseContentType);
        let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or(b"").trim_ascii();
        let inspected = settings.response_mime_types.iter().any(|known| {
            known.as_bytes().eq_ignore_ascii_case(media_type) || media_type.is_empty() && known == "null"
        });
        if !inspected && self.trace.is_some() {
            let shown = String::from_utf8_lossy(content_type).into_owned();
            self.note(|| format!("Response Content-Type is {shown}. It is not marked to be inspected."));
        }
        inspected
    }

    /// Takes a piece of the response's body.
    pub fn response_body(&mut self, piece: &[u8]) -> Fed {
        if let Some(interruption) = &self.interruption {
            return Fed::Refuse(interruption.clone());
        }
        let room = self.response_body_limit.saturating_sub(self.response_body.len());
        self.response_body.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() <= room {
            return Fed::More;
        }
        self.facts.set_flag(Var::OutboundDataError, true);
        self.response_body_cut = true;
        let action = self.engine.program.settings.response_body_limit_action;
        self.over_limit(action, Phase::ResponseBody, 500)
    }

    /// The response's body is over: runs the fourth phase.
    pub fn response_end(&mut self) -> Option<&Interruption> {
        if self.mode != EngineMode::Off {
            self.fill_response_body();
            self.run(Phase::ResponseBody);
        }
        self.interruption.as_ref()
    }

    /// Runs the logging phase and says everything there is to say.
    pub fn finish(&mut self) -> Report {
        if self.mode != EngineMode::Off {
            if let Some(interruption) = &self.interruption {
                self.facts.set(Var::ResponseStatus, interruption.status.to_string().as_bytes());
            }
            self.run(Phase::Logging);
        }
        let score = |names: &[&str]| {
            let program = &self.engine.program;
            let slot = names.iter().find_map(|name| program.tx.find(name.as_bytes()));
            let value = slot.and_then(|slot| self.facts.tx(slot));
            value.map_or(0, |value| crate::select::tx_number(value, &self.facts))
        };
        Report {
            inbound_score: score(&["blocking_inbound_anomaly_score", "anomaly_score"]),
            outbound_score: score(&["blocking_outbound_anomaly_score", "outbound_anomaly_score"]),
            audit: self.wants_audit(),
            matches: std::mem::take(&mut self.matches),
            interruption: self.interruption.clone(),
            would_refuse: self.would_refuse.clone(),
            pattern_limit_hits: self.pattern_limit_hits,
        }
    }

    /// What stopped the transaction, if anything did.
    pub fn interruption(&self) -> Option<&Interruption> {
        self.interruption.as_ref()
    }

    /// The letters of the parts that an audit log entry is to have.
    pub fn audit_parts(&self) -> &str {
        self.audit_parts.as_deref().unwrap_or(&self.engine.program.settings.audit.parts)
    }

    fn wants_audit(&self) -> bool {
        self.audit_engine.unwrap_or_else(|| {
            let status = match &self.interruption {
                Some(interruption) => Short::of(interruption.status),
                None => Short::of(String::from_utf8_lossy(self.facts.bytes(Var::ResponseStatus))),
            };
            let relevant = self.engine.program.relevant_status.as_ref();
            relevant.is_some_and(|pattern| pattern.is_match(status.bytes()).unwrap_or(false))
                || self.matches.iter().any(|found| found.audit)
        })
    }

    fn over_limit(&mut self, action: LimitAction, phase: Phase, status: u16) -> Fed {
        if action == LimitAction::ProcessPartial {
            return Fed::Enough;
        }
        let refusal = Interruption { rule_id: 0, phase: phase as u8, status, action: Refusal::Deny };
        if self.mode != EngineMode::On {
            self.would_refuse.get_or_insert(refusal);
            return Fed::Enough;
        }
        self.interruption = Some(refusal.clone());
        Fed::Refuse(refusal)
    }

    /// What selection reads, and what it fills, borrowed apart.
    pub(crate) fn source<'s>(&'s mut self, program: &'s Program) -> (Source<'s>, &'s mut Facts) {
        let now = self.now.unix_micros / 1_000_000;
        (Source { program, store: self.store.as_deref(), keys: &self.keys, now }, &mut self.facts)
    }

    /// The store and the place in it of a stored collection.
    pub(crate) fn stored<'s>(&'s self, program: &'s Program, var: Var) -> Option<(&'s Store, At<'s>)> {
        let now = self.now.unix_micros / 1_000_000;
        Source { program, store: self.store.as_deref(), keys: &self.keys, now }.record(var)
    }

    /// Milliseconds since the transaction began.
    pub(crate) fn duration(&self) -> String {
        (self.now.unix_micros.saturating_sub(self.started.unix_micros) / 1000).to_string()
    }

    /// Remembers a step, if somebody asked for it.
    pub(crate) fn event(&mut self, event: impl FnOnce(&Self) -> Event) {
        if self.trace.is_some() {
            let event = event(self);
            if let Some(trace) = &mut self.trace {
                trace.push(event);
            }
        }
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        self.event(|_| Event::Note(text()));
    }
}
