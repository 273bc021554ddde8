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
    /// It was not, but nobody stands before it with the same wish.
    First,
    /// Others come first.
    Wait,
}

/// Tasks in the order they came; those with the same wish are served in that order.
///
/// Calling hands a task the *chance* to take a place, not the place: it tries, and goes on waiting where it stood if
/// somebody was faster. Whoever cannot use its chance, or is done, calls the next. No wake-up is lost because a task is
/// in the line before it tries, and whoever frees a place looks at the line after freeing it, both with sequentially
/// consistent atomics: one of the two sees the other.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Tasks that wait, for those who need not lock when there are none.
    len: AtomicUsize,
    /// Of those, the ones without a wish.
    open: AtomicUsize,
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
    /// Was called and has not tried since.
    called: bool,
    waker: Option<Waker>,
}

impl Line {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Whether somebody waits for the same.
    pub(crate) fn has(&self, wish: Wish) -> bool {
        match wish {
            None => self.open.load(Ordering::SeqCst) > 0,
            Some(_) => self.len() > 0 && self.tasks.lock().waiting.iter().any(|task| task.wish == wish),
        }
    }

    /// Steps in at the end; the number to use from now on.
    pub(crate) fn join(&self) -> u64 {
        self.push(&mut self.tasks.lock())
    }

    /// The same, unless `bound` wait already.
    pub(crate) fn join_below(&self, bound: usize) -> Option<u64> {
        let mut tasks = self.tasks.lock();
        (tasks.waiting.len() < bound).then(|| self.push(&mut tasks))
    }

    fn push(&self, tasks: &mut Tasks) -> u64 {
        let number = tasks.next;
        tasks.next += 1;
        tasks.waiting.push_back(Task { number, wish: None, called: false, waker: None });
        self.len.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        number
    }

