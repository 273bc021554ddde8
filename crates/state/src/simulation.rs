//! Seeded simulation: clients, probes, administrators and reloads in any order, and what must hold whatever happens.
//!
//! 256 seeds a run; `SEED=n` replays one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use transom_config::{self as config, Balance, Config, Name, Queue, Zones};

use crate::fixture::{
    Bell, Chance, check, client, config, failed, passed, pool, seconds, seeds, server, start, sticky, table,
};
use crate::pool::Pool;
use crate::{AdminState, Ask, Choice, Condition, Fault, Lease, Said, Ticket, World};

const EXPIRE: u64 = 60;
const CLIENTS: usize = 40;

/// A client in the queue.
struct Waiting {
    ticket: Ticket,
    bell: Bell,
    /// Rings it has answered.
    answered: u64,
    number: u32,
    tried: Vec<usize>,
    /// The server it stuck to when it last tried.
    wish: Option<Name>,
}

struct Simulation {
    seed: u64,
    chance: Chance,
    now: Instant,
    world: World,
    /// The configured pool, changed by reloads.
    written: config::Pool,
    leases: Vec<Lease>,
    waiting: Vec<Waiting>,
    /// What the stick table must know: client, server, last use.
    stuck: BTreeMap<u32, (Name, Instant)>,
}

/// The pool a seed begins with.
fn written(chance: &mut Chance) -> config::Pool {
    let balances =
        [Balance::RoundRobin, Balance::LeastConnections, Balance::Random, Balance::Hash, Balance::First];
    let mut pool = pool(balances[chance.below(5)], Vec::new());
    pool.servers = (0..2 + chance.below(4)).map(|at| any_server(&format!("s{at}"), chance)).collect();
    pool.zones = [Zones::Even, Zones::LocalFirst, Zones::Strict][chance.below(3)];
    pool.health_check = (chance.below(4) > 0).then(check);
    pool.queue = Queue { size: chance.below(12) as u32, timeout: seconds(10) };
    pool.slow_start = seconds(chance.below(2) as u64 * 10);
    if chance.below(3) > 0 { sticky(pool) } else { pool }
}

fn any_server(name: &str, chance: &mut Chance) -> config::Server {
    config::Server {
        weight: [0, 1, 1, 5, 100, 256][chance.below(6)],
        zone: [None, Some("here".into()), Some("there".into())][chance.below(3)].clone(),
        cookie: None,
        backup: chance.below(5) == 0,
        connections: [None, Some(1), Some(3), Some(3)][chance.below(4)],
        ..server(name)
    }
}

