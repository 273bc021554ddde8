//! End to end: the program itself, in network namespaces, with real clients and servers of others.
//!
//! One module a promise. Needs root, iproute2 and the programs named in `xtask`'s area `e2e`, which looks for them before
//! it runs this; nothing here is skipped.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod http2;
mod http_idle;
mod http_peers;
mod identity;
mod idle;
mod lab;
mod oracle;
mod packets;
mod peers;
mod privileges;
mod reload;
mod seed_000;
mod seed_001;
mod seed_002;
mod source;
mod sticking;
mod volume;
mod zones;
