//! Everything live of one generation of the configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use transom_config::{Config, Name};

use crate::by_name::ByName;
use crate::life::Life;
use crate::listener::ListenerLife;
use crate::pool::PoolLife;
use crate::{Changes, Counter, FaultCounters, Gate, Listener, PacketCounts, Pool, StickTable, Transition};

/// The generation that is served now. A reload stores the next one; connections keep theirs as long as they last.
pub type Current = arc_swap::ArcSwap<World>;

/// One generation: everything live.
#[derive(Debug)]
pub struct World {
    /// Counts up with each configuration that was taken over; the first is 1.
    pub generation: u64,
    /// What was asked for.
    pub config: Arc<Config>,
    /// Counters over everything, shared by all generations.
    pub totals: Arc<Totals>,
    listeners: Vec<Arc<Listener>>,
    pools: Vec<Arc<Pool>>,
    stick_tables: Vec<Arc<StickTable>>,
    /// Places in `pools`.
    pool_places: ByName<Name, usize>,
    workers: usize,
    /// Chance given at the start.
    seed: u64,
}

/// Counters over everything, and the gate that all client connections pass.
#[derive(Debug)]
pub struct Totals {
    /// Every fault, by code.
    pub faults: FaultCounters,
    /// Connections that a source list or a limit turned away.
    pub refused: Counter,
    /// Configurations taken over after the first.
    pub reloads: Counter,
    /// Reloads that were refused because the file had errors.
    pub reloads_failed: Counter,
    /// Tells of changes of servers; of all generations.
    pub changes: Arc<Changes>,
    /// What the packet plane counted; nothing where there is none.
    pub packets: ArcSwapOption<PacketCounts>,
    /// Lines of the access log that its sink was too slow for; shared with the thread that writes them.
    pub log_lines_lost: Arc<Counter>,
    gate: Arc<Gate>,
    /// What the process can bear; [`u32::MAX`] is not known.
    ceiling: AtomicU32,
}

impl Totals {
    fn new(workers: usize) -> Arc<Self> {
        let counter = || Counter::new(workers);
        Arc::new(Self {
            faults: FaultCounters::new(workers),
            refused: counter(),
            reloads: counter(),
            reloads_failed: counter(),
            changes: Arc::default(),
            packets: ArcSwapOption::empty(),
            log_lines_lost: Arc::new(counter()),
            gate: Gate::new(None),
            ceiling: AtomicU32::new(u32::MAX),
        })
    }

    /// Counts client connections of all listeners and keeps them under `limits.connections`.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// What the process can bear, by its file descriptors: the limit where none is configured, and the most that any
    /// configuration gets.
    pub fn set_ceiling(&self, connections: u32, config: &Config) {
        self.ceiling.store(connections, Ordering::Relaxed);
        self.limit(config);
    }

    fn limit(&self, config: &Config) {
        let ceiling = self.ceiling.load(Ordering::Relaxed);
        let limit = config.limits.connections.unwrap_or(u32::MAX).min(ceiling);
        self.gate.set_limit(Some(limit).filter(|limit| *limit != u32::MAX));
    }
}

impl World {
    /// The first generation. `workers` is the number of counter cells and stays for the life of the process; `seed`
    /// keys hashes and must not be guessable from outside.
    pub fn first(config: Arc<Config>, workers: usize, seed: u64, now: Instant) -> Self {
        let totals = Totals::new(workers);
        Self::build(config, None, Base { generation: 1, workers, seed, totals }, now)
    }

    /// The next generation: what is known of tables, pools and listeners by name, and of servers by pool, name and
    /// address, is carried over and shared with this one. Limits hold at once: call it only to store what it returns.
    pub fn next(&self, config: Arc<Config>, now: Instant) -> Self {
        self.totals.reloads.add_shared(1);
        let base = Base {
            generation: self.generation + 1,
            workers: self.workers,
            seed: self.seed,
            totals: Arc::clone(&self.totals),
        };
        Self::build(config, Some(self), base, now)
    }

