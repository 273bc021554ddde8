//! What is told of a request in its line.

use std::sync::Arc;
use std::time::Instant;

use transom_config::Name;
use transom_state::{Fault, Pool};

use super::{Load, Record, Span, Way};
use crate::worker::Worker;

/// One request that is over; everything is borrowed, a line is written at once.
pub(crate) struct RequestLine<'a> {
    /// Its connection.
    pub(crate) record: &'a Record,
    /// Tells it from all others in logs.
    pub(crate) id: u64,
    /// When its first byte came.
    pub(crate) begun: Instant,
    /// What it asked for; `None`: nothing that could be read.
    pub(crate) asked: Option<Asked<'a>>,
    /// The route that took it.
    pub(crate) route: Option<&'a Name>,
    /// The pool it led to.
    pub(crate) pool: Option<&'a Arc<Pool>>,
    /// How it came to its server.
    pub(crate) way: Way,
    /// Whether its server connection is its client's alone.
    pub(crate) pinned: bool,
    /// Who asked.
    pub(crate) user: Option<&'a str>,
    /// Of the response; `None`: none was sent.
    pub(crate) status: Option<u16>,
    /// What went wrong.
    pub(crate) fault: Option<Fault>,
    /// Bytes of the request that were passed on.
    pub(crate) bytes_in: u64,
    /// Bytes of the response.
    pub(crate) bytes_out: u64,
    /// From its first byte to the end of its head.
    pub(crate) head: Option<Span>,
    /// From the end of its head to the first byte of the response.
    pub(crate) response: Option<Span>,
    /// When it was over.
    pub(crate) at: Instant,
    /// The worker that served it.
    pub(crate) worker: &'a Worker,
}

/// What a request asked for, as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) host: Option<&'a [u8]>,
    /// Without the query, which may hold secrets.
    pub(crate) path: &'a [u8],
    pub(crate) proto: &'static str,
}

impl RequestLine<'_> {
    /// `request`, or `refused` when nothing sound was asked.
    pub(crate) fn kind(&self) -> &'static str {
        if self.asked.is_some() { "request" } else { "refused" }
    }

    /// Connections open now. Counted only for those who ask: a pool may have many servers.
    pub(crate) fn load(&self) -> Load {
        let servers = self.pool.map_or(&[][..], |pool| pool.servers());
        let server = self.way.server.and_then(|index| servers.get(index as usize));
        Load {
            process: self.worker.process_connections(),
            listener: self.record.listener.gate().used(),
            pool: servers.iter().map(|server| server.connections()).sum(),
            server: server.map_or(0, |server| server.connections()),
        }
    }

    /// The name of the server it was given.
    pub(crate) fn server(&self) -> Option<&Name> {
        let servers = self.pool?.servers();
        Some(servers.get(self.way.server? as usize)?.name())
    }
}
