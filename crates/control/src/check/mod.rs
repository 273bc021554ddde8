//! Health checks: one probe of one server, from its address to passed or failed and why.
//!
//! Everything a probe reads is bounded, and all of it happens before one deadline.

mod exchange;
mod http;
mod runner;
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
pub use tls::Trusted;

/// What is probed and how.
#[derive(Debug)]
pub struct Target<'a> {
    /// Where.
    pub address: SocketAddr,
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
    pub(crate) fn new(fault: Fault, why: impl Into<String>) -> Self {
        Self { fault, why: why.into() }
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
        Probe::Tls { .. } => tls::handshake(stream, target.trusted, &host, deadline).await.map(drop),
        Probe::Http { tls: None, path, expect, .. } => http::get(stream, &host, path, expect, deadline).await,
        Probe::Http { tls: Some(_), path, expect, .. } => {
            let stream = tls::handshake(stream, target.trusted, &host, deadline).await?;
            http::get(stream, &host, path, expect, deadline).await
        }
        Probe::Smtp { expect } => {
            let own = stream.local_addr().map_err(|error| tcp::failure(&error, "reading our own address"))?;
            smtp::greet(stream, own.ip(), *expect, deadline).await
        }
    }
}

/// What goes into the `Host` header, and the name asked for where none is verified.
fn http_host(target: &Target<'_>) -> String {
    match target.probe {
        Probe::Http { host: Some(host), .. } => host.to_string(),
        _ => target.address.to_string(),
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
