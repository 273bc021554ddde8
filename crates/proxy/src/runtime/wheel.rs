//! Deadlines: a wheel of short ticks whose entries move only when they come up.
//!
//! A task that pushes its deadline away with every byte pays one store; the entry in the wheel stays where it is and is
//! moved on when its slot is reached. A deadline further away than the wheel is long simply goes round again.

use std::time::Duration;

/// Length of one tick. A deadline is kept to within one tick, never early.
pub(crate) const TICK: Duration = Duration::from_millis(125);
const SLOTS: u32 = 128;

/// Identifies a task of this thread.
pub(crate) type TaskId = u32;

/// Time in ticks since the thread's start; 0 stands for "none".
pub(crate) type Tick = u32;

/// Slots of tasks to look at, one slot a tick.
pub(crate) struct Wheel {
    slots: Box<[Vec<TaskId>]>,
    entries: usize,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), entries: 0 }
    }

    /// Notes that `task` wants to be looked at by `deadline`, and tells when it will be: then or earlier.
    pub(crate) fn insert(&mut self, task: TaskId, deadline: Tick, now: Tick) -> Tick {
        let at = deadline.clamp(now + 1, now + SLOTS - 1);
        self.slots[(at % SLOTS) as usize].push(task);
        self.entries += 1;
        at
    }

    /// The tasks to look at in this tick, each at most as often as it was inserted.
    pub(crate) fn due(&mut self, now: Tick) -> Vec<TaskId> {
        let due = std::mem::take(&mut self.slots[(now % SLOTS) as usize]);
        self.entries -= due.len();
        due
    }

    /// Ticks from `now` until the next one with an entry; `None` when the wheel is empty.
    pub(crate) fn ticks_to_next(&self, now: Tick) -> Option<u32> {
        if self.entries == 0 {
            return None;
        }
        (1..=SLOTS).find(|ahead| !self.slots[((now + ahead) % SLOTS) as usize].is_empty())
    }
}

/// Ticks that cover `time`, rounded up, and one more: the current tick is already partly gone.
pub(crate) fn ticks(time: Duration) -> u32 {
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos()) + 1;
    u32::try_from(ticks).unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_up_in_its_tick_and_not_before() {
        let mut wheel = Wheel::new();
        assert_eq!(wheel.insert(7, 5, 1), 5);
        let seen: Vec<Tick> = (2..=10).filter(|now| wheel.due(*now).contains(&7)).collect();
        assert_eq!(seen, [5]);
        assert_eq!(wheel.ticks_to_next(10), None);
    }

    #[test]
    fn a_far_deadline_is_looked_at_early_so_that_it_can_go_round_again() {
        let mut wheel = Wheel::new();
        let at = wheel.insert(7, 100_000, 10);
        assert_eq!(at, 10 + SLOTS - 1);
        assert_eq!(wheel.ticks_to_next(10), Some(SLOTS - 1));
    }

    #[test]
    fn a_deadline_in_the_past_comes_up_in_the_next_tick() {
        assert_eq!(Wheel::new().insert(7, 3, 10), 11);
    }

    #[test]
    fn durations_are_never_cut_short() {
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::from_millis(1)), 2);
        assert_eq!(ticks(Duration::from_millis(125)), 2);
        assert_eq!(ticks(Duration::from_secs(1)), 9);
        assert_eq!(ticks(Duration::from_secs(u64::MAX)), u32::MAX / 2);
    }
}
