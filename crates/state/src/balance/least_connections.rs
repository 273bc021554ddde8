//! Fewest connections for its weight.

use crate::roster::{Attempt, Member};

/// How often a better one may be snatched away before any will do.
const TRIES: usize = 3;

/// The member whose connections, the new one included, are fewest for its weight. Among equals chance decides where
/// the search begins, so that idle servers share.
pub(super) fn pick(members: &[Member], attempt: &mut Attempt<'_>) -> Option<usize> {
    let start = (attempt.ask.random % members.len().max(1) as u64) as usize;
    for _ in 0..TRIES {
        let best = least_loaded(members, start, attempt)?;
        if attempt.take(best) {
            return Some(best.index);
        }
    }
    attempt.take_any(members, start)
}

fn least_loaded<'m>(members: &'m [Member], start: usize, attempt: &mut Attempt<'_>) -> Option<&'m Member> {
    let (before, after) = members.split_at(start);
    let mut best: Option<(&Member, u64)> = None;
    for member in after.iter().chain(before) {
        if !attempt.may(member) {
            continue;
        }
        let load = u64::from(attempt.connections(member)) + 1;
        let lighter = |(other, least): (&Member, u64)| {
            load * u64::from(other.weight) < least * u64::from(member.weight)
        };
        if best.is_none_or(lighter) {
            best = Some((member, load));
        }
    }
    best.map(|(member, _)| member)
}

#[cfg(test)]
mod tests {
    use transom_config::Balance;

    use crate::fixture::{ask, given, lease, live, pool, shares, start, weighted};

    #[test]
    fn connections_that_stay_are_spread_by_weight() {
        let now = start();
        let pool = live(pool(Balance::LeastConnections, weighted(&[1, 2, 5])), now);
        let leases: Vec<_> = (0..80).map(|number| lease(&pool, &ask(number, now))).collect();
        let held: Vec<_> = pool.servers().iter().map(|server| server.connections()).collect();
        assert_eq!(held, [10, 20, 50]);
        drop(leases);
    }

    #[test]
    fn idle_servers_share() {
        let now = start();
        let pool = live(pool(Balance::LeastConnections, weighted(&[1, 1, 1])), now);
        let shares = shares(&pool, &given(&pool, 300, now));
        assert!(shares.iter().all(|share| (60..=140).contains(share)), "{shares:?}");
    }
}
