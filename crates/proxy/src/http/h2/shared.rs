//! What a connection and its streams know in common.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use transom_wire::proxy_protocol::Addresses;

use super::STREAMS_MAX;
use crate::http::client::Own;
use crate::http::compose::Secure;
use crate::log::Record;
use crate::runtime::{TaskId, runtime};
use crate::worker::Worker;

/// Server connections of this client's own that are kept for its next requests.
const OWN_MAX: usize = 8;

/// One client connection.
pub(super) struct Shared {
    pub(super) worker: &'static Worker,
    /// Who it is; its listener is the newest of its name.
    record: RefCell<Rc<Record>>,
    pub(super) secure: Option<Box<Secure>>,
    pub(super) received: Option<Box<Addresses>>,
    pub(super) local: Option<SocketAddr>,
    /// Server connections that serve this client connection alone, because they name its address.
    own: RefCell<Vec<Own>>,
    streams: Cell<u32>,
    requests: Cell<u32>,
    last: Cell<bool>,
    generation: Cell<u32>,
    /// The task of the connection.
    task: TaskId,
}

impl Shared {
    pub(super) fn new(
        worker: &'static Worker,
        record: Box<Record>,
        secure: Option<Box<Secure>>,
        received: Option<Box<Addresses>>,
        local: Option<SocketAddr>,
    ) -> Self {
        Self {
            worker,
            record: RefCell::new(Rc::from(record)),
            secure,
            received,
            local,
            own: RefCell::default(),
            streams: Cell::new(0),
            requests: Cell::new(0),
            last: Cell::new(false),
            generation: Cell::new(0),
            task: runtime().current(),
        }
    }

    pub(super) fn record(&self) -> Rc<Record> {
        Rc::clone(&self.record.borrow())
    }

    /// Streams that are being served.
    pub(super) fn streams(&self) -> u32 {
        self.streams.get()
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u32 {
        self.requests.get()
    }

    /// Whether no further request is served.
    pub(super) fn is_last(&self) -> bool {
        self.last.get()
    }

    /// Whether more streams are being served than a client that keeps to the limit can have: it takes them back faster
    /// than we can let them go.
    pub(super) fn has_too_many(&self) -> bool {
        self.streams.get() > 2 * STREAMS_MAX
    }

    /// From now on the connection belongs to the newest generation; where its listener is not in that, the present
    /// request is its last.
    pub(super) fn renew(&self) {
        let record = self.record();
        let Some((generation, listener)) = self.worker.newer(self.generation.get(), &record.listener) else {
            return;
        };
        self.generation.set(generation);
        match listener.filter(|listener| listener.http().is_some()) {
            Some(listener) => *self.record.borrow_mut() = Rc::new(record.renewed(listener)),
            None => self.last.set(true),
        }
    }

    /// This request is the last one.
    pub(super) fn set_last(&self) {
        self.last.set(true);
    }

    /// Whether there is any server connection of its own.
    pub(super) fn has_own(&self) -> bool {
        !self.own.borrow().is_empty()
    }

    /// One of its own server connections of that pool, if there is one.
    pub(super) fn take_own(&self, pool: &str) -> Option<Box<Own>> {
        let mut own = self.own.borrow_mut();
        own.retain(|own| !own.link.has_ended());
        let at = own.iter().position(|own| **own.lease.pool().name() == *pool)?;
        Some(Box::new(own.swap_remove(at)))
    }

    /// Keeps one for the next request.
    pub(super) fn keep_own(&self, link: Option<Box<Own>>) {
        let mut own = self.own.borrow_mut();
        if let Some(link) = link.filter(|_| own.len() < OWN_MAX) {
            own.push(*link);
        }
    }
}

/// Counts a stream while it is served.
pub(super) struct Stream(pub(super) Rc<Shared>);

impl Stream {
    pub(super) fn of(shared: &Rc<Shared>) -> Self {
        shared.streams.set(shared.streams.get() + 1);
        shared.requests.set(shared.requests.get().saturating_add(1));
        Self(Rc::clone(shared))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        runtime().wake_task(self.0.task);
    }
}
