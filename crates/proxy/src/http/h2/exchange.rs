//! One request and its response on a stream.

use std::io::Write;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use transom_state::{Fault, Lease, Server};
use transom_wire::auth::{AfterLoss, Login, Protocol};
use transom_wire::http1::{Body, Known};

use super::head;
use super::side::Side;
use crate::buffer::Buffer;
use crate::end::{Failed, Scratch};
use crate::http::body::Progress;
use crate::http::compose::{Framing, Says, SetServer, ToClient, Told};
use crate::http::stream::{ClientStream, Passed, Piece, Reply, Task};
use crate::link::Waiting;
use crate::runtime::runtime;

/// The client's side of one exchange.
pub(in crate::http) struct Stream<'s> {
    side: &'s mut Side,
    task: Task<'s>,
    /// The piece of the body that goes to the server: as it came, or as a chunk.
    piece: Bytes,
    chunk: Option<Buffer>,
    trailers: Vec<u8>,
    /// The server that was chosen, where the client is told; and whether it knows.
    server: Option<(Arc<Server>, bool)>,
    begun: bool,
    sent: u64,
}

impl<'s> Stream<'s> {
    pub(super) fn new(side: &'s mut Side, task: Task<'s>) -> Self {
        Self {
            side,
            task,
            piece: Bytes::new(),
            chunk: None,
            trailers: Vec::new(),
            server: None,
            begun: false,
            sent: 0,
        }
    }

    /// The head as our configuration wants it, still in the words of HTTP/1.1.
    fn compose(&mut self, reply: &Reply<'_>) -> Buffer {
        let context = self.task.context;
        let mut out = Buffer::take();
        let cookie = self.server.as_ref().and_then(|(server, known)| {
            let secure = context.told.secure.is_some();
            Some(SetServer { cookie: context.cookie?, server: server.cookie(), known: *known, secure })
        });
        ToClient {
            bytes: reply.bytes,
            response: *reply.head,
            fields: reply.fields,
            head: context.head,
            told: Told { server: self.server.as_ref().map(|(server, _)| &**server.name()), ..context.told },
            http: context.http,
            route: context.route,
            cookie,
            connection: Says::Nothing,
            framing: Framing::AsCame,
        }
        .write(&mut out);
        self.sent += out.len() as u64;
        out
    }

    /// Whether the response offers a login that only HTTP/1.1 can carry, to a client that showed no other.
    fn needs_http1(&mut self, reply: &Reply<'_>) -> bool {
        let (status, offers) = (reply.head.status, reply.values(Known::WwwAuthenticate));
        let persistent = reply.named(b"Persistent-Auth");
        match &mut self.task.login {
            Some((login, asked)) => login.response(asked, status, offers, persistent).needs_http1,
            None => {
                let mut login = Login::default();
                let asked = login.request(Protocol::Http2, []);
                login.response(&asked, status, offers, persistent).needs_http1
            }
        }
    }

    /// Takes what came: it becomes the next piece for the server.
    fn take(&mut self, data: Bytes) -> Result<bool, Fault> {
        let length = data.len() as u64;
        self.side.owed = data.len();
        self.task.allowed = self.task.allowed.checked_sub(length).ok_or(Fault::ClientBodyTooLarge)?;
        match &mut self.task.progress {
            Progress::Length(left) => {
                *left = left.checked_sub(length).ok_or(Fault::ClientBadRequest)?;
                self.piece = data;
                let last = *left == 0;
                if last {
                    self.task.progress = Progress::Done;
                }
                Ok(last)
            }
            Progress::Chunked(_) => {
                let chunk = self.chunk.get_or_insert_with(Buffer::take);
                chunk.clear();
                let _ = write!(**chunk, "{length:x}\r\n");
                chunk.extend_from_slice(&data);
                chunk.extend_from_slice(b"\r\n");
                Ok(false)
            }
            Progress::Done | Progress::UntilClose => Err(Fault::ClientBadRequest),
        }
    }

