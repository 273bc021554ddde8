//! The less loaded of two taken at random, by weight ("the power of two choices", Mitzenmacher 2001): nearly as even as
//! looking at all of them, and it never sends a crowd to the one that looked idle a moment ago.

use crate::roster::{Attempt, Member};

/// Running sums of the members' weights.
#[derive(Debug)]
pub(crate) struct Shares {
    sums: Box<[u32]>,
}

impl Shares {
    pub(super) fn build(members: &[Member]) -> Self {
        let mut sum = 0;
        let add = |member: &Member| {
            sum += u32::from(member.weight);
            sum
        };
        Self { sums: members.iter().map(add).collect() }
    }

    pub(super) fn pick(&self, members: &[Member], attempt: &mut Attempt<'_>) -> Option<usize> {
        let random = attempt.ask.random;
        let one = self.member(random as u32);
        let two = self.member((random >> 32) as u32);
        let load = |at: usize| u64::from(attempt.connections(&members[at])) + 1;
        let weight = |at: usize| u64::from(members[at].weight);
        let (first, second) =
            if load(two) * weight(one) < load(one) * weight(two) { (two, one) } else { (one, two) };
        for at in [first, second] {
            if attempt.take(&members[at]) {
                return Some(members[at].index);
            }
        }
        attempt.take_any(members, first)
    }

    /// The member whose share of all weights `random` (of 2^32) falls into.
    fn member(&self, random: u32) -> usize {
        let total = u64::from(self.sums.last().copied().unwrap_or(0));
        let point = (u64::from(random) * total) >> 32;
        self.sums.partition_point(|sum| u64::from(*sum) <= point).min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use transom_config::Balance;

    use super::*;
    use crate::fixture::{ask, given, lease, live, pool, shares, start, weighted};

    #[test]
    fn a_share_is_as_wide_as_its_weight() {
        let members: Vec<_> =
            [1, 3].iter().enumerate().map(|(index, weight)| Member { index, weight: *weight }).collect();
        let shares = Shares::build(&members);
        let quarter = u32::MAX / 4;
        assert_eq!([0, quarter, quarter + 2, u32::MAX].map(|random| shares.member(random)), [0, 0, 1, 1]);
    }

    #[test]
    fn connections_that_go_at_once_follow_chance_and_weight() {
        let now = start();
        let pool = live(pool(Balance::Random, weighted(&[1, 3])), now);
        let shares = shares(&pool, &given(&pool, 4000, now));
        assert!((2600..=4000).contains(&shares[1]), "{shares:?}");
        assert!(shares[0] > 0, "{shares:?}");
    }

    #[test]
    fn connections_that_stay_are_nearly_even() {
        let now = start();
        let pool = live(pool(Balance::Random, weighted(&[1; 10])), now);
        let leases: Vec<_> = (0..1000).map(|number| lease(&pool, &ask(number, now))).collect();
        let held: Vec<_> = pool.servers().iter().map(|server| server.connections()).collect();
        assert!(held.iter().all(|held| (90..=110).contains(held)), "{held:?}");
        drop(leases);
    }
}
