//! What the tests of this crate share: chance from a seed, wakers that count, configurations in one line.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use transom_config::{
    self as config, AccessFormat, AccessLog, Address, Admin, Balance, Config, HealthCheck, Level, Limits,
    ListenerLimits, ListenerMode, Log, LogSink, NotTls, OnDown, Passive, Passthrough, Place, PlainHttp,
    Probe, Process, Queue, RequestKey, Retry, Reuse, ServerName, SniRoute, Source, Sources, StartState,
    Stick, Timeouts, Zones,
};

use crate::{Ask, Choice, Fault, Lease, Pool, ProbeResult, Said, World};

/// Seeds of one run: 256, or as many as `SEEDS` says, or the one in `SEED`.
pub(crate) fn seeds() -> Vec<u64> {
    let number =
        |name| std::env::var(name).ok().map(|text| text.parse().expect("SEED and SEEDS are numbers"));
    number("SEED").map_or_else(|| (0..number("SEEDS").unwrap_or(256)).collect(), |seed| vec![seed])
}

/// Random numbers that a seed decides (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xa076_1d64_78bd_642f) ^ 0x1234_5678_9abc_def0)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number under `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Counts how often it was woken.
#[derive(Clone)]
pub(crate) struct Bell(Arc<Rings>);

struct Rings(AtomicU64);

impl Wake for Rings {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Rings(AtomicU64::new(0))))
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    pub(crate) fn rings(&self) -> u64 {
        self.0.0.load(Ordering::SeqCst)
    }
}

/// A time to count from.
#[expect(clippy::disallowed_methods, reason = "tests need one instant to count from, whichever it is")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The client of that number.
pub(crate) fn client(number: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + number).into())
}

/// A client of that number asks, with a chance made from it.
pub(crate) fn ask(number: u32, now: Instant) -> Ask<'static> {
    let random = Chance::new(number.into()).next();
    Ask { source: client(number), said: Said::default(), tried: &[], worker: 0, random, now }
}

pub(crate) fn passed() -> ProbeResult {
    ProbeResult { outcome: Ok(()), detail: "".into(), took: Duration::from_millis(3) }
}

pub(crate) fn failed(fault: Fault) -> ProbeResult {
    ProbeResult { outcome: Err(fault), detail: "connection refused".into(), took: Duration::from_millis(3) }
}

pub(crate) fn place() -> Place {
    Place { file: Arc::new("transom.toml".into()), line: 1 }
}

/// A server of weight 1 without a limit, at an address made from its name.
pub(crate) fn server(name: &str) -> config::Server {
    let address = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    config::Server {
        name: name.into(),
        address: Address::Ip(SocketAddr::new(IpAddr::V4((0x0a80_0000 | address & 0x7f_ffff).into()), 443)),
        weight: 1,
        zone: None,
        cookie: None,
        backup: false,
        connections: None,
        start: StartState::Ready,
        place: place(),
    }
}

/// Servers by name, each as `server` makes it.
pub(crate) fn servers(names: &[&str]) -> Vec<config::Server> {
    names.iter().map(|name| server(name)).collect()
}

/// Servers named `s0`, `s1`, … with these weights.
pub(crate) fn weighted(weights: &[u16]) -> Vec<config::Server> {
    let named = |(at, weight): (usize, &u16)| config::Server { weight: *weight, ..server(&format!("s{at}")) };
    weights.iter().enumerate().map(named).collect()
}

/// A pool named `p`, without stick table, health check, queue or slow start.
pub(crate) fn pool(balance: Balance, servers: Vec<config::Server>) -> config::Pool {
    config::Pool {
        tls: None,
        name: "p".into(),
        servers,
        balance,
        zones: Zones::LocalFirst,
        hash_on: RequestKey::Source,
        cookie: None,
        reuse: Reuse { idle: 64, idle_for: seconds(60) },
        stick: None,
        health_check: None,
        passive: Passive { fall: Some(3), hold: seconds(10) },
        timeouts: Timeouts { connect: seconds(5), idle: seconds(60), response: seconds(120) },
        retry: Retry { times: 2, other_server: true },
        queue: Queue { size: 0, timeout: seconds(10) },
        slow_start: Duration::ZERO,
        on_down: OnDown::Keep,
        proxy_protocol: None,
        source: Source::Any,
        place: place(),
    }
}

/// A connect every five seconds; two passes raise, three failures fell.
pub(crate) fn check() -> HealthCheck {
    HealthCheck { probe: Probe::Tcp, every: seconds(5), timeout: seconds(2), rise: 2, fall: 3, port: None }
}

/// A stick table named `t`.
pub(crate) fn table(size: u32, expire: u64) -> config::StickTable {
    config::StickTable {
        name: "t".into(),
        key: config::StickTableKey::Ip,
        size,
        expire: seconds(expire),
        place: place(),
    }
}

