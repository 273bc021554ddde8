//! One stream of a client: what it sends, what goes to it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use transom_state::Fault;
use transom_wire::auth::Protocol;
use transom_wire::http1::Body;

use super::exchange::Stream;
use super::head;
use crate::end::Failed;
use crate::http::stream::{Asker, Task};
use crate::link::Waiting;
use crate::runtime::runtime;

/// How long a client may take to take an answer of ours.
const LINGER: Duration = Duration::from_secs(2);

/// The client's side of one stream.
pub(super) struct Side {
    respond: RefCell<SendResponse<Bytes>>,
    /// Once the response has begun.
    pub(super) out: RefCell<Option<Outflow>>,
    pub(super) body: RecvStream,
    /// Bytes of the body that were taken, for which the client gets no room yet.
    pub(super) owed: usize,
    /// A tunnel to a WebSocket was asked for.
    pub(super) socket: bool,
    /// No response has a body.
    pub(super) to_head: bool,
    local: Option<SocketAddr>,
}

impl Side {
    pub(super) fn new(
        respond: SendResponse<Bytes>,
        body: RecvStream,
        (socket, to_head): (bool, bool),
        local: Option<SocketAddr>,
    ) -> Self {
        Self {
            respond: RefCell::new(respond),
            out: RefCell::new(None),
            body,
            owed: 0,
            socket,
            to_head,
            local,
        }
    }

    /// Begins the response.
    pub(super) fn begin(&mut self, head: Response<()>, ended: bool) -> Result<(), Fault> {
        let sent = self.respond.get_mut().send_response(head, ended);
        let stream = sent.map_err(|_| Fault::ClientClosed)?;
        *self.out.get_mut() = Some(Outflow::new(stream, ended));
        Ok(())
    }

    /// Sends a response that says only that another will follow.
    pub(super) fn interim(&mut self, head: Response<()>) {
        // A client that is gone needs none.
        let _ = self.respond.get_mut().send_informational(head);
    }

    /// Gives the client room for what was taken of its body.
    pub(super) fn release(&mut self) {
        let owed = std::mem::take(&mut self.owed);
        if owed > 0 {
            // A stream that is gone needs no room.
            let _ = self.body.flow_control().release_capacity(owed);
        }
    }

    /// The response that has begun.
    pub(super) fn outflow(&mut self) -> Option<&mut Outflow> {
        self.out.get_mut().as_mut()
    }

    /// Ends the stream with a word in place of what is missing of the response; nothing where nothing is.
    pub(super) fn give_up(&mut self, reason: Reason) {
        match self.out.get_mut() {
            Some(out) if out.is_closed() => {}
            Some(out) => out.stream.send_reset(reason),
            None => self.respond.get_mut().send_reset(reason),
        }
    }

    async fn flush(&mut self) -> bool {
        runtime().deadline(LINGER);
        poll_fn(|_| {
            if runtime().poll_fate().is_ready() {
                return Poll::Ready(false);
            }
            self.outflow().map_or(Poll::Ready(true), |out| out.poll_flush().map(|sent| sent.is_ok()))
        })
        .await
    }
}

impl Waiting for Side {
    fn is_gone(&self) -> bool {
        self.poll_gone().is_ready()
    }

    /// The client has taken the request back, or its connection is gone.
    fn poll_gone(&self) -> Poll<()> {
        let waker = runtime().waker();
        let mut context = Context::from_waker(&waker);
        match self.out.borrow_mut().as_mut() {
            Some(out) => out.stream.poll_reset(&mut context).map(drop),
            None => self.respond.borrow_mut().poll_reset(&mut context).map(drop),
        }
    }
}

impl Asker for Side {
    type Stream<'s> = Stream<'s>;

    const PROTOCOL: Protocol = Protocol::Http2;

    fn stream<'s>(&'s mut self, task: Task<'s>) -> Stream<'s> {
        Stream::new(self, task)
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.local
    }

    async fn say(&mut self, answer: &[u8]) -> bool {
        let Ok((head, body, at)) = head::response(answer, self.to_head) else { return false };
        let ended = body == Body::Empty;
        if self.begin(head, ended).is_err() {
            return false;
        }
        if let Some(out) = self.outflow().filter(|_| !ended) {
            out.push(&answer[at..]);
            out.end(None);
        }
        self.flush().await
    }

    async fn finish(&mut self) {}

    fn reset(&mut self) {
        self.give_up(Reason::INTERNAL_ERROR);
    }
}

/// A response's body on its way to the client.
pub(super) struct Outflow {
    stream: SendStream<Bytes>,
    /// What the client's windows, or the connection, had no room for.
    held: BytesMut,
    trailers: Option<HeaderMap>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What is held is the last of it.
    Ending,
    Closed,
}

impl Outflow {
    fn new(stream: SendStream<Bytes>, ended: bool) -> Self {
        let state = if ended { State::Closed } else { State::Open };
        Self { stream, held: BytesMut::new(), trailers: None, state }
    }

    /// Follow with [`Outflow::poll_flush`] before more is read: that is what bounds memory.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// There will be no more.
    pub(super) fn end(&mut self, trailers: Option<HeaderMap>) {
        if self.state == State::Open {
            self.trailers = trailers;
            self.state = State::Ending;
        }
    }

    pub(super) fn is_held_back(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Waits until the client's windows had room for all of it.
    pub(super) fn poll_flush(&mut self) -> Poll<Result<(), Failed>> {
        while !self.held.is_empty() {
            self.stream.reserve_capacity(self.held.len());
            let room = self.stream.capacity().min(self.held.len());
            if room == 0 {
                let waker = runtime().waker();
                match ready!(self.stream.poll_capacity(&mut Context::from_waker(&waker))) {
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => return Poll::Ready(Err(Failed::Network)),
                }
            }
            let piece = self.held.split_to(room).freeze();
            let last = self.held.is_empty() && self.state == State::Ending && self.trailers.is_none();
            if last {
                self.state = State::Closed;
            }
            self.stream.send_data(piece, last).map_err(|_| Failed::Network)?;
        }
        if self.state == State::Ending {
            self.state = State::Closed;
            let sent = match self.trailers.take() {
                Some(trailers) => self.stream.send_trailers(trailers),
                None => self.stream.send_data(Bytes::new(), true),
            };
            sent.map_err(|_| Failed::Network)?;
        }
        Poll::Ready(Ok(()))
    }
}
