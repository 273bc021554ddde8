//! Counters that many threads move without waiting for each other.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Fault;

/// A number that only grows, in one cell a worker, each on a cache line of its own, plus one cell that the control
/// threads share. A cell has one writer, so adding is a plain load and store.
#[derive(Debug)]
pub struct Counter {
    /// One a worker.
    cells: Box<[Apart<AtomicU64>]>,
    /// For everybody else.
    shared: AtomicU64,
}

/// On a cache line of its own, so that who writes it does not take its neighbours from who reads them. 64 bytes is a
/// line on every machine we build for but some arm64, where two may share one.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Apart<T>(pub(crate) T);

impl Counter {
    /// A counter at zero for so many workers.
    pub fn new(workers: usize) -> Self {
        Self { cells: (0..workers).map(|_| Apart::default()).collect(), shared: AtomicU64::new(0) }
    }

    /// Adds from the worker of that number; no two threads may use one number. Any other number counts as shared.
    #[inline]
    pub fn add(&self, worker: usize, n: u64) {
        match self.cells.get(worker) {
            Some(cell) => add_alone(&cell.0, n),
            None => self.add_shared(n),
        }
    }

    /// Adds from any thread.
    #[inline]
    pub fn add_shared(&self, n: u64) {
        self.shared.fetch_add(n, Ordering::Relaxed);
    }

    /// All cells together. While others write it is a number that was true between the call and the return.
    pub fn sum(&self) -> u64 {
        let cells = self.cells.iter().map(|cell| cell.0.load(Ordering::Relaxed));
        cells.fold(self.shared.load(Ordering::Relaxed), u64::wrapping_add)
    }
}

/// How many there are now, counted as those that came and those that went.
#[derive(Debug)]
pub struct Gauge {
    came: Counter,
    went: Counter,
}

impl Gauge {
    /// None, for so many workers.
    pub fn new(workers: usize) -> Self {
        Self { came: Counter::new(workers), went: Counter::new(workers) }
    }

    /// One more.
    #[inline]
    pub fn up(&self, worker: usize) {
        self.came.add(worker, 1);
    }

    /// One fewer; it may have come to another worker.
    #[inline]
    pub fn down(&self, worker: usize) {
        self.went.add(worker, 1);
    }

    /// How many there are. While others write it is a number that was nearly true.
    pub fn now(&self) -> u64 {
        let went = self.went.sum();
        self.came.sum().saturating_sub(went)
    }
}

/// The only writer of `cell` adds to it.
#[inline]
fn add_alone(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

/// One counter a [`Fault`], a worker's all side by side.
#[derive(Debug)]
pub struct FaultCounters {
    /// One a worker, then one for everybody else.
    blocks: Box<[Block]>,
}

#[derive(Debug)]
#[repr(align(64))]
struct Block([AtomicU64; Fault::COUNT]);

impl FaultCounters {
    /// All at zero, for so many workers.
    pub fn new(workers: usize) -> Self {
        let block = || Block([const { AtomicU64::new(0) }; Fault::COUNT]);
        Self { blocks: (0..=workers).map(|_| block()).collect() }
    }

    /// Counts one fault from the worker of that number, as [`Counter::add`].
    #[inline]
    pub fn count(&self, worker: usize, fault: Fault) {
        match self.blocks.split_last() {
            Some((_, workers)) if worker < workers.len() => add_alone(&workers[worker].0[fault.index()], 1),
            _ => self.count_shared(fault),
        }
    }

    /// Counts one fault from any thread.
    #[inline]
    pub fn count_shared(&self, fault: Fault) {
        if let Some(block) = self.blocks.last() {
            block.0[fault.index()].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often that fault was counted.
    pub fn sum(&self, fault: Fault) -> u64 {
        let cells = self.blocks.iter().map(|block| block.0[fault.index()].load(Ordering::Relaxed));
        cells.fold(0, u64::wrapping_add)
    }

    /// Every fault with how often it was counted.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        Fault::ALL.iter().map(|fault| (*fault, self.sum(*fault)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_gauge_is_what_came_and_did_not_go() {
        let gauge = Gauge::new(2);
        gauge.up(0);
        gauge.up(1);
        gauge.down(1);
        assert_eq!(gauge.now(), 1);
    }

    #[test]
    fn sums_every_worker_and_the_shared_cell() {
        let counter = Counter::new(2);
        counter.add(0, 5);
        counter.add(1, 7);
        counter.add(99, 100);
        counter.add_shared(1000);
        assert_eq!(counter.sum(), 1112);
    }

    #[test]
    fn loses_nothing_with_one_thread_a_cell() {
        let counter = Arc::new(Counter::new(4));
        let writers: Vec<_> = (0..6)
            .map(|worker| {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || (0..10_000).for_each(|_| counter.add(worker, 1)))
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(counter.sum(), 60_000);
    }

    #[test]
    fn a_cell_has_a_cache_line_of_its_own() {
        assert_eq!(size_of::<Apart<AtomicU64>>(), 64);
        assert_eq!(align_of::<Block>(), 64);
    }

    #[test]
    fn faults_count_apart() {
        let counters = FaultCounters::new(1);
        counters.count(0, Fault::PoolEmpty);
        counters.count(7, Fault::PoolEmpty);
        counters.count_shared(Fault::ReloadCut);
        assert_eq!(counters.sum(Fault::PoolEmpty), 2);
        assert_eq!(counters.iter().map(|(_, n)| n).sum::<u64>(), 3);
    }
}
