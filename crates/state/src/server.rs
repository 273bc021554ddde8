//! A server of a pool, live: condition and admin state, weight, address, connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use transom_config::{self as config, Address, Name};

use crate::health::{AdminState, Condition, Thresholds};
use crate::life::{Life, NO_WEIGHT, Record, Resolved, ServerCounters};
use crate::pool::{Pool, PoolLife};
use crate::probe::{LastProbe, ProbeResult, Transition, why_probed};
use crate::said;
use crate::{DownWatch, Fault};

/// A server in one generation of its pool. What outlives a reload is in its `Life`.
#[derive(Debug)]
pub struct Server {
    /// The pool as configured; the server's own configuration is in it.
    pool_config: Arc<config::Pool>,
    /// Its place in the pool.
    index: usize,
    pub(crate) life: Arc<Life>,
    pool_life: Arc<PoolLife>,
    /// The pool of this generation, whose roster follows every change.
    pool: Weak<Pool>,
    /// What the pool's cookie says for it, where that has a `key`.
    hashed: Option<Box<str>>,
}

impl Server {
    pub(crate) fn new(
        pool_config: &Arc<config::Pool>,
        index: usize,
        life: Arc<Life>,
        pool_life: &Arc<PoolLife>,
        pool: &Weak<Pool>,
    ) -> Self {
        let key = pool_config.cookie.as_ref().and_then(|cookie| cookie.key.as_deref());
        let address = pool_config.servers.get(index).map(|server| server.address.to_string());
        Self {
            hashed: key.zip(address).map(|(key, address)| said::hashed(key, &address)),
            pool_config: Arc::clone(pool_config),
            index,
            life,
            pool_life: Arc::clone(pool_life),
            pool: Weak::clone(pool),
        }
    }

    /// As it was asked for.
    pub fn config(&self) -> &config::Server {
        &self.pool_config.servers[self.index]
    }

    /// Its name, unique in its pool.
    pub fn name(&self) -> &Name {
        &self.config().name
    }

    /// What the pool's cookie says for it.
    pub fn cookie(&self) -> &str {
        let config = self.config();
        self.hashed.as_deref().or(config.cookie.as_deref()).unwrap_or(&config.name)
    }

