//! A client connection that carries requests: what it keeps between two of them, and how it waits for the next.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use transom_config::{Http, ListenerMode};
use transom_state::{Fault, HttpListener, Lease, Listener};
use transom_wire::auth::Login;
use transom_wire::http1::{self, Limits};
use transom_wire::proxy_protocol::Addresses;

use super::compose::Secure;
use super::fields::Fields;
use super::refused::Refused;
use super::request::Request;
use crate::buffer::Buffer;
use crate::end::{End, Read, with_scratch};
use crate::front::Arrived;
use crate::link::{Counted, Link};
use crate::log::Record;
use crate::runtime::{Stop, runtime};
use crate::worker::Worker;

/// One client connection. Idle it is little more than this.
pub(super) struct Client<C> {
    pub(super) worker: &'static Worker,
    /// Who it is; its listener is the newest of its name.
    pub(super) record: Box<Record>,
    pub(super) end: C,
    /// What came and is not used yet: the beginning of the next request.
    pub(super) input: Option<Buffer>,
    /// The server connection that is this client's alone.
    pub(super) own: Option<Box<Own>>,
    /// How far its login is, once it began one.
    pub(super) login: Option<Box<Login>>,
    /// What a balancer in front of us said of it.
    pub(super) received: Option<Box<Addresses>>,
    /// What its TLS came to.
    pub(super) secure: Option<Box<Secure>>,
    /// Requests served.
    pub(super) requests: u32,
    /// No further request is served: a reload took the listener away.
    pub(super) last: bool,
    generation: u32,
}

/// A server connection that belongs to one client connection: it serves nobody else and closes with it.
pub(super) struct Own {
    pub(super) lease: Lease,
    pub(super) link: Link,
    /// Where a login is why.
    pub(super) _pinned: Option<Counted>,
}

impl<C: End> Client<C> {
    pub(super) fn new(worker: &'static Worker, mut record: Box<Record>, arrived: Arrived<C>) -> Self {
        let secure = record.secured.as_mut().map(|secured| {
            let (server_name, identity) = (record.server_name.clone(), secured.identity.take());
            Box::new(Secure { server_name, version: secured.version, identity })
        });
        let input = (!arrived.bytes.is_empty()).then(|| {
            let mut input = Buffer::take();
            input.extend_from_slice(&arrived.bytes);
            input
        });
        Self {
            worker,
            record,
            end: arrived.client,
            input,
            own: None,
            login: None,
            received: arrived.received.map(Box::new),
            secure,
            requests: 0,
            last: false,
            generation: 0,
        }
    }

    /// Waits, without a buffer, for the first byte of the next request.
    pub(super) async fn wait(&mut self) -> Result<(), Fault> {
        let times = settings(&self.record.listener).timeouts;
        runtime().deadline(if self.requests == 0 { times.head } else { times.keep_alive });
        poll_fn(|_| self.poll_first()).await
    }

    fn poll_first(&mut self) -> Poll<Result<(), Fault>> {
        if self.requests > 0 && self.worker.is_draining() {
            return Poll::Ready(Err(Fault::AdminDrained));
        }
        self.let_go();
        self.poll_more()
    }

    /// Waits for more bytes in `input`.
    fn poll_more(&mut self) -> Poll<Result<(), Fault>> {
        match runtime().poll_fate() {
            Poll::Ready(Stop::Expired) => return Poll::Ready(Err(Fault::ClientTimeout)),
            Poll::Ready(_) => return Poll::Ready(Err(Fault::AdminDrained)),
            Poll::Pending => {}
        }
        loop {
            ready!(self.end.poll_readable()).map_err(|_| Fault::ClientClosed)?;
            let came = with_scratch(|scratch| match self.end.try_read(scratch) {
                Ok(Read::Nothing) => Ok(false),
                Ok(Read::Bytes(bytes)) => {
                    self.input.get_or_insert_with(Buffer::take).extend_from_slice(bytes);
                    Ok(true)
                }
                Ok(Read::End) | Err(_) => Err(Fault::ClientClosed),
            })?;
            if came {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Closes its own server connection when the server has: unless a login is half done, nobody needs to know.
    fn let_go(&mut self) {
        let half_done = self.login.as_ref().is_some_and(|login| login.half_done());
        if half_done || !self.own.as_ref().is_some_and(|own| own.link.has_ended()) {
            return;
        }
        self.own = None;
        if let Some(login) = &mut self.login {
            let _ = login.server_lost();
        }
    }

    /// From now on it belongs to the newest generation; where its listener is not in that, this request is its last.
    pub(super) fn renew(&mut self) {
        let Some((generation, listener)) = self.worker.newer(self.generation, &self.record.listener) else {
            return;
        };
        self.generation = generation;
        match listener.filter(|listener| listener.http().is_some()) {
            Some(listener) => self.record.listener = listener,
            None => self.last = true,
        }
    }

    /// Reads the head of a request whose first bytes have come. What came of it stays in `input` where it is refused.
    pub(super) async fn read_request(&mut self) -> Result<Request, Refused> {
        let listener = Arc::clone(&self.record.listener);
        let http = settings(&listener);
        runtime().deadline(http.timeouts.head);
        let limits =
            Limits { head_bytes: http.limits.head_bytes as usize, fields: http.limits.fields.into() };
        let mut fields = Fields::take();
        let mut unseen = 0;
        loop {
            let bytes = self.input.get_or_insert_with(Buffer::take);
            // A head can only be complete with a line end among what is new.
            if unseen == 0 || bytes.len() > limits.head_bytes || bytes[unseen..].contains(&b'\n') {
                match http1::request(bytes, limits, &mut fields) {
                    Ok(Some(head)) => {
                        let bytes = self.input.take().unwrap_or_else(Buffer::take);
                        let looks = listener.http().is_some_and(HttpListener::looks_at_path);
                        return Request::judge(bytes, head, fields, looks).map_err(|(refused, bytes)| {
                            self.input = Some(bytes);
                            refused
                        });
                    }
                    Ok(None) => {}
                    Err(http1::Refusal::HeadTooLarge)
                        if !bytes.iter().take(limits.head_bytes).any(|byte| *byte == b'\n') =>
                    {
                        return Err(Refused::TARGET);
                    }
                    Err(refusal) => return Err(refusal.into()),
                }
            }
            unseen = bytes.len();
            poll_fn(|_| self.poll_more()).await.map_err(Refused::by)?;
        }
    }

    /// Says goodbye where the protocol below has a word for it, and closes.
    pub(super) async fn close(mut self: Box<Self>) {
        runtime().deadline(GOODBYE);
        // A client that does not take it has its close all the same.
        let _ = poll_fn(|_| {
            if runtime().poll_fate().is_ready() { Poll::Ready(Ok(())) } else { self.end.poll_end(true) }
        })
        .await;
    }
}

/// How long a client may take to take our goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What an `http` listener was asked to do.
///
/// # Panics
/// For listeners of other modes: only those of this one have clients here.
pub(super) fn settings(listener: &Listener) -> &Http {
    match &listener.config.mode {
        ListenerMode::Http(http) => http,
        _ => unreachable!("requests are read on http listeners only"),
    }
}
