//! The keeper: the process that keeps root's rights. It parses nothing from the network.
//!
//! It reads the configuration, binds, opens logs, hands all of it to the worker, and watches the worker: one that
//! dies is replaced, on the same sockets, with the configuration that was in force. One thread, one poll.

pub(crate) mod channel;
pub(crate) mod message;
pub(crate) mod spawn;
pub(crate) mod worker;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use transom_config::Config;

use self::channel::Look;
use self::message::{ToKeeper, ToWorker, send_supply};
use self::spawn::{Patience, Worker};
use crate::gather::{Gathered, Refusal, Request, gather};
use crate::log::{self as program_log, Sink};
use crate::signals::{Signal, Signals};
use crate::supply::{Note, Supply, changes};
use crate::systemd::{self, Tell};
use crate::users::Identity;
use crate::{admin_socket, exit, limits, terminal};

/// What a worker may take beyond its drain time, or beyond a cut, before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// Looks at the channel before signals and deadlines have their turn again.
const LOOKS_A_TURN: usize = 64;

/// A supply in force, or offered, with what the keeper itself needs of its configuration.
struct Kept {
    supply: Supply,
    identity: Identity,
    config: Config,
}

impl Kept {
    fn gather(request: &Request, before: Option<&Supply>) -> Result<Self, Refusal> {
        let Gathered { supply, config, identity } = gather(request, before)?;
        Ok(Self { supply, identity, config })
    }

    /// Writes the keeper's own lines where this configuration says.
    fn take_log(&self) {
        let program = self.supply.program.as_ref().and_then(|log| log.try_clone().ok());
        program_log::point_to(Sink::from(program), self.config.log.level);
    }
}

/// The keeper's state.
struct Keeper {
    request: Request,
    signals: Signals,
    /// What the worker serves, and the next one is started with.
    good: Kept,
    /// Sent to the worker and not answered yet.
    offered: Option<Kept>,
    /// A reload was asked for while one was under way.
    again: bool,
    worker: Option<Worker>,
    /// The worker may have said more than was heard.
    unheard: bool,
    /// When the next worker is started; only without one.
    start_at: Instant,
    patience: Patience,
    /// Whether a worker has served.
    ready: bool,
    /// Set when it is about to stop: when the worker is killed.
    kill_at: Option<Instant>,
    /// Set at the end.
    end: Option<ExitCode>,
}

/// Serves in two processes, as root.
pub(crate) fn keep(request: Request) -> ExitCode {
    let started = Signals::catch()
        .map_err(|error| Refusal::Machine(format!("signals cannot be caught: {error}")))
        .and_then(|signals| Ok((signals, Kept::gather(&request, None)?)));
    let (signals, good) = match started {
        Ok(started) => started,
        Err(refusal) => {
            terminal::err(&refusal.text_for_stderr());
            return exit::could_not_run();
        }
    };
    good.supply.notes.iter().for_each(Note::log);
    let keeper = Keeper {
        request,
        signals,
        good,
        offered: None,
        again: false,
        worker: None,
        unheard: false,
        start_at: Instant::now(),
        patience: Patience::default(),
        ready: false,
        kill_at: None,
        end: None,
    };
    keeper.until_the_end()
}

impl Keeper {
    fn until_the_end(mut self) -> ExitCode {
        loop {
            let now = Instant::now();
            self.start_if_due(now);
            if let Some(code) = self.end {
                admin_socket::forget(&self.good.supply, None);
                if self.ready {
                    self.good.supply.retire_packets(&self.good.config);
                }
                return code;
            }
            self.wait(now);
            for signal in self.signals.taken() {
                match signal {
                    Signal::Stop => self.stop(),
                    Signal::Reload => self.reload(),
                    Signal::Child => {}
                }
            }
            self.hear();
            self.reap();
            self.kill_if_due();
        }
    }

    /// Waits for a signal, the worker, or the next thing to do.
    fn wait(&self, now: Instant) {
        let due = self.worker.is_none().then_some(self.start_at);
        let now_already = (self.unheard && self.worker.is_some()).then_some(now);
        let until = due.into_iter().chain(now_already).chain(self.kill_at).chain(self.hung_up_until()).min();
        let until = until.map(|until| until.saturating_duration_since(now));
        let until = until.map(|until| Timespec {
            tv_sec: until.as_secs().min(3600) as i64,
            tv_nsec: i64::from(until.subsec_nanos()),
        });
        let mut waited = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if let Some(worker) = self.worker.as_ref().filter(|worker| worker.hung_up.is_none()) {
            waited.push(PollFd::new(&worker.channel, PollFlags::IN));
        }
        // Interrupted by a signal, it is looked at as well.
        let _ = poll(&mut waited, until.as_ref());
    }

