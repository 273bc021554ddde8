//! Telling the connections of a server that it went down (`on-down = "close"`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// How often a server went out, and who wants to know of the next time.
#[derive(Debug, Default)]
pub(crate) struct Downs {
    times: AtomicU64,
    watchers: Mutex<Watchers>,
}

/// Slots that are used again: coming and going cost the same whatever their number.
#[derive(Debug, Default)]
struct Watchers {
    slots: Vec<Slot>,
    /// The head of the list of free slots.
    free: Option<usize>,
    /// Slots that are not free.
    used: usize,
}

#[derive(Debug)]
enum Slot {
    Free { next: Option<usize> },
    Waits(Waker),
}

impl Downs {
    /// The server went out: everybody who watches is woken.
    pub(crate) fn announce(&self) {
        self.times.fetch_add(1, Ordering::SeqCst);
        let wakers: Vec<_> = self.watchers.lock().waiting().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Watches for the next time.
    pub(crate) fn watch(self: &Arc<Self>) -> DownWatch {
        DownWatch { seen: self.times.load(Ordering::SeqCst), downs: Arc::clone(self), slot: None }
    }
}

impl Watchers {
    fn waiting(&self) -> impl Iterator<Item = &Waker> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Waits(waker) => Some(waker),
            Slot::Free { .. } => None,
        })
    }

    fn insert(&mut self, waker: Waker) -> usize {
        self.used += 1;
        let Some(at) = self.free else {
            self.slots.push(Slot::Waits(waker));
            return self.slots.len() - 1;
        };
        if let Slot::Free { next } = self.slots[at] {
            self.free = next;
        }
        self.slots[at] = Slot::Waits(waker);
        at
    }

    fn remove(&mut self, at: usize) {
        self.slots[at] = Slot::Free { next: self.free };
        self.free = Some(at);
        self.used -= 1;
        if self.used == 0 {
            *self = Self::default();
        }
    }
}

/// Resolves when a server goes down or into maintenance after the watch was made. Kept for the life of a connection;
/// costs nothing until polled.
#[derive(Debug)]
pub struct DownWatch {
    downs: Arc<Downs>,
    /// `times` when the watch began.
    seen: u64,
    /// Where the waker is kept, once polled.
    slot: Option<usize>,
}

impl DownWatch {
    /// The time that was watched for is over already.
    pub(crate) fn past(mut self) -> Self {
        self.seen = self.seen.wrapping_sub(1);
        self
    }

    /// Ready once the server went out.
    pub fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_down() {
            return Poll::Ready(());
        }
        let mut watchers = self.downs.watchers.lock();
        match self.slot {
            Some(at) => watchers.slots[at] = Slot::Waits(cx.waker().clone()),
            None => self.slot = Some(watchers.insert(cx.waker().clone())),
        }
        drop(watchers);
        if self.is_down() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether the server went out since the watch was made.
    pub fn is_down(&self) -> bool {
        self.downs.times.load(Ordering::SeqCst) != self.seen
    }
}

impl Drop for DownWatch {
    fn drop(&mut self) {
        if let Some(at) = self.slot {
            self.downs.watchers.lock().remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Bell;

    #[test]
    fn wakes_everybody_who_watches_once_and_remembers_for_those_who_do_not() {
        let downs = Arc::new(Downs::default());
        let (first, second) = (Bell::new(), Bell::new());
        let mut watches = [downs.watch(), downs.watch()];
        let mut late = downs.watch();
        for (watch, bell) in watches.iter_mut().zip([&first, &second]) {
            assert!(watch.poll_down(&mut Context::from_waker(&bell.waker())).is_pending());
        }
        downs.announce();
        assert_eq!((first.rings(), second.rings()), (1, 1));
        assert!(late.poll_down(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(downs.watch().poll_down(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    #[test]
    fn slots_are_used_again() {
        let downs = Arc::new(Downs::default());
        let mut keeper = downs.watch();
        assert!(keeper.poll_down(&mut Context::from_waker(Waker::noop())).is_pending());
        for _ in 0..100 {
            let mut watch = downs.watch();
            assert!(watch.poll_down(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(downs.watchers.lock().slots.len(), 2);
        drop(keeper);
        assert_eq!(downs.watchers.lock().slots.len(), 0);
    }
}
