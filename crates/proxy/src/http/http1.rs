//! One request and its response on an HTTP/1 client connection.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use transom_state::{Fault, Lease, Server};
use transom_wire::auth::{AfterLoss, Asked, Login, Protocol};
use transom_wire::http1::{Body, Known, Version};

use super::act::Context;
use super::body::Progress;
use super::compose::{Framing, Says, SetServer, ToClient, Told};
use super::request::Request;
use super::stream::{Asker, ClientStream, Passed, Piece, Reply, Task};
use crate::buffer::Buffer;
use crate::end::{End, Failed, Outgoing, Read, Scratch};
use crate::link::Waiting;
use crate::runtime::runtime;

/// A response that comes while so much of the request's body is missing ends the connection, where the body is certain
/// to be for nothing: nobody waits for a gigabyte to be thrown away.
const MISSING_BYTES_MAX: u64 = 256 * 1024;

/// How long a client may take to take an answer of ours, and its last bytes after it.
const LINGER: Duration = Duration::from_secs(2);

/// A client of HTTP/1 is its connection.
impl<C: End> Asker for C {
    type Stream<'s>
        = Http1<'s, C>
    where
        C: 's;

    const PROTOCOL: Protocol = Protocol::Http1;

    fn stream<'s>(&'s mut self, task: Task<'s>) -> Http1<'s, C> {
        Http1::new(self, task)
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.socket().local_address().ok()
    }

    async fn say(&mut self, answer: &[u8]) -> bool {
        runtime().deadline(LINGER);
        let mut out = Outgoing::default();
        if out.send(self, answer).is_err() {
            return false;
        }
        poll_fn(|_| out.poll_flush(self)).await.is_ok()
    }

    /// Says that this was all, and lets the client take it before the close: what it still sends would turn that into a
    /// reset.
    async fn finish(&mut self) {
        runtime().deadline(LINGER);
        if poll_fn(|_| self.poll_end(false)).await.is_ok() {
            self.socket().linger(LINGER).await;
        }
    }

    fn reset(&mut self) {
        self.socket().reset_on_close();
    }
}

/// The client's side of one exchange.
pub(super) struct Http1<'c, C> {
    end: &'c mut C,
    request: &'c Request,
    context: &'c Context<'c>,
    /// What is still to come of the request's body.
    progress: Progress,
    /// Bytes the body may still have.
    allowed: u64,
    out: Outgoing,
    /// What came behind the request: the beginning of the next one.
    spill: Option<Buffer>,
    /// Whether the connection goes on after this response.
    keep: bool,
    /// Whether the response has begun to go out.
    begun: bool,
    /// Bytes to the client.
    sent: u64,
    data_alone: bool,
    /// The server that was chosen, where the client is told; and whether it knows.
    server: Option<Arc<Server>>,
    known: bool,
    login: Option<(&'c mut Login, &'c Asked)>,
}

impl<'c, C: End> Http1<'c, C> {
    fn new(end: &'c mut C, task: Task<'c>) -> Self {
        let Task { request, context, progress, allowed, keep, login } = task;
        Self {
            end,
            request,
            context,
            progress,
            allowed,
            out: Outgoing::default(),
            spill: None,
            keep: keep && request.keep,
            begun: false,
            sent: 0,
            data_alone: false,
            server: None,
            known: false,
            login,
        }
    }

    /// Whether the response ends where the client cannot tell but by our close.
    fn ends_with_close(&self, reply: &Reply<'_>) -> bool {
        reply.body == Body::UntilClose || (reply.body == Body::Chunked && self.is_old())
    }

    fn is_old(&self) -> bool {
        self.request.head.version == Version::Http10
    }

    fn pass_on(&mut self, reply: &Reply<'_>, connection: Says) {
        let context = self.context;
        let out = self.out.buffer();
        let before = out.len();
        let cookie = self.server.as_ref().and_then(|server| {
            let cookie = context.cookie?;
            let secure = context.told.secure.is_some();
            Some(SetServer { cookie, server: server.cookie(), known: self.known, secure })
        });
        let framing = if self.data_alone { Framing::UntilClose } else { Framing::AsCame };
        ToClient {
            bytes: reply.bytes,
            response: *reply.head,
            fields: reply.fields,
            head: context.head,
            told: Told { server: self.server.as_ref().map(|server| &**server.name()), ..context.told },
            http: context.http,
            route: context.route,
            cookie,
            connection,
            framing,
        }
        .write(out);
        self.sent += (out.len() - before) as u64;
    }

