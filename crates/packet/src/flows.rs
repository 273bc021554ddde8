//! The flows the tables know: all of NAT's, and those of DSR and tunnel whose slot changed its server.

use std::net::{IpAddr, SocketAddr};

use aya::maps::MapError;

use crate::Fault;
use crate::abi::{Flow4, Flow6};
use crate::load::{Tables, map_fault};
use crate::plan::{Protocol, address};

const TO_SERVER: u8 = 0;

/// One flow in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The client.
    pub client: SocketAddr,
    /// What it asked for.
    pub vip: SocketAddr,
    /// Number of the server that has it.
    pub server: u16,
}

impl Tables {
    /// Up to `most` flows, in no order; while packets flow some may be missed and some told twice.
    ///
    /// # Errors
    /// If the kernel refuses a read.
    pub fn flows(&self, most: usize) -> Result<Vec<Flow>, Fault> {
        let held4 =
            self.flows4.iter().map(entry).map(|entry| entry.map(|(key, held)| four(key, held.server)));
        let held6 = self.flows6.iter().map(entry).map(|entry| entry.map(|(key, held)| six(key, held.server)));
        let nats4 = self.nats4.iter().map(entry).filter(|entry| requests(entry, |nat| nat.direction));
        let nats4 = nats4.map(|entry| entry.map(|(key, nat)| four(key, nat.server)));
        let nats6 = self.nats6.iter().map(entry).filter(|entry| requests(entry, |nat| nat.direction));
        let nats6 = nats6.map(|entry| entry.map(|(key, nat)| six(key, nat.server)));
        let all = held4.chain(held6).chain(nats4).chain(nats6).take(most);
        all.filter_map(Result::transpose).collect()
    }
}

fn entry<K, V>(entry: Result<(K, V), MapError>) -> Result<(K, V), Fault> {
    entry.map_err(map_fault)
}

/// Replies have an entry of their own; errors are told.
fn requests<K, V>(entry: &Result<(K, V), Fault>, direction: impl Fn(&V) -> u8) -> bool {
    entry.as_ref().map_or(true, |(_, nat)| direction(nat) == TO_SERVER)
}

fn four(key: Flow4, server: u16) -> Option<Flow> {
    let at = |word: u32| IpAddr::from(word.to_ne_bytes());
    flow(at(key.source), at(key.destination), key.ports, key.protocol, server)
}

fn six(key: Flow6, server: u16) -> Option<Flow> {
    flow(address(key.source), address(key.destination), key.ports, key.protocol, server)
}

fn flow(client: IpAddr, vip: IpAddr, ports: u32, protocol: u32, server: u16) -> Option<Flow> {
    let protocol = Protocol::from_number(u16::try_from(protocol).ok()?)?;
    let client = SocketAddr::new(client, u16::from_be(ports as u16));
    Some(Flow { protocol, client, vip: SocketAddr::new(vip, u16::from_be((ports >> 16) as u16)), server })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_as_people_write_it() {
        let key = Flow4 {
            source: u32::from_ne_bytes([198, 18, 1, 7]),
            destination: u32::from_ne_bytes([192, 0, 2, 1]),
            ports: u32::from(31_337_u16.to_be()) | u32::from(443_u16.to_be()) << 16,
            protocol: 6,
        };
        let flow = four(key, 3).expect("TCP is known");
        assert_eq!(
            (flow.client.to_string(), flow.vip.to_string()),
            ("198.18.1.7:31337".into(), "192.0.2.1:443".into())
        );
        assert_eq!(four(Flow4 { protocol: 47, ..key }, 3), None);
    }
}
