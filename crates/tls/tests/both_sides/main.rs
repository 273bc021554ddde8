//! Both sides of TLS against each other, in memory.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod connection;
mod lab;
mod listener;
