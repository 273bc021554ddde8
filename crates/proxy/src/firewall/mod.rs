//! Web application firewalls at work: rules compiled elsewhere, what they counted, where their logs go.
//!
//! All workers share one list, swapped at a reload in one step. A request takes the firewall of its route once and keeps
//! it to its end, whatever is reloaded meanwhile.

mod logs;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use transom_config::{Name, WafAuditFormat};
use transom_state::{Counter, FirewallCounts};
use transom_waf::{
    Connection, Counters, Decision, Engine, Inspection, Mode, Now, Policy, Recent, Store, explain,
};

pub(crate) use logs::Logs;

/// Decisions that a worker remembers to explain.
const RECENT_MAX: usize = 1024;

/// A firewall as it was configured and compiled.
pub struct FirewallParts {
    /// Its name.
    pub name: Name,
    /// Its rules with the name's mode and `when-broken`; collections of a firewall of the same name are kept.
    pub engine: Arc<Engine>,
    /// Block, detect or off.
    pub mode: Mode,
    /// Closed or open.
    pub when_broken: transom_waf::WhenBroken,
    /// Where a line for each match goes.
    pub error_log: Option<OwnedFd>,
    /// Where records of requests go, and how they look.
    pub audit_log: Option<(OwnedFd, WafAuditFormat)>,
}

/// The firewalls of one generation.
#[derive(Default)]
pub struct Firewalls {
    all: Vec<Arc<Firewall>>,
    /// Those of the generation before that are in this one no more: requests of that generation may still ask.
    former: Vec<Arc<Firewall>>,
    /// One a worker; of all generations.
    recent: Arc<[Mutex<Recent>]>,
}

/// One firewall.
pub(crate) struct Firewall {
    name: Name,
    policy: Policy,
    /// One a worker.
    counters: Box<[Counters]>,
    /// What those before it of the same name had counted.
    before: FirewallCounts,
    logs: Logs,
    recent: Arc<[Mutex<Recent>]>,
}

impl Firewalls {
    /// The next generation: collections, counts and what can be explained are carried over by name. Lines that a log is
    /// too slow for are added to `lost`. Errors: no threads for the logs.
    pub(crate) fn next(
        &self,
        parts: Vec<FirewallParts>,
        workers: usize,
        lost: &Arc<Counter>,
    ) -> io::Result<Self> {
        let recent = if self.recent.is_empty() && !parts.is_empty() {
            (0..workers).map(|_| Mutex::new(Recent::new(RECENT_MAX))).collect()
        } else {
            Arc::clone(&self.recent)
        };
        let mut all = Vec::new();
        for part in parts {
            let before = self.all.iter().find(|one| one.name == part.name);
            all.push(Arc::new(Firewall::new(part, before, workers, lost, &recent)?));
        }
        let gone = |one: &&Arc<Firewall>| !all.iter().any(|kept: &Arc<Firewall>| kept.name == one.name);
        let former = self.all.iter().filter(gone).cloned().collect();
        Ok(Self { all, former, recent })
    }

    /// The firewall of that name.
    pub(crate) fn named(&self, name: &Name) -> Option<Arc<Firewall>> {
        self.all.iter().chain(&self.former).find(|one| one.name == *name).cloned()
    }
}

impl Firewalls {
    /// Lets every log write what it has, and closes it.
    pub(crate) fn flush(&self) {
        self.all.iter().chain(&self.former).for_each(|one| one.logs.close());
    }
}

impl transom_state::Firewalls for Firewalls {
    fn counts(&self) -> Vec<FirewallCounts> {
        self.all.iter().map(|one| one.counts()).collect()
    }

    fn explain(&self, id: &str) -> Option<String> {
        self.recent.iter().find_map(|recent| recent.lock().find(id).map(explain))
    }
}

impl Firewall {
    fn new(
        part: FirewallParts,
        before: Option<&Arc<Self>>,
        workers: usize,
        lost: &Arc<Counter>,
        recent: &Arc<[Mutex<Recent>]>,
    ) -> io::Result<Self> {
        let FirewallParts { name, engine, mode, when_broken, error_log, audit_log } = part;
        let store = before.map_or_else(|| Arc::new(Store::new()), |before| Arc::clone(&before.policy.store));
        let nothing = FirewallCounts {
            name: Name::clone(&name),
            requests: 0,
            refused: 0,
            would_refuse: 0,
            broken: 0,
            pattern_limit_hits: 0,
            rules: Vec::new(),
        };
        Ok(Self {
            counters: (0..workers).map(|_| Counters::new(&engine)).collect(),
            before: before.map_or(nothing, |before| before.counts()),
            logs: Logs::open(error_log, audit_log, lost)?,
            recent: Arc::clone(recent),
            policy: Policy { engine, store, mode, when_broken },
            name,
        })
    }

    /// Whether it looks at anything.
    pub(crate) fn looks(&self) -> bool {
        self.policy.mode != Mode::Off
    }

    /// Begins to look at a request.
    pub(crate) fn begin(&self, connection: Connection, id: &str, now: Now) -> Inspection {
        Inspection::begin(&self.policy, connection, id, now)
    }

    /// Ends an inspection: counts, writes the logs, remembers. `worker` is the caller's.
    pub(crate) fn finish(
        &self,
        worker: usize,
        mut inspection: Inspection,
        now: Now,
        told: Told<'_>,
    ) -> Decision {
        let decision = inspection.finish(now);
        if let Some(counters) = self.counters.get(worker) {
            counters.record(&decision);
        }
        if decision.audit || !decision.is_clean() {
            self.logs.write(&inspection, &decision, &told);
        }
        if !decision.is_clean()
            && let Some(recent) = self.recent.get(worker)
        {
            recent.lock().push(decision.clone());
        }
        decision
    }

    fn counts(&self) -> FirewallCounts {
        let mut sum = self.before.clone();
        let mut rules: BTreeMap<u64, u64> = sum.rules.drain(..).collect();
        for counters in &self.counters {
            let totals = counters.totals();
            sum.requests += totals.transactions;
            sum.refused += totals.refused;
            sum.would_refuse += totals.would_refuse;
            sum.broken += totals.broken;
            sum.pattern_limit_hits += totals.pattern_limit_hits;
            for (rule, count) in counters.rules(&self.policy.engine) {
                *rules.entry(rule).or_default() += count;
            }
        }
        sum.rules = rules.into_iter().collect();
        sum
    }
}

/// What the logs tell of a request beside what the rules saw.
pub(crate) struct Told<'a> {
    /// The client's address, without its port.
    pub(crate) client: String,
    /// The host it asked for.
    pub(crate) host: &'a [u8],
    /// Path and query as they came.
    pub(crate) uri: &'a [u8],
    /// Parts the native form of the audit log; a body cannot know it.
    pub(crate) boundary: u32,
}