    fn start_if_due(&mut self, now: Instant) {
        if self.worker.is_some() || self.end.is_some() || now < self.start_at {
            return;
        }
        let started = spawn::spawn(&self.good.identity).and_then(|worker| {
            send_supply(&self.good.supply, &worker.channel)?;
            Ok(worker)
        });
        match started {
            Ok(worker) => {
                let (pid, user) = (worker.child.id(), &self.good.identity.name);
                log::info!("keeper: worker {pid} started as {user}");
                self.worker = Some(worker);
            }
            Err(error) => {
                let user = &self.good.identity.name;
                let help = "help: the keeper needs the capabilities CAP_SETUID and CAP_SETGID";
                log::error!("keeper: no worker can be started as {user}: {error}\n{help}");
                self.later(Duration::ZERO);
            }
        }
    }

    /// Plans the next start after a worker that lived for so long; before the first success that is the end.
    fn later(&mut self, lived: Duration) {
        if !self.ready {
            self.end = Some(exit::could_not_run());
        }
        let wait = self.patience.after(lived);
        if !wait.is_zero() {
            log::warn!("keeper: workers keep dying soon after their start; the next one in {wait:?}");
        }
        self.start_at = Instant::now() + wait;
    }

    /// Takes what the worker says; one that never stops talking is interrupted.
    fn hear(&mut self) {
        self.unheard = true;
        for _ in 0..LOOKS_A_TURN {
            let Some(worker) = &mut self.worker else { break };
            match worker.receiver.look(&worker.channel) {
                Ok(Look::Frame(frame)) => match ToKeeper::parse(&frame) {
                    Ok(message) => self.handle(message),
                    Err(error) => self.disown(&format!("says what is not understood: {error}")),
                },
                Ok(Look::Part) => {}
                Ok(Look::Nothing) => {
                    self.unheard = false;
                    return;
                }
                Ok(Look::End) => {
                    worker.hung_up.get_or_insert_with(Instant::now);
                    self.unheard = false;
                    return;
                }
                Err(error) => self.disown(&format!("cannot be understood: {error}")),
            }
        }
    }

    fn handle(&mut self, message: ToKeeper) {
        match message {
            ToKeeper::Reload => self.reload(),
            ToKeeper::Taken { generation } => self.taken(generation),
            ToKeeper::NotTaken { report } => self.not_taken(&report),
            ToKeeper::Overrides(overrides) => self.good.supply.overrides = overrides,
        }
    }

    fn taken(&mut self, generation: u64) {
        let Some(worker) = &mut self.worker else { return };
        if !worker.serving {
            worker.serving = true;
            self.serves();
        } else if let Some(mut offered) = self.offered.take() {
            offered.supply.overrides = std::mem::take(&mut self.good.supply.overrides);
            // Sockets that are gone from the configuration are closed here, now that the worker let go of them.
            let changes = changes(&self.good.supply.addresses(), &offered.supply.addresses());
            let former = std::mem::replace(&mut self.good, offered);
            admin_socket::forget(&former.supply, Some(&self.good.supply));
            self.good.supply.keep_packets(&self.good.config, Some(&former.supply));
            self.good.take_log();
            self.good.supply.notes.iter().for_each(Note::log);
            log::info!("reloaded, generation {generation}: {changes}");
            systemd::tell(Tell::Ready);
        }
        if std::mem::take(&mut self.again) {
            self.reload();
        }
    }

    /// A worker serves: the first one, or one that replaces another.
    fn serves(&mut self) {
        if self.kill_at.is_some() {
            return;
        }
        if self.ready {
            log::warn!("keeper: served again, with the configuration and the admin states as they were");
            return;
        }
        self.good.take_log();
        if let Err(sentence) = self.good.supply.attach_packets(&self.good.config) {
            terminal::err(&format!("error: {sentence}"));
            self.kill_at = Some(Instant::now());
            self.disown("has nothing to serve");
            self.end = Some(exit::could_not_run());
            return;
        }
        self.ready = true;
        terminal::err(&format!("ready listeners={}", self.good.supply.addresses().join(",")));
        systemd::tell(Tell::Ready);
    }

    fn not_taken(&mut self, report: &str) {
        if self.withdraw() {
            log::error!("reload refused, the configuration before stays in force:\n{report}");
            systemd::tell(Tell::Ready);
        } else {
            log::error!("keeper: the worker cannot serve:\n{report}");
        }
    }

