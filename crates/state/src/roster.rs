//! Who of a pool may be chosen right now: immutable, built anew when something changes.
//!
//! Servers stand in tiers; a tier is used while any server of it may be chosen:
//! 1. servers of our zone, 2. the others, 3. backup servers of our zone, 4. other backup servers. Without a zone of our
//!    own, or with `zones = "even"`, 1 and 2 are one, as 3 and 4 are; with `"strict"`, 2 and 4 do not exist. A server
//!    without a zone is not of our zone.
//!
//! When every server of a tier was tried for this very connection, the next tier is used for it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use transom_config::Zones;

use crate::balance::Plan;
use crate::pool::{Ask, Pick, Pool};
use crate::{AdminState, Server};

/// Tiers in the order of preference, none empty.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// Of [`crate::pool::PoolLife`] when it was built; 0 is before the first.
    pub(crate) version: u64,
    /// A server's weight still grows: to be built anew soon.
    pub(crate) warming: bool,
    tiers: Vec<Tier>,
}

/// Servers that are equally near, and how to choose among them.
#[derive(Debug)]
struct Tier {
    members: Box<[Member]>,
    plan: Plan,
}

/// A server that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its place in the pool.
    pub(crate) index: usize,
    /// 1 to 256.
    pub(crate) weight: u16,
}

impl Roster {
    /// Looks at every server of the pool.
    pub(crate) fn build(pool: &Pool, version: u64, now: Instant) -> Self {
        let mut tiers: [Vec<Member>; 4] = Default::default();
        let mut warming = false;
        for (index, server) in pool.servers().iter().enumerate() {
            let (weight, warms) = server.weight_now(now);
            let chosen = weight > 0 && server.admin() == AdminState::Ready && server.takes_clients();
            let Some(tier) = tier_of(pool, server).filter(|_| chosen) else { continue };
            warming |= warms;
            tiers[tier].push(Member { index, weight });
        }
        let built = tiers.into_iter().filter(|members| !members.is_empty()).map(|members| {
            let plan = Plan::build(&pool.config, &members);
            Tier { members: members.into(), plan }
        });
        Self { version, warming, tiers: built.collect() }
    }

    /// Every server that may be chosen.
    pub(crate) fn servers(&self) -> impl Iterator<Item = usize> + '_ {
        self.tiers.iter().flat_map(|tier| tier.members.iter().map(|member| member.index))
    }

    /// Takes a connection on a server of the first tier that has one to try.
    pub(crate) fn pick(&self, mut attempt: Attempt<'_>) -> Pick {
        for tier in &self.tiers {
            if let Some(index) = tier.plan.pick(&tier.members, &mut attempt) {
                return Pick::Took(index);
            }
            if attempt.met_full {
                return Pick::Full;
            }
        }
        Pick::Empty
    }
}

/// The tier a server belongs to; `None`: the pool's zones exclude it.
fn tier_of(pool: &Pool, server: &Server) -> Option<usize> {
    let backup = if server.config().backup { 2 } else { 0 };
    match pool.config.zones {
        Zones::Even => Some(backup),
        Zones::LocalFirst => Some(backup + usize::from(!pool.is_near(server))),
        Zones::Strict => pool.is_near(server).then_some(backup),
    }
}

/// One client's try to get a server.
pub(crate) struct Attempt<'a> {
    servers: &'a [Arc<Server>],
    pub(crate) ask: &'a Ask<'a>,
    /// Where round-robin stands.
    pub(crate) cursor: &'a AtomicUsize,
    /// A server that would do was at its limit.
    met_full: bool,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(servers: &'a [Arc<Server>], ask: &'a Ask<'a>, cursor: &'a AtomicUsize) -> Self {
        Self { servers, ask, cursor, met_full: false }
    }

    /// Whether that server is worth trying: it was not tried, takes clients and has room.
    pub(crate) fn may(&mut self, member: &Member) -> bool {
        let server = &self.servers[member.index];
        if self.ask.tried.contains(&member.index) || !server.takes_clients() {
            return false;
        }
        let room = server.has_room();
        self.met_full |= !room;
        room
    }

    /// Takes a connection on that server if it may.
    pub(crate) fn take(&mut self, member: &Member) -> bool {
        if !self.may(member) {
            return false;
        }
        let took = self.servers[member.index].acquire();
        self.met_full |= !took;
        took
    }

    /// Connections on that server.
    pub(crate) fn connections(&self, member: &Member) -> u32 {
        self.servers[member.index].connections()
    }

    /// The first that can be taken, from the member at `start` on and around.
    pub(crate) fn take_any(&mut self, members: &[Member], start: usize) -> Option<usize> {
        let (before, after) = members.split_at(start.min(members.len()));
        after.iter().chain(before).find(|member| self.take(member)).map(|member| member.index)
    }
}
