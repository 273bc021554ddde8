//! The plane: all workers together.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use transom_config::{AccessFormat, Name};
use transom_state::Current;

use crate::doors::{Doors, Share};
use crate::link::SourceStock;
use crate::log::{Sender, Writer};
use crate::runtime::{Inbox, Runtime, runtime};
use crate::tls::TlsWorld;
use crate::worker::Worker;

/// How long a worker may take to take up a change; it does so between two turns of its loop.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// An address listened on.
pub struct Bound {
    /// Which listener it belongs to.
    pub listener: Name,
    /// The real address: with the port that was taken where port 0 was asked for.
    pub address: SocketAddr,
    /// One listening socket a worker; empty where the plane has them already.
    pub sockets: Vec<OwnedFd>,
}

/// Where access lines go.
pub enum AccessSink {
    /// Nowhere.
    Off,
    /// Written to this descriptor.
    Fd(OwnedFd),
}

/// The running workers.
pub struct Plane {
    workers: Vec<Handle>,
    current: Arc<Current>,
    writer: Mutex<Option<Writer>>,
}

/// What the plane holds of one worker.
struct Handle {
    thread: JoinHandle<()>,
    inbox: Arc<Inbox>,
}

thread_local! {
    static DOORS: Cell<Option<&'static Doors>> = const { Cell::new(None) };
}

impl Plane {
    /// Starts so many workers, which connect from clients' addresses with sockets of `stock`; they listen on nothing until [`Plane::apply`]. Errors: no threads or descriptors left.
    pub fn start(workers: usize, current: Arc<Current>, stock: &SourceStock) -> io::Result<Self> {
        let workers = (0..workers)
            .map(|index| Handle::start(index, Arc::clone(&current), stock.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Self { workers, current, writer: Mutex::default() })
    }

    /// Takes up the generation that `current` holds now. `listeners` are all addresses to listen on: those that are open
    /// already are kept as they are, those that are missing are closed. Returns when every worker has done so.
    pub fn apply(&self, listeners: Vec<Bound>, access: AccessSink, tls: TlsWorld) -> io::Result<()> {
        let tls = Arc::new(tls);
        let world = self.current.load();
        let format = world.config.log.access.format;
        let (writer, sender) = match access {
            AccessSink::Off => (None, None),
            AccessSink::Fd(sink) => {
                let (writer, sender) = Writer::start(sink, Arc::clone(&world.totals.log_lines_lost))?;
                (Some(writer), Some(sender))
            }
        };
        let shares = self.share_out(listeners);
        let jobs = shares.into_iter().map(|shares| {
            let log: Option<(Sender, AccessFormat)> = sender.clone().map(|sender| (sender, format));
            let tls = Arc::clone(&tls);
            move |doors: &'static Doors| {
                doors.worker.log().set(log);
                doors.worker.set_tls(tls);
                doors.apply(shares);
            }
        });
        let outcome = self.on_all(jobs.collect());
        drop(sender);
        // Every worker has let go of the former sink: its thread ends once all is written.
        let former = std::mem::replace(&mut *self.writer.lock(), writer);
        if outcome.is_ok()
            && let Some(former) = former
        {
            former.join();
        }
        outcome
    }

    /// Stops accepting. Relayed connections go on; those that carry requests end with the one they are at.
    pub fn drain(&self) {
        self.tell_all(Doors::drain);
    }

    /// Client connections open now.
    pub fn connections(&self) -> usize {
        self.current.load().totals.gate().used() as usize
    }

    /// Ends what is left (`admin-drained`).
    pub fn cut(&self) {
        self.tell_all(|_| runtime().cut_all());
    }

    /// Ends the workers and waits until the last access line is written.
    pub fn stop(self) {
        self.tell_all(|doors| {
            doors.close();
            doors.worker.log().set(None);
            runtime().stop();
        });
        for handle in self.workers {
            // A worker's panic has been printed; the others are stopped all the same.
            let _ = handle.thread.join();
        }
        if let Some(writer) = self.writer.into_inner() {
            writer.join();
        }
    }

    fn share_out(&self, listeners: Vec<Bound>) -> Vec<Vec<Share>> {
        let mut shares: Vec<Vec<Share>> = self.workers.iter().map(|_| Vec::new()).collect();
        for bound in listeners {
            let mut sockets = bound.sockets.into_iter();
            for share in &mut shares {
                share.push(Share {
                    listener: bound.listener.clone(),
                    address: bound.address,
                    socket: sockets.next(),
                });
            }
        }
        shares
    }

    /// Runs one job on each worker and waits for all.
    fn on_all<J: FnOnce(&'static Doors) + Send + 'static>(&self, jobs: Vec<J>) -> io::Result<()> {
        let (done, waiting) = mpsc::channel();
        for (handle, job) in self.workers.iter().zip(jobs) {
            let done = done.clone();
            handle.run(move |doors| {
                job(doors);
                // The plane gave up waiting: nothing to tell.
                let _ = done.send(());
            });
        }
        drop(done);
        for _ in &self.workers {
            waiting.recv_timeout(ANSWER_TIME).map_err(|error| match error {
                RecvTimeoutError::Timeout => io::Error::from(io::ErrorKind::TimedOut),
                RecvTimeoutError::Disconnected => io::Error::other("a worker has died"),
            })?;
        }
        Ok(())
    }

    fn tell_all(&self, job: impl Fn(&'static Doors) + Send + Copy + 'static) {
        for handle in &self.workers {
            handle.run(job);
        }
    }
}

impl Handle {
    fn start(index: usize, current: Arc<Current>, stock: SourceStock) -> io::Result<Self> {
        let (started, waiting) = mpsc::channel();
        let body = move || match Runtime::enter() {
            Ok(runtime) => {
                DOORS.set(Some(Doors::of(Worker::enter(runtime, index, current, stock))));
                let _ = started.send(Ok(runtime.inbox()));
                // A connection's panic has been caught below; one of the loop would leave clients unanswered, silently.
                if catch_unwind(AssertUnwindSafe(|| runtime.run())).is_err() {
                    log::error!("the loop of a worker has failed: the process ends, to be started anew");
                    std::process::abort();
                }
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(body)?;
        let inbox = waiting.recv().map_err(io::Error::other)??;
        Ok(Self { thread, inbox })
    }

    fn run(&self, job: impl FnOnce(&'static Doors) + Send + 'static) {
        self.inbox.run(Box::new(move || {
            if let Some(doors) = DOORS.get() {
                job(doors);
            }
        }));
    }
}
