//! For tests and the demo: network namespaces, child processes, certificates, golden files, blocking clients and
//! servers, and a pretend Exchange.
//!
//! Nothing of ours is imported: a server built on our own parsers would hide their bugs. Everything that waits has a
//! deadline, and whatever was made is taken away again when its owner is dropped.

pub mod ca;
pub mod client;
pub mod fake_exchange;
pub mod golden;
pub mod hello;
pub mod netns;
pub mod ntlm;
pub mod origin;
pub mod pattern;
pub mod ports;
pub mod process;
pub mod raw;
pub mod server;
pub mod wait;
