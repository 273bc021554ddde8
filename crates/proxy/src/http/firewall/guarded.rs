//! A client's stream whose bytes a firewall sees.

use std::future::poll_fn;
use std::task::{Poll, ready};

use transom_state::{Fault, Lease};
use transom_wire::auth::AfterLoss;
use transom_wire::http1::{self, Body, Limits};

use super::super::body::{Part, Progress};
use super::super::stream::{ClientStream, Passed, Piece, Reply};
use super::guard::{Guard, Head, Held};
use crate::end::{Failed, Scratch, with_scratch};
use crate::link::Waiting;
use crate::runtime::{Stop, Tick, runtime};

/// What a client waits for that asks before it sends its body, where the body is held back here.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A stream, and the guard that sees what passes, if there is one.
pub(in super::super) struct Guarded<'g, S> {
    pub(in super::super) inner: S,
    guard: Option<&'g mut Guard>,
    held: Option<Box<Held>>,
    /// The client was told to go on, by us.
    continued: bool,
    /// Why nothing more may go to the client.
    failed: Option<Failed>,
}

impl<'g, S: ClientStream> Guarded<'g, S> {
    pub(in super::super) fn new(inner: S, guard: Option<&'g mut Guard>) -> Self {
        Self { inner, guard, held: None, continued: false, failed: None }
    }

    /// Where the rules are to see the body before any of it goes on: reads it behind `message`, until it is complete or
    /// as much as they look at has come. `expects`: the client waits for a word before it sends it.
    pub(in super::super) async fn hold(
        &mut self,
        message: &mut Vec<u8>,
        patience: Tick,
        expects: bool,
    ) -> Result<(), Fault> {
        let wants = |guard: &Option<&'g mut Guard>| guard.as_ref().is_some_and(|guard| guard.wants_to_hold());
        if !wants(&self.guard) || self.inner.body_is_done() {
            return Ok(());
        }
        if expects {
            self.say_continue();
        }
        while wants(&self.guard) && !self.inner.body_is_done() {
            runtime().deadline_in(patience);
            poll_fn(|_| self.poll_hold(message)).await?;
        }
        Ok(())
    }

    fn poll_hold(&mut self, message: &mut Vec<u8>) -> Poll<Result<(), Fault>> {
        match runtime().poll_fate() {
            Poll::Ready(Stop::Expired) => return Poll::Ready(Err(Fault::ClientTimeout)),
            Poll::Ready(_) => return Poll::Ready(Err(Fault::AdminDrained)),
            Poll::Pending => {}
        }
        ready!(self.inner.poll_flush()).map_err(|_| Fault::ClientClosed)?;
        with_scratch(|scratch| {
            let piece = ready!(self.inner.poll_body(scratch))?;
            message.extend_from_slice(piece.bytes);
            let Some(guard) = &mut self.guard else { return Poll::Ready(Ok(())) };
            Poll::Ready(guard.request_piece(piece.bytes))
        })
    }

    fn say_continue(&mut self) {
        let mut fields = Vec::new();
        if let Ok(Some(head)) = http1::response(CONTINUE, Limits::default(), &mut fields) {
            self.inner.interim(&Reply { bytes: CONTINUE, head: &head, fields: &fields, body: Body::Empty });
            self.continued = true;
        }
    }

    /// Lets go what was held back.
    fn release(&mut self) -> Result<(), Failed> {
        let Some(held) = self.held.take() else { return Ok(()) };
        self.inner.head(&held.reply()).map_err(Failed::Tls)?;
        if !self.inner.wants_data() {
            return if held.bytes.is_empty() { Ok(()) } else { self.inner.body(&held.bytes) };
        }
        let mut outcome = Ok(());
        // The bytes were judged when they came.
        let _ = Progress::from(held.body).take_data(&held.bytes, |part| match part {
            Part::Data(data) if outcome.is_ok() => outcome = self.inner.body(data),
            Part::Data(_) => {}
            Part::Trailers(lines) => self.inner.trailers(lines),
        });
        outcome
    }

    /// From here on nothing goes to the client.
    fn stop(&mut self, fault: Fault) -> Failed {
        self.held = None;
        // The one failure that carries a word for itself.
        *self.failed.insert(Failed::Tls(fault))
    }
}

impl<S: ClientStream> ClientStream for Guarded<'_, S> {
    fn waiting(&self) -> &dyn Waiting {
        self.inner.waiting()
    }

    fn poll_left(&self, end_is_gone: bool) -> Poll<()> {
        self.inner.poll_left(end_is_gone)
    }

    fn wants_data(&self) -> bool {
        self.held.is_none() && self.inner.wants_data()
    }

    fn body_is_done(&self) -> bool {
        self.inner.body_is_done()
    }

    fn poll_body<'s>(&'s mut self, scratch: &'s mut Scratch) -> Poll<Result<Piece<'s>, Fault>> {
        let piece = ready!(self.inner.poll_body(scratch))?;
        if let Some(guard) = &mut self.guard {
            guard.request_piece(piece.bytes)?;
        }
        Poll::Ready(Ok(piece))
    }

    fn interim(&mut self, reply: &Reply<'_>) {
        if !(self.continued && reply.head.status == 100) {
            self.inner.interim(reply);
        }
    }

    fn head(&mut self, reply: &Reply<'_>) -> Result<(), Fault> {
        let Some(guard) = &mut self.guard else { return self.inner.head(reply) };
        match guard.response_head(reply) {
            Head::Pass => self.inner.head(reply),
            Head::Hold => {
                self.held = Some(Held::of(reply));
                Ok(())
            }
            Head::Refuse => {
                self.stop(Fault::WafBlocked);
                Err(Fault::WafBlocked)
            }
        }
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let Some(guard) = self.guard.as_mut().filter(|guard| guard.awaits_response()) else {
            return self.inner.body(bytes);
        };
        let Some(held) = &mut self.held else {
            let framed = !self.inner.wants_data();
            if let Err(fault) = guard.response_piece(bytes, framed) {
                return Err(self.stop(fault));
            }
            return self.inner.body(bytes);
        };
        held.bytes.extend_from_slice(bytes);
        match guard.response_piece(bytes, true) {
            Ok(true) => Ok(()),
            Ok(false) => self.release(),
            Err(fault) => Err(self.stop(fault)),
        }
    }

    fn end(&mut self) {
        if let Some(guard) = self.guard.as_mut().filter(|guard| guard.awaits_response())
            && let Err(fault) = guard.response_end()
        {
            self.stop(fault);
            return;
        }
        if self.failed.is_some() {
            return;
        }
        if let Err(failed) = self.release() {
            self.failed = Some(failed);
        }
        self.inner.end();
    }

    fn trailers(&mut self, lines: &[u8]) {
        self.inner.trailers(lines);
    }

    fn outcome(self) -> Passed {
        self.inner.outcome()
    }

    fn chosen(&mut self, lease: &Lease) {
        self.inner.chosen(lease);
    }

    fn server_lost(&mut self) -> AfterLoss {
        self.inner.server_lost()
    }

    fn is_held_back(&self) -> bool {
        self.inner.is_held_back()
    }

    fn poll_flush(&mut self) -> Poll<Result<(), Failed>> {
        match self.failed {
            Some(failed) => Poll::Ready(Err(failed)),
            None => self.inner.poll_flush(),
        }
    }
}
