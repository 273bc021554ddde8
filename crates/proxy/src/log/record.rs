//! What is remembered of a connection for its line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use transom_config::Name;
use transom_state::{Fault, Listener, Pool};

/// One client connection, filled in as it goes on.
pub(crate) struct Record {
    /// Tells it from all others in logs.
    pub(crate) id: u64,
    /// When it was accepted.
    pub(crate) started: Instant,
    /// The client's own address: the PROXY header's, where one was believed.
    pub(crate) client: SocketAddr,
    /// Where it came in.
    pub(crate) listener: Arc<Listener>,
    /// Where it went.
    pub(crate) pool: Option<Arc<Pool>>,
    /// Which server it was given.
    pub(crate) server: Option<Name>,
    /// The server name of its ClientHello.
    pub(crate) server_name: Option<Box<str>>,
    /// Time until its PROXY header and ClientHello were read.
    pub(crate) inspect: Option<Duration>,
    /// Time in the pool's queue.
    pub(crate) queue: Option<Duration>,
    /// Time until a server answered, all tries together.
    pub(crate) connect: Option<Duration>,
    /// Tries after the first.
    pub(crate) retries: u32,
    /// Bytes received from the client and passed on.
    pub(crate) bytes_in: u64,
    /// Bytes sent to the client.
    pub(crate) bytes_out: u64,
    /// Why it ended, unless both sides ended it in order.
    pub(crate) fault: Option<Fault>,
    /// Connections open when it ended.
    pub(crate) load_at_end: Load,
}

/// Connections open at a moment, this one among them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) process: u32,
    pub(crate) listener: u32,
    pub(crate) pool: u32,
    pub(crate) server: u32,
}

impl Record {
    pub(crate) fn new(id: u64, started: Instant, client: SocketAddr, listener: Arc<Listener>) -> Self {
        Self {
            id,
            started,
            client,
            listener,
            pool: None,
            server: None,
            server_name: None,
            inspect: None,
            queue: None,
            connect: None,
            retries: 0,
            bytes_in: 0,
            bytes_out: 0,
            fault: None,
            load_at_end: Load::default(),
        }
    }

    /// `connection`, or `refused` when it was turned away before a pool was chosen for it.
    pub(crate) fn kind(&self) -> &'static str {
        if self.pool.is_none() && self.fault.is_some() { "refused" } else { "connection" }
    }
}
