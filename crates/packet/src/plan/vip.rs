//! What is wanted: a VIP and its servers, as plain values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::identity;
use crate::Fault;
use crate::abi::{self, HashOn, Mode};
use crate::hash::words;

/// A transport protocol that can be balanced.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// 6
    Tcp = 6,
    /// 17
    Udp = 17,
}

/// What a packet's destination is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VipKey {
    /// The VIP.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

/// One address, port and protocol that is balanced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vip {
    /// As people call it: the listener's name.
    pub name: String,
    /// What it listens on.
    pub address: IpAddr,
    /// What it listens on.
    pub port: u16,
    /// What it listens on.
    pub protocol: Protocol,
    /// How packets reach the servers.
    pub mode: Mode,
    /// What decides which server a new flow gets.
    pub hash_on: HashOn,
    /// The pool.
    pub servers: Vec<Server>,
}

/// Whether a server takes packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// New flows and old ones.
    Active,
    /// Only those it has.
    Draining,
    /// None: its flows move at once.
    Dead,
}

/// A MAC address.
pub type Mac = [u8; 6];

/// The way to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Index of the interface packets leave by; 0: the one they came in by.
    pub interface: u32,
    /// The next router's MAC address, or the server's own.
    pub next: Mac,
    /// Ours on that interface.
    pub ours: Mac,
    /// Our address on that interface: the outer source of tunnels.
    pub source: IpAddr,
    /// Longest IP packet the way takes.
    pub mtu: u16,
}

/// One server of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Stable, and the same on every node: `pool/server`.
    pub name: String,
    /// Its address; for DSR only its hop counts.
    pub address: IpAddr,
    /// NAT: the port packets are sent to. Other modes cannot change ports.
    pub port: u16,
    /// Its part of new flows; 0 is as good as draining.
    pub weight: u32,
    /// Whether it takes packets.
    pub state: ServerState,
    /// The way there; without one it is as good as dead.
    pub hop: Option<Hop>,
    /// Tunnel over IPv4: how many low bits of our source address vary by flow, so that the server's card spreads
    /// packets over its queues. The server must know all of them as senders.
    pub source_spread_bits: u8,
}

impl Vip {
    /// What its packets are looked up by.
    #[must_use]
    pub fn key(&self) -> VipKey {
        VipKey { address: self.address, port: self.port, protocol: self.protocol }
    }

    /// Can the mode do what is asked of it?
    pub(super) fn check(&self) -> Result<(), Fault> {
        let fault = |why| Err(Fault::Impossible { vip: self.name.clone(), why });
        let other_family = |server: &Server| server.address.is_ipv4() != self.address.is_ipv4();
        match self.mode {
            Mode::Nat if self.servers.iter().any(other_family) => {
                fault("nat cannot turn IPv4 into IPv6 or back: servers must be of the listener's family")
            }
            Mode::Dsr | Mode::Tunnel if self.servers.iter().any(|server| server.port != self.port) => {
                fault("dsr and tunnel leave the packet as it is: servers must have the listener's port")
            }
            _ => Ok(()),
        }
    }
}

impl Server {
    /// The same server on every node and in every process: name, address and port.
    pub(super) fn identity(&self) -> u64 {
        identity::hash(format!("{} {} {}", self.name, self.address, self.port).as_bytes())
    }

    pub(super) fn takes_new_flows(&self) -> bool {
        self.state == ServerState::Active && self.weight > 0 && self.hop.is_some()
    }

    /// What the program needs to know of it.
    pub(super) fn record(&self, vip: &Vip) -> abi::Server {
        let Some(hop) = self.hop else { return abi::Server::default() };
        let family = if self.address.is_ipv4() { 4 } else { 6 };
        let wrapping = if family == 4 { 20 } else { 40 };
        let wrapping = if vip.mode == Mode::Tunnel { wrapping } else { 0 };
        let spread = !u32::MAX.checked_shl(u32::from(self.source_spread_bits)).unwrap_or(0);
        abi::Server {
            address: address_words(self.address),
            source: address_words(hop.source),
            macs: mac_words(hop.next, hop.ours),
            interface: hop.interface,
            source_spread: spread.to_be(),
            port: self.port.to_be(),
            packet_max: hop.mtu.saturating_sub(wrapping),
            epoch: 0,
            family,
            live: u8::from(self.state != ServerState::Dead),
        }
    }
}

impl VipKey {
    /// The key in the IPv4 map.
    pub(crate) fn four(self, address: Ipv4Addr) -> abi::Vip4Key {
        let address = u32::from_ne_bytes(address.octets());
        abi::Vip4Key { address, port: self.port.to_be(), protocol: self.protocol as u16 }
    }

    /// The key in the IPv6 map.
    pub(crate) fn six(self, address: Ipv6Addr) -> abi::Vip6Key {
        abi::Vip6Key { address: words(address), port: self.port.to_be(), protocol: self.protocol as u16 }
    }

    /// From the IPv4 map; nothing if the protocol is none of ours.
    pub(crate) fn from_four(key: abi::Vip4Key) -> Option<Self> {
        let address = IpAddr::from(key.address.to_ne_bytes());
        Some(Self { address, port: u16::from_be(key.port), protocol: Protocol::from_number(key.protocol)? })
    }

    /// From the IPv6 map; nothing if the protocol is none of ours.
    pub(crate) fn from_six(key: abi::Vip6Key) -> Option<Self> {
        let address = address(key.address);
        Some(Self { address, port: u16::from_be(key.port), protocol: Protocol::from_number(key.protocol)? })
    }
}

impl Protocol {
    /// 6 or 17.
    pub(crate) fn from_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }
}

fn address_words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [u32::from_ne_bytes(address.octets()), 0, 0, 0],
        IpAddr::V6(address) => words(address),
    }
}

/// An IPv6 address of the program's.
pub(crate) fn address(words: [u32; 4]) -> IpAddr {
    let mut octets = [0; 16];
    for (part, word) in octets.chunks_exact_mut(4).zip(words) {
        part.copy_from_slice(&word.to_ne_bytes());
    }
    IpAddr::from(octets)
}

fn mac_words(next: Mac, ours: Mac) -> [u32; 3] {
    let [a, b, c, d, e, f] = next;
    let [g, h, i, j, k, l] = ours;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_ne_bytes)
}
