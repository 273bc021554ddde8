//! Who of a pool may be chosen right now: immutable, built anew when something changes.
//!
//! Servers stand in tiers; a tier is used while any server of it may be chosen:
//! 1. servers of our zone, 2. the others, 3. backup servers of our zone, 4. other backup servers. Without a zone of our
//!    own, or with `zones = "even"`, 1 and 2 are one, as 3 and 4 are; with `"strict"`, 2 and 4 do not exist. A server
//!    without a zone is not of our zone.
//!
//! What was tried for this very connection comes last: after the others of its tier, and after the next tiers when all
//! of it was tried. But it comes before waiting: no server idles while clients wait. Nobody waits for a tier that is
//! not the first: whoever waits, waits for the same servers.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use transom_config::Zones;

use crate::Server;
use crate::balance::Plan;
use crate::pool::{Ask, Pick, Pool};

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
        for (index, server) in pool.servers().iter().enumerate().filter(|(_, server)| server.takes_clients())
        {
            let Some(tier) = tier_of(pool, server) else { continue };
            let (weight, warms) = server.weight_now(now);
            warming |= warms;
            tiers[tier].push(Member { index, weight: weight.max(1) });
        }
        let built = tiers.into_iter().filter(|members| !members.is_empty()).map(|members| {
            let plan = Plan::build(&pool.config, &members);
            Tier { members: members.into(), plan }
        });
        Self { version, warming, tiers: built.collect() }
    }

    /// Whether any server takes clients still; it may be full.
    pub(crate) fn is_usable(&self, servers: &[Arc<Server>]) -> bool {
        let mut members = self.tiers.iter().flat_map(|tier| &tier.members);
        members.any(|member| servers[member.index].takes_clients())
    }

    /// Whether a server that clients wait for has room.
    pub(crate) fn has_room(&self, servers: &[Arc<Server>]) -> bool {
        let mut members = self.tiers.first().into_iter().flat_map(|tier| &tier.members);
        members.any(|member| servers[member.index].takes_clients() && servers[member.index].has_room())
    }

    /// Places and weights of those who are preferred.
    pub(crate) fn first_tier(&self) -> impl Iterator<Item = (usize, u16)> {
        let members = self.tiers.first().into_iter().flat_map(|tier| &tier.members);
        members.map(|member| (member.index, member.weight))
    }

    /// Takes a connection on a server, one that was not tried if there is one. `waits`: for a client in the queue,
    /// which waits for the first tier and is given nothing else.
    pub(crate) fn pick(
        &self,
        servers: &[Arc<Server>],
        ask: &Ask<'_>,
        cursor: &AtomicUsize,
        waits: bool,
    ) -> Pick {
        let mut attempt = Attempt { servers, ask, cursor, met_full: false };
        let tiers = if waits { 1 } else { self.tiers.len() };
        for tier in self.tiers.iter().take(tiers) {
            if let Some(index) = tier.plan.pick(&tier.members, &mut attempt) {
                return Pick::Took(index);
            }
            if attempt.met_full {
                break;
            }
        }
        match (ask.tried.is_empty(), attempt.met_full) {
            (false, _) => self.pick(servers, &Ask { tried: &[], ..*ask }, cursor, waits),
            (true, true) => Pick::Full,
            (true, false) => Pick::Empty,
        }
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

/// One look at the members of a roster for a client.
pub(crate) struct Attempt<'a> {
    servers: &'a [Arc<Server>],
    pub(crate) ask: &'a Ask<'a>,
    /// Where round-robin stands.
    pub(crate) cursor: &'a AtomicUsize,
    /// A server that would do was at its limit.
    met_full: bool,
}

impl Attempt<'_> {
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

#[cfg(test)]
mod tests {
    use transom_config::{self as config, Balance, Config};

    use super::*;
    use crate::fixture::{
        ask, check, config, failed, given, live, pool, server, servers, shares, start, weighted, world,
    };
    use crate::{AdminState, Choice, Fault};

    /// A server `l…` stands in our zone, `r…` in the other, `…b` is a backup.
    fn zoned(zones: Zones, names: &[&str]) -> Config {
        let server = |name: &&str| config::Server {
            zone: Some(if name.starts_with('l') { "here".into() } else { "there".into() }),
            cookie: None,
            backup: name.ends_with('b'),
            ..server(name)
        };
        let pool = config::Pool { zones, ..pool(Balance::First, names.iter().map(server).collect()) };
        Config { zone: Some("here".into()), ..config(vec![pool], vec![]) }
    }

    /// The order in which a pool falls back as its servers go into maintenance one after the other.
    fn fallback(config: Config) -> Vec<String> {
        let now = start();
        let world = world(config, now);
        let pool = &world.pools()[0];
        std::iter::from_fn(|| match pool.choose(&ask(1, now)) {
            Choice::Server(lease) => {
                lease.server().set_admin(AdminState::Maint, now);
                Some(lease.server().name().to_string())
            }
            Choice::Full | Choice::Empty => None,
        })
        .collect()
    }

