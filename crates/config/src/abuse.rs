//! `[abuse]`: budgets of requests and of failed logins, and bans.

use std::time::Duration;

use ipnet::IpNet;

/// `[abuse]`: one table for all listeners. IPv6 sources count by their /64.
#[derive(Debug, Clone, PartialEq)]
pub struct Abuse {
    /// Sources and users that are watched at a time.
    pub size: u32,
    /// Sources that are never counted: monitoring, other proxies.
    pub exempt: Vec<IpNet>,
    /// Requests of one source; `None`: not counted.
    pub requests_per_source: Option<AbuseRule>,
    /// Requests of one user, where the user is known.
    pub requests_per_user: Option<AbuseRule>,
    /// Failed logins of one source.
    pub failures_per_source: Option<AbuseRule>,
    /// Failed logins in one user's name.
    pub failures_per_user: Option<AbuseRule>,
}

/// A budget, and what overdrawing it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbuseRule {
    /// So many may come at once.
    pub count: u32,
    /// In this time the whole budget is earned again.
    pub per: Duration,
    /// How long the ban is; `None`: what is over the budget is refused, and nothing else happens.
    pub ban: Option<Duration>,
}

/// `per-source` of a listener's `limits`. IPv6 sources count by their /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerSource {
    /// Connections of one source at a time; further ones are refused.
    pub connections: Option<u32>,
    /// New connections of one source: so many in so long. As many may come at once.
    pub connections_rate: Option<Rate>,
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time: a second, a minute, an hour.
    pub per: Duration,
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.per.as_secs() {
            3600 => "h",
            60 => "m",
            _ => "s",
        };
        write!(f, "{}/{unit}", self.count)
    }
}
