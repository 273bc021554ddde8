//! One request under a firewall.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use transom_state::Fault;
use transom_waf::{Connection, Decision, Fed, Inspection, Interruption, Now, Refusal, RequestLine, Verdict};
use transom_wire::channel::Kind;
use transom_wire::http1::{Body, Version};

use super::super::act::Context;
use super::super::body::{Part, Progress};
use super::super::request::Request;
use super::super::stream::Reply;
use crate::firewall::{Firewall, Told};
use crate::log::Inspected;
use crate::runtime::runtime;

/// How a request or its response is refused by rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Refused {
    /// Answered with this status.
    With(u16),
    /// Closed without an answer.
    Dropped,
    /// Sent to this location with this status.
    Elsewhere(u16, String),
}

/// A request that a firewall looks at, from its head to its log lines.
pub(in super::super) struct Guard {
    firewall: Arc<Firewall>,
    inspection: Inspection,
    kind: Kind,
    /// What is still to be shown of the request's body.
    request: Option<Progress>,
    /// The request's body goes on only after the rules have seen it.
    holds: bool,
    /// What is still to be shown of the response's body.
    response: Option<Progress>,
    refused: Option<Refused>,
}

/// What is to be done with a response's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    Pass,
    Hold,
    Refuse,
}

impl Guard {
    /// The guard of a request, where a firewall is named for it and looks at anything. Errors: it is named, but not there,
    /// which is a fault of ours; nothing passes then.
    pub(in super::super) fn of(
        context: &Context<'_>,
        request: &Request,
        local: impl FnOnce() -> SocketAddr,
    ) -> Result<Option<Box<Self>>, ()> {
        let own = context.route.config.as_ref().and_then(|route| route.waf.as_ref());
        let Some(name) = own.or(context.http.waf.as_ref()) else { return Ok(None) };
        let firewall = context.worker.firewall(name).ok_or(())?;
        if !firewall.looks() {
            return Ok(None);
        }
        let connection = Connection { client: context.told.client, server: local() };
        let inspection = firewall.begin(connection, &format!("{:016x}", context.told.id), now());
        Ok(Some(Box::new(Self {
            firewall,
            inspection,
            kind: request.kind,
            request: None,
            holds: false,
            response: None,
            refused: None,
        })))
    }

    /// Shows the request's head. Nothing of the request may have gone to a server before.
    pub(in super::super) fn request_head(&mut self, request: &Request) -> Result<(), Fault> {
        let bytes = &request.bytes;
        let line = RequestLine {
            method: request.method(),
            uri: request.head.target.of(bytes),
            protocol: protocol(request.head.version),
        };
        let fields = request.fields.iter().map(|field| (field.name.of(bytes), field.value.of(bytes)));
        match self.inspection.request_headers(line, fields) {
            Verdict::Refuse(interruption) => Err(self.refuse(interruption)),
            Verdict::InspectBody { hold, .. } if !self.is_channel() => {
                let progress = Progress::from(request.body);
                self.holds = hold && !progress.is_done();
                if progress.is_done() {
                    return self.request_end();
                }
                self.request = Some(progress);
                Ok(())
            }
            _ => self.request_end(),
        }
    }

    /// Whether more of the request's body is wanted before any of it goes on.
    pub(super) fn wants_to_hold(&self) -> bool {
        self.holds && self.request.is_some()
    }

    /// Shows a piece of the request's body, as it came.
    pub(in super::super) fn request_piece(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Self { request: Some(progress), inspection, .. } = self else { return Ok(()) };
        let mut fed = Fed::More;
        // It was judged when it was read: what is no body never came here.
        let _ = progress.take_data(bytes, |part| {
            if let (Part::Data(data), Fed::More) = (part, &fed) {
                fed = inspection.request_body(data);
            }
        });
        match fed {
            Fed::More if !progress.is_done() => Ok(()),
            Fed::More | Fed::Enough => self.request_end(),
            Fed::Refuse(interruption) => Err(self.refuse(interruption)),
        }
    }

    fn request_end(&mut self) -> Result<(), Fault> {
        self.request = None;
        match self.inspection.request_end() {
            Some(interruption) => Err(self.refuse(interruption)),
            None => Ok(()),
        }
    }

