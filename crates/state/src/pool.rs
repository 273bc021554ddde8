//! A pool, live: its servers and which of them a client is given.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use transom_config::{self as config, Name};

use crate::counter::Apart;
use crate::life::Life;
use crate::line::Line;
use crate::queue::Ticket;
use crate::roster::Roster;
use crate::stick::{Names, StickKey, StickTable};
use crate::{Blame, Changes, Counter, Fault, Gauge, Said, Server, Share, Transition};

/// One generation of a pool. What outlives a reload is in its `PoolLife` and in its servers.
#[derive(Debug)]
pub struct Pool {
    /// As it was asked for.
    pub config: Arc<config::Pool>,
    /// In the order of the file.
    servers: Vec<Arc<Server>>,
    life: Arc<PoolLife>,
    stick: Option<Stick>,
    /// This node's zone.
    zone: Option<Name>,
    /// Who may be chosen and how; as old as `roster.version`.
    roster: ArcSwap<Roster>,
    /// Held while a roster is built.
    building: Mutex<()>,
}

/// What is true of a pool whatever the generation: shared by all of its name.
#[derive(Debug)]
pub(crate) struct PoolLife {
    /// Moves whenever a condition, admin state, weight or address of a server changes.
    pub(crate) version: AtomicU64,
    /// Clients that wait for a server with room.
    pub(crate) line: Line,
    /// The latest generation: clients that wait are served by it, whichever they came to.
    latest: Mutex<Weak<Pool>>,
    /// Where round-robin stands: written by every choice, while all the rest here is read.
    cursor: Apart<AtomicUsize>,
    counters: PoolCounters,
    /// Who else must know when `version` moves.
    pub(crate) changes: Arc<Changes>,
}

/// Moved by the data plane.
#[derive(Debug)]
pub struct PoolCounters {
    /// Clients that were given a server.
    pub chosen: Counter,
    /// Of those, the ones the stick table decided.
    pub stuck: Counter,
    /// Clients that had to wait.
    pub queued: Counter,
    /// Clients that could not wait because the queue was full.
    pub queue_full: Counter,
    /// Server connections that belong to one client connection now, because of its login.
    pub pinned: Gauge,
    /// Server connections that wait for reuse now.
    pub idle: Gauge,
}

/// The pool's side of a stick table.
#[derive(Debug)]
struct Stick {
    table: Arc<StickTable>,
    names: Names,
}

/// What is known of the client that wants a server.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Its address.
    pub source: IpAddr,
    /// What its request says to this pool; nothing for connections that are relayed.
    pub said: Said,
    /// Indexes of the servers tried already for this connection: others come first, the stick table notwithstanding.
    pub tried: &'a [usize],
    /// The worker that asks.
    pub worker: usize,
    /// Any number: chance for those who need it.
    pub random: u64,
    /// The time.
    pub now: Instant,
}

impl Ask<'_> {
    /// What a stick table remembers the client by.
    fn stick_key(&self) -> StickKey {
        self.said.stick.unwrap_or_else(|| self.source.into())
    }
}

/// The answer.
#[derive(Debug)]
pub enum Choice {
    /// This one.
    Server(Lease),
    /// Every server that may be chosen is at its limit (or the one this client sticks to is), or others wait already:
    /// [`Pool::enqueue`].
    Full,
    /// None may be chosen: `pool-empty`.
    Empty,
}

/// What a try came to; the server by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// A connection was taken on it.
    Took(usize),
    Full,
    Empty,
}

impl PoolLife {
    pub(crate) fn new(workers: usize, changes: Arc<Changes>) -> Arc<Self> {
        let counter = || Counter::new(workers);
        Arc::new(Self {
            version: AtomicU64::new(1),
            line: Line::default(),
            latest: Mutex::default(),
            cursor: Apart::default(),
            counters: PoolCounters {
                chosen: counter(),
                stuck: counter(),
                queued: counter(),
                queue_full: counter(),
                pinned: Gauge::new(workers),
                idle: Gauge::new(workers),
            },
            changes,
        })
    }
}

