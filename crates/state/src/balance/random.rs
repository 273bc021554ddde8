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
