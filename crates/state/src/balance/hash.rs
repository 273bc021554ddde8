//! By the client's address, or by what its request says, consistently: Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network
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

use crate::Ask;
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
            last = self.slot(attempt.ask, look);
            let member = members.get(last)?;
            if attempt.take(member) {
                return Some(member.index);
            }
        }
        attempt.take_any(members, last)
    }

    fn slot(&self, ask: &Ask<'_>, look: u64) -> usize {
        let hash = match (ask.said.hash, ask.source.to_canonical()) {
            (Some(said), _) => hash(&said.to_be_bytes(), look),
            (None, IpAddr::V4(v4)) => hash(&v4.octets(), look),
            (None, IpAddr::V6(v6)) => hash(&v6.octets(), look),
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

#[cfg(test)]
mod tests {
    use transom_config::{self as config, Balance};

    use super::*;
    use crate::fixture::{ask, given, lease, live, pool, server, servers, shares, start, weighted};
    use crate::{AdminState, Choice};

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("server-{n}")).collect()
    }

    /// The server's name in each slot of a pool with these servers.
    fn slots(names: &[&str], weights: impl Fn(usize) -> u16) -> Vec<String> {
        let pool = pool(Balance::Hash, servers(names));
        let members: Vec<_> =
            (0..names.len()).map(|index| Member { index, weight: weights(index) }).collect();
        Ring::build(&pool, &members).slots.iter().map(|at| names[usize::from(*at)].to_owned()).collect()
    }

    fn held(slots: &[String], name: &str) -> usize {
        slots.iter().filter(|own| *own == name).count()
    }

    #[test]
    fn sizes_are_prime() {
        for size in [SLOTS_FEW, SLOTS_MANY] {
            assert!((2..size).take_while(|n| n * n <= size).all(|n| size % n != 0), "{size}");
        }
    }

    #[test]
    fn equal_servers_hold_as_many_slots_within_one() {
        for count in [1, 2, 3, 7, 64, 65, 200] {
            let names = names(count);
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let slots = slots(&names, |_| 10);
            let counts: Vec<_> = names.iter().map(|name| held(&slots, name)).collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{count} servers: {least} to {most}");
        }
    }

    #[test]
    fn weights_hold_their_share_of_slots() {
        let names = ["a", "b", "c", "d"];
        let weights = [1, 10, 89, 156];
        let slots = slots(&names, |at| weights[at]);
        for (name, weight) in names.iter().zip(weights) {
            let share = slots.len() * usize::from(weight) / 256;
            assert!(held(&slots, name).abs_diff(share) <= 2, "{name}: {} of {share}", held(&slots, name));
        }
    }

    /// The paper's bound for tables a hundred times the servers is a few per cent of slots that move needlessly.
    #[test]
    fn a_server_that_goes_moves_few_slots_of_others() {
        let all = names(10);
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let before = slots(&all, |_| 1);
        for gone in 0..all.len() {
            let left: Vec<_> =
                all.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, name)| *name).collect();
            let after = slots(&left, |_| 1);
            let moved =
                before.iter().zip(&after).filter(|(old, new)| **old != all[gone] && old != new).count();
            assert!(moved * 100 < before.len() * 4, "without {}: {moved} of {}", all[gone], before.len());
        }
    }

    #[test]
    fn the_order_of_the_file_does_not_matter() {
        assert_eq!(slots(&["a", "b", "c"], |_| 1), slots(&["c", "a", "b"], |_| 1));
    }

    #[test]
    fn clients_are_spread_by_weight_and_stay() {
        let now = start();
        let pool = live(pool(Balance::Hash, weighted(&[1, 3])), now);
        let first = given(&pool, 4000, now);
        let shares = shares(&pool, &first);
        assert!((850..=1150).contains(&shares[0]), "{shares:?}");
        assert_eq!(first, given(&pool, 4000, now));
    }

    #[test]
    fn only_clients_of_a_server_that_goes_move_far() {
        let now = start();
        let pool = live(pool(Balance::Hash, servers(&["a", "b", "c", "d"])), now);
        let before = given(&pool, 4000, now);
        pool.servers()[2].set_admin(AdminState::Drain, now);
        let after = given(&pool, 4000, now);
        let moved = before.iter().zip(&after).filter(|(old, new)| *old != "c" && old != new).count();
        assert!(moved < 120, "{moved} of 4000");
        pool.servers()[2].set_admin(AdminState::Ready, now);
        assert_eq!(before, given(&pool, 4000, now));
    }

    #[test]
    fn a_full_server_sends_its_clients_on_and_takes_them_back() {
        let now = start();
        let limited = |name| config::Server { connections: Some(1), ..server(name) };
        let pool = live(pool(Balance::Hash, ["a", "b", "c"].map(limited).into()), now);
        let home = lease(&pool, &ask(1, now));
        let (next, last) = (lease(&pool, &ask(1, now)), lease(&pool, &ask(1, now)));
        assert!(matches!(pool.choose(&ask(1, now)), Choice::Full));
        let own = home.index();
        assert!(next.index() != own && last.index() != own && next.index() != last.index());
        drop((home, next, last));
        assert_eq!(lease(&pool, &ask(1, now)).index(), own);
    }
}
