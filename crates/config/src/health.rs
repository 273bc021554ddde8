//! Health checks: one probe, how often, and how many results decide.

use std::time::Duration;

use crate::{NamedFile, Pattern};

/// `health-check`
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// Time between two probes of a server; each waits up to a tenth less or more, so that they spread.
    pub every: Duration,
    /// A probe that takes longer has failed.
    pub timeout: Duration,
    /// Passes in a row that bring a server up.
    pub rise: u32,
    /// Failures in a row that take it down.
    pub fall: u32,
    /// Another port than the server's own.
    pub port: Option<u16>,
}

/// What a health check asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// The connection is accepted.
    Tcp,
    /// A TLS handshake completes.
    Tls {
        /// Whether and how the certificate is verified.
        verify: Verify,
    },
    /// A conversation in bytes goes as expected: `tcp` or `tls` with `sequence`.
    Sequence {
        /// Over TLS, verified so.
        tls: Option<Verify>,
        /// One after the other; each has at least one of the two.
        steps: Vec<ProbeStep>,
    },
    /// An HTTP/1.1 request is answered as expected.
    Http {
        /// Over TLS, verified so.
        tls: Option<Verify>,
        /// `method`, `GET` mostly.
        method: Box<str>,
        /// Path and query asked for.
        path: Box<str>,
        /// Headers of the request, beside `Host`, `User-Agent`, `Accept` and `Connection`, which are sent unless they are
        /// among these (`Host` and `Connection` never are).
        headers: Vec<(Box<str>, Box<str>)>,
        /// The `Host` header; `None` is the server's address.
        host: Option<Box<str>>,
        /// What the answer must be.
        expect: Expect,
    },
    /// An SMTP greeting and an answer to EHLO (RFC 5321).
    Smtp {
        /// The status EHLO must be answered with.
        expect: u16,
    },
}

/// What an HTTP health check must be answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expect {
    /// The statuses, one of these; empty is any from 200 to 399.
    pub statuses: Vec<StatusRange>,
    /// `not-statuses`: none of these.
    pub not_statuses: Vec<StatusRange>,
    /// Text the body must hold.
    pub body: Option<Box<str>>,
    /// `body-lacks`: text the body must not hold.
    pub lacks: Option<Box<str>>,
    /// `body-regex`: what must be found in the body.
    pub regex: Option<Pattern>,
}

impl Expect {
    /// Whether an answer with this status will do.
    pub fn takes(&self, status: u16) -> bool {
        let among =
            |ranges: &[StatusRange]| ranges.iter().any(|range| (range.first..=range.last).contains(&status));
        if !self.not_statuses.is_empty() {
            return !among(&self.not_statuses) && (self.statuses.is_empty() || among(&self.statuses));
        }
        among(&self.statuses) || self.statuses.is_empty() && (200..400).contains(&status)
    }
}

/// Statuses from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl std::fmt::Display for StatusRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) if first % 100 == 0 && last == first + 99 => write!(f, "{}xx", first / 100),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

/// A step of a conversation: first something is sent, then something awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeStep {
    /// What is sent; empty: nothing.
    pub send: Box<[u8]>,
    /// What the server must say then, among more perhaps; `None`: nothing is awaited.
    pub expect: Option<ProbeExpect>,
}

/// What a server must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeExpect {
    /// These bytes, somewhere in what it says.
    Bytes(Box<[u8]>),
    /// This is found in what it says. Compiles (crate `regex`, on bytes).
    Regex(Box<str>),
}

/// Whether a health check looks at the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// Any certificate will do: a probe carries no secret.
    None,
    /// As for the connections of the pool, which has `connect = { tls = … }`.
    Pool,
    /// It must be valid for a name and signed by an authority.
    Full {
        /// PEM file of authorities.
        ca: NamedFile,
        /// The name it must be for, also sent as SNI.
        name: Box<str>,
    },
}
