//! What is worth saying of a valid configuration: nothing is wrong, but somebody must do something beside the file.

use crate::{Config, Pool, Source};

impl Config {
    /// Sentences for `check` and the program log.
    pub fn remarks(&self) -> Vec<String> {
        let transparent = |pool: &&std::sync::Arc<Pool>| pool.source == Source::Client;
        let pools: Vec<String> =
            self.pools.iter().filter(transparent).map(|pool| format!("`{}`", pool.name)).collect();
        if pools.is_empty() {
            return Vec::new();
        }
        let which = if pools.len() == 1 { "the pool" } else { "the pools" };
        vec![format!("{which} {} {ROUTING}", pools.join(", "))]
    }
}

/// What connecting from a client's address needs of the network (Linux, Documentation/networking/tproxy.rst). The mark
/// and the table are free to choose.
const ROUTING: &str = "connects to servers from the clients' own addresses (`source = { client = true }`). The servers' \
answers must come back through this machine, and this machine must take them for its own:
  on each server  make this machine the gateway to the clients (its default route, mostly)
  here            ip rule add fwmark 1 lookup 100; ip -6 rule add fwmark 1 lookup 100
                  ip route add local 0.0.0.0/0 dev lo table 100; ip -6 route add local ::/0 dev lo table 100
                  nft 'table inet transom { chain back { type filter hook prerouting priority mangle; socket transparent \
1 meta mark set 1; }; }'
                  sysctl -w net.ipv4.conf.all.rp_filter=2
Clients in the servers' own network cannot be served so: their answers never pass here.";