    #[test]
    fn zones_decide_who_comes_first() {
        let names = ["rb", "lb", "r", "l"];
        assert_eq!(fallback(zoned(Zones::LocalFirst, &names)), ["l", "r", "lb", "rb"]);
        assert_eq!(fallback(zoned(Zones::Strict, &names)), ["l", "lb"]);
        assert_eq!(fallback(zoned(Zones::Even, &names)), ["r", "l", "rb", "lb"]);
    }

    #[test]
    fn without_a_zone_of_our_own_zones_do_not_matter() {
        let names = ["rb", "lb", "r", "l"];
        for zones in [Zones::LocalFirst, Zones::Strict, Zones::Even] {
            let config = Config { zone: None, ..zoned(zones, &names) };
            assert_eq!(fallback(config), ["r", "l", "rb", "lb"], "{zones:?}");
        }
    }

    #[test]
    fn a_backup_serves_while_all_others_drain_or_weigh_nothing() {
        let now = start();
        let backup = config::Server { backup: true, ..server("b") };
        let pool = live(pool(Balance::RoundRobin, vec![server("a"), backup]), now);
        let a = &pool.servers()[0];
        assert_eq!(shares(&pool, &given(&pool, 4, now)), [4, 0]);
        a.set_admin(AdminState::Drain, now);
        assert_eq!(shares(&pool, &given(&pool, 4, now)), [0, 4]);
        a.set_admin(AdminState::Ready, now);
        a.set_weight(Some(0), now);
        assert_eq!(shares(&pool, &given(&pool, 4, now)), [0, 4]);
        a.set_weight(None, now);
        assert_eq!(shares(&pool, &given(&pool, 4, now)), [4, 0]);
    }

    #[test]
    fn what_was_tried_comes_last() {
        let now = start();
        let config = zoned(Zones::LocalFirst, &["l", "l2", "r"]);
        let world = world(config, now);
        let pool = &world.pools()[0];
        let order = [0, 1, 2, 0].iter().enumerate().map(|(tries, expected)| (&[0, 1, 2][..tries], *expected));
        for (tried, expected) in order {
            let ask = Ask { tried, ..ask(1, now) };
            assert_eq!(crate::fixture::lease(pool, &ask).index(), expected, "after {tried:?}");
        }
    }

    #[test]
    fn nobody_waits_for_a_tier_that_is_not_the_first() {
        let now = start();
        let backup = config::Server { backup: true, connections: Some(0), ..server("b") };
        let pool = live(pool(Balance::First, vec![server("a"), backup]), now);
        let again = crate::fixture::lease(&pool, &Ask { tried: &[0], ..ask(1, now) });
        assert_eq!(&**again.server().name(), "a");
    }

    #[test]
    fn every_balance_leaves_out_what_may_not_be_chosen() {
        let balances =
            [Balance::RoundRobin, Balance::LeastConnections, Balance::Random, Balance::Hash, Balance::First];
        for balance in balances {
            let now = start();
            let mut pool = pool(balance, servers(&["a", "b", "c", "d", "e"]));
            pool.health_check = Some(check());
            let pool = live(pool, now);
            pool.servers()[0].set_admin(AdminState::Drain, now);
            pool.servers()[1].set_admin(AdminState::Maint, now);
            pool.servers()[2].observe(failed(Fault::ServerRefused), now);
            pool.servers()[3].set_weight(Some(0), now);
            assert_eq!(shares(&pool, &given(&pool, 40, now)), [0, 0, 0, 0, 40], "{balance:?}");
            pool.servers()[4].observe(failed(Fault::ServerRefused), now);
            assert!(matches!(pool.choose(&ask(1, now)), Choice::Empty), "{balance:?}");
            assert!(!pool.is_usable());
        }
    }

    #[test]
    fn every_balance_survives_any_weights() {
        let balances = [Balance::RoundRobin, Balance::Random, Balance::Hash];
        for balance in balances {
            for weights in [&[256][..], &[1, 256], &[0, 1], &[255, 256, 254, 1], &[7; 70]] {
                let now = start();
                let pool = live(pool(balance, weighted(weights)), now);
                let (clients, total) =
                    (2000, weights.iter().map(|weight| usize::from(*weight)).sum::<usize>());
                for (share, weight) in shares(&pool, &given(&pool, clients, now)).iter().zip(weights) {
                    let expected = clients as usize * usize::from(*weight) / total;
                    // Random-of-two between servers that are both idle takes the heavier one more often.
                    let slack = if balance == Balance::Random { expected + 60 } else { expected / 4 + 60 };
                    assert!(
                        share.abs_diff(expected) <= slack,
                        "{balance:?} {weights:?}: {share} for {expected}"
                    );
                }
            }
        }
    }
}