    /// Notes how to wake that task and what it waits for. To be called before each try; says whether it may.
    pub(crate) fn stand(&self, number: u64, wish: Wish, waker: &Waker) -> Turn {
        let mut tasks = self.tasks.lock();
        let Some(at) = tasks.find(number) else { return Turn::First };
        let task = &mut tasks.waiting[at];
        let called = std::mem::take(&mut task.called);
        match &mut task.waker {
            Some(own) => own.clone_from(waker),
            None => task.waker = Some(waker.clone()),
        }
        match (std::mem::replace(&mut task.wish, wish), wish) {
            (None, Some(_)) => drop(self.open.fetch_sub(1, Ordering::SeqCst)),
            (Some(_), None) => drop(self.open.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        let before = tasks.waiting.iter().take(at).any(|other| other.wish == wish);
        match (called, before) {
            (true, _) => Turn::Called,
            (false, false) => Turn::First,
            (false, true) => Turn::Wait,
        }
    }

    /// Steps out.
    pub(crate) fn leave(&self, number: u64) {
        let mut tasks = self.tasks.lock();
        let gone = tasks.find(number).and_then(|at| tasks.waiting.remove(at));
        if let Some(task) = gone {
            self.len.fetch_sub(1, Ordering::SeqCst);
            self.open.fetch_sub(usize::from(task.wish.is_none()), Ordering::SeqCst);
        }
    }

    /// A place on `server` is free: calls the first that would take it, and, if that one has no wish and may find
    /// something else, the first that waits for this place alone.
    pub(crate) fn offer(&self, server: usize) {
        let called = self.call_one(|task| task.wish.is_none_or(|wish| wish == server));
        if called == Some(None) {
            self.call_only(server);
        }
    }

    /// Calls the first that waits for any place.
    pub(crate) fn call_open(&self) {
        self.call_one(|task| task.wish.is_none());
    }

    /// Calls the first that waits for that server alone.
    pub(crate) fn call_only(&self, server: usize) {
        self.call_one(|task| task.wish == Some(server));
    }

    /// Calls the first that came after `number` and waits for any place: that one could not use its chance.
    pub(crate) fn call_after(&self, number: u64) {
        self.call_one(|task| task.number > number && task.wish.is_none());
    }

    /// Calls everybody: the world changed.
    pub(crate) fn call_all(&self) {
        if self.len() == 0 {
            return;
        }
        let mut wakers = Vec::new();
        for task in &mut self.tasks.lock().waiting {
            task.called = true;
            wakers.extend(task.waker.take());
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Calls the first not called yet that fits; its wish.
    fn call_one(&self, fits: impl Fn(&Task) -> bool) -> Option<Wish> {
        if self.len() == 0 {
            return None;
        }
        let (wish, waker) = {
            let mut tasks = self.tasks.lock();
            let task = tasks.waiting.iter_mut().find(|task| !task.called && fits(task))?;
            task.called = true;
            (task.wish, task.waker.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(wish)
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

    /// Tasks with these wishes, in this order: how often each was called after `act`.
    fn rings(wishes: &[Wish], act: impl FnOnce(&Line, &[u64])) -> Vec<u64> {
        let line = Line::default();
        let bells: Vec<_> = wishes.iter().map(|_| Bell::new()).collect();
        let numbers: Vec<_> = wishes.iter().map(|_| line.join()).collect();
        for ((bell, number), wish) in bells.iter().zip(&numbers).zip(wishes) {
            line.stand(*number, *wish, &bell.waker());
        }
        act(&line, &numbers);
        bells.iter().map(Bell::rings).collect()
    }

    #[test]
    fn calls_in_the_order_of_coming() {
        let act = |line: &Line, _: &[u64]| {
            line.call_open();
            line.call_open();
        };
        assert_eq!(rings(&[None, None, None], act), [1, 1, 0]);
    }

    #[test]
    fn a_place_is_offered_to_whoever_would_take_it() {
        let table: [(&[Wish], usize, &[u64]); 5] = [
            (&[Some(1), None], 0, &[0, 1]),
            (&[Some(1), None], 1, &[1, 0]),
            (&[None, Some(1)], 1, &[1, 1]),
            (&[Some(1), Some(1)], 1, &[1, 0]),
            (&[Some(2), Some(3)], 1, &[0, 0]),
        ];
        for (wishes, server, called) in table {
            assert_eq!(rings(wishes, |line, _| line.offer(server)), called, "{wishes:?} offered {server}");
        }
    }

    #[test]
    fn a_chance_that_is_no_use_goes_to_the_next_of_its_kind() {
        let act = |line: &Line, numbers: &[u64]| line.call_after(numbers[1]);
        assert_eq!(rings(&[None, None, Some(1), None], act), [0, 0, 0, 1]);
    }

    #[test]
    fn who_may_try_depends_on_those_before_with_the_same_wish() {
        let line = Line::default();
        let numbers: Vec<_> = (0..4).map(|_| line.join()).collect();
        let stand = |at: usize, wish| line.stand(numbers[at], wish, Waker::noop());
        assert_eq!(stand(0, None), Turn::First);
        assert_eq!(stand(1, Some(7)), Turn::First);
        assert_eq!(stand(2, Some(7)), Turn::Wait);
        assert_eq!(stand(3, None), Turn::Wait);
        line.call_open();
        assert_eq!((stand(0, None), stand(0, None)), (Turn::Called, Turn::First));
        line.leave(numbers[0]);
        assert_eq!(stand(3, None), Turn::First);
    }

    #[test]
    fn knows_who_waits_for_what() {
        let line = Line::default();
        assert!(!line.has(None) && !line.has(Some(7)));
        let number = line.join();
        assert!(line.has(None));
        line.stand(number, Some(7), Waker::noop());
        assert!(!line.has(None) && line.has(Some(7)) && !line.has(Some(8)));
        line.leave(number);
        line.leave(number);
        assert_eq!((line.len(), line.has(Some(7))), (0, false));
    }

    #[test]
    fn the_bound_is_kept() {
        let line = Line::default();
        assert!(line.join_below(0).is_none());
        let number = line.join_below(1).unwrap();
        assert!(line.join_below(1).is_none());
        line.leave(number);
        assert!(line.join_below(1).is_some());
    }
}
