//! The executor of one worker thread: straight-line `async fn`s over edge-triggered epoll.
//!
//! Everything here belongs to one thread and is reached through a thread-local; wakers are numbers (see `sys`), other
//! threads come in through an `Inbox`. The order of a turn matters: first the readiness of the whole batch is noted,
//! then tasks run, so that no event can name a descriptor that was closed and opened again in between.

mod clock;
mod inbox;
mod reactor;
mod sys;
mod tasks;
mod wheel;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::io::{self, Errno};

pub(crate) use clock::Clock;
pub(crate) use inbox::Inbox;
use reactor::Reactor;
pub(crate) use reactor::Ready;
use tasks::{Fate, Tasks};
use wheel::{TICK, Wheel};
pub(crate) use wheel::{TaskId, Tick, ticks};

/// Waits a task may pass without waiting before others get their turn.
const BUDGET: u32 = 64;
/// Rounds of tasks run before the kernel is asked again.
const ROUNDS: usize = 4;

thread_local! {
    static RUNTIME: Cell<Option<&'static Runtime>> = const { Cell::new(None) };
}

/// The runtime of this thread.
///
/// # Panics
/// On a thread that never called [`Runtime::enter`]: only workers run what lives here.
pub(crate) fn runtime() -> &'static Runtime {
    RUNTIME.get().expect("only worker threads run tasks")
}

/// Wakes the task that `token` names, from any thread.
fn wake(token: usize) {
    let (number, task) = split(token);
    match RUNTIME.get() {
        Some(runtime) if runtime.number == number => runtime.tasks.borrow_mut().wake(task),
        _ => {
            if let Some(inbox) = Inbox::of(number) {
                inbox.wake(task);
            }
        }
    }
}