impl Pool {
    /// A generation of a pool; `lives` are its servers', in the order of the file.
    pub(crate) fn new(
        config: &Arc<config::Pool>,
        zone: Option<Name>,
        life: Arc<PoolLife>,
        lives: Vec<Arc<Life>>,
        table: Option<Arc<StickTable>>,
        now: Instant,
    ) -> Arc<Self> {
        let pool = Arc::new_cyclic(|weak: &Weak<Self>| {
            let servers: Vec<_> = lives
                .into_iter()
                .enumerate()
                .map(|(index, server)| Arc::new(Server::new(config, index, server, &life, weak)))
                .collect();
            let stick = table.map(|table| {
                let names = table.intern(config.servers.iter().map(|server| &server.name));
                Stick { table, names }
            });
            Self {
                config: Arc::clone(config),
                servers,
                life,
                stick,
                zone,
                roster: ArcSwap::from_pointee(Roster::default()),
                building: Mutex::new(()),
            }
        });
        pool.refresh(now);
        *pool.life.latest.lock() = Arc::downgrade(&pool);
        pool.life.line.call_all();
        pool
    }

    /// The latest generation of this pool; itself, if it was the last to be configured.
    pub(crate) fn latest(self: &Arc<Self>) -> Arc<Self> {
        self.life.latest.lock().upgrade().unwrap_or_else(|| Arc::clone(self))
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.config.name
    }

