//! The plane end to end in one process: real sockets, free ports, deadlines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod door;
mod http;
mod http_basics;
mod http_bodies;
mod http_limits;
mod http_paths;
mod http_reuse;
mod http_smuggling;
mod http_splits;
mod http_upgrade;
mod limits;
mod passthrough;
mod proxy_header;
mod relay;
mod servers;
