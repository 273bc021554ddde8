//! The generator's loop: clients, the rate, orders.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::client::{Client, Doing, Moved, Needs, Site};
use super::pace::Pace;
use super::{After, Counts, Latency, LoadPlan};
use crate::control::{Order, Orders};
use crate::histogram::Histogram;
use crate::link::{Link, client_config};
use crate::message;
use crate::poll::Poll;
use crate::speech::{CHUNK_BYTES, Speech, Text, Wrong};

/// The key of the standard input; no client has it.
const ORDERS_KEY: u64 = u64::MAX;
/// The key of the pace's timer.
const PACE_KEY: u64 = u64::MAX - 1;
/// How long the door may take until it listens.
const DOOR_WAIT: Duration = Duration::from_secs(20);
/// How long a request may stand still before it is an error.
const STALL: Duration = Duration::from_secs(5);
/// How often requests that stand still are looked for.
const STALL_CHECK: Duration = Duration::from_millis(500);
/// How many connections are opened at a time while they are only to be held.
const OPENING_MAX: usize = 64;

/// The generator's state.
struct Engine {
    plan: LoadPlan,
    poll: Poll,
    clients: Vec<Client>,
    /// Clients without work, when something else than themselves decides when they work.
    resting: Vec<usize>,
    again: VecDeque<usize>,
    pace: Option<Pace>,
    sites: Vec<Site>,
    response: Speech,
    scratch: Vec<u8>,
    counts: Counts,
    latency: Histogram,
    /// Clients that are busy with a request.
    busy: usize,
    next_target: usize,
    stopping: bool,
}

/// Waits until the door listens, says `ready` on the standard output, and asks until it is told to stop.
///
/// # Errors
/// A sentence when the door does not listen, or the generator itself cannot work.
pub(crate) fn load(plan: LoadPlan) -> anyhow::Result<()> {
    wait_for_door(&plan)?;
    let mut engine = Engine::new(plan)?;
    let mut orders = Orders::stdin();
    engine.poll.add_level(io::stdin(), ORDERS_KEY).context("cannot watch the standard input")?;
    writeln!(io::stdout(), "ready").context("nobody reads the standard output")?;
    engine.grow(engine.plan.connections);
    let mut checked = Instant::now();
    while !(engine.stopping && (engine.busy == 0 || engine.may_cut())) {
        let timeout = if engine.again.is_empty() { STALL_CHECK } else { Duration::ZERO };
        for key in engine.poll.wait(timeout)? {
            match key {
                ORDERS_KEY => match orders.read()? {
                    None => return Ok(()),
                    Some(orders) => orders.into_iter().try_for_each(|order| engine.obey(order))?,
                },
                PACE_KEY => engine.due()?,
                key => engine.happened(key),
            }
        }
        engine.turns();
        if checked.elapsed() >= STALL_CHECK {
            checked = Instant::now();
            engine.look_for_stalls(checked);
        }
    }
    engine.answer()
}

