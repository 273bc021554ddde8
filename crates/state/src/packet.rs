//! What the packet plane reads of pools, and what it shows of itself.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use transom_config::{Name, PacketMode, Transport};

/// What a server may get of new and old flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// New flows, in this proportion, and those it has.
    New(u16),
    /// Those it has: it drains, has no weight, or servers before it are enough.
    Kept,
    /// None: it is down, in maintenance, or without an address.
    Nothing,
}

/// Whoever must know at once that a server changed.
#[derive(Default)]
pub struct Changes {
    listener: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

impl Changes {
    /// From here on `listener` is called after every change of a server's condition, admin state, weight or address. It
    /// must not wait. One at a time: a later one takes its place.
    pub fn tell(&self, listener: impl Fn() + Send + Sync + 'static) {
        *self.listener.lock() = Some(Arc::new(listener));
    }

    pub(crate) fn note(&self) {
        let listener = self.listener.lock().clone();
        if let Some(listener) = listener {
            listener();
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("heard", &self.listener.lock().is_some()).finish()
    }
}

/// What the packet plane counted, as of the last look at its tables (about once a second).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketCounts {
    /// By listener and address.
    pub vips: Vec<VipCounts>,
    /// By server and mode.
    pub servers: Vec<PacketServerCounts>,
    /// Packets by the reason of their verdict, in the order of the program.
    pub reasons: Vec<ReasonCount>,
    /// Failures since the start by their code.
    pub faults: Vec<(&'static str, u64)>,
}

/// One balanced address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipCounts {
    /// Its listener.
    pub listener: Name,
    /// `10.0.1.9:443/tcp`
    pub address: String,
    /// The listener's mode.
    pub mode: PacketMode,
    /// The listener's pool.
    pub pool: Name,
    /// Nodes whose rings are the same have the same hash.
    pub ring_hash: u64,
    /// What came by.
    pub traffic: PacketTraffic,
}

/// One server under one mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketServerCounts {
    /// Its pool.
    pub pool: Name,
    /// Its name.
    pub server: Name,
    /// How packets reach it.
    pub mode: PacketMode,
    /// Whether the way there is known: its interface and the next MAC address.
    pub reached: bool,
    /// What came by.
    pub traffic: PacketTraffic,
}

/// One flow in a table of the packet plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketFlow {
    /// Its protocol.
    pub transport: Transport,
    /// The client.
    pub client: SocketAddr,
    /// What it asked for.
    pub vip: SocketAddr,
    /// The pool and name of the server that has it; nothing if no configuration names that one any more.
    pub server: Option<(Name, Name)>,
}

/// Packets by one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonCount {
    /// The word.
    pub reason: &'static str,
    /// `passed`, `sent` or `dropped`
    pub outcome: &'static str,
    /// How many.
    pub packets: u64,
}

/// Sums over all CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketTraffic {
    /// Packets towards servers.
    pub packets: u64,
    /// Bytes of IP towards servers.
    pub bytes: u64,
    /// Packets towards clients; `nat` alone sees them.
    pub reply_packets: u64,
    /// Bytes of IP towards clients; likewise.
    pub reply_bytes: u64,
    /// Flows begun.
    pub flows: u64,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use transom_config::{self as config, Balance};

    use super::*;
    use crate::fixture::{check, config, failed, pool, seconds, server, servers, start, world};
    use crate::{AdminState, Fault};

    #[test]
    fn shares_follow_condition_admin_state_weight_and_backups() {
        let now = start();
        let backup = config::Server { backup: true, ..server("d") };
        let mut servers = servers(&["a", "b", "c"]);
        servers.push(backup);
        let mut pool = pool(Balance::RoundRobin, servers);
        pool.health_check = Some(check());
        let world = world(config(vec![pool], vec![]), now);
        let pool = &world.pools()[0];
        let [a, b, c, _d] = [0, 1, 2, 3].map(|index| &pool.servers()[index]);
        assert_eq!(pool.shares(now), [Share::New(1), Share::New(1), Share::New(1), Share::Kept]);
        a.set_admin(AdminState::Drain, now);
        b.set_weight(Some(7), now);
        c.observe(failed(Fault::ServerRefused), now);
        assert_eq!(pool.shares(now), [Share::Kept, Share::New(7), Share::Nothing, Share::Kept]);
        b.set_weight(Some(0), now);
        assert_eq!(pool.shares(now), [Share::Kept, Share::Kept, Share::Nothing, Share::New(1)]);
        a.set_admin(AdminState::Maint, now);
        assert_eq!(pool.shares(now)[0], Share::Nothing);
    }

    #[test]
    fn a_server_that_warms_up_has_a_share_that_grows() {
        let now = start();
        let mut pool = pool(Balance::RoundRobin, vec![config::Server { weight: 100, ..server("a") }]);
        pool.slow_start = seconds(100);
        let world = world(config(vec![pool], vec![]), now);
        let (pool, server) = (&world.pools()[0], &world.pools()[0].servers()[0]);
        server.set_admin(AdminState::Maint, now);
        server.set_admin(AdminState::Ready, now);
        world.tick(now + seconds(30));
        assert_eq!(pool.shares(now + seconds(30)), [Share::New(30)]);
        world.tick(now + seconds(100));
        assert_eq!(pool.shares(now + seconds(100)), [Share::New(100)]);
    }

    #[test]
    fn every_change_is_told_in_every_generation() {
        let now = start();
        let config = Arc::new(config(vec![pool(Balance::First, servers(&["a"]))], vec![]));
        let before = world((*config).clone(), now);
        let heard = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&heard);
        before.totals.changes.tell(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        before.pools()[0].servers()[0].set_admin(AdminState::Drain, now);
        let after = before.next(config, now);
        after.pools()[0].servers()[0].set_weight(Some(3), now);
        assert_eq!(heard.load(Ordering::SeqCst), 2);
    }
}
