//! The packet shield: what is done with packets before the kernel sees them.

use std::fmt;

use ipnet::IpNet;

use crate::Place;

/// `[shield]`
#[derive(Debug, Clone, PartialEq)]
pub struct Shield {
    /// Interfaces it stands before.
    pub interfaces: Vec<String>,
    /// Whether replies pass here, where a context does not say.
    pub tracking: Tracking,
    /// Sources that get nothing.
    pub block: Vec<IpNet>,
    /// Sources that are asked for nothing: no budget, no proof.
    pub allow: Vec<IpNet>,
    /// What is done with fragments.
    pub fragments: PacketPolicy,
    /// What is done with IP options and IPv6 extension headers.
    pub options: PacketPolicy,
    /// What is special about some destinations, in the order of the file.
    pub contexts: Vec<ShieldContext>,
    /// Where it was written.
    pub place: Place,
}

/// An entry of `[[shield.contexts]]`
#[derive(Debug, Clone, PartialEq)]
pub struct ShieldContext {
    /// Destinations; the longest prefix of all contexts counts.
    pub destination: Vec<IpNet>,
    /// Whether replies pass here.
    pub tracking: Tracking,
    /// What goes on; empty: everything.
    pub allow: Vec<Allow>,
    /// SYNs a second above which they have to prove their source; `Some` of 0: always; `None`: never.
    pub syn_cookies_above: Option<PacketRate>,
    /// What one source may send.
    pub per_source: PacketBudgets,
    /// What all sources together may send.
    pub total: TotalRates,
    /// Packets of no connection that the kernel still sees, so that it can answer them with a RST.
    pub strays: PacketRate,
    /// Where it was written.
    pub place: Place,
}

/// `per-source`: what one IPv4 address or one IPv6 /64 may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketBudgets {
    /// Openings of TCP connections.
    pub syn: Option<PacketRate>,
    /// Packets of any kind.
    pub packets: Option<PacketRate>,
    /// UDP, and what is neither TCP nor ICMP.
    pub udp: Option<PacketRate>,
    /// ICMP.
    pub icmp: Option<PacketRate>,
    /// Connections at a time.
    pub connections: Option<u32>,
}

/// `total`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TotalRates {
    /// UDP, and what is neither TCP nor ICMP.
    pub udp: Option<PacketRate>,
    /// ICMP.
    pub icmp: Option<PacketRate>,
}

/// Whether both directions of a connection pass here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    /// They do: packets of no known connection do not go on.
    Stateful,
    /// They do not (direct server return, tunnels): every packet is judged alone.
    Stateless,
}

/// What is done with lawful packets of a kind that attackers like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketPolicy {
    /// The kernel sees them.
    Pass,
    /// They are dropped.
    Drop,
}

/// So many a second, a minute or an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketRate {
    /// How many,
    pub count: u64,
    /// in which time.
    pub per: Per,
}

/// The time of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Per {
    /// Its length.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }
}

impl fmt::Display for PacketRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per {
            Per::Second => 's',
            Per::Minute => 'm',
            Per::Hour => 'h',
        };
        match self.count {
            n if n > 0 && n % 1_000_000 == 0 => write!(f, "{}M/{unit}", n / 1_000_000),
            n if n > 0 && n % 1_000 == 0 => write!(f, "{}k/{unit}", n / 1_000),
            n => write!(f, "{n}/{unit}"),
        }
    }
}

/// What a context lets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Allow {
    /// Which packets,
    pub what: AllowWhat,
    /// from whom; `None`: from everybody.
    pub from: Option<IpNet>,
}

/// Which packets a context lets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AllowWhat {
    /// TCP to these ports, the last included.
    Tcp(u16, u16),
    /// UDP to these ports, the last included.
    Udp(u16, u16),
    /// ICMP echo requests and replies, of both families. Errors and what the network itself needs always go on.
    Echo,
    /// Another protocol by its number: 47 is GRE, 50 is ESP.
    Protocol(u8),
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            AllowWhat::Tcp(first, last) if first == last => write!(f, "tcp/{first}")?,
            AllowWhat::Tcp(first, last) => write!(f, "tcp/{first}-{last}")?,
            AllowWhat::Udp(first, last) if first == last => write!(f, "udp/{first}")?,
            AllowWhat::Udp(first, last) => write!(f, "udp/{first}-{last}")?,
            AllowWhat::Echo => f.write_str("icmp/echo")?,
            AllowWhat::Protocol(number) => write!(f, "ip/{number}")?,
        }
        self.from.map_or(Ok(()), |from| write!(f, " from {from}"))
    }
}
