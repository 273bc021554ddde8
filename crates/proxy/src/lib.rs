//! The user-space data plane: accept, inspect, choose, connect, relay.
//!
//! One thread a CPU, little shared. Each worker has its own loop (`runtime`), its own listening sockets (`accept`) and
//! its own connections; what all share lives in `transom_state`. A connection's story is told top-down in `l4`.
//!
//! | where | what |
//! |---|---|
//! | `plane` | starts the workers, hands them listeners, drains and stops them |
//! | `worker`, `doors` | what belongs to one thread |
//! | `runtime` | tasks, readiness, deadlines |
//! | `socket`, `listen`, `accept` | TCP |
//! | `l4` | relayed connections: `tcp`, `passthrough`, `tls` |
//! | `tls` | TLS on a socket |
//! | `log` | the access log |

mod accept;
mod doors;
mod l4;
mod listen;
mod log;
mod plane;
mod runtime;
mod socket;
mod tls;
mod worker;

pub use listen::bind;
pub use plane::{AccessSink, Bound, Plane};
pub use tls::{PoolTls, ServerTls, TlsWorld};
