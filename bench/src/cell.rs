//! One measurement: one row, one peer, once, in a network namespace of its own.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::certificates;
use crate::control::Order;
use crate::cpu::CpuTime;
use crate::grind::{self, Counted};
use crate::load::{After, Counts, Latency, LoadPlan};
use crate::memory::Memory;
use crate::namespace::Namespace;
use crate::peer::{ACCESS_LOG, Peer, Task};
use crate::place::Shares;
use crate::process::{Helper, Place, Process, Stat, family};
use crate::row::{Mode, Row, Unit, Workers, door_addresses, server_addresses};

/// Connections that are there before memory is first read, so that what is needed once is not counted.
const WARM_CONNECTIONS: usize = 100;
/// How long idle connections may take to be opened, and counted exchanges to be done.
const OPENING: Duration = Duration::from_secs(180);
/// How long a door is left alone before its memory is read.
const SETTLING: Duration = Duration::from_millis(1500);
/// How long lines of the access log may take after the last connection was closed.
const LOGGING: Duration = Duration::from_secs(3);
/// How often we look whether all is well while time passes.
const LOOK: Duration = Duration::from_millis(50);

/// What is the same for all measurements of a run.
pub(crate) struct Bench {
    /// The CPU of the door alone.
    pub(crate) door_core: usize,
    /// The CPU of generator and servers.
    pub(crate) load_core: usize,
    /// The CPUs of doors that may have two workers: of their own where there are more than two.
    pub(crate) shared_cores: [usize; 2],
    /// How long is measured.
    pub(crate) window: Duration,
    /// How long work goes on before.
    pub(crate) warm_up: Duration,
    /// Open files a process may have.
    pub(crate) files: usize,
    /// Set when the user wants an end.
    pub(crate) interrupted: Arc<AtomicBool>,
}

/// What one measurement found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// In the row's unit.
    pub(crate) figure: f64,
    /// Work done while it was measured: exchanges, GiB or connections.
    pub(crate) units: f64,
    /// Exchanges a second while it was measured; not compared.
    pub(crate) rate: f64,
}

/// How the work is done, where it is not simply done.
#[derive(Debug, Clone, Copy, Default)]
struct How {
    /// Exchanges a second.
    rate: Option<f64>,
    /// So many exchanges over one connection, while callgrind counts.
    counted: Option<u64>,
}

/// A door with servers behind it and clients before it. Ends them in this order.
struct Cell<'a> {
    bench: &'a Bench,
    row: &'a Row,
    log: bool,
    load: Helper,
    /// Connections that stay idle beside the work.
    beside: Option<Helper>,
    door: Process,
    serve: Helper,
    dir: TempDir,
    _namespace: Namespace,
}

impl Bench {
    /// Measures `peer` at `row` once.
    ///
    /// # Errors
    /// A sentence when something does not start, an exchange fails, or the figure cannot be trusted.
    pub(crate) fn measure(&self, row: &Row, log: bool, peer: &Peer) -> anyhow::Result<Sample> {
        let mut cell = Cell::start(self, row, log, peer, &How::default())?;
        let sample = match row.unit() {
            Unit::Connection => cell.memory(row.connections(self.files))?,
            unit => cell.work(unit)?,
        };
        cell.finish()?;
        Ok(sample)
    }

    /// Measures how long exchanges take at `rate` a second.
    ///
    /// # Errors
    /// As [`Bench::measure`].
    pub(crate) fn latency(&self, row: &Row, log: bool, peer: &Peer, rate: f64) -> anyhow::Result<Latency> {
        let how = How { rate: Some(rate), ..How::default() };
        let mut cell = Cell::start(self, row, log, peer, &how)?;
        cell.pause(self.warm_up)?;
        // A count forgets the times before it.
        cell.count()?;
        cell.pause(self.window)?;
        let latency = cell.count()?.latency;
        cell.finish()?;
        latency.context("not one exchange was answered")
    }
}

impl Bench {
    /// Counts what the door does for so many exchanges over one connection, starting and ending with it.
    ///
    /// # Errors
    /// As [`Bench::measure`], and when callgrind left nothing.
    pub(crate) fn grind(&self, row: &Row, log: bool, peer: &Peer, exchanges: u64) -> anyhow::Result<Counted> {
        let how = How { counted: Some(exchanges), ..How::default() };
        let mut cell = Cell::start(self, row, log, peer, &how)?;
        wait_for_exchanges(&mut cell.load, exchanges, &cell.door)?;
        cell.load.order(Order::Stop)?;
        counts(&mut cell.load, &cell.door)?;
        cell.door.stop();
        Counted::read(cell.dir.path())
    }