fn token(number: u32, task: TaskId) -> usize {
    ((number as usize) << 32) | task as usize
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves are taken apart again")]
fn split(token: usize) -> (u32, TaskId) {
    ((token >> 32) as u32, token as u32)
}

/// One worker's executor. Lives as long as the process.
pub(crate) struct Runtime {
    number: u32,
    inbox: Arc<Inbox>,
    reactor: Reactor,
    tasks: RefCell<Tasks>,
    wheel: RefCell<Wheel>,
    clock: Clock,
    tick: Cell<Tick>,
    current: Cell<TaskId>,
    budget: Cell<u32>,
    stopping: Cell<bool>,
    /// Called once a tick: what the worker does regularly, such as handing on its log lines.
    each_tick: RefCell<Option<Box<dyn FnMut()>>>,
}

impl Runtime {
    /// Makes this thread a worker.
    pub(crate) fn enter() -> io::Result<&'static Self> {
        let (number, inbox) = Inbox::register()?;
        let reactor = Reactor::new()?;
        reactor.register(inbox.event())?;
        let runtime: &'static Self = Box::leak(Box::new(Self {
            number,
            inbox,
            reactor,
            tasks: RefCell::default(),
            wheel: RefCell::new(Wheel::new()),
            clock: Clock::start(),
            tick: Cell::new(1),
            current: Cell::new(0),
            budget: Cell::new(0),
            stopping: Cell::new(false),
            each_tick: RefCell::new(None),
        }));
        RUNTIME.set(Some(runtime));
        Ok(runtime)
    }

    /// The mailbox through which other threads reach this worker.
    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// The time of this turn: read once after each wait.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sets what is done once a tick.
    pub(crate) fn each_tick(&self, work: impl FnMut() + 'static) {
        *self.each_tick.borrow_mut() = Some(Box::new(work));
    }

    /// Starts a task.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.tasks.borrow_mut().insert(Box::pin(future))
    }

    /// Queues a task of this worker.
    pub(crate) fn wake_task(&self, task: TaskId) {
        self.tasks.borrow_mut().wake(task);
    }

    /// Queues every task, to let it look at something that has changed for all.
    pub(crate) fn wake_all(&self) {
        self.tasks.borrow_mut().wake_all();
    }

    /// Ends the time of every task: whatever they wait for answers [`Fate::Cut`].
    pub(crate) fn cut_all(&self) {
        self.tasks.borrow_mut().cut_all();
    }

    /// Makes `run` return after this turn.
    pub(crate) fn stop(&self) {
        self.stopping.set(true);
    }

    /// Runs tasks until [`Runtime::stop`].
    pub(crate) fn run(&self) {
        while !self.stopping.get() {
            let bell = self.inbox.event().as_raw_fd();
            let rang =
                self.reactor.wait(self.time_to_wait(), bell, |task| self.tasks.borrow_mut().wake(task));
            self.clock.look();
            if rang {
                self.take_mail();
            }
            self.turn_wheel();
            self.run_tasks();
        }
    }

    fn time_to_wait(&self) -> Option<Duration> {
        if self.tasks.borrow().queued() > 0 {
            return Some(Duration::ZERO);
        }
        let tick = self.tick.get();
        let regular = self.each_tick.borrow().is_some().then_some(1);
        let ticks = regular.or_else(|| self.wheel.borrow().ticks_to_next(tick))?;
        Some(self.clock.until(TICK * (tick + ticks - 1)) + Duration::from_micros(100))
    }

    fn take_mail(&self) {
        let mail = self.inbox.take();
        for task in mail.woken {
            self.wake_task(task);
        }
        for job in mail.jobs {
            job();
        }
    }

    fn turn_wheel(&self) {
        let target = self.clock.ticks(TICK);
        let mut turned = false;
        while self.tick.get() < target {
            turned = true;
            let now = self.tick.get() + 1;
            self.tick.set(now);
            let due = self.wheel.borrow_mut().due(now);
            for task in due {
                let again = self.tasks.borrow_mut().look(task, now);
                if let Some(deadline) = again {
                    self.enter_in_wheel(task, deadline);
                }
            }
        }
        if turned && let Some(work) = self.each_tick.borrow_mut().as_mut() {
            work();
        }
    }

    fn run_tasks(&self) {
        for _ in 0..ROUNDS {
            let round = self.tasks.borrow().queued();
            if round == 0 {
                return;
            }
            for _ in 0..round {
                let next = self.tasks.borrow_mut().next();
                let Some((task, future)) = next else { return };
                self.poll(task, future);
            }
        }
    }

    fn poll(&self, task: TaskId, mut future: Pin<Box<dyn Future<Output = ()>>>) {
        self.current.set(task);
        self.budget.set(BUDGET);
        let waker = sys::waker(token(self.number, task));
        let mut context = Context::from_waker(&waker);
        // A bug met by one connection must not take the others down.
        let outcome = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));
        if matches!(outcome, Ok(Poll::Pending)) {
            return self.tasks.borrow_mut().put_back(task, future);
        }
        if outcome.is_err() {
            log::error!("a connection was lost to a bug: please report the panic above");
        }
        // Dropping may wake or spawn others: no borrow is held here.
        drop(future);
        self.tasks.borrow_mut().finish(task);
    }

    fn enter_in_wheel(&self, task: TaskId, deadline: Tick) {
        let at = self.wheel.borrow_mut().insert(task, deadline, self.tick.get());
        self.tasks.borrow_mut().set_looked_at(task, at);
    }

    /// Sets the running task's deadline, in place of an earlier one.
    pub(crate) fn deadline(&self, after: Duration) {
        self.deadline_in(ticks(after));
    }

    /// The same, in ticks.
    pub(crate) fn deadline_in(&self, after: Tick) {
        let (task, deadline) = (self.current.get(), self.tick.get().saturating_add(after));
        let look = self.tasks.borrow_mut().set_deadline(task, deadline);
        if let Some(deadline) = look {
            self.enter_in_wheel(task, deadline);
        }
    }

    /// The running task has no deadline.
    pub(crate) fn no_deadline(&self) {
        self.tasks.borrow_mut().clear_deadline(self.current.get());
    }

    /// Lets other tasks run when the running one has passed many waits without waiting. `Pending` has queued it again.
    pub(crate) fn poll_budget(&self) -> Poll<()> {
        let left = self.budget.get();
        if left == 0 {
            self.wake_task(self.current.get());
            return Poll::Pending;
        }
        self.budget.set(left - 1);
        Poll::Ready(())
    }

    /// Waits until a descriptor may be ready, as long as the running task has time.
    pub(crate) fn poll_ready(&self, fd: BorrowedFd<'_>, wanted: Ready) -> Poll<Result<(), Stop>> {
        ready!(self.poll_budget());
        if self.reactor.ready_or_wait(fd, wanted, self.current.get()) {
            return Poll::Ready(Ok(()));
        }
        self.poll_fate().map(Err)
    }

    /// Waits until a descriptor is `wanted`, however long the running task has.
    pub(crate) fn poll_state(&self, fd: BorrowedFd<'_>, wanted: Ready) -> Poll<()> {
        if self.reactor.ready_or_wait(fd, wanted, self.current.get()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Pending while the running task has time.
    pub(crate) fn poll_fate(&self) -> Poll<Stop> {
        match self.tasks.borrow().fate(self.current.get()) {
            Fate::Going => Poll::Pending,
            Fate::Expired => Poll::Ready(Stop::Expired),
            Fate::Cut => Poll::Ready(Stop::Cut),
        }
    }

    /// The tick of this turn: a coarse moment to compare with others.
    pub(crate) fn tick(&self) -> Tick {
        self.tick.get()
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }
}

/// Why a wait ended without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The task's deadline has passed.
    Expired,
    /// The program cuts what is left.
    Cut,
    /// The network said so.
    Io(Errno),
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Self {
        Self::Io(error)
    }
}

/// Waits for `time`; replaces the task's deadline. `Err` when the program cuts what is left.
pub(crate) async fn sleep(time: Duration) -> Result<(), Stop> {
    let runtime = runtime();
    runtime.deadline(time);
    let outcome = poll_fn(|_| runtime.poll_fate()).await;
    runtime.no_deadline();
    if outcome == Stop::Expired { Ok(()) } else { Err(outcome) }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_task_that_panics_takes_no_other_with_it() {
        let served = std::thread::spawn(|| {
            let runtime = Runtime::enter().unwrap();
            let served = Rc::new(Cell::new(false));
            let told = Rc::clone(&served);
            runtime.spawn(async { panic!("a mistake in one connection") });
            runtime.spawn(async move {
                told.set(true);
                super::runtime().stop();
            });
            runtime.run();
            served.get()
        });
        assert!(served.join().unwrap(), "the other task did not run");
    }
}