    /// Its servers, in the order of the file.
    pub fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// The server of that name.
    pub fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.iter().find(|server| **server.name() == *name)
    }

    /// What it has done since the program first saw it.
    pub fn counters(&self) -> &PoolCounters {
        &self.life.counters
    }

    /// Clients that wait for a server.
    pub fn waiting(&self) -> usize {
        self.life.line.len()
    }

    /// Whether any server would take a new client, full ones included: else `pool-empty`, and `/ready` says so.
    pub fn is_usable(&self) -> bool {
        self.roster.load().is_usable(&self.servers)
    }

    /// The server for a client: the one it sticks to, else one that the pool's balance names.
    ///
    /// A client that sticks to a server keeps it while it is up or draining, whatever its weight, and waits for it when
    /// it is at its limit. While clients wait, new ones that want the same queue behind them; one whose first try
    /// failed has had its turn and need not. Takes no lock but one shard of the stick table's while nobody waits;
    /// allocates nothing.
    pub fn choose(self: &Arc<Self>, ask: &Ask<'_>) -> Choice {
        let stuck_to = self.stuck_to(ask);
        let others_wait = self.life.line.len() > 0
            && ask.tried.is_empty()
            && self.life.line.has(stuck_to.and_then(|index| self.wish(index)));
        if others_wait && (stuck_to.is_some() || self.roster(ask.now).is_usable(&self.servers)) {
            return Choice::Full;
        }
        self.attempt(ask, stuck_to, false)
    }

    /// Tries and says what came of it, whoever else waits; `waits`: it does itself.
    pub(crate) fn attempt(self: &Arc<Self>, ask: &Ask<'_>, stuck_to: Option<usize>, waits: bool) -> Choice {
        match self.pick(ask, stuck_to, waits) {
            Pick::Full => Choice::Full,
            Pick::Empty => Choice::Empty,
            Pick::Took(index) => {
                let (counters, stuck) = (&self.life.counters, stuck_to.is_some());
                counters.chosen.add(ask.worker, 1);
                counters.stuck.add(ask.worker, u64::from(stuck));
                Choice::Server(Lease { pool: Arc::clone(self), index, stuck })
            }
        }
    }

    /// What each server may get of a packet listener's flows, in the order of [`servers`](Self::servers): by the same
    /// tiers and weights as connections, limits and stick tables apart.
    pub fn shares(&self, now: Instant) -> Vec<Share> {
        let kept = |server: &Arc<Server>| if server.keeps_clients() { Share::Kept } else { Share::Nothing };
        let mut shares: Vec<Share> = self.servers.iter().map(kept).collect();
        for (index, weight) in self.roster(now).first_tier() {
            if shares[index] == Share::Kept {
                shares[index] = Share::New(weight);
            }
        }
        shares
    }

    /// A place in the queue; `None`: it is full (`pool-full`).
    pub fn enqueue(self: &Arc<Self>) -> Option<Ticket> {
        let size = usize::try_from(self.config.queue.size).unwrap_or(usize::MAX);
        let number = self.life.line.join_below(size);
        let counters = &self.life.counters;
        let counter = if number.is_some() { &counters.queued } else { &counters.queue_full };
        counter.add_shared(1);
        number.map(|number| Ticket::new(Arc::clone(self), number))
    }

    /// The server this client sticks to, if it may have it.
    pub(crate) fn stuck_to(&self, ask: &Ask<'_>) -> Option<usize> {
        let keeps = |index: &usize| {
            let server = self.servers.get(*index)?;
            (server.keeps_clients() && self.admits(server) && !ask.tried.contains(index)).then_some(*index)
        };
        if let Some(index) = ask.said.server.as_ref().and_then(keeps) {
            return Some(index);
        }
        let stick = self.stick.as_ref()?;
        let index = stick.names.index(stick.table.get(ask.stick_key(), ask.now)?)?;
        keeps(&index)
    }

    /// The name by which others in the queue know that server.
    pub(crate) fn wish(&self, index: usize) -> Option<usize> {
        self.servers.get(index).map(|server| Arc::as_ptr(&server.life).addr())
    }

    /// Whether the pool's zones allow this server at all.
    fn admits(&self, server: &Server) -> bool {
        self.config.zones != config::Zones::Strict || self.is_near(server)
    }

    /// Whether a server stands where this node does. Where that is not known, every server is near.
    pub(crate) fn is_near(&self, server: &Server) -> bool {
        self.zone.is_none() || server.config().zone == self.zone
    }

    fn pick(&self, ask: &Ask<'_>, stuck_to: Option<usize>, waits: bool) -> Pick {
        if let Some(index) = stuck_to {
            return if self.servers[index].acquire() { Pick::Took(index) } else { Pick::Full };
        }
        let pick = self.roster(ask.now).pick(&self.servers, ask, &self.life.cursor.0, waits);
        if pick != Pick::Empty || !self.is_stale() {
            return pick;
        }
        // Another thread is building a roster in which a server may have come up: worth waiting for.
        drop(self.building.lock());
        self.roster(ask.now).pick(&self.servers, ask, &self.life.cursor.0, waits)
    }

    /// The roster as of now, or nearly.
    fn roster(&self, now: Instant) -> Guard<Arc<Roster>> {
        let roster = self.roster.load();
        if roster.version == self.life.version.load(Ordering::SeqCst) {
            return roster;
        }
        self.refresh(now);
        self.roster.load()
    }

    fn is_stale(&self) -> bool {
        self.roster.load().version != self.life.version.load(Ordering::SeqCst)
    }

    /// Builds the roster anew if anything changed since it was built. Whoever finds another at it goes on with the
    /// roster there is: every server is looked at again when it is taken.
    pub(crate) fn refresh(&self, now: Instant) {
        if let Some(_building) = self.building.try_lock()
            && self.is_stale()
        {
            self.build(now);
        }
    }

    /// The version is read before the states it stands for, so that a change in between is seen as one.
    fn build(&self, now: Instant) {
        let version = self.life.version.load(Ordering::SeqCst);
        self.roster.store(Arc::new(Roster::build(self, version, now)));
    }

    /// Once a second: hold times that are over, weights that grow.
    pub(crate) fn tick(&self, now: Instant, changes: &mut Vec<Transition>) {
        changes.extend(self.servers.iter().filter_map(|server| server.tick(now)));
        let _building = self.building.lock();
        if self.roster.load().warming || self.is_stale() {
            self.build(now);
        }
    }

    /// A connection on that server ended: whoever waits for its place is called.
    fn freed(&self, index: usize) {
        self.servers[index].release();
        if self.life.line.len() > 0
            && let Some(server) = self.wish(index)
        {
            self.life.line.offer(server);
        }
    }

    /// Whether a server that clients wait for may have room.
    pub(crate) fn may_have_room(&self) -> bool {
        self.is_stale() || self.roster.load().has_room(&self.servers)
    }

    /// Places in this generation of the servers at `indexes` in another one; those it does not have are left out.
    pub(crate) fn translate(&self, other: &Self, indexes: &[usize]) -> Vec<usize> {
        let lives = indexes.iter().filter_map(|index| other.servers.get(*index)).map(|server| &server.life);
        lives.filter_map(|life| self.servers.iter().position(|own| Arc::ptr_eq(&own.life, life))).collect()
    }

    pub(crate) fn line(&self) -> &Line {
        &self.life.line
    }

    pub(crate) fn life(&self) -> &Arc<PoolLife> {
        &self.life
    }
}

/// A connection taken on a server. Dropping it gives the place back, and to the first in the queue if one waits.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<Pool>,
    index: usize,
    /// The stick table names this server already.
    stuck: bool,
}

impl Lease {
    /// The pool.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The server.
    pub fn server(&self) -> &Arc<Server> {
        &self.pool.servers[self.index]
    }

