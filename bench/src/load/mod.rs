//! The generator: one thread that asks the door, counts what was answered and every error.

mod client;
mod engine;
mod h2;
mod pace;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::link::TlsPlan;
use crate::speech::Text;

pub(crate) use engine::load;

/// What the generator does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoadPlan {
    /// The door's addresses, taken in turn.
    pub(crate) targets: Vec<SocketAddr>,
    /// What is asked; of HTTP by each client for a site of its own.
    pub(crate) request: Text,
    /// What must be answered.
    pub(crate) response: Text,
    /// Connections at a time.
    pub(crate) connections: usize,
    /// Sites that clients ask for in turn.
    pub(crate) sites: usize,
    /// How TLS is spoken, if it is.
    pub(crate) tls: Option<TlsPlan>,
    /// Streams of HTTP/2 a connection has at a time; 0: not HTTP/2.
    pub(crate) streams: usize,
    /// Nothing new is begun after so many exchanges.
    pub(crate) exchanges_max: Option<u64>,
    /// What becomes of a connection after an answer.
    pub(crate) after: After,
    /// Requests a second, begun on time whether or not earlier ones were answered; `None`: each as soon as the
    /// one before it on its connection was answered.
    pub(crate) rate: Option<f64>,
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum After {
    /// The next request goes over it.
    Keep,
    /// It is closed; the next request takes a new one.
    Close,
    /// It is held without another byte.
    Hold,
}

/// What has happened so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Requests answered in full.
    pub(crate) exchanges: u64,
    /// Connections established.
    pub(crate) connections: u64,
    /// Those of them that a TLS ticket resumed.
    pub(crate) resumed: u64,
    /// Bytes sent.
    pub(crate) sent: u64,
    /// Bytes received.
    pub(crate) received: u64,
    /// Exchanges and connections that failed.
    pub(crate) errors: u64,
    /// What the first error was.
    pub(crate) first_error: Option<String>,
    /// Times from when a request was due to its answer; since the last `count` only. `None` without a rate.
    pub(crate) latency: Option<Latency>,
}

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Half were faster.
    pub(crate) p50: f64,
    /// 99 in 100 were faster.
    pub(crate) p99: f64,
    /// 999 in 1000 were faster.
    pub(crate) p999: f64,
}
