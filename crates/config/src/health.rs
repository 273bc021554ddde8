//! Health checks: one probe, how often, and how many results decide.

use std::time::Duration;

use crate::NamedFile;

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
    /// An HTTP/1.1 GET is answered as expected.
    Http {
        /// Over TLS, verified so.
        tls: Option<Verify>,
        /// Path and query asked for.
        path: Box<str>,
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
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// The status; `None` is any from 200 to 399.
    pub status: Option<u16>,
    /// Text the body must hold.
    pub body: Option<Box<str>>,
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
