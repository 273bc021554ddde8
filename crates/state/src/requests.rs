//! What requests came to: counters by route, and how long they took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use transom_config::Name;

use crate::Counter;

/// Classes of status in metrics: `1xx` to `5xx`, and `none` where no response was sent.
pub const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// What a request is, as far as its time says something about the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Answered as soon as it can be.
    Short,
    /// Held by the server until something happens: ActiveSync Ping, OWA notifications.
    LongPoll,
    /// Open for as long as the client is there: RPC and RD Gateway channels, WebSocket.
    Channel,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Short, Self::LongPoll, Self::Channel];

    /// Its word in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::LongPoll => "long-poll",
            Self::Channel => "channel",
        }
    }
}

/// Counters of an `http` listener, shared by all its generations.
#[derive(Debug)]
pub struct Requests {
    workers: usize,
    /// By route and pool.
    routes: Mutex<BTreeMap<Led, Arc<RouteCounters>>>,
    times: [Histogram; 3],
}

/// A route, and the pool it leads to.
type Led = (Name, Option<Name>);

/// What the requests of one route to one pool came to.
#[derive(Debug)]
pub struct RouteCounters {
    classes: [Counter; STATUS_CLASSES.len()],
}

impl Requests {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers, routes: Mutex::default(), times: std::array::from_fn(|_| Histogram::new(workers)) }
    }

    /// The counters of a route and pool of these names.
    pub(crate) fn of(&self, route: &str, pool: Option<&Name>) -> Arc<RouteCounters> {
        let mut routes = self.routes.lock();
        let counters = routes.entry((Name::from(route), pool.cloned())).or_insert_with(|| {
            Arc::new(RouteCounters { classes: std::array::from_fn(|_| Counter::new(self.workers)) })
        });
        Arc::clone(counters)
    }

    /// Every route and pool there ever was, with what its requests came to, by class of status.
    pub fn routes(&self) -> Vec<(Name, Option<Name>, [u64; STATUS_CLASSES.len()])> {
        let routes = self.routes.lock();
        routes
            .iter()
            .map(|((route, pool), counters)| (route.clone(), pool.clone(), counters.sums()))
            .collect()
    }

    /// How long requests of a class took.
    pub fn times(&self, class: Class) -> &Histogram {
        &self.times[class as usize]
    }
}

impl RouteCounters {
    /// Counts one request; `None`: no response was sent.
    #[inline]
    pub fn count(&self, worker: usize, status: Option<u16>) {
        let class = usize::from(status.unwrap_or(0) / 100);
        if let Some(counter) = self.classes.get(class) {
            counter.add(worker, 1);
        }
    }

    /// By class of status, as in [`STATUS_CLASSES`].
    pub fn sums(&self) -> [u64; STATUS_CLASSES.len()] {
        std::array::from_fn(|at| self.classes.get(at).map_or(0, Counter::sum))
    }
}

/// Upper bounds of a histogram's buckets in microseconds; one more bucket takes the rest.
const BOUNDS: [u64; 16] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    10_000_000,
    60_000_000,
    900_000_000,
    3_600_000_000,
];

/// How often something took how long.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    micros: Counter,
}

impl Histogram {
    fn new(workers: usize) -> Self {
        Self { buckets: std::array::from_fn(|_| Counter::new(workers)), micros: Counter::new(workers) }
    }

    /// Counts one of that length.
    #[inline]
    pub fn observe(&self, worker: usize, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(counter) = self.buckets.get(bucket) {
            counter.add(worker, 1);
        }
        self.micros.add(worker, micros);
    }

    /// Upper bound of each bucket in seconds (the last has none) with the number of those that took no longer.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> {
        let bounds =
            BOUNDS.iter().map(|micros| Some(Duration::from_micros(*micros).as_secs_f64())).chain([None]);
        bounds.zip(&self.buckets).scan(0, |sum, (bound, bucket)| {
            *sum += bucket.sum();
            Some((bound, *sum))
        })
    }

    /// All times together.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.micros.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_their_buckets() {
        let histogram = Histogram::new(1);
        for micros in [1, 500, 501, 7_000_000_000] {
            histogram.observe(0, Duration::from_micros(micros));
        }
        let cumulative: Vec<_> = histogram.cumulative().collect();
        assert_eq!(cumulative.first(), Some(&(Some(0.0005), 2)));
        assert_eq!(cumulative.get(1), Some(&(Some(0.001), 3)));
        assert_eq!(cumulative.last(), Some(&(None, 4)));
        assert_eq!(histogram.total(), Duration::from_micros(7_000_001_002));
    }

    #[test]
    fn statuses_fall_into_their_classes() {
        let requests = Requests::new(1);
        let pool = Name::from("exchange");
        for status in [Some(200), Some(206), Some(404), None, Some(999)] {
            requests.of("owa", Some(&pool)).count(0, status);
        }
        assert_eq!(requests.routes(), [("owa".into(), Some(pool), [1, 0, 2, 0, 1, 0])]);
    }
}
