//! The task of a connection: it moves frames, and starts a task for every request.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use transom_config::Http;
use transom_state::Fault;

use super::pipe::Pipe;
use super::shared::{Shared, Stream};
use super::{
    CONNECTION_WINDOW_BYTES, ERRORS_MAX, FIELD_BYTES, RESETS_KEPT, SEND_BYTES, STREAM_WINDOW_BYTES,
    STREAMS_MAX, request,
};
use crate::end::End;
use crate::http::client::{Client, settings};
use crate::l4;
use crate::runtime::{Stop, runtime};

/// How long a client may take to take our goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What came of a look at the connection.
enum Event {
    Request(Box<(Request<RecvStream>, SendResponse<Bytes>)>),
    /// It has ended; with a fault where that was not in order.
    End(Option<Fault>),
}

/// The life of a connection whose client speaks HTTP/2.
pub(in crate::http) async fn live<C: End + Unpin + 'static>(client: Client<C>) {
    let Client { worker, record, end, input, received, secure, .. } = client;
    let local = end.socket().local_address().ok();
    let pipe = Pipe::new(end, input);
    let shared = Rc::new(Shared::new(worker, record, secure, received, local));
    let fault = match shake_hands(&shared, &pipe).await {
        Ok(h2) => {
            Connection { shared: Rc::clone(&shared), pipe: pipe.clone(), h2, state: State::Open, idle: false }
                .run()
                .await
        }
        Err(fault) => Some(fault),
    };
    let silent =
        matches!(fault, None | Some(Fault::ClientClosed | Fault::ClientTimeout | Fault::AdminDrained));
    if shared.requests() == 0 || !silent {
        l4::finish(worker, &shared.record(), &l4::Relayed::nothing(fault.unwrap_or(Fault::ClientClosed)));
    }
    close(&shared, &pipe).await;
}

/// Lets the client take our last words, and the streams learn that it is over.
async fn close<C: End>(shared: &Shared, pipe: &Pipe<C>) {
    runtime().deadline(GOODBYE);
    // A client that does not take it has its close all the same.
    let _ = poll_fn(|_| {
        if runtime().poll_fate().is_ready() {
            pipe.reset();
            return Poll::Ready(Ok(()));
        }
        pipe.poll_end()
    })
    .await;
    poll_fn(|_| if shared.streams() == 0 { Poll::Ready(()) } else { Poll::Pending }).await;
}

async fn shake_hands<C: End + Unpin>(
    shared: &Shared,
    pipe: &Pipe<C>,
) -> Result<h2::server::Connection<Pipe<C>, Bytes>, Fault> {
    let record = shared.record();
    let http = settings(&record.listener);
    runtime().deadline(http.timeouts.head);
    let mut handshake = pin!(builder(http).handshake::<_, Bytes>(pipe.clone()));
    poll_fn(|context| {
        match runtime().poll_fate() {
            Poll::Ready(Stop::Expired) => return Poll::Ready(Err(Fault::ClientTimeout)),
            Poll::Ready(_) => return Poll::Ready(Err(Fault::AdminDrained)),
            Poll::Pending => {}
        }
        let polled = handshake.as_mut().poll(context);
        if matches!(pipe.poll_drain(), Poll::Ready(Err(_))) {
            return Poll::Ready(Err(Fault::ClientClosed));
        }
        polled.map_err(|error| fault_of(&error))
    })
    .await
}

fn builder(http: &Http) -> Builder {
    let list = http.limits.head_bytes.saturating_add(FIELD_BYTES * u32::from(http.limits.fields));
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(STREAMS_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(list)
        .max_send_buffer_size(SEND_BYTES)
        .max_concurrent_reset_streams(RESETS_KEPT)
        .max_local_error_reset_streams(Some(ERRORS_MAX))
        .enable_connect_protocol();
    builder
}

/// The word for what the `h2` crate says ended a connection.
fn fault_of(error: &h2::Error) -> Fault {
    match error.reason() {
        Some(Reason::ENHANCE_YOUR_CALM) if !error.is_remote() => Fault::ClientHttp2Flood,
        Some(_) if !error.is_remote() => Fault::ClientBadRequest,
        _ => Fault::ClientClosed,
    }
}

/// How far the connection is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The client knows that no further request is served.
    Leaving,
    /// It was told that all is over, for this reason.
    Over(Option<Fault>),
}

