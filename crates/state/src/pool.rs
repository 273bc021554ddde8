//! A pool, live: its servers and which of them a client is given.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use transom_config::{self as config, Name};

use crate::line::Line;
use crate::queue::Ticket;
use crate::roster::{Attempt, Roster};
use crate::server::Life;
use crate::stick::{Names, StickTable};
use crate::{Counter, Fault, Server, Transition};

/// One generation of a pool. What outlives a reload is in its [`PoolLife`] and in its servers.
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
    /// Where round-robin stands.
    cursor: AtomicUsize,
    counters: PoolCounters,
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
    /// Indexes of the servers tried already for this connection: others come first, the stick table notwithstanding.
    pub tried: &'a [usize],
    /// The worker that asks.
    pub worker: usize,
    /// Any number: chance for those who need it.
    pub random: u64,
    /// The time.
    pub now: Instant,
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
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        let counter = || Counter::new(workers);
        Arc::new(Self {
            version: AtomicU64::new(1),
            line: Line::default(),
            cursor: AtomicUsize::new(0),
            counters: PoolCounters {
                chosen: counter(),
                stuck: counter(),
                queued: counter(),
                queue_full: counter(),
            },
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
        pool
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
        self.roster.load().servers().any(|index| self.servers[index].takes_clients())
    }

    /// The server for a client: the one it sticks to, else one that the pool's balance names.
    ///
    /// A client that sticks to a server keeps it while it is up or draining, whatever its weight, and waits for it when
    /// it is at its limit. While clients wait, new ones queue behind them. Takes no lock but one shard of the stick
    /// table's; allocates nothing.
    pub fn choose(self: &Arc<Self>, ask: &Ask<'_>) -> Choice {
        let stuck_to = self.stuck_to(ask);
        if self.life.line.len() > 0 && self.try_nothing(ask, stuck_to) == Pick::Full {
            return Choice::Full;
        }
        self.attempt(ask, stuck_to)
    }

    /// Tries and says what came of it, whoever waits.
    pub(crate) fn attempt(self: &Arc<Self>, ask: &Ask<'_>, stuck_to: Option<usize>) -> Choice {
        match self.pick(ask, stuck_to) {
            Pick::Full => Choice::Full,
            Pick::Empty => Choice::Empty,
            Pick::Took(index) => {
                self.life.counters.chosen.add(ask.worker, 1);
                if stuck_to.is_some() {
                    self.life.counters.stuck.add(ask.worker, 1);
                }
                let stuck = stuck_to.is_some();
                Choice::Server(Lease { pool: Arc::clone(self), index, stuck })
            }
        }
    }

    /// A place in the queue; `None`: it is full (`pool-full`).
    pub fn enqueue(self: &Arc<Self>) -> Option<Ticket> {
        let size = usize::try_from(self.config.queue.size).unwrap_or(usize::MAX);
        let number = self.life.line.join(size);
        let counters = &self.life.counters;
        let counter = if number.is_some() { &counters.queued } else { &counters.queue_full };
        counter.add_shared(1);
        number.map(|number| Ticket::new(Arc::clone(self), number))
    }

    /// The server this client sticks to, if it may have it.
    pub(crate) fn stuck_to(&self, ask: &Ask<'_>) -> Option<usize> {
        let stick = self.stick.as_ref()?;
        let index = stick.names.index(stick.table.get(ask.source, ask.now)?)?;
        let server = self.servers.get(index)?;
        (server.keeps_clients() && self.admits(server) && !ask.tried.contains(&index)).then_some(index)
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

    fn pick(&self, ask: &Ask<'_>, stuck_to: Option<usize>) -> Pick {
        if let Some(index) = stuck_to {
            return if self.servers[index].acquire() { Pick::Took(index) } else { Pick::Full };
        }
        self.refresh(ask.now);
        let roster = self.roster.load();
        let attempt = Attempt::new(&self.servers, ask, &self.life.cursor);
        match roster.pick(attempt) {
            Pick::Empty if !ask.tried.is_empty() => {
                let again = Ask { tried: &[], ..*ask };
                roster.pick(Attempt::new(&self.servers, &again, &self.life.cursor))
            }
            pick => pick,
        }
    }

    /// What a client that must not overtake those who wait is told: `Full`, or `Empty` if waiting is in vain.
    fn try_nothing(&self, ask: &Ask<'_>, stuck_to: Option<usize>) -> Pick {
        if stuck_to.is_some() {
            return Pick::Full;
        }
        self.refresh(ask.now);
        if self.is_usable() { Pick::Full } else { Pick::Empty }
    }

    /// Builds the roster anew if anything changed since it was built. Whoever finds another at it goes on with the
    /// roster there is: every server is looked at again when it is taken.
    pub(crate) fn refresh(&self, now: Instant) {
        if self.roster.load().version == self.life.version.load(Ordering::SeqCst) {
            return;
        }
        if let Some(_building) = self.building.try_lock() {
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
        let warming = self.roster.load().warming;
        let _building = self.building.lock();
        if warming || self.roster.load().version != self.life.version.load(Ordering::SeqCst) {
            self.build(now);
        }
    }

    /// A connection on that server ended: whoever waits for its place is called.
    fn freed(&self, index: usize) {
        let server = &self.servers[index];
        server.release();
        let line = &self.life.line;
        if line.len() == 0 {
            return;
        }
        if let Some(wish) = self.wish(index) {
            if server.takes_clients() { line.call(Some(wish)) } else { line.call_only(wish) }
        }
    }

    /// One in the queue is done: if there is room still, the next may try.
    pub(crate) fn hand_on(&self) {
        let room = || self.servers.iter().any(|server| server.keeps_clients() && server.has_room());
        if self.life.line.len() > 0 && room() {
            self.life.line.call(None);
        }
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

    /// The connection is established: failures before it are forgotten and the client sticks to this server. A change
    /// of condition where no health check had the say.
    pub fn connected(&self, ask: &Ask<'_>) -> Option<Transition> {
        let server = self.server();
        server.counters().connections.add(ask.worker, 1);
        if let (Some(stick), false) = (&self.pool.stick, self.stuck)
            && let Some(id) = stick.names.id(self.index)
        {
            stick.table.set(ask.source, id, ask.now);
        }
        server.connection_succeeded(ask.now)
    }

    /// The connection could not be established, or the server broke it. Only faults of the server count against it. The
    /// change of condition it makes, if any.
    pub fn failed(&self, fault: Fault, worker: usize, now: Instant) -> Option<Transition> {
        if fault.blame() != crate::Blame::Server {
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