    /// Its place in the pool, for [`Ask::tried`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// The connection is established: failures before it are forgotten and the client sticks to this server, unless it
    /// came several times at once and was faster elsewhere. A change of condition where no health check had the say.
    pub fn connected(&self, ask: &Ask<'_>) -> Option<Transition> {
        let server = self.server();
        server.counters().connections.add(ask.worker, 1);
        server.counters().retries.add(ask.worker, u64::from(!ask.tried.is_empty()));
        self.stick(ask);
        server.connection_succeeded(ask.now)
    }

    /// A connection that was established before serves once more: the client sticks to this server.
    pub fn reused(&self, ask: &Ask<'_>) {
        self.server().counters().reused.add(ask.worker, 1);
        self.stick(ask);
    }

    fn stick(&self, ask: &Ask<'_>) {
        if let (Some(stick), false) = (&self.pool.stick, self.stuck)
            && let Some(id) = stick.names.id(self.index)
            && self.pool.stuck_to(ask).is_none()
        {
            stick.table.set(ask.stick_key(), id, ask.now);
        }
    }

    /// The connection could not be established, or the server broke it. Only faults of the server count against it. The
    /// change of condition it makes, if any.
    pub fn failed(&self, fault: Fault, worker: usize, now: Instant) -> Option<Transition> {
        if fault.blame() != Blame::Server {
            return None;
        }
        self.server().counters().failures.add(worker, 1);
        self.server().connection_failed(fault, now)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.freed(self.index);
    }
}

#[cfg(test)]
mod tests {
    use transom_config::{Balance, Zones};

    use super::*;
    use crate::fixture::{
        ask, check, config, failed, given, lease, live, pool, seconds, server, servers, start, sticky, table,
        world,
    };
    use crate::{AdminState, World};

    /// A world with one sticky pool of servers `a` and `b`, limits as given, entries living a minute.
    fn stuck(limit: Option<u32>, now: Instant) -> World {
        let limited = |name| config::Server { connections: limit, ..server(name) };
        let mut pool = sticky(pool(Balance::RoundRobin, vec![limited("a"), limited("b")]));
        pool.health_check = Some(check());
        world(config(vec![pool], vec![table(100, 60)]), now)
    }

    /// The server a client is given and connects to, and leaves.
    fn visit(pool: &Arc<Pool>, ask: &Ask<'_>) -> usize {
        let lease = lease(pool, ask);
        lease.connected(ask);
        lease.index()
    }

    #[test]
    fn a_client_keeps_its_server_until_its_entry_expires() {
        let now = start();
        let world = stuck(None, now);
        let pool = &world.pools()[0];
        let own = visit(pool, &ask(1, now));
        for second in 0..100 {
            assert_eq!(visit(pool, &ask(1, now + seconds(second))), own);
        }
        assert_eq!(pool.counters().stuck.sum(), 100);
        let later = now + seconds(99 + 61);
        world.tick(later);
        assert!(world.stick_tables()[0].is_empty());
    }

    #[test]
    fn an_entry_is_written_when_connected_not_when_chosen() {
        let now = start();
        let world = stuck(None, now);
        drop(lease(&world.pools()[0], &ask(1, now)));
        assert!(world.stick_tables()[0].is_empty());
    }

    #[test]
    fn of_several_first_connections_the_first_decides() {
        let now = start();
        let world = stuck(None, now);
        let pool = &world.pools()[0];
        let leases: Vec<_> = (0..4).map(|_| lease(pool, &ask(1, now))).collect();
        for lease in [2, 0, 1, 3].map(|at: usize| &leases[at]) {
            lease.connected(&ask(1, now));
        }
        assert_eq!(lease(pool, &ask(1, now)).index(), leases[2].index());
        let tried = [leases[2].index()];
        leases[1].connected(&Ask { tried: &tried, ..ask(1, now) });
        assert_eq!(lease(pool, &ask(1, now)).index(), leases[1].index(), "the first one failed since");
    }

    #[test]
    fn when_its_server_dies_a_client_moves_and_stays_there() {
        let now = start();
        let world = stuck(None, now);
        let pool = &world.pools()[0];
        let own = visit(pool, &ask(1, now));
        pool.servers()[own].observe(failed(Fault::ServerRefused), now);
        let other = visit(pool, &ask(1, now));
        assert_ne!(other, own);
        pool.servers()[own].observe(crate::fixture::passed(), now);
        pool.servers()[own].observe(crate::fixture::passed(), now);
        assert!((0..9).all(|_| visit(pool, &ask(1, now)) == other));
    }

