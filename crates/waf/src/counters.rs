//! Numbers for metrics: how often each rule matched, and what came of transactions.

use crate::decision::{Action, Decision};
use crate::engine::Engine;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one worker for one engine. One thread writes, any may read: no line is fought over.
pub struct Counters {
    /// One for each rule, in the order of the files.
    rules: Box<[AtomicU64]>,
    transactions: AtomicU64,
    refused: AtomicU64,
    would_refuse: AtomicU64,
    broken: AtomicU64,
    pattern_limit_hits: AtomicU64,
}

/// What [`Counters`] hold at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Transactions that were looked at.
    pub transactions: u64,
    /// Those refused.
    pub refused: u64,
    /// Those that block mode would have refused.
    pub would_refuse: u64,
    /// Those that the engine could not look at in full.
    pub broken: u64,
    /// Rules that could not be asked because a pattern reached its step limit.
    pub pattern_limit_hits: u64,
}

/// A single writer needs no locked addition.
fn add(counter: &AtomicU64, number: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(number), Ordering::Relaxed);
}

impl Counters {
    /// All zero.
    pub fn new(engine: &Engine) -> Self {
        Self {
            rules: (0..engine.rule_count()).map(|_| AtomicU64::new(0)).collect(),
            transactions: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            would_refuse: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            pattern_limit_hits: AtomicU64::new(0),
        }
    }

    /// Counts a transaction of that engine. Only the worker that owns the counters may call this.
    pub fn record(&self, decision: &Decision) {
        add(&self.transactions, 1);
        match decision.action {
            Action::Passed => {}
            Action::Refused(_) => add(&self.refused, 1),
            Action::WouldRefuse(_) => add(&self.would_refuse, 1),
        }
        add(&self.broken, u64::from(decision.broken.is_some()));
        add(&self.pattern_limit_hits, u64::from(decision.pattern_limit_hits));
        for found in &decision.rules {
            if let Some(counter) = self.rules.get(found.index as usize) {
                add(counter, 1);
            }
        }
    }

    /// The totals.
    pub fn totals(&self) -> Totals {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            transactions: get(&self.transactions),
            refused: get(&self.refused),
            would_refuse: get(&self.would_refuse),
            broken: get(&self.broken),
            pattern_limit_hits: get(&self.pattern_limit_hits),
        }
    }

    /// The rules that ever matched and were logged, by id, and how often.
    pub fn rules(&self, engine: &Engine) -> Vec<(u64, u64)> {
        let counts = self.rules.iter().map(|counter| counter.load(Ordering::Relaxed));
        let ids = engine.program.rules.iter().map(|rule| rule.id);
        ids.zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}
