//! Sockets that may be bound to clients' addresses, for pools with `source = { client = true }`: made by whoever holds
//! CAP_NET_ADMIN, the keeper or the one process.

use std::io;
use std::os::fd::OwnedFd;

use transom_config::{Config, Source};
use transom_proxy::{SOURCE_BATCH, source_sockets};

/// Whether a pool connects from its clients' addresses.
pub(crate) fn wanted(config: &Config) -> bool {
    config.pools.iter().any(|pool| pool.source == Source::Client)
}

/// Fails, with a sentence, where such sockets are wanted and cannot be made.
pub(crate) fn possible(config: &Config) -> Result<(), String> {
    if !wanted(config) {
        return Ok(());
    }
    source_sockets(false, 1).map(drop).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "`source = { client = true }` needs the capability CAP_NET_ADMIN\n\
             help: start as root, or give the unit AmbientCapabilities=CAP_NET_ADMIN"
                .to_owned()
        }
        _ => format!("no socket can be made for `source = {{ client = true }}`: {error}"),
    })
}

/// One batch; empty where the configuration asks for none, or none can be made, which is logged.
pub(crate) fn make(v6: bool, config: &Config) -> Vec<OwnedFd> {
    if !wanted(config) {
        return Vec::new();
    }
    source_sockets(v6, SOURCE_BATCH).unwrap_or_else(|error| {
        let family = if v6 { "IPv6" } else { "IPv4" };
        log::error!("no {family} sockets can be made for `source = {{ client = true }}`: {error}");
        Vec::new()
    })
}
