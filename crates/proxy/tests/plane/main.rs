//! The plane end to end in one process: real sockets, free ports, deadlines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod door;
mod http;
mod http_basics;
mod limits;
mod passthrough;
mod proxy_header;
mod relay;
mod servers;
