//! How other threads reach a worker: a list of tasks to wake, a list of jobs to run, and an eventfd that interrupts the
//! worker's wait.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock, RwLock};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io;

use super::wheel::TaskId;

/// Something to run on the worker's own thread.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The mailbox of one worker.
pub(crate) struct Inbox {
    event: OwnedFd,
    mail: Mutex<Mail>,
}

/// What lies in a mailbox.
#[derive(Default)]
pub(crate) struct Mail {
    /// Tasks woken by other threads.
    pub(crate) woken: Vec<TaskId>,
    /// Jobs given by other threads.
    pub(crate) jobs: Vec<Job>,
}

/// Every runtime of the process, by its number: wakers carry the number. Runtimes live as long as the process.
static INBOXES: OnceLock<RwLock<Vec<Arc<Inbox>>>> = OnceLock::new();

impl Inbox {
    /// A new mailbox and its number.
    pub(crate) fn register() -> io::Result<(u32, Arc<Self>)> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let inbox = Arc::new(Self { event, mail: Mutex::default() });
        let mut all =
            INBOXES.get_or_init(RwLock::default).write().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.push(Arc::clone(&inbox));
        let number = u32::try_from(all.len() - 1).expect("a process has few workers");
        Ok((number, inbox))
    }

    /// The mailbox with that number.
    pub(crate) fn of(number: u32) -> Option<Arc<Self>> {
        let all = INBOXES.get()?.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.get(number as usize).cloned()
    }

    /// The descriptor that becomes readable when there is mail.
    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    pub(crate) fn wake(&self, task: TaskId) {
        self.mail.lock().woken.push(task);
        self.ring();
    }

    pub(crate) fn run(&self, job: Job) {
        self.mail.lock().jobs.push(job);
        self.ring();
    }

    /// Takes all mail and silences the bell.
    pub(crate) fn take(&self) -> Mail {
        let mut count = [0; 8];
        // Nothing to read only means that another look has silenced it already.
        let _ = io::read(&self.event, &mut count);
        std::mem::take(&mut *self.mail.lock())
    }

    fn ring(&self) {
        // The counter can only be full when the bell rings already.
        let _ = io::write(&self.event, &1u64.to_ne_bytes());
    }
}
