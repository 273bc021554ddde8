//! When requests of a fixed rate are due.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::io::{Errno, Result};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

/// Requests that may wait for a free connection; more means that the rate is far too high.
const WAITING_MAX: usize = 1_000_000;

/// A timer that fires when the next request is due, and the requests that are due.
pub(crate) struct Pace {
    timer: OwnedFd,
    between: Duration,
    started: Instant,
    /// Requests that were due so far.
    due: u32,
    /// When those were due that have no connection yet.
    waiting: VecDeque<Instant>,
}

impl Pace {
    /// `rate` requests a second from `now` on.
    pub(crate) fn new(rate: f64, now: Instant) -> Result<Pace> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let pace = Pace {
            timer,
            between: Duration::from_secs_f64(1.0 / rate),
            started: now,
            due: 0,
            waiting: VecDeque::new(),
        };
        pace.arm(now)?;
        Ok(pace)
    }

    /// To be watched for reading.
    pub(crate) fn timer(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    /// Notes the requests due at `now` and sets the timer to the next one.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<()> {
        match rustix::io::read(&self.timer, &mut [0; 8]) {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        while self.next() <= now && self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(self.next());
            self.due += 1;
        }
        self.arm(now)
    }

    /// The oldest request that waits, by the time it was due.
    pub(crate) fn take(&mut self) -> Option<Instant> {
        self.waiting.pop_front()
    }

    fn next(&self) -> Instant {
        self.started + self.between * self.due
    }

    fn arm(&self, now: Instant) -> Result<()> {
        // Zero would switch the timer off.
        let wait = self.next().saturating_duration_since(now).max(Duration::from_nanos(1));
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: wait };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_on_time_even_when_nobody_looked() {
        let start = Instant::now();
        let mut pace = Pace::new(1000.0, start).unwrap();
        pace.tick(start + Duration::from_micros(2500)).unwrap();
        let due: Vec<_> = std::iter::from_fn(|| pace.take()).map(|due| (due - start).as_micros()).collect();
        assert_eq!(due, [0, 1000, 2000]);
        pace.tick(start + Duration::from_micros(2900)).unwrap();
        assert_eq!(pace.take(), None);
    }
}
