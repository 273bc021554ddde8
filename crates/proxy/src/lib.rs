//! The user-space data plane: accept, inspect, choose, connect, relay.
//!
//! One thread a CPU, little shared. Each worker has its own loop (`runtime`), its own listening sockets (`accept`) and
//! its own connections; what all share lives in `transom_state`. A connection's story begins in `front` and goes on in
//! `l4` or `http`.
//!
//! | where | what |
//! |---|---|
//! | `plane` | starts the workers, hands them listeners, drains and stops them |
//! | `worker`, `doors` | what belongs to one thread |
//! | `runtime` | tasks, readiness, deadlines |
//! | `socket`, `listen`, `accept` | TCP |
//! | `front` | the door: PROXY header, source lists, TLS handshake |
//! | `l4` | relayed connections: `tcp`, `passthrough`, `tls` |
//! | `http` | requests: `http` |
//! | `link` | connections to servers: choosing, queueing, connecting, keeping idle ones |
//! | `end`, `tls` | the bytes of one connection: a bare socket, or TLS on it |
//! | `log` | the access log |

mod accept;
mod buffer;
mod doors;
mod end;
mod front;
mod http;
mod l4;
mod link;
mod listen;
mod log;
mod plane;
mod runtime;
mod socket;
mod tls;
mod worker;

pub use link::{SOURCE_BATCH, SourceStock, source_sockets};
pub use listen::bind;
pub use plane::{AccessSink, Bound, Plane};
pub use tls::{PoolTls, ServerTls, TlsWorld};
