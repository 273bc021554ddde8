//! Readiness of descriptors: edge-triggered epoll, one registration a descriptor for its whole life.

use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io;

use super::wheel::TaskId;

/// Events taken from the kernel in one call.
const BATCH: usize = 256;

/// What a descriptor was last known to be ready for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready(u8);

impl Ready {
    /// There may be bytes, or a connection to accept.
    pub(crate) const READ: Self = Self(1);
    /// There may be room for bytes.
    pub(crate) const WRITE: Self = Self(2);
    /// The peer has sent its last byte: a short read does not mean that nothing more comes, the end does.
    pub(crate) const ENDING: Self = Self(4);
    /// Both directions are dead, by a reset or by both ends.
    pub(crate) const DEAD: Self = Self(8);

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// One descriptor's readiness and the tasks that wait for it; 0 is nobody, else the task's number plus one.
#[derive(Clone, Copy)]
struct Slot {
    ready: Ready,
    reader: u32,
    writer: u32,
}

const EMPTY: Slot = Slot { ready: Ready(0), reader: 0, writer: 0 };

/// The epoll instance of one worker. Slots are indexed by descriptor number.
pub(crate) struct Reactor {
    epoll: OwnedFd,
    slots: RefCell<Vec<Slot>>,
    events: RefCell<Vec<Event>>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, slots: RefCell::default(), events: RefCell::new(Vec::with_capacity(BATCH)) })
    }

    /// Starts to watch a descriptor. Its readiness is unknown until the kernel speaks, which it does at once.
    pub(crate) fn register(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let index = index(fd.as_raw_fd());
        let mut slots = self.slots.borrow_mut();
        if slots.len() <= index {
            slots.resize(index + 1, EMPTY);
        }
        slots[index] = EMPTY;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, fd, EventData::new_u64(index as u64), flags)
    }

    /// Forgets a descriptor that is about to be closed and whose file nobody else holds open: closing unregisters it.
    pub(crate) fn forget(&self, fd: BorrowedFd<'_>) {
        self.slots.borrow_mut()[index(fd.as_raw_fd())] = EMPTY;
    }

    /// Forgets a descriptor whose file stays open elsewhere (a listening socket that the keeper holds too): the kernel
    /// would go on reporting it after our close.
    pub(crate) fn forget_shared(&self, fd: BorrowedFd<'_>) {
        self.forget(fd);
        // Not registered is what we want.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Whether the descriptor may be `ready`; if not, `task` is woken when it is.
    pub(crate) fn ready_or_wait(&self, fd: BorrowedFd<'_>, ready: Ready, task: TaskId) -> bool {
        let slot = &mut self.slots.borrow_mut()[index(fd.as_raw_fd())];
        if slot.ready.has(ready) {
            return true;
        }
        if ready.has(Ready::WRITE) {
            slot.writer = task + 1;
        } else {
            slot.reader = task + 1;
        }
        false
    }

    /// Whether the descriptor was seen to be `ready`, without waiting for it.
    pub(crate) fn is(&self, fd: BorrowedFd<'_>, ready: Ready) -> bool {
        self.slots.borrow()[index(fd.as_raw_fd())].ready.has(ready)
    }

    /// Notes that the kernel said "not now".
    pub(crate) fn not_ready(&self, fd: BorrowedFd<'_>, ready: Ready) {
        let slot = &mut self.slots.borrow_mut()[index(fd.as_raw_fd())];
        slot.ready = Ready(slot.ready.0 & !ready.0);
    }

    /// Waits for events (at most `timeout`; `None` is for ever) and notes them all before anything else may run, so that
    /// no event can name a descriptor that was closed and opened again. Calls `wake` for each task concerned; tells
    /// whether `bell` was among them.
    pub(crate) fn wait(&self, timeout: Option<Duration>, bell: RawFd, mut wake: impl FnMut(TaskId)) -> bool {
        let mut events = self.events.borrow_mut();
        events.clear();
        let timeout = timeout.map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        // An interrupted wait is a wait without events.
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref());
        let mut slots = self.slots.borrow_mut();
        let mut rang = false;
        for event in events.iter() {
            let data = event.data.u64();
            if data == index(bell) as u64 {
                rang = true;
                continue;
            }
            let Some(slot) = usize::try_from(data).ok().and_then(|index| slots.get_mut(index)) else {
                continue;
            };
            for task in slot.note(event.flags).into_iter().flatten() {
                wake(task);
            }
        }
        rang
    }
}

impl Slot {
    /// Adds what an event says; gives the waiting reader and writer that it concerns.
    fn note(&mut self, flags: EventFlags) -> [Option<TaskId>; 2] {
        let dead = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        let ending = dead || flags.contains(EventFlags::RDHUP);
        let mut bits = 0;
        let mut woken = [None, None];
        if ending || flags.contains(EventFlags::IN) {
            bits |= Ready::READ.0;
            woken[0] = std::mem::take(&mut self.reader).checked_sub(1);
        }
        if dead || flags.contains(EventFlags::OUT) {
            bits |= Ready::WRITE.0;
            woken[1] = std::mem::take(&mut self.writer).checked_sub(1);
        }
        bits |= if ending { Ready::ENDING.0 } else { 0 } | if dead { Ready::DEAD.0 } else { 0 };
        self.ready = Ready(self.ready.0 | bits);
        woken
    }
}

impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn index(fd: RawFd) -> usize {
    usize::try_from(fd).expect("an open descriptor is not negative")
}