    fn build(config: Arc<Config>, before: Option<&Self>, base: Base, now: Instant) -> Self {
        base.totals.limit(&config);
        let stick_tables: Vec<_> = config
            .stick_tables
            .iter()
            .map(|table| match before.and_then(|before| before.stick_table(&table.name)) {
                Some(known) => known.next(table),
                None => StickTable::new(table, base.seed, now),
            })
            .collect();
        let pools: Vec<_> = config
            .pools
            .iter()
            .map(|pool| build_pool(pool, &config, before, &stick_tables, &base, now))
            .collect();
        let pool_places: ByName<_, _> =
            pools.iter().enumerate().map(|(place, pool)| (Arc::clone(pool.name()), place)).collect();
        let pool = |name: &Name| pool_places.get(name).map(|place| Arc::clone(&pools[*place]));
        let listeners = config
            .listeners
            .iter()
            .map(|listener| {
                let known = before.and_then(|before| before.listener(&listener.name));
                let life =
                    known.map_or_else(|| ListenerLife::new(base.workers), |known| Arc::clone(known.life()));
                Listener::new(listener, life, pool)
            })
            .collect();
        let Base { generation, workers, seed, totals } = base;
        Self { generation, config, totals, listeners, pools, stick_tables, pool_places, workers, seed }
    }

    /// In the order of the file.
    pub fn listeners(&self) -> &[Arc<Listener>] {
        &self.listeners
    }

    /// In the order of the file.
    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    /// In the order of the file.
    pub fn stick_tables(&self) -> &[Arc<StickTable>] {
        &self.stick_tables
    }

    /// The listener of that name.
    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| **listener.name() == *name)
    }

    /// The pool of that name.
    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pool_places.get(name).and_then(|place| self.pools.get(*place))
    }

    /// The stick table of that name.
    pub fn stick_table(&self, name: &str) -> Option<&Arc<StickTable>> {
        self.stick_tables.iter().find(|table| **table.name() == *name)
    }

    /// Worker threads counted for.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// To be called once a second: slow start, hold times, stick entries whose time is over. The changes of condition
    /// it makes.
    pub fn tick(&self, now: Instant) -> Vec<Transition> {
        let mut changes = Vec::new();
        for pool in &self.pools {
            pool.tick(now, &mut changes);
        }
        for table in &self.stick_tables {
            table.expire(now);
        }
        changes
    }
}

/// What a generation is built on beside its configuration.
struct Base {
    generation: u64,
    workers: usize,
    seed: u64,
    totals: Arc<Totals>,
}