fn whole(pool: &config::Pool) -> Arc<Config> {
    // Large enough that no entry is evicted: then a client must find its server again.
    let config = config(vec![pool.clone()], vec![table(1000, EXPIRE)]);
    Arc::new(Config { zone: Some("here".into()), ..config })
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let (now, written) = (start(), written(&mut chance));
        let world = World::first(whole(&written), 1, seed, now);
        Self { seed, chance, now, world, written, leases: vec![], waiting: vec![], stuck: BTreeMap::new() }
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.world.pools()[0]
    }

    fn step(&mut self) {
        match self.chance.below(20) {
            0..=5 => self.arrive(),
            6..=9 => drop(self.any_lease()),
            10..=12 => self.answer_one(),
            13 => drop(self.any_waiting()),
            14 | 15 => self.probe(),
            16 => self.administer(),
            17 => self.now += Duration::from_millis(100) * self.chance.below(200) as u32,
            18 => drop(self.world.tick(self.now)),
            _ => self.reload(),
        }
        self.check_counts();
    }

    /// A new client, or one that has found a server broken before.
    fn arrive(&mut self) {
        let number = self.chance.below(CLIENTS) as u32;
        let servers = self.pool().servers().len();
        let tried = if self.chance.below(4) == 0 { vec![self.chance.below(servers)] } else { vec![] };
        let pool = Arc::clone(self.pool());
        let ask = Ask {
            said: Said::default(),
            source: client(number),
            tried: &tried,
            worker: 0,
            random: self.chance.next(),
            now: self.now,
        };
        self.check_stick(number, &tried);
        match pool.choose(&ask) {
            Choice::Server(lease) => self.got(lease, number, &tried),
            Choice::Empty => self.check_empty(&pool),
            Choice::Full => {
                if let Some(ticket) = pool.enqueue() {
                    let (bell, answered) = (Bell::new(), u64::MAX);
                    self.waiting.push(Waiting { ticket, bell, answered, number, tried, wish: None });
                }
            }
        }
    }

    fn got(&mut self, lease: Lease, number: u32, tried: &[usize]) {
        let (seed, server) = (self.seed, Arc::clone(lease.server()));
        assert_ne!(server.condition(), Condition::Down, "SEED={seed}: {} is down", server.name());
        assert_ne!(server.admin(), AdminState::Maint, "SEED={seed}: {} is in maintenance", server.name());
        let limit = server.config().connections.unwrap_or(u32::MAX);
        assert!(server.connections() <= limit, "SEED={seed}: {} is over its limit", server.name());
        let strict = lease.pool().config.zones == Zones::Strict;
        assert!(!strict || server.config().zone.as_deref() == Some("here"), "SEED={seed}: strict zones");
        let sticks = self.known(number).is_some_and(|name| name == *server.name());
        let open = server.admin() == AdminState::Ready && server.weight() > 0;
        assert!(open || sticks, "SEED={seed}: {} takes no new clients", server.name());
        if self.chance.below(5) == 0 {
            lease.failed(Fault::ServerRefused, 0, self.now);
            return;
        }
        let ask =
            Ask { source: client(number), tried, said: Said::default(), worker: 0, random: 0, now: self.now };
        let before =
            lease.pool().stuck_to(&ask).map(|index| Name::clone(lease.pool().servers()[index].name()));
        lease.connected(&ask);
        if lease.pool().config.stick.is_some() {
            let name = before.unwrap_or_else(|| Name::clone(server.name()));
            self.stuck.insert(number, (name, self.now));
        }
        self.leases.push(lease);
    }

    /// The server that the table must name for this client.
    fn known(&self, number: u32) -> Option<Name> {
        let (name, used) = self.stuck.get(&number)?;
        (self.now - *used <= seconds(EXPIRE)).then(|| Name::clone(name))
    }

    /// The stick table's answer is the model's: a server that may keep the client, as long as the entry lives.
    fn check_stick(&mut self, number: u32, tried: &[usize]) {
        let pool = Arc::clone(self.pool());
        if pool.config.stick.is_none() {
            return;
        }
        let known = self.known(number);
        let ask =
            Ask { source: client(number), tried, said: Said::default(), worker: 0, random: 0, now: self.now };
        let expected = known.as_ref().and_then(|name| pool.server(name)).filter(|server| {
            let near = server.config().zone.as_deref() == Some("here");
            server.keeps_clients()
                && (near || pool.config.zones != Zones::Strict)
                && !tried.contains(&server.index())
        });
        assert_eq!(pool.stuck_to(&ask), expected.map(|server| server.index()), "SEED={}", self.seed);
        if let Some((_, used)) = self.stuck.get_mut(&number).filter(|_| known.is_some()) {
            *used = self.now;
        }
    }

    /// Empty is said only when no server may take a new client.
    fn check_empty(&self, pool: &Pool) {
        let strict = pool.config.zones == Zones::Strict;
        let open = pool.servers().iter().find(|server| {
            server.takes_clients() && (!strict || server.config().zone.as_deref() == Some("here"))
        });
        assert!(open.is_none(), "SEED={}: {} would do", self.seed, open.map_or("", |server| server.name()));
    }

    fn any_lease(&mut self) -> Option<Lease> {
        (!self.leases.is_empty()).then(|| self.leases.swap_remove(self.chance.below(self.leases.len())))
    }

    fn any_waiting(&mut self) -> Option<Waiting> {
        (!self.waiting.is_empty()).then(|| self.waiting.swap_remove(self.chance.below(self.waiting.len())))
    }

    /// One that was called, or is new, tries; false when there is none.
    fn answer_called(&mut self) -> bool {
        let called = |waiting: &Waiting| waiting.bell.rings() != waiting.answered;
        let called: Vec<_> = (0..self.waiting.len()).filter(|at| called(&self.waiting[*at])).collect();
        if called.is_empty() {
            return false;
        }
        let at = called[self.chance.below(called.len())];
        self.answer(at);
        true
    }

    /// One that waits tries, called or for no reason.
    fn answer_one(&mut self) {
        if self.chance.below(3) > 0 {
            self.answer_called();
        } else if !self.waiting.is_empty() {
            let at = self.chance.below(self.waiting.len());
            self.answer(at);
        }
    }

    /// The server this client sticks to.
    fn wish(&self, waiting: &Waiting) -> Option<Name> {
        let ask = Ask {
            said: Said::default(),
            source: client(waiting.number),
            tried: &waiting.tried,
            worker: 0,
            random: 0,
            now: self.now,
        };
        let index = self.pool().stuck_to(&ask)?;
        Some(Name::clone(self.pool().servers()[index].name()))
    }

    /// Whether it was served.
    fn answer(&mut self, at: usize) -> bool {
        let mut waiting = self.waiting.remove(at);
        waiting.wish = self.wish(&waiting);
        waiting.answered = waiting.bell.rings();
        let (number, random) = (waiting.number, self.chance.next());
        self.check_stick(number, &[]);
        let waker = waiting.bell.waker();
        let ask = Ask {
            source: client(number),
            tried: &waiting.tried,
            said: Said::default(),
            worker: 0,
            random,
            now: self.now,
        };
        match waiting.ticket.poll(&mut Context::from_waker(&waker), &ask) {
            Poll::Pending => {
                self.waiting.insert(at, waiting);
                return false;
            }
            Poll::Ready(Choice::Server(lease)) => self.got(lease, number, &waiting.tried),
            Poll::Ready(Choice::Empty) => self.check_empty(&Arc::clone(self.pool())),
            Poll::Ready(Choice::Full) => panic!("SEED={}: a ticket that says full", self.seed),
        }
        true
    }

    fn probe(&mut self) {
        let at = self.chance.below(self.pool().servers().len());
        let result = if self.chance.below(3) > 0 { passed() } else { failed(Fault::ServerConnectTimeout) };
        let server = Arc::clone(&self.pool().servers()[at]);
        let before = server.condition();
        let change = server.observe(result, self.now);
        assert_eq!(change.map_or(before, |change| change.to), server.condition(), "SEED={}", self.seed);
    }

    fn administer(&mut self) {
        let at = self.chance.below(self.pool().servers().len());
        let server = Arc::clone(&self.pool().servers()[at]);
        match self.chance.below(6) {
            0 => self.set_admin(&server, AdminState::Drain),
            1 => self.set_admin(&server, AdminState::Maint),
            2 | 3 => self.set_admin(&server, AdminState::Ready),
            4 => server.set_weight(Some(self.chance.below(300) as u16), self.now),
            _ => server.set_weight(None, self.now),
        }
    }

    fn set_admin(&self, server: &crate::Server, admin: AdminState) {
        server.set_admin(admin, self.now);
        assert_eq!(server.admin(), admin, "SEED={}", self.seed);
    }

    /// A server comes, goes, moves in the file or changes; what is known of the others stays.
    fn reload(&mut self) {
        let before: BTreeMap<_, _> = self.states();
        match self.chance.below(4) {
            0 if self.written.servers.len() > 1 => {
                self.written.servers.remove(self.chance.below(self.written.servers.len()));
            }
            1 => {
                let name = format!("n{}", self.chance.next());
                let server = any_server(&name, &mut self.chance);
                self.written.servers.insert(self.chance.below(self.written.servers.len() + 1), server);
            }
            2 => self.written.servers.reverse(),
            _ => {
                let at = self.chance.below(self.written.servers.len());
                let name = Name::clone(&self.written.servers[at].name);
                self.written.servers[at] = any_server(&name, &mut self.chance);
            }
        }
        self.world = self.world.next(whole(&self.written), self.now);
        for (name, state) in self.states() {
            let same = before.get(&name).is_none_or(|before| *before == state);
            assert!(same, "SEED={}: {name} was {:?}, is {state:?}", self.seed, before.get(&name));
        }
    }

    fn states(&self) -> BTreeMap<Name, (Condition, AdminState, u32)> {
        let state = |server: &crate::Server| (server.condition(), server.admin(), server.connections());
        self.pool().servers().iter().map(|server| (Name::clone(server.name()), state(server))).collect()
    }

    /// Connections counted are leases held.
    fn check_counts(&self) {
        for server in self.pool().servers() {
            let held =
                self.leases.iter().filter(|lease| Arc::ptr_eq(&lease.server().life, &server.life)).count();
            assert_eq!(server.connections() as usize, held, "SEED={}: {}", self.seed, server.name());
        }
    }

    /// When all who were called have tried, nobody is left who could be served: or a call was lost. A client that
    /// sticks to another server since it last tried, because time passed or it came twice, is not called for that.
    fn settle(&mut self) {
        while self.answer_called() {}
        for at in (0..self.waiting.len()).rev() {
            let number = self.waiting[at].number;
            self.check_stick(number, &[]);
            let moved = self.wish(&self.waiting[at]) != self.waiting[at].wish;
            assert!(!self.answer(at) || moved, "SEED={}: client {number} was not called", self.seed);
        }
    }
}

