//! Everything live of one generation of the configuration.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use transom_config::{Config, Name};

use crate::listener::ListenerLife;
use crate::pool::PoolLife;
use crate::server::Life;
use crate::{Counter, FaultCounters, Gate, Listener, Pool, StickTable, Transition};

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
    pool_places: HashMap<Name, usize>,
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
            .map(|pool| build_pool(pool, &config, before, &stick_tables, base.workers, now))
            .collect();
        let pool_places: HashMap<_, _> =
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
    workers: usize,
    now: Instant,
) -> Arc<Pool> {
    let known = before.and_then(|before| before.pool(&pool.name));
    let life = known.map_or_else(|| PoolLife::new(workers), |known| Arc::clone(known.life()));
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
