//! The thread that keeps the packet program's tables as configuration and state want them. It needs no privilege: the
//! tables came as descriptors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use transom_config::{Config, Odd, PacketMode};
use transom_packet::Fault;
use transom_packet::abi::{Policy, Settings};
use transom_packet::load::Tables;
use transom_packet::plan::{Limits, Plan, Vip};
use transom_state::{Current, PacketFlow, World};

use super::shown::Shown;
use super::ways::Ways;
use super::wish::{Wish, wishes};
use super::words;

/// How often ways are looked after and counters shown.
const TICK: Duration = Duration::from_secs(1);
/// How often a plan is asked for what time brings: marks that settle, numbers that come free.
const SETTLE_LOOK: Duration = Duration::from_secs(60);

/// Flows, or why there are none.
pub(crate) type Flows = Result<Vec<PacketFlow>, String>;

/// What the thread is told.
enum Tell {
    /// A server changed.
    Changed,
    /// Follow this generation; the answer says whether its wish could be met.
    Follow(Arc<World>, Sender<Result<(), String>>),
    /// Flows, this many at most.
    Flows(usize, oneshot::Sender<Flows>),
    /// Leave the tables as they are.
    Stop,
}

/// The running thread.
pub(crate) struct Driver {
    inbox: Sender<Tell>,
    thread: JoinHandle<()>,
}

impl Driver {
    /// Fills the tables for `world` and keeps them so. What an earlier process left in them is gone on from.
    pub(crate) fn start(tables: Tables, world: Arc<World>, current: Arc<Current>) -> Result<Self, String> {
        let mut state = State::adopt(tables, &world).map_err(|fault| words(&fault))?;
        state.follow(&world).map_err(|fault| words(&fault))?;
        let (inbox, told) = mpsc::channel();
        let bell = inbox.clone();
        let pending = Arc::new(AtomicBool::new(false));
        let rings = Arc::clone(&pending);
        world.totals.changes.tell(move || {
            // One is enough, however many servers change before it is heard. Nobody hears after a stop.
            if !rings.swap(true, Ordering::SeqCst) {
                let _ = bell.send(Tell::Changed);
            }
        });
        let started = std::thread::Builder::new().name("packets".into());
        let thread = started
            .spawn(move || state.until_stopped(&told, &current, &pending))
            .map_err(|error| format!("the thread for packets cannot be started: {error}"))?;
        Ok(Self { inbox, thread })
    }

    /// Goes on with another generation; an error leaves everything as it was.
    pub(crate) fn follow(&self, world: &Arc<World>) -> Result<(), String> {
        let (answer, outcome) = mpsc::channel();
        let gone = || "the thread for packets is gone".to_owned();
        self.inbox.send(Tell::Follow(Arc::clone(world), answer)).map_err(|_| gone())?;
        outcome.recv().map_err(|_| gone())?
    }

    /// Answers with up to `most` flows.
    pub(crate) fn flows(&self, most: usize, answer: oneshot::Sender<Flows>) {
        // With the thread gone whoever waits is told by the end of the channel.
        let _ = self.inbox.send(Tell::Flows(most, answer));
    }

    /// Ends the thread; packets go on by what the tables say.
    pub(crate) fn stop(self) {
        let _ = self.inbox.send(Tell::Stop);
        if self.thread.join().is_err() {
            log::error!("the thread for packets had panicked");
        }
    }
}

/// What the thread holds.
struct State {
    tables: Tables,
    plan: Plan,
    ways: Ways,
    /// What the plan was last asked for.
    wishes: Vec<Wish>,
    asked: Instant,
    shown: Shown,
    /// Failures of tables and plans.
    failures: Vec<(&'static str, u64)>,
}

impl State {
    fn adopt(tables: Tables, world: &World) -> Result<Self, Fault> {
        let settle_after = world.config.packet.settle;
        let limits = Limits { vips_max: tables.vips_max()?, settle_after };
        let now = Instant::now();
        let plan = Plan::adopt(limits, &tables.contents()?, now);
        let (ways, wishes, shown) = (Ways::default(), Vec::new(), Shown::default());
        Ok(Self { tables, plan, ways, wishes, asked: now, shown, failures: Vec::new() })
    }

