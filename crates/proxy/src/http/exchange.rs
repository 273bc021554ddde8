//! One request up and its response down, both at once in one task.
//!
//! Each direction reads nothing while bytes wait to be written: that is the back-pressure, and what bounds memory. The
//! response may begin, and even end, before the request's body does.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use transom_state::{DownWatch, Fault};
use transom_wire::http1::{self, Body, Field, Limits, Response, Version};

use super::body::Progress;
use super::fields::Fields;
use super::stream::{ClientStream, Piece, Reply};
use crate::buffer::Buffer;
use crate::end::{End, Failed, Outgoing, Read, Scratch, with_scratch};
use crate::link::ServerEnd;
use crate::runtime::{Stop, Tick, runtime};

/// Once the response is complete, so many bytes of a body that the server did not wait for are still passed on, in the
/// hope that its end comes with them and both connections can go on.
const REST_BYTES: u64 = 256 * 1024;
/// And so long.
const REST_TIME: Duration = Duration::from_secs(5);

/// What an exchange must know of its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// The method is HEAD: no body comes, whatever the response says.
    pub(super) to_head: bool,
    /// The request asks for another protocol.
    pub(super) upgrade: bool,
    /// The client waits for a word of the server's (`Expect`) before it sends the body.
    pub(super) expects: bool,
    /// A client that has sent its end will not take the answer: true where the answer may take long.
    pub(super) end_is_gone: bool,
    /// Until the response's head has come, and between its pieces.
    pub(super) response: Tick,
    /// Without a byte of the request's body.
    pub(super) body: Tick,
    /// Without the client taking a byte.
    pub(super) send: Tick,
}

/// The state of one.
pub(super) struct Exchange<'r> {
    terms: Terms,
    /// The request's head and what had come of its body; kept until the response begins, to be sent again if need be.
    message: &'r [u8],
    written: usize,
    /// What the server did not take of later pieces.
    held: Outgoing,
    up: Up,
    down: Down,
    /// Bytes of a response head that is not complete.
    partial: Option<Buffer>,
    fields: Fields,
    pub(super) told: Told,
    down_watch: Option<Box<DownWatch>>,
    /// Bytes up when the response was complete before the request.
    rest_from: Option<u64>,
}

/// What came of an exchange.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    /// The final response's status.
    pub(super) status: Option<u16>,
    /// Bytes to the server.
    pub(super) up: u64,
    /// Bytes of the response, head and body, as the server sent them.
    pub(super) down: u64,
    /// When the first byte of the response came.
    pub(super) answered: Option<Instant>,
    /// Whether a byte of the body was passed on that cannot be sent again.
    pub(super) body_moved: bool,
    /// The server will take another request on this connection.
    pub(super) server_stays: bool,
    /// The request has gone up whole.
    pub(super) complete: bool,
    /// The server has agreed to another protocol.
    pub(super) upgraded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Up {
    /// The message is on its way.
    Message,
    /// Pieces of the body follow.
    Body,
    /// The last piece was read and must still go out.
    Last,
    Done,
    /// The server takes no more. What it has answered still counts.
    Broken,
}

#[derive(Debug, Clone)]
enum Down {
    Head,
    Body(Progress),
    Done,
}

impl<'r> Exchange<'r> {
    pub(super) fn new(terms: Terms, message: &'r [u8], down_watch: Option<Box<DownWatch>>) -> Self {
        Self {
            terms,
            message,
            written: 0,
            held: Outgoing::default(),
            up: Up::Message,
            down: Down::Head,
            partial: None,
            fields: Fields::take(),
            told: Told::default(),
            down_watch,
            rest_from: None,
        }
    }

    /// Whether the server has taken nothing of the request, or answered nothing to one that may be asked twice.
    pub(super) fn may_be_repeated(&self, replayable: bool) -> bool {
        let untouched = self.written == 0;
        self.told.answered.is_none() && (untouched || (replayable && !self.told.body_moved))
    }

