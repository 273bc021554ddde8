//! What outlives a reload of a server: conditions, counts, what its name resolved to.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use transom_config as config;

use crate::Counter;
use crate::down::Downs;
use crate::health::{AdminState, Condition, Health};
use crate::probe::LastProbe;

/// What is true of a server whatever the generation: shared by all that name the same pool, server and address.
#[derive(Debug)]
pub(crate) struct Life {
    /// [`Summary`] of `record`, for those who choose and must not lock. Written under `record`'s lock.
    pub(crate) summary: AtomicU32,
    /// Leases held.
    pub(crate) connections: AtomicU32,
    /// Failed connections in a row were noted, or the condition is unknown: a success must be told to `record`.
    pub(crate) attentive: AtomicU32,
    /// Weight set at run time; [`NO_WEIGHT`] is none.
    pub(crate) weight: AtomicU32,
    /// What a server's name resolved to; empty for a server configured by address.
    pub(crate) resolved: ArcSwapOption<Resolved>,
    pub(crate) record: Mutex<Record>,
    pub(crate) downs: Arc<Downs>,
    pub(crate) counters: ServerCounters,
}

/// `Life::weight` while none is set.
pub(crate) const NO_WEIGHT: u32 = u32::MAX;

/// What a name resolved to, and which of it is in use.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) addresses: Box<[IpAddr]>,
    /// Under `addresses.len()`.
    pub(crate) current: usize,
}

/// What changes rarely, under one lock.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) health: Health,
    pub(crate) admin: AdminState,
    pub(crate) last_probe: Option<LastProbe>,
    /// Since when it has its condition.
    pub(crate) since: Instant,
    /// Times down that are over, together.
    pub(crate) downtime: Duration,
    pub(crate) transitions: u64,
    /// It came into service then, and its weight grows since.
    pub(crate) rose: Option<Instant>,
}

/// Moved by the data plane.
#[derive(Debug)]
pub struct ServerCounters {
    /// Connections established.
    pub connections: Counter,
    /// Connects that failed and connections broken by the server's fault.
    pub failures: Counter,
    /// Of the connections established, the ones that other tries had failed for.
    pub retries: Counter,
    /// Requests that a connection served which was established for an earlier one.
    pub reused: Counter,
    /// HTTP requests it was given.
    pub requests: Counter,
    /// Bytes from clients to this server.
    pub bytes_in: Counter,
    /// Bytes from this server to clients.
    pub bytes_out: Counter,
}

/// `Life::summary`, unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) condition: Condition,
    pub(crate) admin: AdminState,
}

impl Summary {
    pub(crate) const fn pack(self) -> u32 {
        self.condition as u32 | (self.admin as u32) << 8
    }

    pub(crate) const fn unpack(bits: u32) -> Self {
        let condition = match bits & 0xff {
            0 => Condition::Unknown,
            1 => Condition::Up,
            _ => Condition::Down,
        };
        let admin = match bits >> 8 {
            0 => AdminState::Ready,
            1 => AdminState::Drain,
            _ => AdminState::Maint,
        };
        Self { condition, admin }
    }
}

impl Life {
    pub(crate) fn new(config: &config::Server, workers: usize, now: Instant) -> Arc<Self> {
        let admin = AdminState::from(config.start);
        let record = Record {
            health: Health::default(),
            admin,
            last_probe: None,
            since: now,
            downtime: Duration::ZERO,
            transitions: 0,
            rose: None,
        };
        let counter = || Counter::new(workers);
        Arc::new(Self {
            summary: AtomicU32::new(Summary { condition: Condition::Unknown, admin }.pack()),
            connections: AtomicU32::new(0),
            attentive: AtomicU32::new(1),
            weight: AtomicU32::new(NO_WEIGHT),
            resolved: ArcSwapOption::empty(),
            record: Mutex::new(record),
            downs: Arc::default(),
            counters: ServerCounters {
                connections: counter(),
                failures: counter(),
                retries: counter(),
                reused: counter(),
                requests: counter(),
                bytes_in: counter(),
                bytes_out: counter(),
            },
        })
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary::unpack(self.summary.load(Ordering::SeqCst))
    }

    /// Tells those who do not lock what `record` says now.
    pub(crate) fn publish(&self, record: &Record) {
        let summary = Summary { condition: record.health.condition(), admin: record.admin };
        self.summary.store(summary.pack(), Ordering::SeqCst);
        let attentive = record.health.has_failures() || summary.condition == Condition::Unknown;
        self.attentive.store(u32::from(attentive), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_survive_packing() {
        for condition in [Condition::Unknown, Condition::Up, Condition::Down] {
            for admin in [AdminState::Ready, AdminState::Drain, AdminState::Maint] {
                let summary = Summary { condition, admin };
                assert_eq!(Summary::unpack(summary.pack()), summary);
            }
        }
    }
}
