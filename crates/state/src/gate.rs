//! Gates: so many may be inside at a time, the others wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use crate::line::{Line, Turn};

/// No limit, as stored.
const OPEN: u32 = u32::MAX;

/// Counts who is inside and keeps the number at or under a limit.
///
/// Entering and leaving are one atomic operation each while nobody waits. When one leaves, one of those who wait is
/// woken, whichever thread it runs on; [`Gate::try_enter`] may still be faster.
#[derive(Debug)]
pub struct Gate {
    /// Holders of a [`Pass`].
    used: AtomicU32,
    limit: AtomicU32,
    line: Line,
}

impl Gate {
    /// An empty gate; `None` is no limit.
    pub fn new(limit: Option<u32>) -> Arc<Self> {
        let limit = AtomicU32::new(limit.unwrap_or(OPEN));
        Arc::new(Self { used: AtomicU32::new(0), limit, line: Line::default() })
    }

    /// A pass, or `None` when the gate is full.
    pub fn try_enter(self: &Arc<Self>) -> Option<Pass> {
        let limit = self.limit.load(Ordering::SeqCst);
        let more = |used: u32| (used < limit).then_some(used.wrapping_add(1));
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(Pass { gate: Arc::clone(self) })
    }

    /// Waits for a pass; dropping it gives up the place in the line.
    pub fn enter(self: &Arc<Self>) -> Enter {
        Enter { gate: Arc::clone(self), number: None }
    }

    /// How many are inside.
    pub fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// How many may be inside; `None` is any number.
    pub fn limit(&self) -> Option<u32> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit != OPEN)
    }

    /// Another limit from now on. Whoever is inside stays, even above it.
    pub fn set_limit(&self, limit: Option<u32>) {
        self.limit.store(limit.unwrap_or(OPEN), Ordering::SeqCst);
        self.line.call_all();
    }

    /// Calls the next in line if there is room.
    fn hand_on(&self) {
        if self.line.len() > 0 && self.used.load(Ordering::SeqCst) < self.limit.load(Ordering::SeqCst) {
            self.line.call_open();
        }
    }
}

/// The right to be inside; dropping it is leaving.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.used.fetch_sub(1, Ordering::SeqCst);
        self.gate.hand_on();
    }
}

/// A place in the line before a [`Gate`]; resolves to a [`Pass`].
#[derive(Debug)]
#[must_use = "waiting happens when it is polled"]
pub struct Enter {
    gate: Arc<Gate>,
    /// Its number in the line, once it is in it.
    number: Option<u64>,
}

impl Future for Enter {
    type Output = Pass;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Pass> {
        let gate = Arc::clone(&self.gate);
        let number = *self.number.get_or_insert_with(|| gate.line.join());
        if gate.line.stand(number, None, cx.waker()) == Turn::Wait {
            return Poll::Pending;
        }
        let Some(pass) = gate.try_enter() else { return Poll::Pending };
        self.give_up();
        Poll::Ready(pass)
    }
}

impl Enter {
    /// Steps out of the line. Whoever stood behind may have been kept from trying by this one standing before it, so
    /// the chance is handed on in any case.
    fn give_up(&mut self) {
        if let Some(number) = self.number.take() {
            self.gate.line.leave(number);
            self.gate.hand_on();
        }
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Bell, Chance, Flag, seeds};

    fn poll(enter: &mut Enter, bell: &Bell) -> Option<Pass> {
        match Pin::new(enter).poll(&mut Context::from_waker(&bell.waker())) {
            Poll::Ready(pass) => Some(pass),
            Poll::Pending => None,
        }
    }

    #[test]
    fn lets_in_as_many_as_the_limit() {
        let gate = Gate::new(Some(2));
        let first = gate.try_enter();
        let second = gate.try_enter();
        assert!(first.is_some() && second.is_some() && gate.try_enter().is_none());
        drop(first);
        assert_eq!(gate.used(), 1);
        assert!(gate.try_enter().is_some());
    }

    #[test]
    fn without_a_limit_it_only_counts() {
        let gate = Gate::new(None);
        let passes: Vec<_> = (0..1000).map_while(|_| gate.try_enter()).collect();
        assert_eq!((gate.used(), gate.limit()), (1000, None));
        drop(passes);
        assert_eq!(gate.used(), 0);
    }