#[test]
fn whatever_happens_clients_get_servers_that_work_and_nobody_is_forgotten() {
    for seed in seeds() {
        let mut simulation = Simulation::new(seed);
        for step in 0..300 {
            simulation.step();
            if step % 25 == 0 {
                simulation.settle();
            }
        }
        while simulation.any_lease().is_some() {
            simulation.settle();
        }
        simulation.settle();
        let servers = simulation.pool().servers().iter();
        let busy = servers.filter(|server| server.connections() > simulation.leases.len() as u32).count();
        assert_eq!(busy, 0, "SEED={seed}");
        simulation.leases.clear();
        simulation.waiting.clear();
        simulation.check_counts();
        assert_eq!(simulation.pool().waiting(), 0, "SEED={seed}");
    }
}

#[test]
fn weights_are_respected_whatever_comes_and_goes() {
    for seed in seeds() {
        let mut chance = Chance::new(seed);
        let now = start();
        let weights: Vec<_> = (0..2 + chance.below(5)).map(|_| 1 + chance.below(20) as u16).collect();
        let servers = crate::fixture::weighted(&weights);
        let balance = [Balance::RoundRobin, Balance::LeastConnections, Balance::Hash][chance.below(3)];
        let pool = crate::fixture::live(pool(balance, servers), now);
        pool.servers()[0].set_admin(AdminState::Maint, now);
        let warm = chance.below(100) as u32;
        drop(crate::fixture::given(&pool, warm, now));
        pool.servers()[0].set_admin(AdminState::Ready, now);
        let clients = 2000;
        let leases: Vec<_> = (0..clients)
            .map(|number| crate::fixture::lease(&pool, &crate::fixture::ask(number, now)))
            .collect();
        let total: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
        for (server, weight) in pool.servers().iter().zip(&weights) {
            let expected = leases.len() * usize::from(*weight) / total;
            let slack = if balance == Balance::Hash { 40 + expected / 4 } else { total };
            let off = (server.connections() as usize).abs_diff(expected);
            assert!(off <= slack, "SEED={seed} {balance:?} {weights:?}: {} off by {off}", server.name());
        }
    }
}