    /// The body has ended, with trailers perhaps.
    fn poll_last(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        if !matches!(self.task.progress, Progress::Chunked(_)) {
            return Poll::Ready(Err(Fault::ClientBadRequest));
        }
        let trailers = ready!(self.side.body.poll_trailers(context)).map_err(|_| Fault::ClientClosed)?;
        let chunk = self.chunk.get_or_insert_with(Buffer::take);
        chunk.clear();
        head::write_last_chunk(chunk, trailers.as_ref());
        self.task.progress = Progress::Done;
        Poll::Ready(Ok(()))
    }

    fn present(&self, last: bool) -> Piece<'_> {
        Piece { bytes: self.chunk.as_ref().map_or(&self.piece, |chunk| chunk.as_slice()), last }
    }
}

impl ClientStream for Stream<'_> {
    fn waiting(&self) -> &dyn Waiting {
        self.side
    }

    /// The end of a request's body is none of the client's.
    fn poll_left(&self, _: bool) -> Poll<()> {
        self.side.poll_gone()
    }

    fn wants_data(&self) -> bool {
        true
    }

    fn body_is_done(&self) -> bool {
        self.task.progress.is_done()
    }

    fn poll_body<'b>(&'b mut self, _: &'b mut Scratch) -> Poll<Result<Piece<'b>, Fault>> {
        // The server has taken the piece before.
        self.side.release();
        let waker = runtime().waker();
        let mut context = Context::from_waker(&waker);
        loop {
            match ready!(self.side.body.poll_data(&mut context)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    let last = self.take(data)?;
                    return Poll::Ready(Ok(self.present(last)));
                }
                Some(Err(_)) => return Poll::Ready(Err(Fault::ClientClosed)),
                None => {
                    ready!(self.poll_last(&mut context))?;
                    return Poll::Ready(Ok(self.present(true)));
                }
            }
        }
    }

    fn chosen(&mut self, lease: &Lease) {
        if lease.pool().config.cookie.is_some() {
            let known = self.task.context.said.server() == Some(lease.index());
            self.server = Some((Arc::clone(lease.server()), known));
        }
    }

    /// No login is carried here.
    fn server_lost(&mut self) -> AfterLoss {
        AfterLoss::Fresh
    }

    fn interim(&mut self, reply: &Reply<'_>) {
        let bytes = self.compose(reply);
        if let Ok((head, ..)) = head::response(&bytes, false) {
            self.side.interim(head);
        }
    }

    fn head(&mut self, reply: &Reply<'_>) -> Result<(), Fault> {
        if self.needs_http1(reply) {
            return Err(Fault::LoginNeedsHttp1);
        }
        let opens = reply.head.status == 101;
        if self.side.socket && matches!(reply.head.status, 200..300) {
            // It would be taken for a tunnel.
            return Err(Fault::ServerBadResponse);
        }
        let bytes = self.compose(reply);
        let (mut head, ..) = head::response(&bytes, false)?;
        if opens {
            *head.status_mut() = StatusCode::OK;
            head.headers_mut().remove("sec-websocket-accept");
        }
        self.begun = true;
        self.side.begin(head, reply.body == Body::Empty && !opens)
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.sent += bytes.len() as u64;
        if let Some(out) = self.side.outflow() {
            out.push(bytes);
        }
        Ok(())
    }

    fn trailers(&mut self, lines: &[u8]) {
        self.trailers.extend_from_slice(lines);
    }

    fn end(&mut self) {
        let trailers = (self.trailers.len() > 2).then(|| head::trailers(&self.trailers));
        if let Some(out) = self.side.outflow() {
            out.end(trailers.filter(|trailers| !trailers.is_empty()));
        }
    }

    fn is_held_back(&self) -> bool {
        self.side.out.borrow().as_ref().is_some_and(super::side::Outflow::is_held_back)
    }

    fn poll_flush(&mut self) -> Poll<Result<(), Failed>> {
        self.side.outflow().map_or(Poll::Ready(Ok(())), super::side::Outflow::poll_flush)
    }

    fn outcome(self) -> Passed {
        Passed { begun: self.begun, keep: true, spill: None, sent: self.sent }
    }
}