    /// Shows the head of the final response.
    pub(super) fn response_head(&mut self, reply: &Reply<'_>) -> Head {
        // A server may answer before it has all of the request; the rules decide by what has come.
        if self.request.is_some() && self.request_end().is_err() {
            return Head::Refuse;
        }
        let fields =
            reply.fields.iter().map(|field| (field.name.of(reply.bytes), field.value.of(reply.bytes)));
        let (status, version) = (reply.head.status, protocol(reply.head.version));
        match self.inspection.response_headers(status, version, fields) {
            Verdict::Refuse(interruption) => {
                self.refuse(interruption);
                Head::Refuse
            }
            Verdict::InspectBody { hold, .. } if self.kind.long().is_none() && status != 101 => {
                self.response = Some(Progress::from(reply.body));
                if hold { Head::Hold } else { Head::Pass }
            }
            _ if self.response_end().is_err() => Head::Refuse,
            _ => Head::Pass,
        }
    }

    /// Shows a piece of the response's body; `framed` as the server sent it. Whether more is wanted.
    pub(super) fn response_piece(&mut self, bytes: &[u8], framed: bool) -> Result<bool, Fault> {
        let Self { response: Some(progress), inspection, .. } = self else { return Ok(false) };
        let mut fed = Fed::More;
        let mut show = |part: Part<'_>| {
            if let (Part::Data(data), Fed::More) = (part, &fed) {
                fed = inspection.response_body(data);
            }
        };
        if framed {
            let _ = progress.take_data(bytes, show);
        } else {
            show(Part::Data(bytes));
        }
        match fed {
            Fed::More => Ok(true),
            Fed::Enough => self.response_end().map(|()| false),
            Fed::Refuse(interruption) => Err(self.refuse(interruption)),
        }
    }

    /// The response is complete, or enough of it was shown.
    pub(super) fn response_end(&mut self) -> Result<(), Fault> {
        self.response = None;
        match self.inspection.response_end() {
            Some(interruption) => Err(self.refuse(interruption)),
            None => Ok(()),
        }
    }

    /// Whether the rules wait for the rest of the response's body.
    pub(super) fn awaits_response(&self) -> bool {
        self.response.is_some()
    }

    fn refuse(&mut self, interruption: Interruption) -> Fault {
        self.request = None;
        self.response = None;
        let status = |fits: std::ops::Range<u16>, otherwise| {
            if fits.contains(&interruption.status) { interruption.status } else { otherwise }
        };
        self.refused = Some(match interruption.action {
            Refusal::Deny => Refused::With(status(400..600, 403)),
            Refusal::Drop => Refused::Dropped,
            Refusal::Redirect(to) if is_location(&to) => Refused::Elsewhere(status(300..400, 302), to),
            Refusal::Redirect(_) => Refused::With(403),
        });
        Fault::WafBlocked
    }

    /// How it was refused, if it was.
    pub(in super::super) fn refused(&self) -> Option<&Refused> {
        self.refused.as_ref()
    }

    /// Streams whose bodies last as long as their channel, by methods of their own: never shown, never held.
    fn is_channel(&self) -> bool {
        self.kind.body_is_stream() || self.kind == Kind::WebSocket
    }

    /// Ends it: counts, writes the firewall's own logs. What the access log says of it.
    pub(in super::super) fn finish(self: Box<Self>, context: &Context<'_>, request: &Request) -> Inspected {
        let Self { firewall, inspection, .. } = *self;
        let told = Told {
            client: context.told.client.ip().to_string(),
            host: request.host().unwrap_or_default(),
            uri: request.head.target.of(&request.bytes),
            boundary: context.worker.random() as u32,
        };
        let decision: Decision = firewall.finish(context.worker.index, inspection, now(), told);
        Inspected {
            mode: decision.mode.name(),
            score: decision.inbound_score.saturating_add(decision.outbound_score),
            rules: decision.rule_ids().collect(),
            broken: decision.broken.map(transom_waf::Broken::name),
        }
    }
}

/// What may stand in a `Location` field.
fn is_location(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    }
}

fn now() -> Now {
    let wall = runtime().clock().wall(runtime().now());
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { unix_micros: u64::try_from(since.as_micros()).unwrap_or(u64::MAX), utc_offset_seconds: 0 }
}

/// A response held back until the rules have seen its body.
pub(super) struct Held {
    head: Vec<u8>,
    response: transom_wire::http1::Response,
    fields: Vec<transom_wire::http1::Field>,
    pub(super) body: Body,
    /// As the server sent it.
    pub(super) bytes: Vec<u8>,
}

impl Held {
    pub(super) fn of(reply: &Reply<'_>) -> Box<Self> {
        Box::new(Self {
            head: reply.bytes[..reply.head.len].to_vec(),
            response: *reply.head,
            fields: reply.fields.to_vec(),
            body: reply.body,
            bytes: Vec::new(),
        })
    }

    pub(super) fn reply(&self) -> Reply<'_> {
        Reply { bytes: &self.head, head: &self.response, fields: &self.fields, body: self.body }
    }
}
