//! The program's flow hash (`bpf/choose.h`), for tests and for saying where a flow would go.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::abi::RING_SLOTS;

const MIX_A: u64 = 0x9fb2_1c65_1e98_df25;
const MIX_B: u64 = 0xd6e8_feb8_6659_fd93;

/// A flow's ports as the program sees them; both 0 for a VIP that hashes on the source only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// The client's.
    pub source: u16,
    /// The VIP's.
    pub destination: u16,
}

impl Ports {
    fn word(self) -> u32 {
        u32::from(self.source.swap_bytes()) | u32::from(self.destination.swap_bytes()) << 16
    }
}

/// The ring slot of an IPv4 flow.
#[must_use]
pub fn slot4(client: Ipv4Addr, vip: Ipv4Addr, ports: Ports) -> usize {
    let source = u64::from(u32::from_ne_bytes(client.octets()));
    let first = (source << 32 | u64::from(ports.word())).wrapping_mul(MIX_A);
    slot(mix(first, u64::from(u32::from_ne_bytes(vip.octets()))))
}

/// The ring slot of an IPv6 flow.
#[must_use]
pub fn slot6(client: Ipv6Addr, vip: Ipv6Addr, ports: Ports) -> usize {
    let (client, vip) = (words(client), words(vip));
    let network = u64::from(client[0]) << 32 | u64::from(client[1]);
    let host = u64::from(client[2]) << 32 | u64::from(client[3]);
    let first = network.wrapping_mul(MIX_A) ^ host.wrapping_mul(MIX_B);
    slot(mix(first, u64::from(vip[3]) << 32 | u64::from(ports.word())))
}

/// An address as four words in memory order.
#[must_use]
pub fn words(address: Ipv6Addr) -> [u32; 4] {
    let bytes = address.octets();
    std::array::from_fn(|i| {
        u32::from_ne_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]])
    })
}

fn mix(first: u64, second: u64) -> u32 {
    let folded = first ^ first >> 32;
    (folded.wrapping_add(second).wrapping_mul(MIX_B) >> 32) as u32
}

fn slot(hash: u32) -> usize {
    ((u64::from(hash) * RING_SLOTS as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_spread_evenly_over_four_quarters_of_the_ring() {
        let mut quarters = [0_u32; 4];
        for n in 0..40_000_u32 {
            let client = Ipv4Addr::from(0xc612_0000 + n / 100);
            let ports = Ports { source: 1024 + (n % 100) as u16, destination: 443 };
            quarters[slot4(client, Ipv4Addr::new(192, 0, 2, 1), ports) * 4 / RING_SLOTS] += 1;
        }
        assert!(quarters.iter().all(|&count| (9_500..10_500).contains(&count)), "{quarters:?}");
    }

    #[test]
    fn ipv6_flows_spread_evenly_as_well() {
        let mut quarters = [0_u32; 4];
        for n in 0..40_000_u128 {
            let client = Ipv6Addr::from(0x2001_0db8 << 96 | (n / 100) << 64 | 7);
            let ports = Ports { source: 1024 + (n % 100) as u16, destination: 443 };
            quarters[slot6(client, Ipv6Addr::LOCALHOST, ports) * 4 / RING_SLOTS] += 1;
        }
        assert!(quarters.iter().all(|&count| (9_500..10_500).contains(&count)), "{quarters:?}");
    }
}