    #[test]
    fn one_that_leaves_wakes_one() {
        let gate = Gate::new(Some(1));
        let inside = gate.try_enter().unwrap();
        let bells: Vec<_> = (0..3).map(|_| Bell::new()).collect();
        let mut waiting: Vec<_> = bells.iter().map(|_| gate.enter()).collect();
        for (enter, bell) in waiting.iter_mut().zip(&bells) {
            assert!(poll(enter, bell).is_none());
        }
        drop(inside);
        assert_eq!(bells.iter().map(Bell::rings).collect::<Vec<_>>(), [1, 0, 0]);
        drop(waiting.remove(0));
        assert_eq!(bells[1].rings(), 1, "the chance of the one that gave up went to the next");
    }

    #[test]
    fn a_raised_limit_lets_the_waiting_in() {
        let gate = Gate::new(Some(0));
        let bell = Bell::new();
        let mut enter = gate.enter();
        assert!(poll(&mut enter, &bell).is_none());
        gate.set_limit(Some(1));
        assert_eq!(bell.rings(), 1);
        assert!(poll(&mut enter, &bell).is_some());
    }

    #[test]
    fn threads_take_turns() {
        let gate = Gate::new(Some(2));
        let come_and_go = |gate: Arc<Gate>| {
            for _ in 0..1000 {
                let flag = Flag::new();
                let mut enter = gate.enter();
                let _inside = loop {
                    match Pin::new(&mut enter).poll(&mut Context::from_waker(&flag.waker())) {
                        Poll::Ready(pass) => break pass,
                        Poll::Pending => flag.wait(),
                    }
                };
                assert!(gate.used() <= 2);
            }
        };
        let threads: Vec<_> = (0..5)
            .map(|_| {
                let gate = Arc::clone(&gate);
                std::thread::spawn(move || come_and_go(gate))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((gate.used(), gate.waiting()), (0, 0));
    }

    /// Tasks enter, leave, give up and poll for no reason in an order drawn from a seed. Whoever is woken polls at some
    /// time; when nothing is left to do, nobody may wait before a gate with room.
    #[test]
    fn no_wake_up_is_lost_in_any_order() {
        for seed in seeds() {
            let mut chance = Chance::new(seed);
            let gate = Gate::new(Some(1 + chance.below(3) as u32));
            let mut tasks: Vec<(Bell, Enter, u64)> = Vec::new();
            let mut inside = Vec::new();
            for _ in 0..400 {
                match chance.below(6) {
                    0 | 1 => tasks.push((Bell::new(), gate.enter(), u64::MAX)),
                    2 if !inside.is_empty() => drop(inside.swap_remove(chance.below(inside.len()))),
                    3 if !tasks.is_empty() => drop(tasks.swap_remove(chance.below(tasks.len()))),
                    4 => inside.extend(gate.try_enter()),
                    _ => {
                        step(&mut chance, &mut tasks, &mut inside);
                    }
                }
                assert!(gate.used() <= gate.limit().unwrap(), "SEED={seed}");
            }
            while !(tasks.is_empty() && inside.is_empty()) {
                while step(&mut chance, &mut tasks, &mut inside) {}
                let room = gate.used() < gate.limit().unwrap();
                assert!(!room || tasks.is_empty(), "SEED={seed}: {} wait at an open gate", tasks.len());
                drop(inside.pop());
            }
            assert_eq!((gate.used(), gate.waiting()), (0, 0), "SEED={seed}");
        }
    }

    /// Polls one task that is new or was woken; false when there is none.
    fn step(chance: &mut Chance, tasks: &mut Vec<(Bell, Enter, u64)>, inside: &mut Vec<Pass>) -> bool {
        let ready: Vec<_> = (0..tasks.len()).filter(|at| tasks[*at].0.rings() != tasks[*at].2).collect();
        if ready.is_empty() {
            return false;
        }
        let at = ready[chance.below(ready.len())];
        let (bell, enter, seen) = &mut tasks[at];
        *seen = bell.rings();
        if let Some(pass) = poll(enter, bell) {
            inside.push(pass);
            drop(tasks.swap_remove(at));
        }
        true
    }
}
