//! The ways to servers, as the kernel tells them: asked again from time to time, because routes and neighbours change.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use transom_config::PacketMode;
use transom_packet::plan::Hop;
use transom_packet::{Fault, hop};

use super::words;

/// A way that is known is asked about this often.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// How long a start waits for ways before it goes on without them.
const START_WAIT: Duration = Duration::from_secs(2);
/// Between two questions about a way that nobody knows yet.
const LOOK: Duration = Duration::from_millis(10);

/// Ways by server.
#[derive(Debug, Default)]
pub(super) struct Ways {
    known: HashMap<IpAddr, Way>,
    /// Times that there was none.
    pub(super) failures: u64,
}

#[derive(Debug)]
struct Way {
    /// The last one known; a neighbour the kernel forgot is still there.
    hop: Option<Hop>,
    /// Nobody stands between.
    neighbour: bool,
    asked: Instant,
    /// What was logged of it.
    trouble: Option<String>,
}

impl Ways {
    /// The way to a server, no larger than `mtu`. Under direct server return only a neighbour has one: a router would
    /// send the packet back to us.
    pub(super) fn to(&self, mode: PacketMode, server: IpAddr, mtu: Option<u16>) -> Option<Hop> {
        let way = self.known.get(&server)?;
        let hop = way.hop.filter(|_| mode != PacketMode::Dsr || way.neighbour)?;
        Some(Hop { mtu: mtu.map_or(hop.mtu, |mtu| mtu.min(hop.mtu)), ..hop })
    }

    /// Asks about those that are not known, or not since a while; forgets the others. Whether a way changed.
    pub(super) fn ask(&mut self, servers: &[(PacketMode, IpAddr)], now: Instant) -> bool {
        self.known.retain(|known, _| servers.iter().any(|(_, server)| server == known));
        let mut changed = false;
        for &(mode, server) in servers {
            let fresh = |way: &Way| way.hop.is_some() && now.saturating_duration_since(way.asked) < KNOWN_FOR;
            if self.known.get(&server).is_some_and(fresh) {
                continue;
            }
            changed |= self.ask_one(mode, server, now);
        }
        changed
    }

    fn ask_one(&mut self, mode: PacketMode, server: IpAddr, now: Instant) -> bool {
        let found = hop::resolve(server).and_then(|hop| Ok((hop, hop::is_neighbour(server)?)));
        let former = self.known.remove(&server);
        let (hop, neighbour, trouble) = match found {
            Ok((hop, neighbour)) => {
                let routed = mode == PacketMode::Dsr && !neighbour;
                let why = "mode = \"dsr\" reaches only servers in a subnet of this machine".to_owned();
                let trouble = routed.then(|| words(&Fault::NoWay { server, why }));
                (hop.or(former.as_ref().and_then(|way| way.hop)), neighbour, trouble)
            }
            Err(fault) => (None, false, Some(words(&fault))),
        };
        let before = former.as_ref().map(|way| (way.hop, way.neighbour));
        let told = former.and_then(|way| way.trouble);
        if let Some(trouble) = trouble.as_ref().filter(|trouble| Some(*trouble) != told.as_ref()) {
            self.failures += 1;
            log::error!("packets: {trouble}");
        }
        self.known.insert(server, Way { hop, neighbour, asked: now, trouble });
        before != Some((hop, neighbour))
    }

    /// Asks until all are known or [`START_WAIT`] is over: flows of an earlier process have ways, and should not lose
    /// them because the kernel has yet to ask its neighbours.
    pub(super) fn ask_patiently(&mut self, servers: &[(PacketMode, IpAddr)]) {
        let until = Instant::now() + START_WAIT;
        loop {
            self.ask(servers, Instant::now());
            let open: Vec<&IpAddr> = self
                .known
                .iter()
                .filter(|(_, way)| way.hop.is_none() && way.trouble.is_none())
                .map(|(ip, _)| ip)
                .collect();
            if open.is_empty() {
                return;
            }
            if Instant::now() >= until {
                log::warn!(
                    "packets: no MAC address yet on the way to {open:?}; they get no packets until there is one"
                );
                return;
            }
            std::thread::sleep(LOOK);
        }
    }
}