    /// Measures where the CPU time of a row goes, then counts its system calls with `strace`.
    ///
    /// # Errors
    /// As [`Bench::measure`], and when `strace` cannot be run.
    pub(crate) fn shares(&self, row: &Row, log: bool, peer: &Peer) -> anyhow::Result<Shares> {
        let mut cell = Cell::start(self, row, log, peer, &How::default())?;
        cell.pause(self.warm_up)?;
        let before = user_and_kernel(cell.door.pid())?;
        cell.pause(self.window)?;
        let after = user_and_kernel(cell.door.pid())?;

        let file = cell.dir.path().join("strace");
        let mut strace = Command::new("strace");
        strace.args(["-c", "-f", "-q", "-o"]).arg(&file);
        for process in family(cell.door.pid())? {
            strace.args(["-p", &process.pid.to_string()]);
        }
        let mut strace = strace.spawn().context("cannot run strace: apt-get install strace")?;
        cell.pause(self.warm_up)?;
        let counted = cell.count()?;
        cell.pause(self.window)?;
        // What it saw while it was attached is divided by what was done in the same time, near enough.
        let exchanges = cell.count()?.exchanges - counted.exchanges;
        let share = self.window.as_secs_f64() / (self.window + self.warm_up).as_secs_f64();
        crate::process::interrupt(&strace);
        strace.wait().context("strace did not end")?;
        let calls = fs::read_to_string(&file).context("strace wrote nothing")?;
        cell.finish()?;
        let exchanges = (exchanges as f64 / share) as u64;
        Ok(Shares { user: after.0 - before.0, kernel: after.1 - before.1, exchanges, calls })
    }

    /// The CPUs of the door.
    fn cores_of(&self, row: &Row) -> Vec<usize> {
        match row.workers {
            Workers::Alone => vec![self.door_core],
            Workers::Shared(_) => self.shared_cores.to_vec(),
        }
    }

    /// Starts the door of a measurement.
    fn door(
        &self,
        row: &Row,
        log: bool,
        peer: &Peer,
        how: &How,
        place: &Place<'_>,
    ) -> anyhow::Result<Process> {
        if let Mode::Http(web) = &row.mode {
            certificates::write(place.dir, web)?;
        }
        let task = Task {
            mode: row.mode,
            addresses: &door_addresses(),
            servers: &server_addresses(),
            connections: row.exchanges_at_a_time(self.files) + row.beside(self.files),
            workers: row.workers.count(),
            log,
            dir: place.dir,
        };
        for (name, text) in peer.files(&task) {
            fs::write(place.dir.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        let file = place.dir.join("door.conf");
        fs::write(&file, peer.config(&task)).context("cannot write the door's configuration")?;
        if how.counted.is_none() {
            return Process::start("door", place, &peer.command(&file), ACCESS_LOG);
        }
        // It runs as an ordinary user, who may not look everywhere but must write here.
        fs::set_permissions(place.dir, Permissions::from_mode(0o777))?;
        let access = place.dir.join(ACCESS_LOG);
        fs::write(&access, "").context("cannot write the access log")?;
        fs::set_permissions(&access, Permissions::from_mode(0o666))?;
        let peer = peer.copied_to(place.dir)?;
        let command = [grind::prefix(place.dir), peer.command(&file)].concat();
        Process::start("door", place, &command, ACCESS_LOG)
    }
}

impl<'a> Cell<'a> {
    fn start(bench: &'a Bench, row: &'a Row, log: bool, peer: &Peer, how: &How) -> anyhow::Result<Cell<'a>> {
        let namespace = Namespace::make()?;
        let dir =
            tempfile::Builder::new().prefix("transom-bench-").tempdir().context("cannot make a directory")?;
        // Doors give up being root and must still find their files.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755))
            .context("cannot open up a directory")?;
        let (addresses, servers) = (door_addresses(), server_addresses());
        let load_core = [bench.load_core];
        let place = Place { namespace: namespace.name(), cores: &load_core, dir: dir.path() };
        let serve = Helper::start("serve", &place, &row.serve(&servers))?;
        let door = bench.door(row, log, peer, how, &Place { cores: &bench.cores_of(row), ..place })?;

        let mut plan = row.load(&addresses, bench.files, how.rate);
        if let Some(exchanges) = how.counted {
            (plan.connections, plan.exchanges_max) = (1, Some(exchanges));
        }
        if row.is_idle() {
            plan.connections = plan.connections.min(WARM_CONNECTIONS);
        }
        let helper = |plan: &LoadPlan| {
            Helper::start("load", &place, plan)
                .map_err(|error| anyhow::anyhow!("{error:#}; the door's last words{}", door.last_words()))
        };
        let mut beside = None;
        if row.beside > 0 {
            let connections = row.beside(bench.files);
            let plan = LoadPlan { connections, after: After::Hold, rate: None, ..plan.clone() };
            let mut helper = helper(&plan)?;
            wait_for_exchanges(&mut helper, connections as u64, &door)?;
            beside = Some(helper);
        }
        let load = helper(&plan)?;
        Ok(Cell { bench, row, log, load, beside, door, serve, dir, _namespace: namespace })
    }

    /// CPU time over work done.
    fn work(&mut self, unit: Unit) -> anyhow::Result<Sample> {
        self.pause(self.bench.warm_up)?;
        let (before, cpu_before, begun) = (self.count()?, CpuTime::read(self.door.pid())?, Instant::now());
        self.pause(self.bench.window)?;
        let (after, cpu_after, took) = (self.count()?, CpuTime::read(self.door.pid())?, begun.elapsed());
        let cpu = cpu_after.since(&cpu_before)?.as_secs_f64();
        let exchanges = (after.exchanges - before.exchanges) as f64;
        let bytes = after.received + after.sent - before.received - before.sent;
        let (units, scale) = match unit {
            Unit::Exchange | Unit::Connection => (exchanges, 1e6),
            Unit::Gibibyte => (bytes as f64 / f64::from(1 << 30), 1.0),
        };
        if units == 0.0 {
            bail!("no work was done in {took:?}");
        }
        Ok(Sample { figure: cpu * scale / units, units, rate: exchanges / took.as_secs_f64() })
    }

    /// Growth of memory by connections up to `connections`.
    fn memory(&mut self, connections: usize) -> anyhow::Result<Sample> {
        let first = connections.min(WARM_CONNECTIONS);
        wait_for_exchanges(&mut self.load, first as u64, &self.door)?;
        self.pause(SETTLING)?;
        let before = Memory::read(self.door.pid())?;
        self.load.order(Order::Grow(connections))?;
        wait_for_exchanges(&mut self.load, connections as u64, &self.door)?;
        self.pause(SETTLING)?;
        let growth = Memory::read(self.door.pid())?.proportional.saturating_sub(before.proportional);
        let units = (connections - first).max(1) as f64;
        Ok(Sample { figure: growth as f64 / units, units, rate: 0.0 })
    }

    /// Ends the load, then the door, and looks whether its log is whole.
    fn finish(mut self) -> anyhow::Result<()> {
        self.load.order(Order::Stop)?;
        let mut counts = counts(&mut self.load, &self.door)?;
        if let Some(beside) = &mut self.beside {
            beside.order(Order::Stop)?;
            counts.exchanges += self::counts(beside, &self.door)?.exchanges;
        }
        if matches!(self.row.mode, Mode::Http(web) if web.resume)
            && counts.resumed * 10 < counts.connections * 9
        {
            bail!("only {} of {} handshakes were resumed", counts.resumed, counts.connections);
        }
        let expected = self.row.lines(counts.connections, counts.exchanges).filter(|_| self.log);
        if let Some(expected) = expected {
            let path = self.dir.path().join(ACCESS_LOG);
            let deadline = Instant::now() + LOGGING;
            while lines_of(&path)? < expected {
                if Instant::now() >= deadline {
                    bail!("the access log has {} lines where there should be {expected}", lines_of(&path)?);
                }
                std::thread::sleep(LOOK);
            }
        }
        self.door.stop();
        Ok(())
    }

    /// Asks the generator.
    fn count(&mut self) -> anyhow::Result<Counts> {
        self.load.order(Order::Count)?;
        counts(&mut self.load, &self.door)
    }

    /// Lets time pass while everything lives.
    fn pause(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::sleep(left.min(LOOK));
            if self.bench.interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            self.door.check_alive()?;
            self.serve.check_alive()?;
        }
        self.load.check_alive()
    }
}

