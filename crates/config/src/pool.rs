//! Pools: interchangeable servers, how to choose one, how to reach it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::{HealthCheck, Name, Place, PoolCookie, RequestKey, Reuse, ServerTls};

/// `[pool.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// The servers, in the order of the file; names are unique within the pool.
    pub servers: Vec<Server>,
    /// How a server is chosen.
    pub balance: Balance,
    /// What `balance = "hash"` looks at.
    pub hash_on: RequestKey,
    /// Which zones are preferred.
    pub zones: Zones,
    /// Remember which server a client was given.
    pub stick: Option<Stick>,
    /// Which server a client was given is remembered by the client itself; only under `http`.
    pub cookie: Option<PoolCookie>,
    /// Whether connections to servers are kept for further requests; only under `http`.
    pub reuse: Reuse,
    /// How servers are probed; `None`: condition follows `passive` alone.
    pub health_check: Option<HealthCheck>,
    /// What real connections say about a server.
    pub passive: Passive,
    /// Time limits.
    pub timeouts: Timeouts,
    /// What is tried after a connect that failed.
    pub retry: Retry,
    /// Where clients wait when every server is at its limit.
    pub queue: Queue,
    /// How long a server that came up takes to reach its full weight; zero is at once.
    pub slow_start: Duration,
    /// What happens to a server's connections when it goes down.
    pub on_down: OnDown,
    /// The header sent to servers before anything else.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// How TLS is spoken to servers; `None`: bytes go to them as they are.
    pub tls: Option<ServerTls>,
    /// Our own address on connections to servers.
    pub source: Source,
    /// Where it was written.
    pub place: Place,
}

/// One entry of `servers`.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name, unique in its pool.
    pub name: Name,
    /// Where it is reached.
    pub address: Address,
    /// `cookie`: what the pool's cookie says for it; `None`: its name.
    pub cookie: Option<Box<str>>,
    /// Share of new connections, 0 to 256; 0 gets none but those that stick to it.
    pub weight: u16,
    /// Where it stands.
    pub zone: Option<Name>,
    /// Used only when no other server is up.
    pub backup: bool,
    /// Connections at a time; `None` is no limit.
    pub connections: Option<u32>,
    /// The admin state it starts with.
    pub start: StartState,
    /// Where it was written.
    pub place: Place,
}

/// Admin state a server has when the program first sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartState {
    /// In service.
    Ready,
    /// No new clients.
    Drain,
    /// Out of service.
    Maint,
}

/// Where a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Address and port.
    Ip(SocketAddr),
    /// A name, resolved again when its time to live has passed (RFC 1035).
    Name {
        /// Host name.
        host: Box<str>,
        /// Port.
        port: u16,
    },
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// How a pool chooses among the servers that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Smooth weighted round-robin.
    RoundRobin,
    /// Fewest connections for its weight.
    LeastConnections,
    /// The less loaded of two taken at random.
    Random,
    /// By `hash_on`, consistently (Maglev): a change moves few clients.
    Hash,
    /// The first in the file that is not at its limit.
    First,
}

/// How zones weigh in. Only meaningful where this node's own zone is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zones {
    /// Zones do not matter.
    Even,
    /// Servers of our zone while one is up, then the others.
    LocalFirst,
    /// Servers of our zone only.
    Strict,
}

/// `stick = { on = …, table = "NAME" }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stick {
    /// What is remembered of a client.
    pub on: RequestKey,
    /// The table.
    pub table: Name,
}

/// `passive`: consecutive failures of real connections that mark a server down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passive {
    /// Failures in a row; `None` does not look.
    pub fall: Option<u32>,
    /// How long it stays out where no health check can bring it back.
    pub hold: Duration,
}

/// `timeouts`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To establish a connection to a server, each try.
    pub connect: Duration,
    /// Without a byte in either direction of a relayed connection.
    pub idle: Duration,
    /// Until the head of a response has come, from the end of the request's head on, and between any two pieces of its
    /// body; only under `http`. Long polls and channels have times of their own.
    pub response: Duration,
}

/// `retry`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Further tries after the first.
    pub times: u32,
    /// Whether they go to another server where there is one, even against the stick table.
    pub other_server: bool,
}

/// `queue`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Clients that may wait; 0 refuses at once (`pool-full`).
    pub size: u32,
    /// How long one waits (`queue-timeout`).
    pub timeout: Duration,
}

/// What happens to the connections of a server that goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDown {
    /// They go on until one side ends them.
    Keep,
    /// They are closed, so that clients come back to another server.
    Close,
}

/// PROXY protocol version sent to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// The line of text.
    V1,
    /// The binary form.
    V2,
}

/// Our address on connections to servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The kernel's choice.
    Any,
    /// These in turn, so that a server can be given more than 65 thousand connections.
    Addresses(Vec<IpAddr>),
    /// `client = true`: the client's own (IP_TRANSPARENT), so that servers see it. A connection never serves another
    /// client's address.
    Client,
}
