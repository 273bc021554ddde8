//! What is remembered of a connection for its line.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use transom_config::Name;
use transom_state::{Fault, Listener, Pool};
use transom_tls::Identity;

/// One client connection, filled in as it goes on. It lives as long as the connection, so it is kept small.
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
    /// The server name of its ClientHello.
    pub(crate) server_name: Option<Box<str>>,
    /// What TLS came to, where we end it.
    pub(crate) secured: Option<Box<Secured>>,
    /// Time until its PROXY header and ClientHello were read.
    pub(crate) inspect: Option<Span>,
    /// How it came to its server.
    pub(crate) way: Way,
}

/// What the TLS of a client connection came to, its server name aside.
pub(crate) struct Secured {
    /// The version agreed on: `TLSv1.3`.
    pub(crate) version: &'static str,
    /// Who the client has proven to be by its certificate.
    pub(crate) identity: Option<Box<Identity>>,
    /// Time of the handshake.
    pub(crate) handshake: Span,
}

/// The way of a connection or request to its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Way {
    /// Which server of the pool it was given last.
    pub(crate) server: Option<u32>,
    /// Time in the pool's queue.
    pub(crate) queue: Option<Span>,
    /// Time until a server answered, all tries together.
    pub(crate) connect: Option<Span>,
    /// Tries after the first.
    pub(crate) retries: u32,
}

/// How a connection ended.
pub(crate) struct Ending {
    /// When.
    pub(crate) at: Instant,
    /// Bytes received from the client and passed on.
    pub(crate) bytes_in: u64,
    /// Bytes sent to the client.
    pub(crate) bytes_out: u64,
    /// Why, unless both sides ended it in order.
    pub(crate) fault: Option<Fault>,
    /// Connections open at that moment.
    pub(crate) load: Load,
}

/// Connections open at a moment, this one among them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) process: u32,
    pub(crate) listener: u32,
    pub(crate) pool: u32,
    pub(crate) server: u32,
}

/// A time of up to 71 minutes in four bytes, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(NonZeroU32);

impl From<Duration> for Span {
    fn from(time: Duration) -> Self {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        Self(NonZeroU32::MIN.saturating_add(micros))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_micros(u64::from(span.0.get() - 1))
    }
}

impl Record {
    pub(crate) fn new(id: u64, started: Instant, client: SocketAddr, listener: Arc<Listener>) -> Self {
        Self {
            id,
            started,
            client,
            listener,
            pool: None,
            server_name: None,
            secured: None,
            inspect: None,
            way: Way::default(),
        }
    }

    /// `connection`, or `refused` when it was turned away before a pool was chosen for it.
    pub(crate) fn kind(&self) -> &'static str {
        if self.pool.is_none() { "refused" } else { "connection" }
    }

    /// The name of the server it was given.
    pub(crate) fn server(&self) -> Option<&Name> {
        let servers = self.pool.as_ref()?.servers();
        Some(servers.get(self.way.server? as usize)?.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_keep_microseconds_and_saturate() {
        for micros in [0, 1, 3_006_449, u64::from(u32::MAX) - 1] {
            let time = Duration::from_micros(micros);
            assert_eq!(Duration::from(Span::from(time)), time);
        }
        assert!(Duration::from(Span::from(Duration::MAX)) > Duration::from_mins(70));
    }
}
