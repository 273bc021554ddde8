//! One measurement: one row, one peer, once, in a network namespace of its own.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::control::Order;
use crate::cpu::CpuTime;
use crate::load::{After, Counts, Latency};
use crate::memory::Memory;
use crate::namespace::Namespace;
use crate::peer::{ACCESS_LOG, Peer, Task};
use crate::process::{Helper, Place, Process};
use crate::row::{Row, Unit, Work, door_addresses, server_addresses};

/// Connections that are there before memory is first read, so that what is needed once is not counted.
const WARM_CONNECTIONS: usize = 100;
/// How long idle connections may take to be opened.
const OPENING: Duration = Duration::from_secs(60);
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

/// A door with servers behind it and clients before it. Ends them in this order.
struct Cell<'a> {
    bench: &'a Bench,
    log: bool,
    /// Whether clients close their connections before the end.
    closes: bool,
    load: Helper,
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
        let mut cell = Cell::start(self, row, log, peer, None)?;
        let sample = match row.work {
            Work::Idle { .. } => cell.memory(row.work.connections(self.files))?,
            work => cell.work(work.unit())?,
        };
        cell.finish()?;
        Ok(sample)
    }

    /// Measures how long exchanges take at `rate` a second.
    ///
    /// # Errors
    /// As [`Bench::measure`].
    pub(crate) fn latency(&self, row: &Row, log: bool, peer: &Peer, rate: f64) -> anyhow::Result<Latency> {
        let mut cell = Cell::start(self, row, log, peer, Some(rate))?;
        cell.pause(self.warm_up)?;
        // A count forgets the times before it.
        cell.count()?;
        cell.pause(self.window)?;
        let latency = cell.count()?.latency;
        cell.finish()?;
        latency.context("not one exchange was answered")
    }
}

impl<'a> Cell<'a> {
    fn start(
        bench: &'a Bench,
        row: &Row,
        log: bool,
        peer: &Peer,
        rate: Option<f64>,
    ) -> anyhow::Result<Cell<'a>> {
        let namespace = Namespace::make()?;
        let dir =
            tempfile::Builder::new().prefix("transom-bench-").tempdir().context("cannot make a directory")?;
        // Doors give up being root and must still find their files.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755))
            .context("cannot open up a directory")?;
        let place = |core| Place { namespace: namespace.name(), core, dir: dir.path() };
        let (addresses, servers) = (door_addresses(), server_addresses());
        let serve = Helper::start("serve", &place(bench.load_core), &row.work.serve(&servers))?;

        let connections = row.work.connections(bench.files);
        let task = Task {
            mode: row.mode,
            addresses: &addresses,
            servers: &servers,
            connections,
            log,
            dir: dir.path(),
        };
        let file = dir.path().join("door.conf");
        fs::write(&file, peer.config(&task)).context("cannot write the door's configuration")?;
        let door = Process::start("door", &place(bench.door_core), &peer.command(&file), ACCESS_LOG)?;

        let mut plan = row.work.load(&addresses, bench.files, rate);
        if let Work::Idle { .. } = row.work {
            plan.connections = plan.connections.min(WARM_CONNECTIONS);
        }
        let load = Helper::start("load", &place(bench.load_core), &plan)
            .map_err(|error| anyhow::anyhow!("{error:#}; the door's last words{}", door.last_words()))?;
        let closes = plan.after == After::Close;
        Ok(Cell { bench, log, closes, load, door, serve, dir, _namespace: namespace })
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
        self.wait_for_exchanges(first as u64)?;
        self.pause(SETTLING)?;
        let before = Memory::read(self.door.pid())?;
        self.load.order(Order::Grow(connections))?;
        self.wait_for_exchanges(connections as u64)?;
        self.pause(SETTLING)?;
        let growth = Memory::read(self.door.pid())?.proportional.saturating_sub(before.proportional);
        let units = (connections - first).max(1) as f64;
        Ok(Sample { figure: growth as f64 / units, units, rate: 0.0 })
    }

    fn wait_for_exchanges(&mut self, wanted: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + OPENING;
        loop {
            let counts = self.count()?;
            if counts.exchanges >= wanted {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("only {} of {wanted} connections were opened in {OPENING:?}", counts.exchanges);
            }
            self.pause(LOOK)?;
        }
    }

    /// Ends the load, then the door, and looks whether its log is whole.
    fn finish(mut self) -> anyhow::Result<()> {
        self.load.order(Order::Stop)?;
        let counts = self.counts()?;
        // Connections that were held to the end are cut with the door, some without a line.
        if self.log && self.closes {
            let path = self.dir.path().join(ACCESS_LOG);
            let deadline = Instant::now() + LOGGING;
            while lines_of(&path)? < counts.connections {
                if Instant::now() >= deadline {
                    bail!(
                        "the access log has {} lines of {} connections",
                        lines_of(&path)?,
                        counts.connections
                    );
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
        self.counts()
    }

    fn counts(&mut self) -> anyhow::Result<Counts> {
        let line = self.load.answer()?;
        let counts: Counts =
            serde_json::from_str(&line).with_context(|| format!("`{line}` are no counts"))?;
        if let Some(first) = &counts.first_error {
            bail!(
                "{} errors beside {} exchanges, the first {first}; the door's last words{}",
                counts.errors,
                counts.exchanges,
                self.door.last_words()
            );
        }
        Ok(counts)
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

fn lines_of(path: &Path) -> anyhow::Result<u64> {
    let file = File::open(path).with_context(|| format!("there is no access log {}", path.display()))?;
    Ok(BufReader::new(file).split(b'\n').count() as u64)
}