    /// Its place in [`Pool::servers`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// Where to connect; `None`: its name has not been resolved (`server-dns`).
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.config().address {
            Address::Ip(address) => Some(*address),
            Address::Name { port, .. } => {
                let resolved = self.life.resolved.load();
                let resolved = resolved.as_ref()?;
                resolved.addresses.get(resolved.current).map(|ip| SocketAddr::new(*ip, *port))
            }
        }
    }

    /// What its name resolves to now; none: it does not. The address in use stays in use while it is among them. Does
    /// nothing for a server configured by address.
    pub fn set_addresses(&self, addresses: Vec<IpAddr>, now: Instant) {
        if matches!(self.config().address, Address::Ip(_)) {
            return;
        }
        let before = self.address();
        let current = addresses.iter().position(|ip| before.is_some_and(|before| before.ip() == *ip));
        let resolved = (!addresses.is_empty())
            .then(|| Arc::new(Resolved { addresses: addresses.into(), current: current.unwrap_or(0) }));
        let came_or_went = resolved.is_some() != before.is_some();
        self.life.resolved.store(resolved);
        if came_or_went {
            self.changed(now);
        }
    }

    /// The address in use failed: if its name has others, the next one is used.
    fn next_address(&self) {
        let resolved = self.life.resolved.load_full();
        if let Some(resolved) = resolved.filter(|resolved| resolved.addresses.len() > 1) {
            let current = (resolved.current + 1) % resolved.addresses.len();
            let next = Resolved { addresses: resolved.addresses.clone(), current };
            self.life.resolved.store(Some(Arc::new(next)));
        }
    }

    /// Whether it works, as far as we know.
    pub fn condition(&self) -> Condition {
        self.life.summary().condition
    }

    /// What an administrator wants of it.
    pub fn admin(&self) -> AdminState {
        self.life.summary().admin
    }

    /// Sets what an administrator wants of it; the state before. Taking it out of service (`maint`) tells its
    /// connections as going down does.
    pub fn set_admin(&self, admin: AdminState, now: Instant) -> AdminState {
        let before = {
            let mut record = self.life.record.lock();
            let before = std::mem::replace(&mut record.admin, admin);
            if before == AdminState::Maint && admin != AdminState::Maint {
                record.rose = Some(now);
            }
            self.life.publish(&record);
            before
        };
        if before != admin {
            if admin == AdminState::Maint {
                self.life.downs.announce();
            }
            self.changed(now);
        }
        before
    }

    /// Its share of new connections: set at run time, else configured. 0 to 256.
    pub fn weight(&self) -> u16 {
        match self.life.weight.load(Ordering::SeqCst) {
            NO_WEIGHT => self.config().weight,
            weight => u16::try_from(weight).unwrap_or(self.config().weight),
        }
    }

    /// Sets its weight at run time (more than 256 is 256); `None`: as configured again.
    pub fn set_weight(&self, weight: Option<u16>, now: Instant) {
        let weight = weight.map_or(NO_WEIGHT, |weight| u32::from(weight.min(256)));
        self.life.weight.store(weight, Ordering::SeqCst);
        self.changed(now);
    }

    /// Its weight while it warms up (`slow-start`), and whether it still does. The weight grows with the time since it
    /// came into service, and is at least 1 unless it is set to 0.
    pub(crate) fn weight_now(&self, now: Instant) -> (u16, bool) {
        let (full, slow) = (self.weight(), self.pool_config.slow_start);
        if slow.is_zero() || full == 0 {
            return (full, false);
        }
        let rose = self.life.record.lock().rose;
        match rose.map(|rose| now.saturating_duration_since(rose)) {
            Some(since) if since < slow => {
                let share = since.as_secs_f64() / slow.as_secs_f64();
                let weight = (f64::from(full) * share) as u16;
                (weight.clamp(1, full), true)
            }
            _ => (full, false),
        }
    }

    /// Takes in a probe. The change of condition it makes, if any.
    pub fn observe(&self, probe: ProbeResult, now: Instant) -> Option<Transition> {
        let check = self.pool_config.health_check.as_ref();
        let limits = Thresholds {
            rise: check.map_or(1, |check| check.rise),
            fall: check.map_or(1, |check| check.fall),
        };
        let fault = probe.outcome.err();
        let mut record = self.life.record.lock();
        let from = record.health.condition();
        let changed = record.health.probed(fault.is_none(), limits);
        let why = changed.map(|_| why_probed(from, &probe, limits));
        record.last_probe = Some(LastProbe { result: probe, at: now });
        if fault.is_some() {
            self.next_address();
        }
        let to = self.settle(&mut record, changed, from, now);
        drop(record);
        self.tell(from, to?, fault, why.unwrap_or_default(), now)
    }

    /// Takes in a real connection that the server's fault broke.
    pub(crate) fn connection_failed(&self, fault: Fault, now: Instant) -> Option<Transition> {
        self.next_address();
        let fall = self.pool_config.passive.fall?;
        let mut record = self.life.record.lock();
        let from = record.health.condition();
        let changed = record.health.connection_failed(fall);
        self.life.publish(&record);
        let to = self.settle(&mut record, changed, from, now);
        drop(record);
        let why = format!("connections to it failed, {fall} in a row; the last: {fault}");
        self.tell(from, to?, Some(fault), why, now)
    }

    /// Takes in a real connection that was established. Locks only if that is news.
    pub(crate) fn connection_succeeded(&self, now: Instant) -> Option<Transition> {
        if self.life.attentive.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let probed = self.pool_config.health_check.is_some();
        let mut record = self.life.record.lock();
        let from = record.health.condition();
        let changed = record.health.connection_succeeded(probed);
        self.life.publish(&record);
        let to = self.settle(&mut record, changed, from, now);
        drop(record);
        self.tell(from, to?, None, "a connection to it was established".into(), now)
    }

    /// Without a health check: once the hold time is over, a server that is down is tried again.
    pub(crate) fn tick(&self, now: Instant) -> Option<Transition> {
        if self.pool_config.health_check.is_some() || self.condition() != Condition::Down {
            return None;
        }
        let passive = self.pool_config.passive;
        let mut record = self.life.record.lock();
        if now.saturating_duration_since(record.since) < passive.hold {
            return None;
        }
        let from = record.health.condition();
        let changed = record.health.hold_passed(passive.fall.unwrap_or(1));
        let to = self.settle(&mut record, changed, from, now);
        drop(record);
        self.tell(from, to?, None, "its hold time is over; the next connection decides".into(), now)
    }

    /// Writes a change of condition down, if it is one.
    fn settle(
        &self,
        record: &mut Record,
        changed: Option<Condition>,
        from: Condition,
        now: Instant,
    ) -> Option<Condition> {
        let to = changed?;
        if from == Condition::Down {
            record.downtime += now.saturating_duration_since(record.since);
            record.rose = Some(now);
        }
        record.since = now;
        record.transitions += 1;
        self.life.publish(record);
        Some(to)
    }

    /// After the lock is gone: connections, roster, queue and log learn of it.
    fn tell(
        &self,
        from: Condition,
        to: Condition,
        fault: Option<Fault>,
        why: String,
        now: Instant,
    ) -> Option<Transition> {
        if to == Condition::Down {
            self.life.downs.announce();
        }
        self.changed(now);
        let (pool, server) = (Arc::clone(&self.pool_config.name), Arc::clone(self.name()));
        let fault = fault.filter(|_| to == Condition::Down);
        Some(Transition { pool, server, from, to, fault, why: why.into() })
    }

    /// What decides whether and how often it is chosen changed.
    fn changed(&self, now: Instant) {
        self.pool_life.version.fetch_add(1, Ordering::SeqCst);
        if let Some(pool) = self.pool.upgrade() {
            pool.refresh(now);
        }
        self.pool_life.line.call_all();
        self.pool_life.changes.note();
    }

    /// Whether clients that stick to it may go there: it is not down, in service or draining, and has an address.
    pub(crate) fn keeps_clients(&self) -> bool {
        let summary = self.life.summary();
        summary.condition != Condition::Down && summary.admin != AdminState::Maint && self.address().is_some()
    }

    /// Whether new clients may go there.
    pub(crate) fn takes_clients(&self) -> bool {
        self.admin() == AdminState::Ready && self.keeps_clients() && self.weight() > 0
    }

    /// One more connection, unless it is at its limit.
    pub(crate) fn acquire(&self) -> bool {
        let Some(limit) = self.config().connections else {
            self.life.connections.fetch_add(1, Ordering::SeqCst);
            return true;
        };
        let more = |used: u32| (used < limit).then_some(used.saturating_add(1));
        self.life.connections.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// One connection less.
    pub(crate) fn release(&self) {
        self.life.connections.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether it is under its limit.
    pub(crate) fn has_room(&self) -> bool {
        self.config().connections.is_none_or(|limit| self.connections() < limit)
    }

    /// Connections that hold a lease on it, of every generation.
    pub fn connections(&self) -> u32 {
        self.life.connections.load(Ordering::SeqCst)
    }

    /// Tells when it goes down or into maintenance; at once if it went while it was being chosen.
    pub fn down_watch(&self) -> DownWatch {
        let watch = self.life.downs.watch();
        let summary = self.life.summary();
        if summary.condition == Condition::Down || summary.admin == AdminState::Maint {
            watch.past()
        } else {
            watch
        }
    }

    /// What it has done since the program first saw it.
    pub fn counters(&self) -> &ServerCounters {
        &self.life.counters
    }

    /// Its latest probe.
    pub fn last_probe(&self) -> Option<LastProbe> {
        self.life.record.lock().last_probe.clone()
    }

    /// Since when it has its condition.
    pub fn since(&self) -> Instant {
        self.life.record.lock().since
    }

    /// How long it has been down since the program first saw it, the present time included. Maintenance does not count.
    pub fn downtime(&self, now: Instant) -> Duration {
        let record = self.life.record.lock();
        let present = match record.health.condition() {
            Condition::Down => now.saturating_duration_since(record.since),
            Condition::Up | Condition::Unknown => Duration::ZERO,
        };
        record.downtime + present
    }

    /// How often its condition changed.
    pub fn transitions(&self) -> u64 {
        self.life.record.lock().transitions
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use transom_config::{Balance, Passive};

    use super::*;
    use crate::Ask;
    use crate::fixture::{
        Bell, ask, check, failed, given, lease, live, passed, pool, seconds, server, servers, shares, start,
    };

    fn checked() -> config::Pool {
        config::Pool { health_check: Some(check()), ..pool(Balance::RoundRobin, servers(&["a", "b"])) }
    }

    #[test]
    fn probes_move_the_condition_and_say_why() {
        let now = start();
        let pool = live(checked(), now);
        let server = &pool.servers()[0];
        assert_eq!(server.condition(), Condition::Unknown);
        let up = server.observe(passed(), now).unwrap();
        assert_eq!(up.to_string(), "server p/a is up (was unknown): the first health check passed");
        let refused = || failed(Fault::ServerRefused);
        assert_eq!(server.observe(refused(), now), None);
        assert_eq!(server.observe(refused(), now), None);
        let down = server.observe(refused(), now).unwrap();
        assert_eq!(
            down.to_string(),
            "server p/a is down (was up): health checks failed, 3 in a row; the last: server-refused: connection refused"
        );
        assert_eq!(
            (down.from, down.to, down.fault),
            (Condition::Up, Condition::Down, Some(Fault::ServerRefused))
        );
        assert_eq!(shares(&pool, &given(&pool, 4, now)), [0, 4]);
        assert_eq!(server.observe(passed(), now), None);
        let up = server.observe(passed(), now).unwrap();
        assert_eq!(up.to_string(), "server p/a is up (was down): health checks pass again, 2 in a row");
        assert_eq!((up.fault, server.transitions()), (None, 3));
    }

    #[test]
    fn the_last_probe_and_the_downtime_are_kept() {
        let now = start();
        let pool = live(checked(), now);
        let server = &pool.servers()[0];
        assert_eq!(server.last_probe(), None);
        server.observe(failed(Fault::ServerConnectTimeout), now + seconds(1));
        let last = server.last_probe().unwrap();
        assert_eq!(last.result.outcome, Err(Fault::ServerConnectTimeout));
        assert_eq!((last.at, server.since()), (now + seconds(1), now + seconds(1)));
        assert_eq!(server.downtime(now + seconds(11)), seconds(10));
        server.observe(passed(), now + seconds(20));
        server.observe(passed(), now + seconds(21));
        assert_eq!(server.downtime(now + seconds(99)), seconds(20));
    }

    #[test]
    fn real_failures_take_a_server_down_until_the_hold_is_over() {
        let now = start();
        let config = config::Pool {
            passive: Passive { fall: Some(2), hold: seconds(10) },
            ..pool(Balance::First, servers(&["a", "b"]))
        };
        let pool = live(config, now);
        let fail = |now| lease(&pool, &ask(1, now)).failed(Fault::ServerRefused, 0, now);
        assert_eq!(fail(now), None);
        let down = fail(now).unwrap();
        assert_eq!(&*down.why, "connections to it failed, 2 in a row; the last: server-refused");
        assert_eq!(given(&pool, 1, now), ["b"]);
        let mut changes = Vec::new();
        pool.tick(now + seconds(9), &mut changes);
        assert!(changes.is_empty());
        pool.tick(now + seconds(10), &mut changes);
        assert_eq!(changes[0].to, Condition::Unknown);
        assert_eq!(fail(now + seconds(10)).unwrap().to, Condition::Down, "one failure suffices now");
        pool.tick(now + seconds(20), &mut changes);
        let later = now + seconds(20);
        let up = lease(&pool, &ask(1, later)).connected(&ask(1, later)).unwrap();
        assert_eq!((up.from, up.to), (Condition::Unknown, Condition::Up));
        assert_eq!(fail(later), None);
    }

    #[test]
    fn a_success_forgets_failures_and_only_the_servers_faults_count() {
        let now = start();
        let config = config::Pool { passive: Passive { fall: Some(2), hold: seconds(10) }, ..checked() };
        let pool = live(config, now);
        let server = &pool.servers()[0];
        server.observe(passed(), now);
        assert_eq!(server.connection_failed(Fault::ServerReset, now), None);
        assert_eq!(server.connection_succeeded(now), None);
        assert_eq!(server.connection_failed(Fault::ServerReset, now), None);
        let lease = lease(&pool, &Ask { tried: &[1], ..ask(1, now) });
        for fault in [Fault::OutOfPorts, Fault::ClientClosed] {
            assert_eq!(lease.failed(fault, 0, now), None);
        }
        assert_eq!(server.condition(), Condition::Up);
        assert!(lease.failed(Fault::ServerRefused, 0, now).is_some());
        assert_eq!(server.counters().failures.sum(), 1);
    }

    #[test]
    fn without_passive_real_failures_do_not_matter() {
        let now = start();
        let config = config::Pool { passive: Passive { fall: None, hold: seconds(10) }, ..checked() };
        let pool = live(config, now);
        for _ in 0..100 {
            assert_eq!(pool.servers()[0].connection_failed(Fault::ServerReset, now), None);
        }
    }

    #[test]
    fn weight_grows_after_a_server_came_up() {
        let now = start();
        let weigh = |name| config::Server { weight: 100, ..server(name) };
        let config =
            config::Pool { slow_start: seconds(10), servers: vec![weigh("a"), weigh("b")], ..checked() };
        let pool = live(config, now);
        let a = &pool.servers()[0];
        assert_eq!(a.weight_now(now), (100, false), "at the start there is nothing to warm up to");
        a.observe(failed(Fault::ServerRefused), now);
        a.observe(passed(), now);
        a.observe(passed(), now);
        assert_eq!(a.weight_now(now), (1, true));
        assert_eq!(a.weight_now(now + seconds(5)), (50, true));
        assert_eq!(a.weight_now(now + seconds(10)), (100, false));
        assert_eq!(shares(&pool, &given(&pool, 101, now)), [1, 100]);
        pool.tick(now + seconds(5), &mut Vec::new());
        assert_eq!(shares(&pool, &given(&pool, 150, now)), [50, 100]);
        pool.tick(now + seconds(10), &mut Vec::new());
        assert_eq!(shares(&pool, &given(&pool, 200, now)), [100, 100]);
    }

    #[test]
    fn a_watch_tells_of_down_and_of_maintenance() {
        let now = start();
        let pool = live(checked(), now);
        let server = &pool.servers()[0];
        let bell = Bell::new();
        let mut watches = [server.down_watch(), server.down_watch()];
        let poll = |watch: &mut DownWatch| watch.poll_down(&mut Context::from_waker(&bell.waker()));
        assert!(watches.iter_mut().all(|watch| poll(watch) == Poll::Pending));
        server.set_admin(AdminState::Drain, now);
        assert_eq!(bell.rings(), 0);
        server.observe(failed(Fault::ServerRefused), now);
        assert_eq!(bell.rings(), 2);
        assert!(watches.iter_mut().all(|watch| poll(watch) == Poll::Ready(())));
        let mut late = server.down_watch();
        assert_eq!(poll(&mut late), Poll::Ready(()), "it went down while this client was on its way");
        let mut other = pool.servers()[1].down_watch();
        assert_eq!(poll(&mut other), Poll::Pending);
        pool.servers()[1].set_admin(AdminState::Maint, now);
        assert_eq!(poll(&mut other), Poll::Ready(()));
    }

    #[test]
    fn a_server_by_name_is_chosen_once_its_name_resolves() {
        let now = start();
        let named =
            config::Server { address: Address::Name { host: "ex1.lab".into(), port: 443 }, ..server("a") };
        let pool = live(pool(Balance::RoundRobin, vec![named]), now);
        let server = &pool.servers()[0];
        assert!(matches!(pool.choose(&ask(1, now)), crate::Choice::Empty));
        let ip = |last| IpAddr::from([192, 0, 2, last]);
        server.set_addresses(vec![ip(1), ip(2)], now);
        assert_eq!(server.address(), Some("192.0.2.1:443".parse().unwrap()));
        assert_eq!(given(&pool, 1, now), ["a"]);
        lease(&pool, &ask(1, now)).failed(Fault::ServerRefused, 0, now);
        assert_eq!(server.address(), Some("192.0.2.2:443".parse().unwrap()), "the next one after a failure");
        server.set_addresses(vec![ip(3), ip(2)], now);
        assert_eq!(server.address(), Some("192.0.2.2:443".parse().unwrap()), "kept while it is listed");
        server.set_addresses(vec![ip(3)], now);
        assert_eq!(server.address(), Some("192.0.2.3:443".parse().unwrap()));
        server.set_addresses(vec![], now);
        assert_eq!(server.address(), None);
        assert!(matches!(pool.choose(&ask(1, now)), crate::Choice::Empty));
    }
}
