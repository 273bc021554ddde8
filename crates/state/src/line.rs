//! A line of tasks that wait for a place, first come first served, woken one at a time from any thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

/// What a task waits for: that server alone (by a number that is its own), or any.
pub(crate) type Wish = Option<usize>;

/// What a task in the line is told when it is about to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It was called.
    Called,
    /// It was not, but nobody stands before it who would take the same place.
    First,
    /// Others come first.
    Wait,
}

impl Turn {
    pub(crate) fn may_try(self) -> bool {
        self != Self::Wait
    }

    pub(crate) fn was_called(self) -> bool {
        self == Self::Called
    }
}

/// Tasks in the order they came. Waking hands a task the *chance* to take a place, not the place: it tries, and goes on
/// waiting where it stood if somebody was faster. No wake-up is lost because a task is in the line before it tries, and
/// whoever frees a place looks at the line after freeing it, both with sequentially consistent atomics: one of the two
/// sees the other.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Length of `tasks.waiting`, for those who need not lock when nobody waits.
    len: AtomicUsize,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    /// The number the next one gets.
    next: u64,
    /// Ascending by number.
    waiting: VecDeque<Task>,
}

#[derive(Debug)]
struct Task {
    number: u64,
    wish: Wish,
    /// Was woken and has not tried since.
    called: bool,
    waker: Option<Waker>,
}

impl Line {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Steps in at the end, unless `bound` wait already; the number to use from now on.
    pub(crate) fn join(&self, bound: usize) -> Option<u64> {
        let mut tasks = self.tasks.lock();
        if tasks.waiting.len() >= bound {
            return None;
        }
        let number = tasks.next;
        tasks.next += 1;
        tasks.waiting.push_back(Task { number, wish: None, called: false, waker: None });
        self.len.store(tasks.waiting.len(), Ordering::SeqCst);
        Some(number)
    }

    /// Notes how to wake that task and what it waits for. To be called before each try; says whether it may.
    pub(crate) fn stand(&self, number: u64, wish: Wish, waker: &Waker) -> Turn {
        let mut tasks = self.tasks.lock();
        let Some(at) = tasks.find(number) else { return Turn::First };
        let task = &mut tasks.waiting[at];
        let called = std::mem::take(&mut task.called);
        task.wish = wish;
        match &mut task.waker {
            Some(own) => own.clone_from(waker),
            None => task.waker = Some(waker.clone()),
        }
        let before = tasks.waiting.iter().take(at).any(|other| other.wish.is_none() || other.wish == wish);
        match (called, before) {
            (true, _) => Turn::Called,
            (false, false) => Turn::First,
            (false, true) => Turn::Wait,
        }
    }

    /// Steps out. Returns whether it was called since its last try: then its chance must be handed on.
    pub(crate) fn leave(&self, number: u64) -> bool {
        let mut tasks = self.tasks.lock();
        let gone = tasks.find(number).and_then(|at| tasks.waiting.remove(at));
        self.len.store(tasks.waiting.len(), Ordering::SeqCst);
        gone.is_some_and(|task| task.called)
    }

    /// Calls the first task not called yet that would take the place `offer` (`None`: any place there may be).
    pub(crate) fn call(&self, offer: Wish) {
        self.call_where(|task| offer.is_none() || task.wish.is_none() || task.wish == offer);
    }

    /// Calls the first task not called yet that waits for that place and no other.
    pub(crate) fn call_only(&self, offer: usize) {
        self.call_where(|task| task.wish == Some(offer));
    }

    /// Calls the first task not called yet that came after `number`: that one was called and could not use its chance.
    pub(crate) fn call_after(&self, number: u64) {
        self.call_where(|task| task.number > number);
    }

    /// Calls everybody: the world changed.
    pub(crate) fn call_all(&self) {
        let mut wakers = Vec::new();
        for task in &mut self.tasks.lock().waiting {
            task.called = true;
            wakers.extend(task.waker.take());
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    fn call_where(&self, fits: impl Fn(&Task) -> bool) {
        if self.len() == 0 {
            return;
        }
        let waker = {
            let mut tasks = self.tasks.lock();
            let task = tasks.waiting.iter_mut().find(|task| !task.called && fits(task));
            task.and_then(|task| {
                task.called = true;
                task.waker.take()
            })
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Tasks {
    fn find(&self, number: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&number, |task| task.number).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Bell;

    #[test]
    fn calls_in_the_order_of_coming() {
        let line = Line::default();
        let bells: Vec<_> = (0..3).map(|_| Bell::new()).collect();
        let numbers: Vec<_> = bells.iter().map(|_| line.join(9).unwrap()).collect();
        for (bell, number) in bells.iter().zip(&numbers) {
            line.stand(*number, None, &bell.waker());
        }
        line.call(None);
        line.call(None);
        assert_eq!(bells.iter().map(Bell::rings).collect::<Vec<_>>(), [1, 1, 0]);
        assert!(line.leave(numbers[0]), "its chance was unused");
        assert!(!line.leave(numbers[2]));
        assert_eq!(line.len(), 1);
    }

    #[test]
    fn a_place_goes_to_the_first_that_would_take_it() {
        let line = Line::default();
        let (picky, easy) = (Bell::new(), Bell::new());
        let first = line.join(9).unwrap();
        line.stand(first, Some(1), &picky.waker());
        let second = line.join(9).unwrap();
        assert_eq!(
            line.stand(second, None, &easy.waker()),
            Turn::First,
            "nobody before it takes just any place"
        );
        line.call(Some(0));
        assert_eq!((picky.rings(), easy.rings()), (0, 1));
        line.call(Some(1));
        assert_eq!((picky.rings(), easy.rings()), (1, 1));
    }

    #[test]
    fn the_bound_is_kept() {
        let line = Line::default();
        assert!(line.join(0).is_none());
        let number = line.join(1).unwrap();
        assert!(line.join(1).is_none());
        line.leave(number);
        assert!(line.join(1).is_some());
    }
}
