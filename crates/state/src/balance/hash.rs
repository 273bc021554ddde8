//! By the client's address, consistently: Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network
//! Load Balancer", NSDI 2016, section 3.4).
//!
//! Each server lists the table's slots in an order of its own, made from its name; in turn each takes the first slot of
//! its list that is free, until all are taken. So every server holds as many slots as its weight says, within one, and
//! when one goes most slots of the others stay theirs. Depends on names and weights alone: neither the order of the
//! file nor the node matters, so that several nodes send a client to the same server.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;
use transom_config::Pool;

use crate::roster::{Attempt, Member};

/// Slots for pools of up to [`FEW_SERVERS`]; prime, so that every step visits every slot.
const SLOTS_FEW: usize = 16_381;

/// Slots for larger pools; prime.
const SLOTS_MANY: usize = 65_537;

/// By servers in the file, not by servers that are up: the table's size must not change with health.
const FEW_SERVERS: usize = 64;

/// The table: for each slot a place in the tier's members.
#[derive(Debug)]
pub(crate) struct Ring {
    slots: Box<[u16]>,
}

/// A server's way through the slots.
struct Walk {
    next: usize,
    skip: usize,
    weight: u32,
    /// Weight gathered since it last took a slot.
    credit: u32,
    /// Its place in the tier's members.
    member: u16,
}

impl Ring {
    pub(super) fn build(pool: &Pool, members: &[Member]) -> Self {
        let size = if pool.servers.len() <= FEW_SERVERS { SLOTS_FEW } else { SLOTS_MANY };
        let mut named: Vec<_> = members
            .iter()
            .zip(0_u16..)
            .map(|(member, place)| (&*pool.servers[member.index].name, member.weight, place))
            .collect();
        named.sort_unstable();
        let mut walks: Vec<_> =
            named.into_iter().map(|(name, weight, place)| Walk::new(name, weight, place, size)).collect();
        Self { slots: fill(&mut walks, size) }
    }

    /// The client's slot; when its server may not be taken, another slot that the client's address leads to.
    pub(super) fn pick(&self, members: &[Member], attempt: &mut Attempt<'_>) -> Option<usize> {
        let mut last = 0;
        for look in 0..2 * members.len() as u64 {
            last = self.slot(attempt.ask.source, look);
            let member = members.get(last)?;
            if attempt.take(member) {
                return Some(member.index);
            }
        }
        attempt.take_any(members, last)
    }

    fn slot(&self, source: IpAddr, look: u64) -> usize {
        let hash = match source.to_canonical() {
            IpAddr::V4(v4) => hash(&v4.octets(), look),
            IpAddr::V6(v6) => hash(&v6.octets(), look),
        };
        let slot = ((u128::from(hash) * self.slots.len() as u128) >> 64) as usize;
        self.slots.get(slot).map_or(0, |member| usize::from(*member))
    }
}

impl Walk {
    fn new(name: &str, weight: u16, member: u16, size: usize) -> Self {
        let of = |salt, modulus: usize| (hash(name.as_bytes(), salt) % modulus as u64) as usize;
        Self { next: of(1, size), skip: of(2, size - 1) + 1, weight: weight.into(), credit: 0, member }
    }

    /// Takes the first free slot on its way.
    fn take(&mut self, slots: &mut [Option<u16>]) {
        loop {
            let at = self.next;
            self.next = (self.next + self.skip) % slots.len();
            if slots[at].is_none() {
                slots[at] = Some(self.member);
                return;
            }
        }
    }
}

/// Lets each walk take slots in turn, the heaviest one a turn, the others as their weight compares to it.
fn fill(walks: &mut [Walk], size: usize) -> Box<[u16]> {
    let heaviest = walks.iter().map(|walk| walk.weight).max().unwrap_or(0).max(1);
    let mut slots = vec![None; if walks.is_empty() { 0 } else { size }];
    let mut free = slots.len();
    while free > 0 {
        for walk in &mut *walks {
            walk.credit += walk.weight;
            if free > 0 && walk.credit >= heaviest {
                walk.credit -= heaviest;
                walk.take(&mut slots);
                free -= 1;
            }
        }
    }
    slots.into_iter().flatten().collect()
}

/// The same on every machine and in every release: what clients are given depends on it.
fn hash(bytes: &[u8], salt: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x7472_616e_736f_6d00, salt);
    hasher.write(bytes);
    hasher.finish()
}
