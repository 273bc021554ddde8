//! Listeners: the addresses we accept on and what happens to a connection there.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::{Action, Http, ListenerTls, Name, PerSource, Place};

/// `[listener.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Its name.
    pub name: Name,
    /// Addresses accepted on; port 0 takes a free one.
    pub bind: Vec<SocketAddr>,
    /// What is done with a connection.
    pub mode: ListenerMode,
    /// Sources that may or may not connect.
    pub sources: Sources,
    /// Sources that must send a PROXY protocol header, and are believed; from others bytes are taken as they come.
    pub accept_proxy: Vec<IpNet>,
    /// Limits of this listener.
    pub limits: ListenerLimits,
    /// Where it was written.
    pub place: Place,
}

/// What a listener does with a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum ListenerMode {
    /// Every connection goes to one pool, bytes unread.
    Tcp {
        /// The pool.
        pool: Name,
    },
    /// The TLS ClientHello is read, nothing decrypted, and the server name chooses the pool.
    Passthrough(Passthrough),
    /// TLS is terminated; the bytes inside go to one pool, unread.
    Tls(Terminate),
    /// Requests are read, and each is routed by itself.
    Http(Box<Http>),
}

impl ListenerMode {
    /// The word it is written with.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::Passthrough(_) => "passthrough",
            Self::Tls(_) => "tls",
            Self::Http(_) => "http",
        }
    }

    /// The pools it leads to, each once, in the order of the file.
    pub fn pools(&self) -> Vec<&Name> {
        let mut pools: Vec<&Name> = match self {
            Self::Tcp { pool } => vec![pool],
            Self::Passthrough(mode) => {
                mode.routes.iter().map(|route| &route.pool).chain(&mode.pool).collect()
            }
            Self::Tls(mode) => vec![&mode.pool],
            Self::Http(mode) => mode.actions().filter_map(Action::pool).collect(),
        };
        let mut seen = HashSet::new();
        pools.retain(|pool| seen.insert(Name::clone(pool)));
        pools
    }

    /// How TLS is spoken to its clients, where we end it.
    pub fn tls(&self) -> Option<&ListenerTls> {
        match self {
            Self::Tcp { .. } | Self::Passthrough(_) => None,
            Self::Tls(mode) => Some(&mode.tls),
            Self::Http(mode) => mode.tls.as_ref().map(|tls| &tls.tls),
        }
    }
}

/// `mode = "tls"`
#[derive(Debug, Clone, PartialEq)]
pub struct Terminate {
    /// The pool.
    pub pool: Name,
    /// How TLS is spoken to clients.
    pub tls: ListenerTls,
    /// How long a client may take for its handshake (`inspect-timeout`).
    pub handshake_timeout: Duration,
    /// The answer to a client that speaks plain HTTP here.
    pub plain_http: PlainHttp,
}

/// `mode = "passthrough"`
#[derive(Debug, Clone, PartialEq)]
pub struct Passthrough {
    /// How long a client may take to send its ClientHello.
    pub inspect_timeout: Duration,
    /// First match wins.
    pub routes: Vec<SniRoute>,
    /// For clients without a server name or with one that no route lists; `None` refuses them (`no-sni-match`).
    pub pool: Option<Name>,
    /// The answer to a client that speaks plain HTTP here.
    pub plain_http: PlainHttp,
    /// What happens to a client that speaks neither TLS nor HTTP, or says nothing in time.
    pub not_tls: NotTls,
}

/// One entry of `routes`.
#[derive(Debug, Clone, PartialEq)]
pub struct SniRoute {
    /// Names that match.
    pub names: Vec<ServerName>,
    /// Where such connections go.
    pub pool: Name,
    /// Where it was written.
    pub place: Place,
}

/// A name to compare a TLS server name with, lower case, without a final dot (RFC 6066 section 3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerName {
    /// This name alone.
    Exact(Box<str>),
    /// `*.example.com`: any name below `example.com`, one label or more. Holds `.example.com`.
    Below(Box<str>),
}

impl ServerName {
    /// Whether `name` (lower case, no final dot) is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(own) => **own == *name,
            Self::Below(suffix) => name.len() > suffix.len() && name.ends_with(&**suffix),
        }
    }
}

/// The answer to plain HTTP on a port that expects TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// 308 to the same address with `https`; 400 where the request names no host.
    Redirect,
    /// 400 with a sentence that says why.
    Refuse,
    /// The connection is reset.
    Reset,
}

/// What happens to a client of a passthrough listener that speaks neither TLS nor HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTls {
    /// It is cut (`client-bad-request`, or `client-timeout` when it said nothing).
    Refuse,
    /// It goes to the default pool as it is.
    Pool,
}

/// `allow` and `refuse`: `refuse` is asked first; with `allow` given, whoever is not in it is refused as well.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sources {
    /// Who may connect; empty is everybody.
    pub allow: Vec<IpNet>,
    /// Who may not.
    pub refuse: Vec<IpNet>,
}

impl Sources {
    /// Whether a client with this address may connect. IPv4 addresses written inside IPv6 count as IPv4.
    pub fn admit(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        let among = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&source));
        !among(&self.refuse) && (self.allow.is_empty() || among(&self.allow))
    }
}

/// `limits` of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Client connections at a time; `None` leaves it to the global limit. Further ones wait in the backlog.
    pub connections: Option<u32>,
    /// Connections the kernel keeps while they wait to be accepted.
    pub backlog: u32,
    /// `per-source`: limits for each source.
    pub per_source: PerSource,
}
