//! Which sources may be in the lists. Nearly every packet's source is in none, and a trie of a million prefixes is slow
//! to say so; here that costs one cache line, or two for IPv6. A yes may be wrong and is asked again of the trie, a no
//! never is.
//!
//! A line has 512 bits about neighbours: the first half about single addresses, the second about networks. Bits are
//! only ever added; what was taken out of the lists leaves its bits behind until the next [`Filter::rebuild`].

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::abi::{FILTER_BITS, Line};
use crate::hash::words;

const MIX_A: u64 = 0x9fb2_1c65_1e98_df25;
const MIX_B: u64 = 0xd6e8_feb8_6659_fd93;

/// The widest prefixes the filter takes.
const BITS_MIN: (u8, u8) = (16, 32);

/// The lines, as the program has them.
#[derive(Clone, Debug)]
pub struct Filter {
    lines: Vec<Line>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { lines: vec![Line::default(); 1 << FILTER_BITS] }
    }
}

/// Is a prefix too wide for the filter?
#[must_use]
pub fn is_wide(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(four) => four.prefix_len() < BITS_MIN.0,
        IpNet::V6(six) => six.prefix_len() < BITS_MIN.1,
    }
}

impl Filter {
    /// Adds a prefix that is not too wide; gives the numbers of the lines that changed.
    pub fn add(&mut self, prefix: &IpNet) -> BTreeSet<u32> {
        let mut changed = BTreeSet::new();
        for (line, bit) in bits(prefix) {
            let word = &mut self.lines[line as usize].bits[bit / 64];
            if *word >> (bit % 64) & 1 == 0 {
                *word |= 1 << (bit % 64);
                changed.insert(line);
            }
        }
        changed
    }

    /// Starts anew with these prefixes; gives the lines that changed.
    pub fn rebuild<'a>(&mut self, prefixes: impl Iterator<Item = &'a IpNet>) -> BTreeSet<u32> {
        let mut new = Self::default();
        for prefix in prefixes.filter(|prefix| !is_wide(prefix)) {
            new.add(prefix);
        }
        let pairs = self.lines.iter().zip(&new.lines).zip(0..);
        let changed = pairs.filter(|((old, new), _)| old != new).map(|(_, number)| number).collect();
        *self = new;
        changed
    }

    /// What a line holds.
    #[must_use]
    pub fn line(&self, number: u32) -> Line {
        self.lines[number as usize]
    }

    /// May the lists have this address? As the program asks.
    #[must_use]
    pub fn may_have(&self, prefix: &IpNet) -> bool {
        let set = |(line, bit): (u32, usize)| self.lines[line as usize].bits[bit / 64] >> (bit % 64) & 1 == 1;
        match prefix {
            IpNet::V4(four) => {
                let (line, network) = network4(four.addr());
                set((line, network)) || set((line, usize::from(four.addr().octets()[3])))
            }
            IpNet::V6(six) => places6(six.addr()).into_iter().any(set),
        }
    }
}

/// Line and bit of everything that has to be set for a prefix.
fn bits(prefix: &IpNet) -> Vec<(u32, usize)> {
    match prefix {
        IpNet::V4(four) if four.prefix_len() > 24 => {
            four.hosts_and_ends().map(|host| (network4(host).0, usize::from(host.octets()[3]))).collect()
        }
        IpNet::V4(four) => {
            let first = u32::from(four.network()) >> 8;
            let count = 1 << (24 - four.prefix_len().min(24));
            (first..first + count).map(|network| network4(Ipv4Addr::from(network << 8))).collect()
        }
        IpNet::V6(six) => {
            let places = places6(six.network());
            let level = match six.prefix_len() {
                ..48 => 0,
                48..64 => 1,
                64..128 => 2,
                _ => 3,
            };
            vec![places[level]]
        }
    }
}

/// Every address of a small network, its ends included.
trait Ends {
    fn hosts_and_ends(&self) -> impl Iterator<Item = Ipv4Addr>;
}

impl Ends for ipnet::Ipv4Net {
    fn hosts_and_ends(&self) -> impl Iterator<Item = Ipv4Addr> {
        (u32::from(self.network())..=u32::from(self.broadcast())).map(Ipv4Addr::from)
    }
}

fn scatter(word: u64) -> u64 {
    let word = word.wrapping_mul(MIX_A);
    (word ^ word >> 32).wrapping_mul(MIX_B)
}

fn line_of(hash: u64) -> u32 {
    (hash >> (64 - FILTER_BITS)) as u32
}

fn network_bit(hash: u64) -> usize {
    256 + (hash >> 24 & 255) as usize
}

fn network4(address: Ipv4Addr) -> (u32, usize) {
    let hash = scatter(u64::from(u32::from(address) >> 8));
    (line_of(hash), network_bit(hash))
}

/// For the /32, the /48, the /64 and the address itself.
fn places6(address: Ipv6Addr) -> [(u32, usize); 4] {
    let [a, b, c, d] = words(address).map(u64::from);
    // The program reads words in the memory's order, which is the little end first wherever it runs.
    let (network_half, host_half) = (a | b << 32, c | d << 32);
    let (wide, site, network) = (scatter(a), scatter((b & 0xffff) << 32 | a), scatter(network_half));
    let host = scatter(network ^ host_half);
    let near = line_of(site);
    [
        (line_of(wide), network_bit(wide)),
        (near, network_bit(site)),
        (near, network_bit(network)),
        (near, (host >> 24 & 255) as usize),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn everything_inside_a_prefix_is_found() {
        for (prefix, inside) in [
            ("192.0.2.7/32", vec!["192.0.2.7/32"]),
            ("192.0.2.0/24", vec!["192.0.2.0/32", "192.0.2.255/32"]),
            ("192.0.2.128/25", vec!["192.0.2.128/32", "192.0.2.255/32"]),
            ("198.18.0.0/16", vec!["198.18.0.1/32", "198.18.255.255/32", "198.18.77.1/32"]),
            ("2001:db8::/32", vec!["2001:db8::1/128", "2001:db8:ffff::1/128"]),
            ("2001:db8:1::/48", vec!["2001:db8:1:ffff::1/128"]),
            ("2001:db8:1:2::/64", vec!["2001:db8:1:2:ffff::1/128"]),
            ("2001:db8:1:2::/50", vec!["2001:db8:1:2:ffff::1/128"]),
            ("2001:db8:1:2:3::/80", vec!["2001:db8:1:2:3::1/128"]),
            ("2001:db8::1/128", vec!["2001:db8::1/128"]),
        ] {
            let mut filter = Filter::default();
            assert!(!filter.add(&net(prefix)).is_empty());
            assert!(filter.add(&net(prefix)).is_empty(), "{prefix}: nothing changes the second time");
            for one in inside {
                assert!(filter.may_have(&net(one)), "{prefix} {one}");
            }
        }
        assert!(is_wide(&net("10.0.0.0/8")) && is_wide(&net("2000::/3")) && !is_wide(&net("10.0.0.0/16")));
    }

    #[test]
    fn a_million_addresses_leave_most_others_alone() {
        let mut filter = Filter::default();
        let address =
            |n: u32| IpNet::from(std::net::IpAddr::from(Ipv4Addr::from(n.wrapping_mul(2_654_435_761))));
        for n in 0..1_000_000 {
            filter.add(&address(n));
        }
        let wrong = (1_000_000..1_100_000).filter(|n| filter.may_have(&address(*n))).count();
        assert!(wrong < 5_000, "{wrong} of 100,000");
        assert!(!filter.rebuild([].iter()).is_empty());
        assert!(!filter.may_have(&address(7)), "what was taken out is gone after a rebuild");
    }
}
