//! The worker's clock: read once a turn, so that a batch of connections shares one look at the time.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

/// Monotonic and wall time as of the last look.
pub(crate) struct Clock {
    start: Instant,
    now: Cell<Instant>,
    /// Wall time at `anchor`; set again every few seconds so that it follows corrections of the system's clock.
    wall: Cell<(Instant, SystemTime)>,
}

const ANCHOR_LIFE: Duration = Duration::from_secs(5);

impl Clock {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { start: now, now: Cell::new(now), wall: Cell::new((now, SystemTime::now())) }
    }

    /// Looks at the time.
    pub(crate) fn look(&self) {
        let now = Instant::now();
        self.now.set(now);
        if now.duration_since(self.wall.get().0) > ANCHOR_LIFE {
            self.wall.set((now, SystemTime::now()));
        }
    }

    /// Monotonic time of the last look.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// Wall time of `moment`, which lies near the last look.
    pub(crate) fn wall(&self, moment: Instant) -> SystemTime {
        let (anchor, wall) = self.wall.get();
        if moment >= anchor {
            wall + moment.duration_since(anchor)
        } else {
            wall - anchor.duration_since(moment)
        }
    }

    /// Whole ticks since the start, counted from 1.
    pub(crate) fn ticks(&self, tick: Duration) -> u32 {
        let elapsed = self.now.get().duration_since(self.start).as_nanos() / tick.as_nanos();
        u32::try_from(elapsed).unwrap_or(u32::MAX - 1) + 1
    }

    /// Time from the last look until `offset` after the start.
    pub(crate) fn until(&self, offset: Duration) -> Duration {
        (self.start + offset).saturating_duration_since(self.now.get())
    }
}