    fn until_stopped(mut self, told: &Receiver<Tell>, current: &Current, pending: &AtomicBool) {
        let mut tick = Instant::now();
        loop {
            match told.recv_timeout(tick.saturating_duration_since(Instant::now())) {
                Ok(Tell::Changed) => {
                    pending.store(false, Ordering::SeqCst);
                    self.keep_up(&current.load_full());
                }
                Ok(Tell::Follow(world, answer)) => {
                    let outcome = self.follow(&world).map_err(|fault| words(&fault));
                    let _ = answer.send(outcome);
                }
                Ok(Tell::Flows(most, answer)) => {
                    let flows = self.shown.flows(&self.tables, most).map_err(|fault| words(&fault));
                    let _ = answer.send(flows);
                }
                Err(RecvTimeoutError::Timeout) => {
                    tick = Instant::now() + TICK;
                    let world = current.load_full();
                    self.ways.ask(&servers(&world), Instant::now());
                    self.keep_up(&world);
                    self.show(&world);
                }
                Ok(Tell::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes up a generation: settings, ways, tables.
    fn follow(&mut self, world: &World) -> Result<(), Fault> {
        self.ways.ask_patiently(&servers(world));
        self.update(world)?;
        self.tables.set_settings(settings(&world.config))?;
        self.show(world);
        Ok(())
    }

    /// After a change: what fails stays as it was, and is tried again at the next tick.
    fn keep_up(&mut self, world: &World) {
        if let Err(fault) = self.update(world) {
            self.failed(&fault);
        }
    }

    /// Brings the tables to what is wanted now, if that is news.
    fn update(&mut self, world: &World) -> Result<(), Fault> {
        let now = Instant::now();
        let mtu = world.config.packet.mtu;
        let wishes = wishes(world, |mode, server| self.ways.to(mode, server, mtu), now);
        if wishes == self.wishes && now.saturating_duration_since(self.asked) < SETTLE_LOOK {
            return Ok(());
        }
        let vips: Vec<Vip> = wishes.iter().map(|wish| wish.vip.clone()).collect();
        let steps = self.plan.update(&vips, now)?;
        if let Err(fault) = self.tables.apply(&steps) {
            // Some were done: the next update must not take them for not asked.
            self.wishes.clear();
            self.plan = Plan::adopt(self.limits(world)?, &self.tables.contents()?, now);
            return Err(fault);
        }
        if !steps.is_empty() || wishes != self.wishes {
            log::debug!("packets: {} steps", steps.len());
            self.shown = Shown::of(&wishes, &self.plan);
        }
        (self.wishes, self.asked) = (wishes, now);
        Ok(())
    }

    fn limits(&self, world: &World) -> Result<Limits, Fault> {
        Ok(Limits { vips_max: self.tables.vips_max()?, settle_after: world.config.packet.settle })
    }

    /// Puts the counters where metrics and the admin API read them.
    fn show(&mut self, world: &World) {
        let mut faults = self.failures.clone();
        if self.ways.failures > 0 {
            faults.push(("packet-no-way", self.ways.failures));
        }
        match self.shown.counts(&self.tables, faults) {
            Ok(counts) => world.totals.packets.store(Some(Arc::new(counts))),
            Err(fault) => self.failed(&fault),
        }
    }

    fn failed(&mut self, fault: &Fault) {
        log::error!("packets: {}", words(fault));
        let code = fault.code();
        match self.failures.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => self.failures.push((code, 1)),
        }
    }
}

/// Servers of packet listeners that have an address, and how packets reach them.
fn servers(world: &World) -> Vec<(PacketMode, std::net::IpAddr)> {
    let mut servers = Vec::new();
    for listener in &world.config.packet_listeners {
        let Some(pool) = world.pool(&listener.pool) else { continue };
        let addresses = pool.servers().iter().filter_map(|server| server.address());
        servers.extend(addresses.map(|address| (listener.mode, address.ip())));
    }
    servers
}

fn settings(config: &Config) -> Settings {
    let policy = |odd: Odd| match odd {
        Odd::Pass => Policy::Pass as u8,
        Odd::Drop => Policy::Drop as u8,
    };
    let packet = &config.packet;
    Settings {
        new_flows_per_second: packet.new_flows_per_second,
        fragments: policy(packet.fragments),
        options: policy(packet.ip_options),
        ..Settings::default()
    }
}
