//! Maglev's table: which server has which slot, from names and weights alone, so that every node builds the same.
//!
//! Every server has its own permutation of the slots. Round by round each takes the first free slot of its
//! permutation, one as often as its weight says; a server that comes or goes moves few slots of the others.

use crate::abi::{NO_SERVER, RING_SLOTS};

/// A server that may take new flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Hash of its name and address: where its permutation starts, and how nodes compare rings.
    pub(super) identity: u64,
    /// Its number here; other nodes may have given it another.
    pub(super) number: u16,
    /// At least 1.
    pub(super) weight: u32,
}

/// One walk through the slots.
struct Walk {
    next: u32,
    step: u32,
    /// How much of a turn was saved up, in weight.
    credit: u64,
}

const SLOTS: u32 = RING_SLOTS as u32;

impl Walk {
    fn new(identity: u64) -> Self {
        let start = (identity >> 32) % u64::from(SLOTS);
        let step = (identity & 0xffff_ffff) % u64::from(SLOTS - 1) + 1;
        Self { next: start as u32, step: step as u32, credit: 0 }
    }

    fn take_free(&mut self, table: &mut [u16], number: u16) {
        loop {
            let slot = self.next;
            self.next = (self.next + self.step) % SLOTS;
            let owner = &mut table[slot as usize];
            if *owner == NO_SERVER {
                *owner = number;
                return;
            }
        }
    }
}

/// The server of every slot; all [`NO_SERVER`] if there are none. The order of `shares` does not matter.
pub(super) fn table(shares: &[Share]) -> Vec<u16> {
    let mut table = vec![NO_SERVER; RING_SLOTS];
    let mut shares = shares.to_vec();
    shares.sort_by_key(|share| share.identity);
    let Some(heaviest) = shares.iter().map(|share| u64::from(share.weight)).max().filter(|&max| max > 0)
    else {
        return table;
    };
    let mut walks: Vec<Walk> = shares.iter().map(|share| Walk::new(share.identity)).collect();
    let mut free = RING_SLOTS;
    while free > 0 {
        for (share, walk) in shares.iter().zip(&mut walks) {
            walk.credit += u64::from(share.weight);
            if walk.credit < heaviest || free == 0 {
                continue;
            }
            walk.credit -= heaviest;
            walk.take_free(&mut table, share.number);
            free -= 1;
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::identity::hash;

    fn shares(weights: &[u32]) -> Vec<Share> {
        let share = |(number, &weight): (usize, &u32)| Share {
            identity: hash(format!("exchange{number}").as_bytes()),
            number: number as u16,
            weight,
        };
        weights.iter().enumerate().filter(|(_, weight)| **weight > 0).map(share).collect()
    }

    fn counts(table: &[u16], servers: usize) -> Vec<usize> {
        (0..servers)
            .map(|number| table.iter().filter(|&&owner| usize::from(owner) == number).count())
            .collect()
    }

    #[test]
    fn equal_weights_get_equal_shares() {
        let counts = counts(&table(&shares(&[10, 10, 10, 10])), 4);
        assert!(counts.iter().all(|&count| count.abs_diff(RING_SLOTS / 4) <= 1), "{counts:?}");
    }

    #[test]
    fn shares_follow_weights() {
        let counts = counts(&table(&shares(&[1, 2, 5])), 3);
        let wanted = [RING_SLOTS / 8, RING_SLOTS / 4, RING_SLOTS * 5 / 8];
        for (count, wanted) in counts.iter().zip(wanted) {
            assert!(count.abs_diff(wanted) < 100, "{counts:?}");
        }
    }

    #[test]
    fn the_order_of_servers_does_not_matter() {
        let mut turned = shares(&[3, 1, 4, 1, 5]);
        turned.reverse();
        assert_eq!(table(&turned), table(&shares(&[3, 1, 4, 1, 5])));
    }

    #[test]
    fn a_lost_server_moves_few_slots_of_the_others() {
        let (all, fewer) = (table(&shares(&[1, 1, 1, 1])), table(&shares(&[1, 1, 1, 0])));
        let moved = all.iter().zip(&fewer).filter(|(before, after)| **before != 3 && before != after).count();
        assert!(moved < RING_SLOTS / 20, "{moved} slots moved without need");
    }

    #[test]
    fn without_servers_no_slot_has_one() {
        assert!(table(&[]).iter().all(|&owner| owner == NO_SERVER));
    }
}
