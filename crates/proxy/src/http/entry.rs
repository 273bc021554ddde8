//! What is remembered of a request for its line and its counters.

use std::sync::Arc;
use std::time::Instant;

use transom_state::{Class, Fault, Pool, Route};
use transom_wire::channel::Class as KindClass;
use transom_wire::http1::Version;

use super::exchange::Told;
use super::request::Request;
use crate::log::{Asked, Record, RequestLine, Way};
use crate::runtime::runtime;
use crate::worker::Worker;

/// One request, filled in as it goes on.
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) begun: Instant,
    /// When its head was complete.
    pub(super) read: Option<Instant>,
    pub(super) pool: Option<Arc<Pool>>,
    pub(super) way: Way,
    pub(super) told: Told,
    pub(super) pinned: bool,
    pub(super) user: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) fault: Option<Fault>,
    pub(super) bytes_out: u64,
    relayed: (u64, u64),
    /// Of an answer of our own; those of servers have been counted as they passed.
    answered: u64,
}

impl Entry {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            begun: runtime().now(),
            read: None,
            pool: None,
            way: Way::default(),
            told: Told::default(),
            pinned: false,
            user: None,
            status: None,
            fault: None,
            bytes_out: 0,
            relayed: (0, 0),
            answered: 0,
        }
    }

    /// An answer of our own has so many bytes.
    pub(super) fn answered(&mut self, bytes: usize) {
        self.bytes_out = bytes as u64;
        self.answered = bytes as u64;
    }

    /// Bytes of another protocol that followed. The relay has counted them by itself.
    pub(super) fn relayed(&mut self, up: u64, down: u64) {
        self.relayed = (up, down);
    }

    /// Its line and its counters.
    pub(super) fn finish(&self, worker: &Worker, record: &Record, asked: Option<(&Request, &Route)>) {
        let (index, now) = (worker.index, runtime().now());
        if let Some(fault) = self.fault {
            worker.count(fault);
        }
        let counters = record.listener.counters();
        counters.bytes_out.add(index, self.answered);
        if let Some((request, route)) = asked {
            route.counters.count(index, self.status);
            let took = now.duration_since(self.begun);
            let class = match request.kind.class_after(took) {
                KindClass::Short => Class::Short,
                KindClass::LongPoll => Class::LongPoll,
                KindClass::Channel => Class::Channel,
            };
            record.listener.requests().times(class).observe(index, took);
        }
        worker.log().write_request(&RequestLine {
            record,
            id: self.id,
            begun: self.begun,
            asked: asked.map(|(request, _)| told_of(request)),
            route: asked.map(|(_, route)| &route.name),
            pool: self.pool.as_ref(),
            way: self.way,
            pinned: self.pinned,
            user: self.user.as_deref(),
            status: self.status,
            fault: self.fault,
            bytes_in: self.told.up + self.relayed.0,
            bytes_out: self.bytes_out + self.relayed.1,
            head: self.read.map(|read| read.duration_since(self.begun).into()),
            response: self.read.zip(self.told.answered).map(|(read, at)| at.duration_since(read).into()),
            at: now,
            worker,
        });
    }
}

fn told_of(request: &Request) -> Asked<'_> {
    Asked {
        method: request.method(),
        host: request.host(),
        path: request.target().path,
        proto: match request.head.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        },
    }
}
