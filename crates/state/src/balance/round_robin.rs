//! Smooth weighted round-robin: each server as often as its weight says, spread over the round.
//!
//! The round is worked out beforehand, so that choosing is one step of a shared cursor. It is the order nginx takes:
//! at each step every server gains its weight, the richest is chosen and pays the sum of all weights. For weights 5, 1
//! and 1 that is a a b a c a a.

use std::sync::atomic::Ordering;

use crate::roster::{Attempt, Member};

/// Steps of working out a round at most (entries times servers), about two milliseconds of one core.
const WORK_MAX: usize = 1 << 21;

/// Entries looked at when servers are full or were tried; after that any server that can be taken is.
const LOOKS_MAX: usize = 64;

/// One round, as places in the tier's members.
#[derive(Debug)]
pub(crate) struct Schedule {
    round: Box<[u16]>,
}

impl Schedule {
    pub(super) fn build(members: &[Member]) -> Self {
        let weights = scaled(members);
        let total: i64 = weights.iter().sum();
        let mut wealth = vec![0; weights.len()];
        let mut round = Vec::with_capacity(total.unsigned_abs() as usize);
        for _ in 0..total {
            let mut richest = 0;
            for at in 0..weights.len() {
                wealth[at] += weights[at];
                if wealth[at] > wealth[richest] {
                    richest = at;
                }
            }
            wealth[richest] -= total;
            round.push(richest as u16);
        }
        Self { round: round.into() }
    }

    pub(super) fn pick(&self, members: &[Member], attempt: &mut Attempt<'_>) -> Option<usize> {
        let length = self.round.len().max(1);
        let start = attempt.cursor.fetch_add(1, Ordering::Relaxed) % length;
        for look in 0..length.min(LOOKS_MAX) {
            let member = members.get(usize::from(*self.round.get((start + look) % length)?))?;
            if attempt.take(member) {
                return Some(member.index);
            }
        }
        attempt.take_any(members, start % members.len().max(1))
    }
}

/// The members' weights in lowest terms, and scaled down where a round would be too long to work out.
fn scaled(members: &[Member]) -> Vec<i64> {
    let divisor = members.iter().fold(0, |divisor, member| gcd(divisor, u32::from(member.weight))).max(1);
    let weights: Vec<_> =
        members.iter().map(|member| i64::from(u32::from(member.weight) / divisor)).collect();
    let total: i64 = weights.iter().sum();
    let longest = (WORK_MAX / members.len().max(1)).max(2 * members.len()) as i64;
    if total <= longest {
        return weights;
    }
    weights.iter().map(|weight| (weight * longest / total).max(1)).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
