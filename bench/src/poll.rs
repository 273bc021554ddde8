//! A small epoll: the generator and the servers each are one thread around it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, Result};

/// Events taken in one call.
const EVENTS: usize = 512;

/// An epoll instance and the events of its last wait.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    /// Makes one.
    pub(crate) fn new() -> Result<Poll> {
        Ok(Poll { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS) })
    }

    /// Reports `key` while `source` can be read.
    pub(crate) fn add_level(&self, source: impl AsFd, key: u64) -> Result<()> {
        epoll::add(&self.epoll, source, EventData::new_u64(key), EventFlags::IN)
    }

    /// Reports `key` each time something happens on `source`, until it is closed.
    pub(crate) fn add_edge(&self, source: impl AsFd, key: u64) -> Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, source, EventData::new_u64(key), flags)
    }

    /// Waits for events and hands out their keys; none when `timeout` passed first.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Result<Vec<u64>> {
        self.events.clear();
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        Ok(self.events.iter().map(|event| event.data.u64()).collect())
    }
}