    #[test]
    fn draining_keeps_clients_that_stick_and_takes_no_others() {
        let now = start();
        let world = stuck(None, now);
        let pool = &world.pools()[0];
        let own = visit(pool, &ask(1, now));
        pool.servers()[own].set_admin(AdminState::Drain, now);
        assert_eq!(visit(pool, &ask(1, now)), own);
        assert!((2..9).all(|number| visit(pool, &ask(number, now)) != own));
        pool.servers()[own].set_admin(AdminState::Ready, now);
        pool.servers()[own].set_weight(Some(0), now);
        assert_eq!(visit(pool, &ask(1, now)), own, "weight 0 is the same to clients that stick");
        pool.servers()[own].set_admin(AdminState::Maint, now);
        assert_ne!(visit(pool, &ask(1, now)), own);
    }

    #[test]
    fn a_client_waits_for_the_full_server_it_sticks_to() {
        let now = start();
        let world = stuck(Some(1), now);
        let pool = &world.pools()[0];
        let held = lease(pool, &ask(1, now));
        held.connected(&ask(1, now));
        assert!(matches!(pool.choose(&ask(1, now)), Choice::Full));
        assert_ne!(lease(pool, &ask(2, now)).index(), held.index(), "others go where there is room");
        let tried = [held.index()];
        let elsewhere = Ask { tried: &tried, ..ask(1, now) };
        assert_ne!(
            lease(pool, &elsewhere).index(),
            held.index(),
            "after a failed try even against the table"
        );
    }

    #[test]
    fn strict_zones_hold_for_clients_that_stick() {
        let now = start();
        let far = config::Server { zone: Some("there".into()), ..server("far") };
        let near = config::Server { zone: Some("here".into()), ..server("near") };
        let mut pool = sticky(pool(Balance::First, vec![far, near]));
        let here = |pool: &config::Pool| {
            let config = config(vec![pool.clone()], vec![table(100, 60)]);
            transom_config::Config { zone: Some("here".into()), ..config }
        };
        pool.zones = Zones::Even;
        let before = world(here(&pool), now);
        assert_eq!(visit(&before.pools()[0], &ask(1, now)), 0);
        pool.zones = Zones::Strict;
        let after = before.next(Arc::new(here(&pool)), now);
        assert_eq!(visit(&after.pools()[0], &ask(1, now)), 1);
    }

    #[test]
    fn leases_count_and_return() {
        let now = start();
        let pool = live(pool(Balance::RoundRobin, servers(&["a", "b"])), now);
        let leases: Vec<_> = (0..5).map(|number| lease(&pool, &ask(number, now))).collect();
        assert_eq!(pool.servers().iter().map(|server| server.connections()).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(pool.counters().chosen.sum(), 5);
        leases[0].connected(&Ask { tried: &[1], ..ask(0, now) });
        assert_eq!(pool.servers()[0].counters().connections.sum(), 1);
        assert_eq!(pool.servers()[0].counters().retries.sum(), 1);
        drop(leases);
        assert!(pool.servers().iter().all(|server| server.connections() == 0));
    }

    #[test]
    fn a_pool_without_servers_is_empty() {
        let now = start();
        for balance in [Balance::RoundRobin, Balance::LeastConnections, Balance::Random, Balance::Hash] {
            let pool = live(pool(balance, vec![]), now);
            assert!(matches!(pool.choose(&ask(1, now)), Choice::Empty));
        }
    }

    #[test]
    fn many_threads_choose_while_health_changes() {
        let now = start();
        let mut config = pool(Balance::LeastConnections, servers(&["a", "b", "c"]));
        config.servers.iter_mut().for_each(|server| server.connections = Some(50));
        let pool = live(config, now);
        let choosers: Vec<_> = (0..3)
            .map(|worker| {
                let pool = Arc::clone(&pool);
                std::thread::spawn(move || {
                    for number in 0..3000 {
                        let lease = lease(&pool, &Ask { worker, ..ask(number, now) });
                        assert!(lease.server().connections() <= 50);
                    }
                })
            })
            .collect();
        for round in 0..300 {
            let state = if round % 2 == 0 { AdminState::Maint } else { AdminState::Ready };
            pool.servers()[round % 2].set_admin(state, now);
        }
        for chooser in choosers {
            chooser.join().unwrap();
        }
        assert!(pool.servers().iter().all(|server| server.connections() == 0));
        for server in pool.servers() {
            server.set_admin(AdminState::Ready, now);
        }
        assert_eq!(given(&pool, 300, now).len(), 300);
    }
}
