//! The first in the file that is not at its limit.

use crate::roster::{Attempt, Member};

/// Members stand in the order of the file.
pub(super) fn pick(members: &[Member], attempt: &mut Attempt<'_>) -> Option<usize> {
    attempt.take_any(members, 0)
}

#[cfg(test)]
mod tests {
    use transom_config::{self as config, Balance};

    use crate::fixture::{ask, given, lease, live, pool, server, start};

    #[test]
    fn the_first_serves_until_it_is_full() {
        let now = start();
        let limited = config::Server { connections: Some(2), ..server("a") };
        let pool = live(pool(Balance::First, vec![limited, server("b")]), now);
        let leases: Vec<_> = (0..4).map(|number| lease(&pool, &ask(number, now))).collect();
        let names: Vec<_> = leases.iter().map(|lease| &**lease.server().name()).collect();
        assert_eq!(names, ["a", "a", "b", "b"]);
        drop(leases);
        assert_eq!(given(&pool, 1, now), ["a"]);
    }
}
