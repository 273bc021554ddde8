//! For tests and the demo: network namespaces, child processes, certificates, golden files, and blocking clients and
//! servers.
//!
//! Nothing of ours is imported: a server built on our own parsers would hide their bugs. Everything that waits has a
//! deadline, and whatever was made is taken away again when its owner is dropped.

pub mod ca;
pub mod client;
pub mod golden;
pub mod hello;
pub mod netns;
pub mod ntlm;
pub mod origin;
pub mod ports;
pub mod process;
pub mod server;
pub mod wait;
