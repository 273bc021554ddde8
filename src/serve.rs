//! The loop of the process that serves: signals, reloads, the stop. Alone it makes its own supplies; as the worker it
//! is given them by the keeper.

use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc as tokio_mpsc, oneshot};
use transom_control::{Command, ReloadOutcome};

use crate::engine::{Engine, Taken};
use crate::gather::{Gathered, Refusal, Request, gather};
use crate::keeper::message::{ToKeeper, ToWorker};
use crate::signals::{Signal, Signals};
use crate::supply::{Note, Supply, changes};
use crate::systemd::{self, Tell};
use crate::{admin_socket, exit, panic, terminal};

/// How often a drain looks whether connections are left.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// How long connections that were cut may take to be gone.
const CUT_WAIT: Duration = Duration::from_secs(2);
/// Requests for a reload that may wait.
pub(crate) const COMMANDS_MAX: usize = 16;

/// What the loop waits for.
pub(crate) enum Event {
    /// A signal was caught.
    Signal(Signal),
    /// The keeper says something.
    Keeper(ToWorker),
    /// The keeper is gone.
    KeeperGone,
    /// The admin API wants something.
    Command(Command),
}

/// Who makes supplies.
pub(crate) enum Supplier {
    /// This process itself.
    Own {
        /// What to make them from.
        request: Request,
        /// The one in force.
        before: Box<Supply>,
    },
    /// The keeper, at the other end of this.
    Keeper(UnixStream),
}

/// Serves in one process, as an ordinary user.
pub(crate) fn alone(request: Request) -> ExitCode {
    let (events, inbox) = std::sync::mpsc::channel();
    match start_alone(request, &events) {
        Ok((engine, request, before)) => {
            let addresses = before.addresses();
            let supplier = Supplier::Own { request, before: Box::new(before) };
            Serve::new(engine, supplier, addresses).until_the_end(&inbox)
        }
        Err(refusal) => {
            terminal::err(&refusal.text_for_stderr());
            exit::could_not_run()
        }
    }
}

fn start_alone(request: Request, events: &Sender<Event>) -> Result<(Engine, Request, Supply), Refusal> {
    let signals = Signals::catch().map_err(|error| format!("signals cannot be caught: {error}"))?;
    panic::install();
    let Gathered { supply, .. } = gather(&request, None)?;
    let shared = supply.shared().map_err(|error| error.to_string())?;
    let engine = match Engine::start(shared, commands(events)) {
        Ok((engine, _)) => engine,
        Err(sentence) => {
            admin_socket::forget(&supply, None);
            return Err(sentence.into());
        }
    };
    if let Err(sentence) = supply.attach_packets(&engine.config()) {
        engine.stop();
        admin_socket::forget(&supply, None);
        return Err(sentence.into());
    }
    watch_signals(signals, events.clone());
    supply.notes.iter().for_each(Note::log);
    terminal::err(&format!("ready listeners={}", supply.addresses().join(",")));
    systemd::tell(Tell::Ready);
    Ok((engine, request, supply))
}

/// A channel for the control plane, read by a thread that hands on to the loop.
pub(crate) fn commands(events: &Sender<Event>) -> tokio_mpsc::Sender<Command> {
    let (sender, mut receiver) = tokio_mpsc::channel(COMMANDS_MAX);
    let events = events.clone();
    std::thread::spawn(move || {
        while let Some(command) = receiver.blocking_recv() {
            if events.send(Event::Command(command)).is_err() {
                break;
            }
        }
    });
    sender
}

/// Hands signals on to the loop, from a thread of their own.
pub(crate) fn watch_signals(mut signals: Signals, events: Sender<Event>) {
    std::thread::spawn(move || {
        while let Ok(caught) = signals.wait() {
            for signal in caught {
                if events.send(Event::Signal(signal)).is_err() {
                    return;
                }
            }
        }
    });
}

/// A stop under way.
struct Stop {
    /// When connections are cut.
    cut_at: Instant,
    /// Set when they were: when to end whatever is left.
    end_at: Option<Instant>,
}