struct Connection<C> {
    shared: Rc<Shared>,
    pipe: Pipe<C>,
    h2: h2::server::Connection<Pipe<C>, Bytes>,
    state: State,
    /// Whether it waits, for a limited time, with no stream open.
    idle: bool,
}

impl<C: End + Unpin + 'static> Connection<C> {
    /// Serves requests until the connection ends; gives why, unless that was in order.
    async fn run(mut self) -> Option<Fault> {
        loop {
            match poll_fn(|context| self.poll(context)).await {
                Event::Request(request) => self.serve(*request),
                Event::End(fault) => return fault,
            }
        }
    }

    fn serve(&mut self, (request, respond): (Request<RecvStream>, SendResponse<Bytes>)) {
        self.idle = false;
        runtime().no_deadline();
        self.shared.renew();
        let stream = Stream::of(&self.shared);
        let record = self.shared.record();
        let limit = settings(&record.listener).limits.requests;
        if limit.is_some_and(|limit| self.shared.requests() >= limit) {
            self.shared.set_last();
        }
        runtime().spawn(request::serve(stream, request, respond));
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.look_at_time() {
                return Poll::Ready(event);
            }
            let polled = self.h2.poll_accept(context);
            let drained = self.pipe.poll_drain();
            if matches!(drained, Poll::Ready(Err(_))) {
                return Poll::Ready(Event::End(Some(Fault::ClientClosed)));
            }
            match polled {
                Poll::Ready(Some(Ok(request))) => return Poll::Ready(Event::Request(Box::new(request))),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Event::End(self.reason(Some(fault_of(&error)))));
                }
                Poll::Ready(None) => return Poll::Ready(Event::End(self.reason(None))),
                Poll::Pending => {}
            }
            let flooded = self.pipe.is_flooded() || self.shared.has_too_many();
            if flooded && !matches!(self.state, State::Over(_)) {
                self.end(Reason::ENHANCE_YOUR_CALM, Some(Fault::ClientHttp2Flood));
                continue;
            }
            if !(self.pipe.was_blocked() && drained.is_ready()) {
                self.wait();
                return Poll::Pending;
            }
        }
    }

    /// What time, and the program's end, mean for it.
    fn look_at_time(&mut self) -> Option<Event> {
        match (runtime().poll_fate(), self.state) {
            (Poll::Ready(Stop::Expired), State::Over(fault)) => return Some(Event::End(fault)),
            (Poll::Ready(Stop::Expired), _) => {
                let fault = (self.shared.requests() == 0).then_some(Fault::ClientTimeout);
                self.end(Reason::NO_ERROR, fault);
            }
            (Poll::Ready(_), _) => return Some(Event::End(Some(Fault::AdminDrained))),
            (Poll::Pending, State::Open) if self.shared.worker.is_draining() || self.shared.is_last() => {
                self.state = State::Leaving;
                self.idle = false;
                self.h2.graceful_shutdown();
            }
            (Poll::Pending, _) => {}
        }
        None
    }

    /// Says that all is over.
    fn end(&mut self, reason: Reason, fault: Option<Fault>) {
        self.state = State::Over(fault);
        self.h2.abrupt_shutdown(reason);
        runtime().deadline(GOODBYE);
    }

    /// Why it ended: our own reason, if we had one, before what the crate says.
    fn reason(&self, said: Option<Fault>) -> Option<Fault> {
        if let State::Over(fault) = self.state { fault } else { said }
    }

    /// How long it may wait with no stream open. What a client says below its requests is not work.
    fn wait(&mut self) {
        if matches!(self.state, State::Over(_)) {
            return;
        }
        if self.shared.streams() > 0 {
            if std::mem::take(&mut self.idle) {
                runtime().no_deadline();
            }
        } else if !self.idle {
            self.idle = true;
            let record = self.shared.record();
            let times = settings(&record.listener).timeouts;
            runtime().deadline(match (self.state, self.shared.requests()) {
                (State::Open, 0) => times.head,
                (State::Open, _) => times.keep_alive,
                _ => GOODBYE,
            });
        }
    }
}