/// The same pool, sticking to table `t`.
pub(crate) fn sticky(mut pool: config::Pool) -> config::Pool {
    pool.stick = Some(Stick { on: RequestKey::Source, table: "t".into() });
    pool
}

/// A whole configuration.
pub(crate) fn config(pools: Vec<config::Pool>, tables: Vec<config::StickTable>) -> Config {
    Config {
        certificates: Vec::new(),
        zone: None,
        workers: None,
        process: Process { user: None, drain: seconds(30) },
        limits: Limits { connections: None },
        log: Log {
            access: AccessLog { sink: LogSink::Off, format: AccessFormat::Json },
            program: LogSink::Off,
            level: Level::Info,
        },
        admin: Admin { socket: None, bind: None, users: Vec::new() },
        listeners: Vec::new(),
        packet_listeners: Vec::new(),
        packet: packet(),
        pools: pools.into_iter().map(Arc::new).collect(),
        shield: None,
        abuse: None,
        wafs: Vec::new(),
        stick_tables: tables.into_iter().map(Arc::new).collect(),
    }
}

/// A packet plane that nobody asks for.
fn packet() -> config::Packet {
    config::Packet {
        interfaces: Vec::new(),
        driver: config::Driver::Auto,
        mtu: None,
        flows: 1000,
        vips: 1,
        new_flows_per_second: 0,
        fragments: config::Odd::Pass,
        ip_options: config::Odd::Pass,
        settle: seconds(60),
        on_stop: config::OnStop::Detach,
        pins: Path::new("/sys/fs/bpf/transom").into(),
    }
}

/// A listener named `l` of that mode.
pub(crate) fn listener(mode: ListenerMode) -> config::Listener {
    config::Listener {
        name: "l".into(),
        bind: Vec::new(),
        mode,
        sources: Sources::default(),
        accept_proxy: Vec::new(),
        limits: ListenerLimits { connections: None, backlog: 1024, per_source: config::PerSource::default() },
        place: place(),
    }
}

/// Routes of a passthrough listener: names as in the file, and a pool.
pub(crate) fn passthrough(routes: &[(&[&str], &str)], default: Option<&str>) -> ListenerMode {
    let name = |name: &&str| match name.strip_prefix('*') {
        Some(suffix) => ServerName::Below(suffix.into()),
        None => ServerName::Exact((*name).into()),
    };
    let route = |(names, pool): &(&[&str], &str)| SniRoute {
        names: names.iter().map(name).collect(),
        pool: (*pool).into(),
        place: place(),
    };
    ListenerMode::Passthrough(Passthrough {
        inspect_timeout: seconds(5),
        routes: routes.iter().map(route).collect(),
        pool: default.map(Into::into),
        plain_http: PlainHttp::Redirect,
        not_tls: NotTls::Refuse,
    })
}

/// The first generation of that configuration.
pub(crate) fn world(config: Config, now: Instant) -> World {
    World::first(Arc::new(config), 1, 7, now)
}

/// The only pool of a world with that pool and a table of 1000 entries that live a minute.
pub(crate) fn live(pool: config::Pool, now: Instant) -> Arc<Pool> {
    Arc::clone(&world(config(vec![pool], vec![table(1000, 60)]), now).pools()[0])
}

/// The lease a client gets.
pub(crate) fn lease(pool: &Arc<Pool>, ask: &Ask<'_>) -> Lease {
    match pool.choose(ask) {
        Choice::Server(lease) => lease,
        other => panic!("no server but {other:?}"),
    }
}

/// The names of the servers that `count` clients are given, each leaving at once.
pub(crate) fn given(pool: &Arc<Pool>, count: u32, now: Instant) -> Vec<String> {
    let name = |number| lease(pool, &ask(number, now)).server().name().to_string();
    (0..count).map(name).collect()
}

/// How often each of the pool's servers stands in `names`, in the order of the file.
pub(crate) fn shares(pool: &Pool, names: &[String]) -> Vec<usize> {
    let count = |name: &str| names.iter().filter(|own| *own == name).count();
    pool.servers().iter().map(|server| count(server.name())).collect()
}

/// Set by a waker, waited for by a thread.
#[derive(Default)]
pub(crate) struct Flag {
    raised: parking_lot::Mutex<bool>,
    changed: parking_lot::Condvar,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        *self.raised.lock() = true;
        self.changed.notify_one();
    }
}

impl Flag {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// Until it is set; a minute is longer than anything here takes.
    pub(crate) fn wait(&self) {
        let mut raised = self.raised.lock();
        while !std::mem::take(&mut *raised) {
            assert!(!self.changed.wait_for(&mut raised, seconds(60)).timed_out(), "a wake-up was lost");
        }
    }
}