/// The loop's state.
pub(crate) struct Serve {
    engine: Engine,
    supplier: Supplier,
    /// Who waits for the keeper's answer to a reload.
    waiting: Vec<oneshot::Sender<ReloadOutcome>>,
    /// What was taken last.
    generation: u64,
    /// Its addresses, as in the `ready` line.
    addresses: Vec<String>,
    stop: Option<Stop>,
}

impl Serve {
    /// Ready to loop.
    pub(crate) fn new(engine: Engine, supplier: Supplier, addresses: Vec<String>) -> Self {
        Self { engine, supplier, waiting: Vec::new(), generation: 1, addresses, stop: None }
    }

    /// Loops until a stop has come to its end.
    pub(crate) fn until_the_end(mut self, inbox: &Receiver<Event>) -> ExitCode {
        while !self.is_over() {
            let event = if self.stop.is_some() {
                inbox.recv_timeout(DRAIN_LOOK)
            } else {
                inbox.recv().map_err(RecvTimeoutError::from)
            };
            match event {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.stop(),
            }
        }
        let config = self.engine.config();
        self.engine.stop();
        if let Supplier::Own { before, .. } = &self.supplier {
            admin_socket::forget(before, None);
            before.retire_packets(&config);
            log::info!("stopped");
        }
        ExitCode::SUCCESS
    }

    fn handle(&mut self, event: Event) {
        let alone = matches!(self.supplier, Supplier::Own { .. });
        match event {
            Event::Signal(Signal::Stop) if alone => self.stop(),
            Event::Signal(Signal::Reload) if alone => {
                let outcome = self.reload_own();
                self.answer(&outcome);
            }
            // Whoever wants something of a worker asks the keeper.
            Event::Signal(_) => {}
            Event::Command(Command::Reload(answer)) => {
                self.waiting.push(answer);
                self.ask_for_reload();
            }
            Event::Command(Command::Flows(most, answer)) => self.engine.flows(most, answer),
            Event::Command(Command::ServersChanged) => self.tell_overrides(),
            Event::Keeper(ToWorker::Serve(supply)) => self.take_keepers(*supply),
            Event::Keeper(ToWorker::Refused { report }) => {
                self.tell_overrides();
                self.answer(&self.refused(report));
            }
            Event::Keeper(ToWorker::Stop) => self.drain(),
            Event::Keeper(ToWorker::Cut) => self.cut(),
            Event::KeeperGone => {
                log::error!("the keeper is gone; serving what there is to its end");
                // The next keeper's worker fills the tables.
                self.engine.leave_packets();
                self.drain();
            }
        }
    }

    fn ask_for_reload(&mut self) {
        if let Supplier::Keeper(channel) = &self.supplier {
            if let Err(error) = ToKeeper::Reload.send(channel) {
                let report = format!("the keeper cannot be asked: {error}");
                self.answer(&self.refused(report));
            }
        } else {
            let outcome = self.reload_own();
            self.answer(&outcome);
        }
    }

    /// Makes and takes a supply in this process.
    fn reload_own(&mut self) -> ReloadOutcome {
        let Supplier::Own { request, before } = &mut self.supplier else {
            return self.refused("only the keeper can reload".into());
        };
        if self.stop.is_some() {
            return self.refused("it is about to stop".into());
        }
        systemd::tell(Tell::Reloading);
        let taken = gather(request, Some(before)).map_err(|refusal| refusal.text()).and_then(|gathered| {
            let next = gathered.supply;
            let shared = next.shared().map_err(|error| error.to_string());
            let taken = shared
                .and_then(|shared| self.engine.take(shared))
                .inspect_err(|_| admin_socket::forget(&next, Some(before)))?;
            let former = std::mem::replace(&mut **before, next);
            admin_socket::forget(&former, Some(before));
            before.keep_packets(&self.engine.config(), Some(&former));
            before.notes.iter().for_each(Note::log);
            Ok((taken, before.notes.clone(), before.addresses()))
        });
        let outcome = match taken {
            Ok((taken, notes, addresses)) => {
                let changes = self.note_addresses(addresses);
                log::info!("reloaded, generation {}: {changes}", taken.generation);
                self.taken(taken, &notes, changes)
            }
            Err(report) => {
                log::error!("reload refused, the configuration before stays in force:\n{report}");
                self.refused(report)
            }
        };
        systemd::tell(Tell::Ready);
        outcome
    }