    /// Moves what can be moved, until the response is complete.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut impl ClientStream,
        server: &mut ServerEnd,
    ) -> Poll<Result<(), Fault>> {
        match runtime().poll_fate() {
            Poll::Ready(Stop::Cut) => return Poll::Ready(Err(Fault::AdminDrained)),
            Poll::Ready(_) if self.rest_from.is_some() => return Poll::Ready(Ok(())),
            Poll::Ready(_) => return Poll::Ready(Err(self.silent(stream))),
            Poll::Pending => {}
        }
        let (up, down) = with_scratch(|scratch| {
            let up = self.poll_up(stream, server, scratch);
            (up, self.poll_down(stream, server, scratch))
        });
        if let Poll::Ready(Err(fault)) = down {
            return Poll::Ready(Err(fault));
        }
        if down.is_pending()
            && let Poll::Ready(Err(fault)) = up
        {
            return Poll::Ready(Err(fault));
        }
        if down.is_ready() {
            return self.poll_rest(up);
        }
        if let Some(watch) = &mut self.down_watch
            && watch.poll_down(context).is_ready()
        {
            return Poll::Ready(Err(Fault::ServerWentDown));
        }
        if self.up == Up::Done && self.poll_gone(stream).is_ready() {
            return Poll::Ready(Err(Fault::ClientClosed));
        }
        runtime().deadline_in(self.patience(stream));
        Poll::Pending
    }

    /// The response is complete: what of the request is not?
    fn poll_rest(&mut self, up: Poll<Result<(), Fault>>) -> Poll<Result<(), Fault>> {
        if up.is_ready() || self.told.upgraded {
            self.told.complete = self.up == Up::Done;
            return Poll::Ready(Ok(()));
        }
        match self.rest_from {
            None => {
                self.rest_from = Some(self.told.up);
                runtime().deadline(REST_TIME);
                Poll::Pending
            }
            Some(from) if self.told.up - from > REST_BYTES => Poll::Ready(Ok(())),
            Some(_) => Poll::Pending,
        }
    }

    /// Whether the client will not take an answer any more. A half-closed connection may still want one.
    fn poll_gone(&self, stream: &impl ClientStream) -> Poll<()> {
        ready!(stream.socket().poll_ended());
        if self.terms.end_is_gone || stream.socket().is_dead() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// How long whoever is waited for may take.
    fn patience(&self, stream: &impl ClientStream) -> Tick {
        if stream.is_held_back() {
            self.terms.send
        } else if self.waits_for_client() {
            self.terms.body
        } else {
            self.terms.response
        }
    }

    /// Who it was that was waited for.
    fn silent(&self, stream: &impl ClientStream) -> Fault {
        if stream.is_held_back() || self.waits_for_client() {
            Fault::ClientTimeout
        } else {
            Fault::ServerResponseTimeout
        }
    }

    fn waits_for_client(&self) -> bool {
        let asked_first = self.terms.expects && self.told.answered.is_none() && !self.told.body_moved;
        self.up == Up::Body && self.held.is_empty() && matches!(self.down, Down::Head) && !asked_first
    }

    /// `Ready(Ok)`: nothing more goes up. Errors are the client's; a server that takes no more may have answered.
    fn poll_up(
        &mut self,
        stream: &mut impl ClientStream,
        server: &mut ServerEnd,
        scratch: &mut Scratch,
    ) -> Poll<Result<(), Fault>> {
        loop {
            let moved = match self.up {
                Up::Done | Up::Broken => return Poll::Ready(Ok(())),
                Up::Message => ready!(self.poll_message(stream, server)),
                Up::Last => ready!(self.held.poll_flush(server)).map(|()| self.up = Up::Done),
                Up::Body => match ready!(self.held.poll_flush(server)) {
                    Ok(()) => {
                        let piece = ready!(stream.poll_body(scratch))?;
                        self.pass_up(server, &piece)
                    }
                    Err(failed) => Err(failed),
                },
            };
            if moved.is_err() {
                self.up = Up::Broken;
            }
        }
    }

    fn poll_message(
        &mut self,
        stream: &impl ClientStream,
        server: &mut ServerEnd,
    ) -> Poll<Result<(), Failed>> {
        while self.written < self.message.len() {
            ready!(server.poll_writable())?;
            let written = server.try_write(&self.message[self.written..])?;
            self.written += written;
            self.told.up += written as u64;
        }
        ready!(server.poll_drained())?;
        self.up = if stream.body_is_done() { Up::Done } else { Up::Body };
        Poll::Ready(Ok(()))
    }

    fn pass_up(&mut self, server: &mut ServerEnd, piece: &Piece<'_>) -> Result<(), Failed> {
        self.told.up += piece.bytes.len() as u64;
        self.told.body_moved |= !piece.bytes.is_empty();
        if piece.last {
            self.up = Up::Last;
        }
        self.held.send(server, piece.bytes)
    }

    /// `Ready(Ok)`: the response has been passed on whole.
    fn poll_down(
        &mut self,
        stream: &mut impl ClientStream,
        server: &mut ServerEnd,
        scratch: &mut Scratch,
    ) -> Poll<Result<(), Fault>> {
        loop {
            ready!(stream.poll_flush()).map_err(client_failed)?;
            if matches!(self.down, Down::Done) {
                return Poll::Ready(Ok(()));
            }
            ready!(server.poll_readable()).map_err(|failed| self.server_failed(failed))?;
            match server.try_read(scratch) {
                Ok(Read::Nothing) => {}
                Ok(Read::Bytes(bytes)) => self.receive(stream, bytes)?,
                Ok(Read::End) => self.receive_end(stream)?,
                Err(failed) => return Poll::Ready(Err(self.server_failed(failed))),
            }
        }
    }

    fn server_failed(&self, failed: Failed) -> Fault {
        match (failed, &self.down) {
            (Failed::Tls(fault), _) => fault,
            (Failed::Network, Down::Body(_)) => Fault::ServerClosedMidBody,
            (Failed::Network, _) => Fault::ServerReset,
        }
    }

    fn receive_end(&mut self, stream: &mut impl ClientStream) -> Result<(), Fault> {
        self.told.server_stays = false;
        match self.down {
            Down::Head if self.partial.is_none() => Err(Fault::ServerClosedBeforeResponse),
            Down::Head => Err(Fault::ServerBadResponse),
            Down::Body(Progress::UntilClose) => {
                self.down = Down::Done;
                stream.end();
                Ok(())
            }
            Down::Body(_) => Err(Fault::ServerClosedMidBody),
            Down::Done => Ok(()),
        }
    }

    fn receive(&mut self, stream: &mut impl ClientStream, fresh: &[u8]) -> Result<(), Fault> {
        self.told.answered.get_or_insert_with(|| runtime().now());
        self.told.down += fresh.len() as u64;
        let Some(mut whole) = self.partial.take() else {
            let used = self.digest(stream, fresh)?;
            if used < fresh.len() {
                let mut partial = Buffer::take();
                partial.extend_from_slice(&fresh[used..]);
                self.partial = Some(partial);
            }
            return Ok(());
        };
        whole.extend_from_slice(fresh);
        let used = self.digest(stream, &whole)?;
        if used < whole.len() {
            whole.drain(..used);
            self.partial = Some(whole);
        }
        Ok(())
    }

    /// Takes what can be taken, and gives how much that is. Less than all of it is the beginning of a head, or, after an
    /// upgrade, the other protocol's.
    fn digest(&mut self, stream: &mut impl ClientStream, bytes: &[u8]) -> Result<usize, Fault> {
        let mut used = 0;
        while matches!(self.down, Down::Head) {
            let rest = &bytes[used..];
            let mut fields = std::mem::replace(&mut self.fields, Fields::none());
            let head = http1::response(rest, Limits::default(), &mut fields);
            match head {
                Ok(Some(head)) => {
                    let judged = self.judge(stream, rest, &head, &fields);
                    self.fields = fields;
                    judged?;
                    used += head.len;
                }
                Ok(None) => {
                    self.fields = fields;
                    return Ok(used);
                }
                Err(_) => return Err(bad_response(rest)),
            }
        }
        if self.told.upgraded {
            return Ok(used);
        }
        used += self.digest_body(stream, &bytes[used..])?;
        if used < bytes.len() {
            // More than it was asked for: whatever it means, it must not become another client's answer.
            self.told.server_stays = false;
        }
        Ok(bytes.len())
    }

    fn judge(
        &mut self,
        stream: &mut impl ClientStream,
        bytes: &[u8],
        head: &Response,
        fields: &[Field],
    ) -> Result<(), Fault> {
        let body = http1::response_body(bytes, head, fields, self.terms.to_head);
        let body = body.map_err(|_| Fault::ServerBadResponse)?;
        let reply = Reply { bytes, head, fields, body };
        match head.status {
            101 if !self.terms.upgrade => return Err(Fault::ServerBadResponse),
            101 => {
                self.told.upgraded = true;
                self.down = Down::Done;
            }
            100..200 => {
                stream.interim(&reply);
                return Ok(());
            }
            _ => {
                self.told.server_stays = stays(bytes, head, fields) && body != Body::UntilClose;
                self.down = Down::Body(Progress::from(body));
            }
        }
        self.told.status = Some(head.status);
        stream.head(&reply);
        self.end_if_done(stream);
        Ok(())
    }

    fn digest_body(&mut self, stream: &mut impl ClientStream, bytes: &[u8]) -> Result<usize, Fault> {
        let Down::Body(progress) = &mut self.down else { return Ok(0) };
        let mut outcome = Ok(());
        let taken = if stream.wants_data() {
            progress.take_data(bytes, |data| {
                if outcome.is_ok() {
                    outcome = stream.body(data);
                }
            })
        } else {
            let taken = progress.take(bytes);
            if let Ok(taken @ 1..) = taken {
                outcome = stream.body(&bytes[..taken]);
            }
            taken
        };
        outcome.map_err(client_failed)?;
        let taken = taken.map_err(|_| Fault::ServerBadResponse)?;
        self.end_if_done(stream);
        Ok(taken)
    }

    fn end_if_done(&mut self, stream: &mut impl ClientStream) {
        if matches!(&self.down, Down::Body(progress) if progress.is_done()) {
            self.down = Down::Done;
            stream.end();
        }
    }

    /// What came behind the head that agreed to another protocol.
    pub(super) fn into_rest(self) -> Option<Buffer> {
        self.partial
    }
}

/// Whether the server keeps the connection open (RFC 9112 section 9.3).
fn stays(bytes: &[u8], head: &Response, fields: &[Field]) -> bool {
    let mut stays = head.version == Version::Http11;
    for option in http1::connection_options(bytes, fields) {
        if option.eq_ignore_ascii_case(b"close") {
            return false;
        }
        stays |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    stays
}

/// A server that expects TLS answers plain text with an alert (RFC 8446 section 5.1).
fn bad_response(bytes: &[u8]) -> Fault {
    if matches!(bytes, [21, 3, ..]) { Fault::ServerSpeaksTls } else { Fault::ServerBadResponse }
}

fn client_failed(failed: Failed) -> Fault {
    match failed {
        Failed::Network => Fault::ClientClosed,
        Failed::Tls(fault) => fault,
    }
}
