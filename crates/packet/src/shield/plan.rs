//! From what is wanted to what the program's maps should hold: pure, no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use transom_config::{AllowWhat, PacketRate, Shield, ShieldContext, Tracking};

use super::abi::{Context, GateKey, PACE_NOTHING, Pace};
use super::kernel::Kernel;
use crate::Fault;
use crate::hash::words;

const SECOND: u64 = 1_000_000_000;
/// Clients that get in by asking again and again, a second.
const INSISTENT: PacketRate = PacketRate { count: 1000, per: transom_config::Per::Second };

/// What a gate says.
pub(crate) const OPEN: u32 = 1;
/// Only some sources may.
pub(crate) const BY_SOURCE: u32 = 2;

/// A source that may use a gate: 64 bits of the gate, then the source, IPv4 as ::ffff:a.b.c.d.
pub(crate) type GateSource = (u32, [u32; 6]);

/// What the maps should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Destination -> number.
    pub targets: BTreeMap<IpNet, u32>,
    /// By number.
    pub contexts: BTreeMap<u32, Context>,
    /// What each lets on.
    pub gates: BTreeMap<GateKey, u32>,
    /// And from whom.
    pub gate_sources: BTreeSet<GateSource>,
    /// Connections at a time, by number.
    pub connections: BTreeMap<u32, u32>,
}

impl Plan {
    /// Contexts keep the number that one of their destinations had.
    ///
    /// # Errors
    /// More contexts than there is room for.
    pub fn new(
        wanted: &Shield,
        before: &BTreeMap<IpNet, u32>,
        kernel: &Kernel,
        room: u32,
    ) -> Result<Self, Fault> {
        if wanted.contexts.len() > room as usize {
            return Err(Fault::TooMany { what: "contexts of the shield", limit: room as usize });
        }
        let mut plan = Self::default();
        let kept =
            |context: &ShieldContext| context.destination.iter().find_map(|one| before.get(one).copied());
        let mut free =
            (1..=room).filter(|number| !before.values().any(|taken| taken == number)).chain(1..=room);
        for context in &wanted.contexts {
            let fresh = |number: &u32| !plan.contexts.contains_key(number);
            let number = kept(context).filter(fresh).or_else(|| free.find(fresh)).unwrap_or(room);
            plan.add(number, context, kernel);
        }
        Ok(plan)
    }

    fn add(&mut self, number: u32, wanted: &ShieldContext, kernel: &Kernel) {
        self.targets.extend(wanted.destination.iter().map(|prefix| (prefix.trunc(), number)));
        self.contexts.insert(number, context(wanted, kernel));
        for allow in &wanted.allow {
            for (protocol, port) in gates(allow.what) {
                let key = GateKey { context: number as u16, port: port.to_be(), protocol };
                let Some(from) = allow.from else {
                    self.gates.insert(key, OPEN);
                    continue;
                };
                self.gates.entry(key).or_insert(BY_SOURCE);
                self.gate_sources.insert(gate_source(key, &from));
            }
        }
        self.connections.extend(wanted.per_source.connections.map(|most| (number, most)));
    }

    /// The context of a destination: the longest prefix.
    #[must_use]
    pub fn context_of(&self, destination: IpAddr) -> Option<u32> {
        let inside = self.targets.iter().filter(|(prefix, _)| prefix.contains(&destination));
        inside.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, number)| *number)
    }
}

fn context(wanted: &ShieldContext, kernel: &Kernel) -> Context {
    let source = |rate: Option<PacketRate>| rate.map_or(Pace::default(), |rate| pace(rate, 2));
    let all = |rate: PacketRate| pace(rate, u64::from(kernel.cpus));
    let above = wanted.syn_cookies_above.map(|rate| rate.count / rate.per.seconds());
    Context {
        source_packets: source(wanted.per_source.packets),
        source_syn: source(wanted.per_source.syn),
        source_udp: source(wanted.per_source.udp),
        source_icmp: source(wanted.per_source.icmp),
        all_udp: wanted.total.udp.map_or(Pace::default(), all),
        all_icmp: wanted.total.icmp.map_or(Pace::default(), all),
        strays: all(wanted.strays),
        insistent: all(INSISTENT),
        proof_above: above.unwrap_or(0),
        proof_batch: above.map_or(1, |above| (above / 64).clamp(1, 64) as u32),
        tracking: u8::from(wanted.tracking == Tracking::Stateful),
        proof: match above {
            None => 0,
            Some(0) => 2,
            Some(_) => 1,
        },
        gated: u8::from(!wanted.allow.is_empty()),
        full: u8::from(wanted.per_source.connections.is_some()),
    }
}

/// One of `parts` equal parts of a rate, its whole time's worth at once.
fn pace(rate: PacketRate, parts: u64) -> Pace {
    let time = rate.per.seconds() * SECOND;
    let gap = time.saturating_mul(parts).checked_div(rate.count).unwrap_or(PACE_NOTHING).max(1);
    Pace { gap, depth: time.saturating_sub(gap) }
}

