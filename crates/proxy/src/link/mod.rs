//! Connections to servers: which server, how it is reached, and which connections are kept for further requests.

mod connect;
mod counted;
mod idle;
mod reach;
mod stock;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use transom_config::Reuse;
use transom_state::Server;

use crate::end::{End, Failed, Read, Scratch};
use crate::socket::Socket;
use crate::tls::{TlsEnd, TlsWorld};

pub(crate) use counted::Counted;
pub(crate) use idle::Idle;
pub(crate) use reach::{Caller, Wish, reach};
pub use stock::{SOURCE_BATCH, SourceStock, source_sockets};

/// A connection to a server, and everything that was said when it was opened: who may use it next depends on that.
pub(crate) struct Link {
    /// The server's end.
    pub(crate) end: ServerEnd,
    /// Plain bytes that came with the server's last flight of the TLS handshake.
    pub(crate) early: Vec<u8>,
    /// Whether it has served before.
    pub(crate) reused: bool,
    server: Arc<Server>,
    /// Where the server was reached: its name may resolve to another address by now.
    address: SocketAddr,
    /// The client whose address it comes from, where it comes from one: it is that client's alone.
    source: Option<IpAddr>,
    /// The server name, client certificate and trust it was opened with.
    tls: Option<Arc<TlsWorld>>,
    /// Whether and how long it may be kept.
    reuse: Reuse,
    /// When it last gave a complete response.
    proven: Instant,
}

impl Link {
    /// Whether it comes from this address; `None`: from one of ours.
    pub(crate) fn comes_from(&self, source: Option<IpAddr>) -> bool {
        self.source == source
    }

    /// Whether the server has closed it. No system call.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.socket().has_ended()
    }

    /// Whether nothing has come since the last response: no bytes, no end. What TLS says below its data does not count.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.end.is_quiet()
    }
}

/// The way to a server.
pub(crate) enum ServerEnd {
    /// Bytes as they are.
    Plain(Socket),
    /// TLS.
    Tls(TlsEnd),
}

impl ServerEnd {
    fn is_quiet(&mut self) -> bool {
        let socket = self.socket();
        if socket.has_ended() {
            return false;
        }
        if !socket.has_bytes() {
            return true;
        }
        crate::end::with_scratch(|scratch| matches!(self.try_read(scratch), Ok(Read::Nothing)))
    }
}

impl End for ServerEnd {
    fn bare(&self) -> Option<&Socket> {
        match self {
            Self::Plain(end) => end.bare(),
            Self::Tls(end) => end.bare(),
        }
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(end) => end,
            Self::Tls(end) => end.socket(),
        }
    }

    fn poll_readable(&self) -> Poll<Result<(), Failed>> {
        match self {
            Self::Plain(end) => End::poll_readable(end),
            Self::Tls(end) => end.poll_readable(),
        }
    }

    fn try_read<'a>(&mut self, scratch: &'a mut Scratch) -> Result<Read<'a>, Failed> {
        match self {
            Self::Plain(end) => End::try_read(end, scratch),
            Self::Tls(end) => end.try_read(scratch),
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<usize, Failed> {
        match self {
            Self::Plain(end) => End::try_write(end, bytes),
            Self::Tls(end) => end.try_write(bytes),
        }
    }

    fn poll_drained(&mut self) -> Poll<Result<(), Failed>> {
        match self {
            Self::Plain(end) => end.poll_drained(),
            Self::Tls(end) => end.poll_drained(),
        }
    }

    fn poll_end(&mut self, last: bool) -> Poll<Result<(), Failed>> {
        match self {
            Self::Plain(end) => end.poll_end(last),
            Self::Tls(end) => end.poll_end(last),
        }
    }
}
