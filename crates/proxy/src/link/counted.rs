//! A place in a gauge, given back when it is dropped.

use std::sync::Arc;

use transom_state::{Gauge, Pool, PoolCounters};

/// One that is counted as long as it lives.
pub(crate) struct Counted {
    pool: Arc<Pool>,
    worker: usize,
    gauge: fn(&PoolCounters) -> &Gauge,
}

impl Counted {
    /// Among the connections that belong to one client because of its login.
    pub(crate) fn pinned(pool: &Arc<Pool>, worker: usize) -> Self {
        Self::new(pool, worker, |counters| &counters.pinned)
    }

    /// Among the connections that wait for a request.
    pub(super) fn idle(pool: &Arc<Pool>, worker: usize) -> Self {
        Self::new(pool, worker, |counters| &counters.idle)
    }

    fn new(pool: &Arc<Pool>, worker: usize, gauge: fn(&PoolCounters) -> &Gauge) -> Self {
        gauge(pool.counters()).up(worker);
        Self { pool: Arc::clone(pool), worker, gauge }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.gauge)(self.pool.counters()).down(self.worker);
    }
}
