//! Failed logins: how many a source may have before it must wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failed logins of one source within [`WINDOW`] before it must wait for the window's end.
const FAILURES_MAX: u32 = 5;
/// How long failures of a source are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// Sources remembered; the one whose window began first makes room.
const SOURCES_MAX: usize = 1024;

/// Who failed to log in lately. IPv6 sources count by their /64: one machine has all of it.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// At most [`SOURCES_MAX`].
    sources: HashMap<IpAddr, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Throttle {
    /// How long `source` must still wait before its next try; `None`: it may try.
    pub(super) fn held(&self, source: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.sources.get(&network(source))?;
        let left = (failures.since + WINDOW).checked_duration_since(now)?;
        (failures.count >= FAILURES_MAX && !left.is_zero()).then_some(left)
    }

    /// Notes one failed login.
    pub(super) fn failed(&mut self, source: IpAddr, now: Instant) {
        let source = network(source);
        if !self.sources.contains_key(&source) && self.sources.len() >= SOURCES_MAX {
            self.make_room(now);
        }
        let failures = self.sources.entry(source).or_insert(Failures { count: 0, since: now });
        if now.saturating_duration_since(failures.since) >= WINDOW {
            *failures = Failures { count: 0, since: now };
        }
        failures.count = failures.count.saturating_add(1);
    }

    fn make_room(&mut self, now: Instant) {
        self.sources.retain(|_, failures| now.saturating_duration_since(failures.since) < WINDOW);
        if self.sources.len() < SOURCES_MAX {
            return;
        }
        if let Some(oldest) =
            self.sources.iter().min_by_key(|(_, failures)| failures.since).map(|(at, _)| *at)
        {
            self.sources.remove(&oldest);
        }
    }
}

fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(source) => Ipv6Addr::from_bits(source.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn five_failures_hold_a_source_until_its_minute_is_over() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for n in 0..5 {
            assert_eq!(throttle.held(ip("192.0.2.1"), start), None, "after {n}");
            throttle.failed(ip("192.0.2.1"), start);
        }
        assert_eq!(
            throttle.held(ip("192.0.2.1"), start + Duration::from_secs(20)),
            Some(Duration::from_secs(40))
        );
        assert_eq!(throttle.held(ip("192.0.2.2"), start), None);
        assert_eq!(throttle.held(ip("192.0.2.1"), start + WINDOW), None);
        throttle.failed(ip("192.0.2.1"), start + WINDOW);
        assert_eq!(throttle.held(ip("192.0.2.1"), start + WINDOW), None);
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..5 {
            throttle.failed(ip(&format!("2001:db8::{n}")), now);
        }
        assert!(throttle.held(ip("2001:db8::ffff"), now).is_some());
        assert!(throttle.held(ip("2001:db8:0:1::1"), now).is_none());
        assert!(throttle.held(ip("::ffff:192.0.2.1"), now).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for n in 0..2000_u32 {
            throttle.failed(IpAddr::V4((0x0a00_0000 + n).into()), start + Duration::from_millis(n.into()));
        }
        assert_eq!(throttle.sources.len(), SOURCES_MAX);
        assert!(throttle.sources.contains_key(&ip("10.0.7.207")));
        assert!(!throttle.sources.contains_key(&ip("10.0.0.0")));
    }
}
