//! Packet listeners (modes `nat`, `dsr`, `tunnel`), and the packet data plane that serves them.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::{Name, Place};

/// `[listener.NAME]` with a mode that balances packets: nothing is accepted on it, packets are sent on.
#[derive(Debug, Clone, PartialEq)]
pub struct PacketListener {
    /// Its name.
    pub name: Name,
    /// Addresses, ports and protocols that are balanced: the VIPs. None is a wildcard, no port is 0.
    pub bind: Vec<PacketBind>,
    /// How packets reach the servers.
    pub mode: PacketMode,
    /// What decides which server a new flow gets.
    pub hash_on: HashOn,
    /// The pool.
    pub pool: Name,
    /// Where it was written.
    pub place: Place,
}

/// `"10.0.1.9:443/tcp"`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketBind {
    /// The VIP.
    pub address: SocketAddr,
    /// Its protocol.
    pub transport: Transport,
}

impl fmt::Display for PacketBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.transport.word())
    }
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// RFC 9293
    Tcp,
    /// RFC 768
    Udp,
}

impl Transport {
    /// As addresses end in it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// How packets reach the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketMode {
    /// Address and port are rewritten; replies come back through us.
    Nat,
    /// Only the MAC addresses are rewritten; servers hold the VIP and answer by themselves.
    Dsr,
    /// Packets are wrapped in IP; servers unwrap them, hold the VIP and answer by themselves.
    Tunnel,
}

impl PacketMode {
    /// As it is written.
    pub fn word(self) -> &'static str {
        crate::words::word(crate::words::MODES, &crate::words::Mode::Packet(self))
    }
}

/// What decides which server a new flow gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashOn {
    /// Addresses and ports: flows spread as evenly as weights say.
    Flow,
    /// The client's address: all its flows reach one server.
    Source,
}

/// `[packet]`
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// Where the program is attached; not empty if there are packet listeners.
    pub interfaces: Vec<Name>,
    /// Where in the receive path it runs.
    pub driver: Driver,
    /// Longest IP packet on the way to servers; `None`: as their interface says.
    pub mtu: Option<u16>,
    /// Flows that each table holds.
    pub flows: u32,
    /// VIPs there is room for.
    pub vips: u32,
    /// Flows a table takes in a second and CPU.
    pub new_flows_per_second: u32,
    /// IP fragments to a VIP.
    pub fragments: Odd,
    /// Packets with IP options or extension headers to a VIP.
    pub ip_options: Odd,
    /// How long flows of a slot's former server are looked for.
    pub settle: Duration,
    /// What a stop does.
    pub on_stop: OnStop,
    /// A directory in a BPF file system, where the program and its tables outlive the process.
    pub pins: Box<Path>,
}

/// Where in the receive path the packet program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// In the interface's driver if it can, else generic.
    Auto,
    /// In the driver, or not at all.
    Native,
    /// In the kernel's stack.
    Generic,
}

/// What becomes of lawful packets that cannot be balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// The kernel's stack sees them.
    Pass,
    /// They are dropped and counted.
    Drop,
}

/// What a stop does to the packet program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// It is taken off the interfaces.
    Detach,
    /// It stays and goes on balancing; the next start takes it over.
    Keep,
}
