//! How one server of a tier is chosen. Each way is a file; all of them take connections through
//! [`Attempt`](crate::roster::Attempt), which looks at condition, limit and what was tried before.

mod first;
mod hash;
mod least_connections;
mod random;
mod round_robin;

use transom_config::{Balance, Pool};

use crate::roster::{Attempt, Member};

/// What a way of choosing worked out beforehand for the members of one tier.
#[derive(Debug)]
pub(crate) enum Plan {
    RoundRobin(round_robin::Schedule),
    LeastConnections,
    Random(random::Shares),
    Hash(hash::Ring),
    First,
}

impl Plan {
    /// For these members of this pool; there is one at least.
    pub(crate) fn build(pool: &Pool, members: &[Member]) -> Self {
        match pool.balance {
            Balance::RoundRobin => Self::RoundRobin(round_robin::Schedule::build(members)),
            Balance::LeastConnections => Self::LeastConnections,
            Balance::Random => Self::Random(random::Shares::build(members)),
            Balance::Hash => Self::Hash(hash::Ring::build(pool, members)),
            Balance::First => Self::First,
        }
    }

    /// Takes a connection on one of the members; its place in the pool. `None`: none of them may be taken.
    pub(crate) fn pick(&self, members: &[Member], attempt: &mut Attempt<'_>) -> Option<usize> {
        match self {
            Self::RoundRobin(schedule) => schedule.pick(members, attempt),
            Self::LeastConnections => least_connections::pick(members, attempt),
            Self::Random(shares) => shares.pick(members, attempt),
            Self::Hash(ring) => ring.pick(members, attempt),
            Self::First => first::pick(members, attempt),
        }
    }
}