/// What a generator answers; its first error is one.
fn counts(load: &mut Helper, door: &Process) -> anyhow::Result<Counts> {
    let line = load.answer()?;
    let counts: Counts = serde_json::from_str(&line).with_context(|| format!("`{line}` are no counts"))?;
    if let Some(first) = &counts.first_error {
        bail!(
            "{} errors beside {} exchanges, the first {first}; the door's last words{}",
            counts.errors,
            counts.exchanges,
            door.last_words()
        );
    }
    Ok(counts)
}

/// Waits until a generator has done so many.
fn wait_for_exchanges(load: &mut Helper, wanted: u64, door: &Process) -> anyhow::Result<()> {
    let deadline = Instant::now() + OPENING;
    loop {
        load.order(Order::Count)?;
        let counts = counts(load, door)?;
        if counts.exchanges >= wanted {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("only {} of {wanted} exchanges were done in {OPENING:?}", counts.exchanges);
        }
        std::thread::sleep(LOOK);
    }
}

/// Seconds in user space and in the kernel, of a process and all that descend from it.
fn user_and_kernel(root: i32) -> anyhow::Result<(f64, f64)> {
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let mut sum = (0.0, 0.0);
    for process in family(root)? {
        let stat = Stat::read(process.pid)?;
        sum.0 += stat.user as f64 / per_second;
        sum.1 += (stat.ticks - stat.user) as f64 / per_second;
    }
    Ok(sum)
}

fn lines_of(path: &Path) -> anyhow::Result<u64> {
    let file = File::open(path).with_context(|| format!("there is no access log {}", path.display()))?;
    Ok(BufReader::new(file).split(b'\n').count() as u64)
}
