//! The thread of the control plane: started once, told of every change, stopped at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use transom_config::Name;
use transom_state::{Current, PacketFlow};

use crate::admin::{Accepting, Admin, AdminSocket};
use crate::chance::Chance;
use crate::check::Runner;
use crate::resolve::{Names, Resolve, System};
use crate::shared::Shared;
use crate::transition;

/// How often the world is told the time: slow start, hold times, expiry.
const TICK: Duration = Duration::from_secs(1);
/// How long a stop waits for work that cannot be cut: a password being computed, a file being read.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// What the control plane starts from.
#[derive(Debug)]
pub struct Setup {
    /// The world in force; swapped by the program, which then says so with [`Control::world_changed`].
    pub current: Arc<Current>,
    /// Where the admin API is asked; bound and listening.
    pub admin: Vec<AdminSocket>,
    /// Where the program hears what it is to do.
    pub commands: mpsc::Sender<Command>,
    /// When the program started.
    pub started: SystemTime,
}

/// What the control plane asks of the program.
#[derive(Debug)]
pub enum Command {
    /// Read the configuration again, put it into force if it has no errors, and say what came of it.
    Reload(oneshot::Sender<ReloadOutcome>),
    /// Flows in the packet plane's tables, this many at most; or why they cannot be had.
    Flows(usize, oneshot::Sender<Result<Vec<PacketFlow>, String>>),
    /// An administrator changed a server: whoever outlives this process should know. Not sent while the channel is
    /// full, so servers are to be looked at after each reload, too.
    ServersChanged,
}

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// Whether the new configuration is in force.
    pub applied: bool,
    /// The generation in force.
    pub generation: u64,
    /// The faults of the configuration, rendered, or a summary.
    pub report: String,
}

/// The running control plane.
#[derive(Debug)]
pub struct Control {
    shared: Arc<Shared>,
    signals: Arc<Signals>,
    doors: Doors,
    thread: JoinHandle<()>,
}

/// What wakes the thread.
#[derive(Debug, Default)]
struct Signals {
    world_changed: Notify,
    stop: Notify,
}

impl Control {
    /// Starts the thread; health checks begin at once.
    ///
    /// # Errors
    /// The thread or its event loop cannot be made, or a socket does not listen.
    pub fn start(setup: Setup) -> io::Result<Self> {
        Self::start_with(setup, Arc::new(System))
    }

    /// As [`start`](Self::start), with other names than the system's: for tests.
    ///
    /// # Errors
    /// As for `start`.
    pub fn start_with(setup: Setup, resolver: Arc<dyn Resolve>) -> io::Result<Self> {
        let Setup { current, admin: sockets, commands, started } = setup;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let names = Names::new(Arc::clone(&current), resolver);
        let shared = Arc::new(Shared::new(current, commands, started, names.failing()));
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        let admin = Arc::new(Admin::new(Arc::clone(&shared), key));
        let doors = Doors { admin, runtime: runtime.handle().clone(), accepting: Mutex::default() };
        doors.open(sockets)?;
        let signals = Arc::new(Signals::default());
        let thread = {
            let (shared, signals) = (Arc::clone(&shared), Arc::clone(&signals));
            std::thread::Builder::new()
                .name("control".into())
                .spawn(move || run(runtime, &shared, &signals, names))?
        };
        Ok(Self { shared, signals, doors, thread })
    }

    /// The world was swapped: checks and names follow it.
    pub fn world_changed(&self) {
        self.signals.world_changed.notify_one();
    }

    /// Listens on these sockets for the admin API instead of those before; connections that exist go on.
    ///
    /// # Errors
    /// One is not a listening socket of its kind; then those before stay.
    pub fn set_admin(&self, sockets: Vec<AdminSocket>) -> io::Result<()> {
        self.doors.open(sockets)
    }

    /// The program is about to stop: `/ready` says so from now on.
    pub fn set_draining(&self) {
        self.shared.set_draining();
    }

    /// The addresses listeners really have, for ports chosen by the kernel.
    pub fn set_listeners(&self, addresses: Vec<(Name, SocketAddr)>) {
        self.shared.set_listeners(addresses);
    }

    /// Stops; whatever is being probed, asked or answered ends where it is.
    pub fn stop(self) {
        self.signals.stop.notify_one();
        if self.thread.join().is_err() {
            log::error!("the control thread had panicked");
        }
    }
}

/// The sockets of the admin API and the tasks that accept there.
struct Doors {
    admin: Arc<Admin>,
    runtime: Handle,
    accepting: Mutex<Vec<Accepting>>,
}

impl Doors {
    fn open(&self, sockets: Vec<AdminSocket>) -> io::Result<()> {
        let _inside = self.runtime.enter();
        let accepting: Vec<_> = sockets
            .into_iter()
            .map(|socket| socket.listen(Arc::clone(&self.admin)))
            .collect::<Result<_, _>>()?;
        *self.accepting.lock() = accepting;
        Ok(())
    }
}

impl std::fmt::Debug for Doors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doors").field("accepting", &self.accepting).finish_non_exhaustive()
    }
}

fn run(runtime: Runtime, shared: &Arc<Shared>, signals: &Signals, mut names: Names) {
    runtime.block_on(async {
        let mut runner = Runner::new(Arc::clone(&shared.current), Chance::system());
        names.follow();
        runner.follow();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = signals.stop.notified() => return,
                () = signals.world_changed.notified() => {
                    names.follow();
                    runner.follow();
                }
                _ = tick.tick() => {
                    for transition in shared.current.load().tick(Instant::now().into_std()) {
                        transition::log(&transition);
                    }
                }
            }
        }
    });
    runtime.shutdown_timeout(STOP_WITHIN);
}
