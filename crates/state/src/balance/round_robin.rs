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

#[cfg(test)]
mod tests {
    use transom_config::{self as config, Balance};

    use super::*;
    use crate::fixture::{Chance, ask, given, lease, live, pool, seeds, server, shares, start, weighted};

    fn members(weights: &[u16]) -> Vec<Member> {
        weights.iter().enumerate().map(|(index, weight)| Member { index, weight: *weight }).collect()
    }

    fn round(weights: &[u16]) -> String {
        let schedule = Schedule::build(&members(weights));
        schedule.round.iter().map(|at| char::from(b'a' + *at as u8)).collect()
    }

    #[test]
    fn the_round_is_smooth() {
        assert_eq!(round(&[5, 1, 1]), "aabacaa");
        assert_eq!(round(&[1, 1, 1]), "abc");
        assert_eq!(round(&[2, 1]), "aba");
        assert_eq!(round(&[7]), "a");
    }

    #[test]
    fn weights_are_taken_in_lowest_terms() {
        assert_eq!(round(&[100, 100]), "ab");
        assert_eq!(round(&[200, 100]), "aba");
        assert_eq!(round(&[256, 256, 128]), round(&[2, 2, 1]));
    }

    #[test]
    fn every_server_gets_its_weight_in_a_round() {
        for seed in seeds() {
            let mut chance = Chance::new(seed);
            let weights: Vec<u16> = (0..=chance.below(12)).map(|_| 1 + chance.below(256) as u16).collect();
            let schedule = Schedule::build(&members(&weights));
            let divisor = weights.iter().fold(0, |divisor, weight| gcd(divisor, u32::from(*weight)));
            for (at, weight) in weights.iter().enumerate() {
                let share = schedule.round.iter().filter(|own| usize::from(**own) == at).count();
                assert_eq!(share as u32, u32::from(*weight) / divisor, "SEED={seed} {weights:?}");
            }
        }
    }

    #[test]
    fn a_round_too_long_is_scaled() {
        let weights: Vec<u16> = (0..900).map(|at| 1 + (at * 37 % 256)).collect();
        let schedule = Schedule::build(&members(&weights));
        assert!(schedule.round.len() * weights.len() <= 2 * WORK_MAX, "{}", schedule.round.len());
        assert!((0..900).all(|at| schedule.round.contains(&at)), "everybody has a turn");
    }

    #[test]
    fn clients_are_spread_by_weight() {
        let now = start();
        let pool = live(pool(Balance::RoundRobin, weighted(&[3, 1, 0])), now);
        assert_eq!(shares(&pool, &given(&pool, 40, now)), [30, 10, 0]);
    }

    #[test]
    fn the_turn_of_a_full_server_goes_to_the_next() {
        let now = start();
        let limited = config::Server { connections: Some(1), ..server("a") };
        let pool = live(pool(Balance::RoundRobin, vec![limited, server("b")]), now);
        let leases: Vec<_> = (0..4).map(|number| lease(&pool, &ask(number, now))).collect();
        let names: Vec<_> = leases.iter().map(|lease| &**lease.server().name()).collect();
        assert_eq!(names, ["a", "b", "b", "b"]);
    }
}
