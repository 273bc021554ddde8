//! Health checks: one probe of one server, from its address to passed or failed and why.
//!
//! Everything a probe reads is bounded, and all of it happens before one deadline.

mod exchange;
mod http;
mod runner;
mod sequence;
mod smtp;
mod tcp;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;
use transom_config::{Probe, ProxyProtocol, Source};
use transom_state::Fault;

pub(crate) use runner::Runner;
pub use tls::{Asked, Trusted};

/// Characters of a sentence; a certificate with many names makes a long one.
const WHY_CHARS_MAX: usize = 500;

/// What is probed and how.
#[derive(Debug)]
pub struct Target<'a> {
    /// Where.
    pub address: SocketAddr,
    /// Its name or address with the port, as configured: the `Host` of a request that is given none.
    pub authority: &'a str,
    /// What is asked.
    pub probe: &'a Probe,
    /// The PROXY header the pool's servers expect before anything else.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Our own address.
    pub source: &'a Source,
    /// What the probe's certificates are verified with, made from its `verify`.
    pub trusted: &'a Trusted,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The word for it.
    pub fault: Fault,
    /// The sentence, for the log and the status page; may hold a few bytes of what the server said, made printable.
    pub why: String,
}

impl Failure {
    /// What came from a server or its certificate may stand in `why`: it is made fit for one line of a log.
    pub(crate) fn new(fault: Fault, why: impl Into<String>) -> Self {
        let mut why = why.into().replace(char::is_control, "\u{fffd}");
        if let Some((end, _)) = why.char_indices().nth(WHY_CHARS_MAX) {
            why.truncate(end);
            why.push('…');
        }
        Self { fault, why }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.why, self.fault.code())
    }
}

/// Probes a server once.
///
/// # Errors
/// The first thing that was not as it should be.
pub async fn probe(target: &Target<'_>) -> Result<(), Failure> {
    let deadline = Deadline { at: Instant::now() + target.timeout, allowed: target.timeout };
    let stream = tcp::connect(target, deadline).await?;
    let host = http_host(target);
    match target.probe {
        Probe::Tcp => Ok(()),
        Probe::Tls { .. } => tls::handshake(stream, target, host, deadline).await.map(drop),
        Probe::Sequence { tls: None, steps } => sequence::converse(stream, steps, deadline).await,
        Probe::Sequence { tls: Some(_), steps } => {
            let stream = tls::handshake(stream, target, host, deadline).await?;
            sequence::converse(stream, steps, deadline).await
        }
        Probe::Http { tls, method, path, headers, expect, .. } => {
            let request = http::Request { method, host, path, headers };
            if tls.is_none() {
                return http::ask(stream, request, expect, deadline).await;
            }
            let stream = tls::handshake(stream, target, host, deadline).await?;
            http::ask(stream, request, expect, deadline).await
        }
        Probe::Smtp { expect } => {
            let own = stream.local_addr().map_err(|error| tcp::failure(&error, "reading our own address"))?;
            smtp::greet(stream, own.ip(), *expect, deadline).await
        }
    }
}

/// What goes into the `Host` header, and the name that TLS asks for where none is verified.
fn http_host<'a>(target: &Target<'a>) -> &'a str {
    match target.probe {
        Probe::Http { host: Some(host), .. } => host,
        _ => target.authority,
    }
}

/// Until when a probe may take, and how long that was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    allowed: Duration,
}

impl Deadline {
    /// Waits for one step of a probe; `step` says what was waited for: "an answer to EHLO".
    async fn wait<T>(self, fault: Fault, step: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::time::timeout_at(self.at, future)
            .await
            .map_err(|_| Failure::new(fault, format!("no {step} within {:?}", self.allowed)))
    }
}

#[cfg(test)]
mod tests;