/// Protocol and port; of ICMP the type.
fn gates(what: AllowWhat) -> Vec<(u32, u16)> {
    match what {
        AllowWhat::Tcp(first, last) => (first..=last).map(|port| (6, port)).collect(),
        AllowWhat::Udp(first, last) => (first..=last).map(|port| (17, port)).collect(),
        AllowWhat::Echo => vec![(1, 0), (1, 8), (58, 128), (58, 129)],
        AllowWhat::Protocol(number) => vec![(u32::from(number), 0)],
    }
}

fn gate_source(key: GateKey, from: &IpNet) -> GateSource {
    let ([a, b], [c, d]) = (key.context.to_ne_bytes(), key.port.to_ne_bytes());
    let (address, bits) = match from {
        IpNet::V4(four) => (four.network().to_ipv6_mapped(), 96 + u32::from(four.prefix_len())),
        IpNet::V6(six) => (six.network(), u32::from(six.prefix_len())),
    };
    let [w, x, y, z] = words(address);
    (64 + bits, [u32::from_ne_bytes([a, b, c, d]), key.protocol, w, x, y, z])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: Kernel = Kernel { cpus: 4, segment: 1460, window_scale: 7, options: true };

    fn shield(text: &str) -> Shield {
        let text = format!(
            "{text}\n[listener.a]\nbind = [\"127.0.0.1:1\"]\nmode = \"tcp\"\npool = \"a\"\n\
             [pool.a]\nservers = [{{ name = \"a\", address = \"127.0.0.1:2\" }}]\n"
        );
        let loaded = transom_config::load_text("shield.toml", &text);
        let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false)));
        config.shield.expect("there is one").as_ref().clone()
    }

    #[test]
    fn rates_become_paces_that_hold_what_they_say() {
        let rate = |count, per| PacketRate { count, per };
        use transom_config::Per;
        assert_eq!(pace(rate(100, Per::Second), 2), Pace { gap: SECOND / 50, depth: SECOND - SECOND / 50 });
        assert_eq!(pace(rate(1, Per::Second), 2), Pace { gap: 2 * SECOND, depth: 0 });
        assert_eq!(pace(rate(60, Per::Minute), 1).gap, SECOND);
        assert_eq!(pace(rate(0, Per::Second), 2).gap, PACE_NOTHING);
        assert_eq!(pace(rate(1_000_000_000, Per::Second), 1).gap, 1);
    }

    #[test]
    fn contexts_keep_their_numbers_when_others_come_and_go() {
        let one = "{ destination = [\"192.0.2.1\"], allow = [\"tcp/443\"] }";
        let two = "{ destination = [\"192.0.2.2\", \"2001:db8::/64\"], per-source = { connections = 5 } }";
        let with =
            |contexts: &str| shield(&format!("[shield]\ninterfaces = [\"e\"]\ncontexts = [{contexts}]"));
        let both =
            Plan::new(&with(&format!("{one}, {two}")), &BTreeMap::new(), &KERNEL, 8).expect("there is room");
        let later = Plan::new(&with(two), &both.targets, &KERNEL, 8).expect("there is room");
        let context = |plan: &Plan, text: &str| plan.context_of(text.parse().expect(text));
        assert_eq!(context(&later, "192.0.2.2"), context(&both, "192.0.2.2"));
        assert_eq!(context(&later, "2001:db8::9"), context(&both, "192.0.2.2"));
        assert_eq!(context(&later, "192.0.2.1"), None);
        assert_eq!(later.connections.values().collect::<Vec<_>>(), [&5]);
        let again =
            Plan::new(&with(&format!("{two}, {one}")), &later.targets, &KERNEL, 8).expect("there is room");
        assert_eq!(context(&again, "192.0.2.2"), context(&both, "192.0.2.2"));
        assert!(Plan::new(&with(&format!("{one}, {two}")), &BTreeMap::new(), &KERNEL, 1).is_err());
    }

    #[test]
    fn what_is_allowed_becomes_gates() {
        let allow =
            "[\"tcp/443\", \"udp/5000-5001\", \"icmp/echo\", \"ip/47\", \"tcp/25 from 192.0.2.0/24\"]";
        let wanted = shield(&format!(
            "[shield]\ninterfaces = [\"e\"]\ncontexts = [{{ destination = [\"192.0.2.1\"], allow = {allow} }}]"
        ));
        let plan = Plan::new(&wanted, &BTreeMap::new(), &KERNEL, 8).expect("there is room");
        assert_eq!(plan.gates.len(), 1 + 2 + 4 + 1 + 1);
        assert_eq!(plan.gate_sources.iter().map(|(bits, _)| *bits).collect::<Vec<_>>(), [64 + 96 + 24]);
        assert_eq!(plan.contexts[&1].gated, 1);
    }
}