    /// Takes what the keeper sent and tells it how that went.
    fn take_keepers(&mut self, supply: Supply) {
        let (addresses, notes) = (supply.addresses(), supply.notes.clone());
        let (outcome, said) = match self.engine.take(supply) {
            Ok(taken) => {
                let changes = self.note_addresses(addresses);
                (self.taken(taken, &notes, changes), ToKeeper::Taken { generation: taken.generation })
            }
            Err(report) => (self.refused(report.clone()), ToKeeper::NotTaken { report }),
        };
        self.tell(&said);
        // Servers that are gone from the configuration are forgotten.
        self.tell_overrides();
        self.answer(&outcome);
    }

    /// Tells the keeper what administrators made of servers.
    fn tell_overrides(&self) {
        self.tell(&ToKeeper::Overrides(self.engine.overrides()));
    }

    fn tell(&self, message: &ToKeeper) {
        if let Supplier::Keeper(channel) = &self.supplier
            && let Err(error) = message.send(channel)
        {
            log::warn!("the keeper cannot be told: {error}");
        }
    }

    /// What changed; from here on these are the addresses.
    fn note_addresses(&mut self, addresses: Vec<String>) -> String {
        let before = std::mem::replace(&mut self.addresses, addresses);
        changes(&before, &self.addresses)
    }

    fn taken(&mut self, taken: Taken, notes: &[Note], changes: String) -> ReloadOutcome {
        self.generation = taken.generation;
        let sentences: Vec<&str> = notes.iter().map(Note::text).chain([&*changes]).collect();
        ReloadOutcome { applied: true, generation: taken.generation, report: sentences.join("\n") }
    }

    fn refused(&self, report: String) -> ReloadOutcome {
        self.engine.reload_failed();
        ReloadOutcome { applied: false, generation: self.generation, report }
    }

    /// Tells everybody who asked for a reload what came of it.
    fn answer(&mut self, outcome: &ReloadOutcome) {
        for waiting in self.waiting.drain(..) {
            // Whoever asked may have hung up.
            let _ = waiting.send(outcome.clone());
        }
    }

    /// The first time a drain, the second time a cut.
    fn stop(&mut self) {
        if self.stop.is_some() { self.cut() } else { self.drain() }
    }

    fn drain(&mut self) {
        if self.stop.is_some() {
            return;
        }
        systemd::tell(Tell::Stopping);
        let drain = self.engine.config().process.drain;
        let connections = self.engine.connections();
        log::info!("stopping: {connections} connections have {drain:?} to end");
        self.engine.drain();
        if let Supplier::Own { before, .. } = &mut self.supplier {
            // Ours listen too, as long as they are open.
            before.listeners.clear();
        }
        self.stop = Some(Stop { cut_at: Instant::now() + drain, end_at: None });
    }

    fn cut(&mut self) {
        self.drain();
        let now = Instant::now();
        if let Some(stop) = &mut self.stop
            && stop.end_at.is_none()
        {
            stop.end_at = Some(now + CUT_WAIT);
            log::warn!("cutting {} connections", self.engine.connections());
            self.engine.cut();
        }
    }

    /// Whether a stop has come to its end; cuts when the drain time is over.
    fn is_over(&mut self) -> bool {
        let Some(stop) = &self.stop else { return false };
        let now = Instant::now();
        if self.engine.connections() == 0 || stop.end_at.is_some_and(|end| now >= end) {
            return true;
        }
        if stop.end_at.is_none() && now >= stop.cut_at {
            self.cut();
        }
        false
    }
}