    /// Makes a supply and offers it to the worker.
    fn reload(&mut self) {
        let serving = self.worker.as_ref().is_some_and(|worker| worker.serving);
        if self.kill_at.is_some() {
            return;
        }
        if !serving || self.offered.is_some() {
            self.again = true;
            return;
        }
        systemd::tell(Tell::Reloading);
        match Kept::gather(&self.request, Some(&self.good.supply)) {
            Ok(kept) => self.offer(kept),
            Err(refusal) => {
                let report = refusal.text();
                log::error!("reload refused, the configuration before stays in force:\n{report}");
                self.send(&ToWorker::Refused { report });
                systemd::tell(Tell::Ready);
            }
        }
    }

    fn offer(&mut self, kept: Kept) {
        let Some(worker) = &self.worker else { return };
        if worker.files != limits::files() {
            limits::share(worker.child.id());
        }
        match send_supply(&kept.supply, &worker.channel) {
            Ok(()) => self.offered = Some(kept),
            Err(error) => {
                admin_socket::forget(&kept.supply, Some(&self.good.supply));
                self.disown(&format!("takes no new configuration: {error}"));
            }
        }
    }

    /// Forgets what was offered and is not served; whether there was something.
    fn withdraw(&mut self) -> bool {
        let offered = self.offered.take();
        if let Some(offered) = &offered {
            admin_socket::forget(&offered.supply, Some(&self.good.supply));
        }
        offered.is_some()
    }

    fn send(&mut self, message: &ToWorker) {
        let Some(worker) = &self.worker else { return };
        if let Err(error) = message.send(&worker.channel) {
            self.disown(&format!("does not listen: {error}"));
        }
    }

    /// Ends a worker that cannot be relied on; it is replaced when it has been reaped.
    fn disown(&mut self, why: &str) {
        let Some(worker) = &mut self.worker else { return };
        log::error!("keeper: worker {} {why}", worker.child.id());
        // An error means that it has ended already.
        let _ = worker.child.kill();
        self.reap_now();
    }

    /// Waits for a worker that was killed.
    fn reap_now(&mut self) {
        let Some(worker) = &mut self.worker else { return };
        match worker.child.wait() {
            Ok(status) => self.ended(&spawn::ending(status)),
            Err(error) => self.ended(&format!("cannot be waited for: {error}")),
        }
    }

    fn reap(&mut self) {
        let Some(worker) = &mut self.worker else { return };
        match worker.child.try_wait() {
            Ok(Some(status)) => self.ended(&spawn::ending(status)),
            Ok(None) => {}
            Err(error) => self.ended(&format!("cannot be waited for: {error}")),
        }
    }

    /// The worker is no more.
    fn ended(&mut self, how: &str) {
        let Some(worker) = self.worker.take() else { return };
        if self.kill_at.is_some() {
            log::info!("stopped: the worker {how}");
            self.end = Some(ExitCode::SUCCESS);
            return;
        }
        let next = if self.ready { "; another is started on the same sockets" } else { "" };
        log::error!("keeper: worker {} {how}{next}", worker.child.id());
        if self.withdraw() {
            log::error!("keeper: it was about to take a new configuration; the one before stays in force");
            systemd::tell(Tell::Ready);
        }
        self.later(worker.started.elapsed());
    }

    /// The first time the worker drains, the second time it cuts. New connections are refused from here on.
    fn stop(&mut self) {
        self.good.supply.listeners.clear();
        let _ = self.withdraw();
        let now = Instant::now();
        if self.kill_at.is_none() {
            systemd::tell(Tell::Stopping);
            self.kill_at = Some(now + self.good.config.process.drain + GRACE);
            self.send(&ToWorker::Stop);
        } else {
            self.kill_at = self.kill_at.min(Some(now + GRACE));
            self.send(&ToWorker::Cut);
        }
        if self.worker.is_none() {
            self.end = Some(ExitCode::SUCCESS);
        }
    }

    fn kill_if_due(&mut self) {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| now >= at) {
            self.disown("did not stop in time");
        } else if self.hung_up_until().is_some_and(|at| now >= at) {
            self.disown("hung up and does not end");
        }
    }

    /// Until when a worker that hung up may take to end.
    fn hung_up_until(&self) -> Option<Instant> {
        self.worker.as_ref().and_then(|worker| worker.hung_up).map(|since| since + GRACE)
    }
}