    fn is_in_vain(&self, status: u16) -> bool {
        let missing = match self.progress {
            Progress::Length(left) => left,
            _ => 0,
        };
        status >= 400 && missing > MISSING_BYTES_MAX
    }

    /// Judges what came: so much of it is the body's.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let taken = self.progress.take(bytes).map_err(|_| Fault::ClientBadRequest)?;
        self.allowed = self.allowed.checked_sub(taken as u64).ok_or(Fault::ClientBodyTooLarge)?;
        if taken < bytes.len() {
            self.spill.get_or_insert_with(Buffer::take).extend_from_slice(&bytes[taken..]);
        }
        Ok(taken)
    }
}

impl<C: End> ClientStream for Http1<'_, C> {
    fn waiting(&self) -> &dyn Waiting {
        self.end.socket()
    }

    fn poll_left(&self, end_is_gone: bool) -> Poll<()> {
        let socket = self.end.socket();
        ready!(socket.poll_ended());
        if end_is_gone || socket.is_dead() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn wants_data(&self) -> bool {
        self.data_alone
    }

    fn body_is_done(&self) -> bool {
        self.progress.is_done()
    }

    fn poll_body<'s>(&'s mut self, scratch: &'s mut Scratch) -> Poll<Result<Piece<'s>, Fault>> {
        ready!(self.end.poll_readable()).map_err(|_| Fault::ClientClosed)?;
        match self.end.try_read(scratch) {
            Ok(Read::Bytes(bytes)) => {
                let taken = self.take(bytes)?;
                Poll::Ready(Ok(Piece { bytes: &bytes[..taken], last: self.progress.is_done() }))
            }
            Ok(Read::Nothing) => Poll::Ready(Ok(Piece { bytes: &[], last: false })),
            Ok(Read::End) | Err(_) => Poll::Ready(Err(Fault::ClientClosed)),
        }
    }

    fn chosen(&mut self, lease: &Lease) {
        if lease.pool().config.cookie.is_some() {
            self.server = Some(Arc::clone(lease.server()));
            self.known = self.context.said.server() == Some(lease.index());
        }
    }

    fn server_lost(&mut self) -> AfterLoss {
        self.login.as_mut().map_or(AfterLoss::Fresh, |(login, _)| login.server_lost())
    }

    fn interim(&mut self, reply: &Reply<'_>) {
        // HTTP/1.0 knows none (RFC 9110 section 15.2).
        if !self.is_old() {
            self.pass_on(reply, Says::Nothing);
        }
    }

    fn head(&mut self, reply: &Reply<'_>) -> Result<(), Fault> {
        if let Some((login, asked)) = &mut self.login {
            let offers = reply.values(Known::WwwAuthenticate);
            let persistent = reply.named(b"Persistent-Auth");
            // What it meant is for the budgets of failed logins.
            let _ = login.response(asked, reply.head.status, offers, persistent);
        }
        self.keep &= !self.ends_with_close(reply)
            && !self.is_in_vain(reply.head.status)
            && !self.context.worker.is_draining();
        self.data_alone = reply.body == Body::Chunked && self.is_old();
        self.begun = true;
        let says = match (reply.head.status, self.keep) {
            (101, _) => Says::Upgrade,
            (_, false) => Says::Close,
            (_, true) if self.is_old() => Says::KeepAlive,
            (_, true) => Says::Nothing,
        };
        self.pass_on(reply, says);
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.sent += bytes.len() as u64;
        self.out.send(self.end, bytes)
    }

    /// Bodies go as data alone where the client's version knows no trailers.
    fn trailers(&mut self, _: &[u8]) {}

    fn end(&mut self) {}

    fn is_held_back(&self) -> bool {
        !self.out.is_empty()
    }

    fn poll_flush(&mut self) -> Poll<Result<(), Failed>> {
        self.out.poll_flush(self.end)
    }

    fn outcome(self) -> Passed {
        Passed { begun: self.begun, keep: self.keep, spill: self.spill, sent: self.sent }
    }
}