/// Connects to each target until all accept.
fn wait_for_door(plan: &LoadPlan) -> anyhow::Result<()> {
    let deadline = Instant::now() + DOOR_WAIT;
    for target in &plan.targets {
        loop {
            match TcpStream::connect_timeout(target, Duration::from_secs(1)) {
                Ok(_) => break,
                Err(error) if Instant::now() >= deadline => {
                    bail!("the door does not accept on {target} after {} s: {error}", DOOR_WAIT.as_secs());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
    Ok(())
}

/// What clients ask for, and how. Those that resume have tickets of their own each: shared ones run out.
fn sites(plan: &LoadPlan) -> anyhow::Result<Vec<Site>> {
    let resume = plan.tls.is_some_and(|tls| tls.resume);
    let shared = plan.tls.map(client_config).transpose()?;
    let count = plan.sites.max(1);
    let site = |place: usize| {
        // Clients are fewer than sites may be: they take sites from all over the door's configuration.
        let number = if count > 1 { 1 + place * 997 % count } else { 0 };
        let request = match plan.request {
            Text::Get(_) => Text::Get(number),
            other => other,
        };
        let host = message::host(number);
        let config = if resume { plan.tls.map(client_config).transpose()? } else { shared.clone() };
        let tls = match config {
            None => None,
            Some(config) => Some((config, host.clone().try_into().context("no host name")?)),
        };
        Ok(Site { request: Speech::new(request), host, tls, resume, streams: plan.streams })
    };
    (0..if resume { plan.connections } else { count }).map(site).collect()
}

impl Engine {
    fn new(plan: LoadPlan) -> anyhow::Result<Engine> {
        let poll = Poll::new().context("cannot make an epoll")?;
        let pace = match plan.rate {
            Some(rate) => Some(Pace::new(rate, Instant::now()).context("cannot make a timer")?),
            None => None,
        };
        if let Some(pace) = &pace {
            poll.add_level(pace.timer(), PACE_KEY)?;
        }
        Ok(Engine {
            poll,
            clients: Vec::new(),
            resting: Vec::new(),
            again: VecDeque::new(),
            pace,
            sites: sites(&plan)?,
            response: Speech::new(plan.response),
            scratch: vec![0; CHUNK_BYTES],
            counts: Counts::default(),
            latency: Histogram::new(),
            busy: 0,
            next_target: 0,
            stopping: false,
            plan,
        })
    }

    /// Adds clients up to `connections`.
    fn grow(&mut self, connections: usize) {
        let now = Instant::now();
        for slot in self.clients.len()..connections {
            self.clients.push(Client::new(now));
            if self.pace.is_some() || self.plan.after == After::Hold {
                self.resting.push(slot);
            } else {
                self.start(slot, now);
            }
        }
        // Those without a connection come off the end first; take them in order.
        self.resting.reverse();
        self.open_held();
    }

    /// Opens connections that are to be held, a few at a time.
    fn open_held(&mut self) {
        while self.plan.after == After::Hold && self.busy < OPENING_MAX && !self.stopping {
            let Some(slot) = self.resting.pop() else { return };
            self.start(slot, Instant::now());
        }
    }

    fn obey(&mut self, order: Order) -> anyhow::Result<()> {
        match order {
            Order::Count => self.answer()?,
            Order::Grow(connections) => self.grow(connections),
            Order::Stop => self.stopping = true,
        }
        Ok(())
    }

    /// Requests of the rate are due.
    fn due(&mut self) -> anyhow::Result<()> {
        let Some(pace) = &mut self.pace else { return Ok(()) };
        pace.tick(Instant::now()).context("cannot set the timer")?;
        self.hand_out();
        Ok(())
    }

    /// Gives requests that are due to clients that rest.
    fn hand_out(&mut self) {
        let Some(pace) = &mut self.pace else { return };
        let mut work = Vec::new();
        while !self.stopping && !self.resting.is_empty() {
            let Some(due) = pace.take() else { break };
            work.extend(self.resting.pop().map(|slot| (slot, due)));
        }
        for (slot, due) in work {
            self.start(slot, due);
        }
    }

    /// Begins a request that was due at `due`.
    fn start(&mut self, slot: usize, due: Instant) {
        self.busy += 1;
        let target = self.plan.targets[self.next_target];
        let client = &mut self.clients[slot];
        (client.due, client.moved) = (due, due);
        if client.link.is_some() {
            client.ask();
        } else {
            self.next_target = (self.next_target + 1) % self.plan.targets.len();
            let key = u64::from(client.generation.wrapping_add(1)) << 32 | slot as u64;
            let site = &self.sites[slot % self.sites.len()];
            let watch = |link: &Link| self.poll.add_edge(link.fd(), key).map_err(Wrong::Failed);
            if let Err(wrong) = client.connect(target, site).and_then(watch) {
                return self.failed(slot, wrong);
            }
        }
        self.again.push_back(slot);
    }

    fn happened(&mut self, key: u64) {
        let slot = usize::try_from(key & u64::from(u32::MAX)).expect("32 bits fit");
        if u64::from(self.clients[slot].generation) == key >> 32 {
            self.go_on(slot);
        }
    }

    /// Lets everyone go on who was put back.
    fn turns(&mut self) {
        for _ in 0..self.again.len() {
            if let Some(slot) = self.again.pop_front() {
                self.go_on(slot);
            }
        }
    }

    fn go_on(&mut self, slot: usize) {
        let mut moved = Moved::default();
        let client = &mut self.clients[slot];
        let site = &self.sites[slot % self.sites.len()];
        let more = !self.stopping;
        let needs = client.go_on(site, &self.response, &mut self.scratch, more, &mut moved);
        self.counts.connections += moved.connections;
        self.counts.resumed += moved.resumed;
        self.counts.sent += moved.sent;
        self.counts.received += moved.received;
        self.counts.exchanges += moved.exchanges;
        if moved.exchanges > 0 || site.request.is_bulk() || self.response.is_bulk() {
            client.moved = Instant::now();
        }
        match needs {
            Ok(Needs::Event) => {}
            Ok(Needs::Turn) => self.again.push_back(slot),
            Ok(Needs::Work) => self.answered(slot),
            Err(wrong) => self.failed(slot, wrong),
        }
    }

    fn answered(&mut self, slot: usize) {
        self.busy -= 1;
        // Those of HTTP/2 were counted one by one.
        self.counts.exchanges += u64::from(self.plan.streams == 0);
        let now = Instant::now();
        if self.pace.is_some() {
            self.latency.add(now.saturating_duration_since(self.clients[slot].due));
        }
        match self.plan.after {
            After::Close => self.clients[slot].close(),
            After::Keep => {}
            After::Hold => return self.open_held(),
        }
        if self.pace.is_some() {
            self.resting.push(slot);
            self.hand_out();
        } else if !self.stopping && self.plan.exchanges_max.is_none_or(|most| self.counts.exchanges < most) {
            self.start(slot, now);
        }
    }

    /// Counts an error and gives the client a new start, unless there were so many that something is badly broken.
    fn failed(&mut self, slot: usize, wrong: Wrong) {
        let client = &mut self.clients[slot];
        let doing = client.doing;
        client.close();
        self.busy -= usize::from(doing != Doing::Resting);
        self.counts.errors += 1;
        self.counts.first_error.get_or_insert_with(|| format!("while {doing:?}: {wrong}").to_lowercase());
        if self.pace.is_some() {
            self.resting.push(slot);
        } else if !self.stopping && self.plan.after != After::Hold && self.counts.errors < 1000 {
            self.start(slot, Instant::now());
        }
    }

    fn look_for_stalls(&mut self, now: Instant) {
        for slot in 0..self.clients.len() {
            let client = &self.clients[slot];
            if client.doing != Doing::Resting && now.saturating_duration_since(client.moved) > STALL {
                self.failed(slot, Wrong::Failed(rustix::io::Errno::TIMEDOUT));
            }
        }
    }

    /// Whether what is under way may be cut without an error.
    fn may_cut(&self) -> bool {
        self.sites.iter().any(|site| site.request.is_bulk()) || self.response.is_bulk()
    }

    /// Writes the counts as one line.
    fn answer(&mut self) -> anyhow::Result<()> {
        self.counts.latency = self
            .latency
            .percentile(0.5)
            .zip(self.latency.percentile(0.99))
            .map(|(p50, p99)| Latency { p50, p99, p999: self.latency.percentile(0.999).unwrap_or(p99) });
        self.latency.clear();
        let line = serde_json::to_string(&self.counts).context("cannot write the counts")?;
        writeln!(io::stdout(), "{line}").context("nobody reads the standard output")
    }
}