fn build_pool(
    pool: &Arc<transom_config::Pool>,
    config: &Config,
    before: Option<&World>,
    tables: &[Arc<StickTable>],
    base: &Base,
    now: Instant,
) -> Arc<Pool> {
    let workers = base.workers;
    let known = before.and_then(|before| before.pool(&pool.name));
    let life = known.map_or_else(
        || PoolLife::new(workers, Arc::clone(&base.totals.changes)),
        |known| Arc::clone(known.life()),
    );
    let server_life = |server: &transom_config::Server| {
        let known = known.and_then(|known| known.server(&server.name));
        match known.filter(|known| known.config().address == server.address) {
            Some(known) => Arc::clone(&known.life),
            None => Life::new(server, workers, now),
        }
    };
    let lives = pool.servers.iter().map(server_life).collect();
    let table =
        pool.stick.as_ref().and_then(|stick| tables.iter().find(|table| *table.name() == stick.table));
    Pool::new(pool, config.zone.clone(), life, lives, table.cloned(), now)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use transom_config::{self as config, Address, Balance, Limits, ListenerLimits, ListenerMode, Queue};

    use super::*;
    use crate::fixture::{
        Bell, ask, check, config, failed, given, lease, listener, pool, seconds, server, servers, start,
        sticky, table, world,
    };
    use crate::{AdminState, Choice, Condition, Fault};

    fn tight() -> config::Pool {
        let limited = |name| config::Server { connections: Some(1), ..server(name) };
        let mut pool = pool(Balance::First, vec![limited("a")]);
        pool.queue = Queue { size: 9, timeout: seconds(10) };
        pool
    }

    #[test]
    fn a_reload_carries_over_what_is_known() {
        let now = start();
        let mut pool = sticky(pool(Balance::RoundRobin, servers(&["a", "b", "c"])));
        pool.health_check = Some(check());
        let before = world(config(vec![pool.clone()], vec![table(100, 60)]), now);
        let old = &before.pools()[0];
        old.servers()[0].observe(failed(Fault::ServerRefused), now);
        old.servers()[1].set_admin(AdminState::Drain, now);
        old.servers()[2].set_weight(Some(9), now);
        let held = lease(old, &ask(1, now));
        held.connected(&ask(1, now));

        pool.servers.insert(0, server("new"));
        let after = before.next(Arc::new(config(vec![pool], vec![table(100, 60)])), now);
        let new = &after.pools()[0];
        let states: Vec<_> = new
            .servers()
            .iter()
            .map(|server| (server.condition(), server.admin(), server.weight()))
            .collect();
        assert_eq!(
            states,
            [
                (Condition::Unknown, AdminState::Ready, 1),
                (Condition::Down, AdminState::Ready, 1),
                (Condition::Unknown, AdminState::Drain, 1),
                (Condition::Unknown, AdminState::Ready, 9),
            ]
        );
        assert_eq!(after.generation, 2);
        assert_eq!(
            lease(new, &ask(1, now)).server().name(),
            held.server().name(),
            "the stick entry survives"
        );
        let again = &new.servers()[3];
        assert_eq!((again.connections(), again.counters().connections.sum()), (1, 1));
        drop(held);
        assert_eq!(again.connections(), 0, "a lease of an old generation counts");
    }

    #[test]
    fn another_address_is_another_server() {
        let now = start();
        let mut pool = pool(Balance::First, servers(&["a"]));
        let before = world(config(vec![pool.clone()], vec![]), now);
        before.pools()[0].servers()[0].set_admin(AdminState::Maint, now);
        pool.servers[0].address = Address::Ip("192.0.2.1:25".parse().unwrap());
        let after = before.next(Arc::new(config(vec![pool], vec![])), now);
        assert_eq!(after.pools()[0].servers()[0].admin(), AdminState::Ready);
    }

    #[test]
    fn what_an_administrator_does_after_a_reload_reaches_older_generations() {
        let now = start();
        let config = Arc::new(config(vec![pool(Balance::First, servers(&["a", "b"]))], vec![]));
        let before = World::first(Arc::clone(&config), 1, 7, now);
        let after = before.next(config, now);
        assert_eq!(given(&before.pools()[0], 1, now), ["a"]);
        after.pools()[0].servers()[0].set_admin(AdminState::Maint, now);
        assert_eq!(given(&before.pools()[0], 1, now), ["b"]);
        after.pools()[0].servers()[0].set_admin(AdminState::Ready, now);
        assert_eq!(given(&before.pools()[0], 1, now), ["a"]);
    }

    #[test]
    fn who_waits_is_served_by_the_latest_generation() {
        let now = start();
        let before = world(config(vec![tight()], vec![]), now);
        let old = &before.pools()[0];
        let _held = lease(old, &ask(1, now));
        let bell = Bell::new();
        let mut ticket = old.enqueue().unwrap();
        assert!(ticket.poll(&mut Context::from_waker(&bell.waker()), &ask(2, now)).is_pending());
        let mut pool = tight();
        pool.servers.push(server("b"));
        let after = before.next(Arc::new(config(vec![pool], vec![])), now);
        assert_eq!(bell.rings(), 1);
        match ticket.poll(&mut Context::from_waker(&bell.waker()), &ask(2, now)) {
            Poll::Ready(Choice::Server(lease)) => assert_eq!(&**lease.server().name(), "b"),
            other => panic!("{other:?}"),
        }
        assert_eq!(after.pools()[0].waiting(), 0);
    }

    #[test]
    fn a_place_that_an_old_generation_frees_goes_to_who_waits() {
        let now = start();
        let config = Arc::new(config(vec![tight()], vec![]));
        let before = World::first(Arc::clone(&config), 1, 7, now);
        let held = lease(&before.pools()[0], &ask(1, now));
        let after = before.next(config, now);
        drop(before);
        let new = &after.pools()[0];
        assert!(matches!(new.choose(&ask(2, now)), Choice::Full));
        let bell = Bell::new();
        let mut ticket = new.enqueue().unwrap();
        assert!(ticket.poll(&mut Context::from_waker(&bell.waker()), &ask(2, now)).is_pending());
        drop(held);
        assert_eq!(bell.rings(), 1);
        assert!(ticket.poll(&mut Context::from_waker(&bell.waker()), &ask(2, now)).is_ready());
    }

    #[test]
    fn limits_follow_the_configuration_and_the_ceiling() {
        let now = start();
        let limited = |global, own| {
            let mut config = config(vec![pool(Balance::First, servers(&["a"]))], vec![]);
            config.limits = Limits { connections: global };
            let mode = ListenerMode::Tcp { pool: "p".into() };
            let limits =
                ListenerLimits { connections: own, backlog: 9, per_source: config::PerSource::default() };
            config.listeners = vec![Arc::new(config::Listener { limits, ..listener(mode) })];
            Arc::new(config)
        };
        let first = World::first(limited(Some(9), Some(5)), 1, 7, now);
        let pass = first.listeners()[0].gate().try_enter();
        assert_eq!((first.totals.gate().limit(), first.listeners()[0].gate().limit()), (Some(9), Some(5)));
        first.totals.set_ceiling(7, &first.config);
        assert_eq!(first.totals.gate().limit(), Some(7));
        let second = first.next(limited(Some(3), None), now);
        let gate = second.listeners()[0].gate();
        assert_eq!((second.totals.gate().limit(), gate.limit(), gate.used()), (Some(3), None, 1));
        let third = second.next(limited(None, None), now);
        assert_eq!((third.totals.gate().limit(), third.totals.reloads.sum()), (Some(7), 2));
        drop(pass);
        assert_eq!(gate.used(), 0);
    }

    #[test]
    fn an_older_generation_goes_with_its_last_connection() {
        let now = start();
        let config =
            Arc::new(config(vec![sticky(pool(Balance::First, servers(&["a"])))], vec![table(10, 60)]));
        let before = World::first(Arc::clone(&config), 1, 7, now);
        let old = Arc::downgrade(&before.pools()[0]);
        let held = lease(&before.pools()[0], &ask(1, now));
        let after = before.next(config, now);
        drop(before);
        assert!(old.upgrade().is_some());
        drop(held);
        assert!(old.upgrade().is_none());
        assert_eq!(after.pools()[0].servers()[0].connections(), 0);
    }

    #[test]
    fn names_that_are_gone_are_gone() {
        let now = start();
        let named = |name: &str| config::Pool { name: name.into(), ..pool(Balance::First, servers(&["a"])) };
        let before = world(config(vec![named("x"), named("y")], vec![table(10, 60)]), now);
        let after = before.next(Arc::new(config(vec![named("y"), named("z")], vec![])), now);
        assert!(after.pool("x").is_none() && after.pool("y").is_some() && after.pool("z").is_some());
        assert!(after.stick_table("t").is_none() && after.listener("l").is_none());
        assert_eq!(given(before.pool("x").unwrap(), 1, now), ["a"], "an older generation goes on");
    }

    #[test]
    fn a_server_left_down_by_a_check_that_is_gone_is_tried_again() {
        let now = start();
        let mut pool = pool(Balance::First, servers(&["a"]));
        pool.health_check = Some(check());
        let before = world(config(vec![pool.clone()], vec![]), now);
        before.pools()[0].servers()[0].observe(failed(Fault::ServerRefused), now);
        pool.health_check = None;
        let after = before.next(Arc::new(config(vec![pool], vec![])), now);
        assert!(after.tick(now + seconds(9)).is_empty());
        let changes = after.tick(now + seconds(10));
        assert_eq!((changes.len(), changes[0].to), (1, Condition::Unknown));
    }
}
