//! A plan through made-up changes of VIPs, servers, weights and time: its steps keep the tables consistent at every
//! moment, no ring names a server that takes no packets as an older one, and a process that adopts the tables has
//! nothing to change about them.
#![no_main]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use transom_packet::abi::{self, HashOn, Mode, NO_SERVER, word};
use transom_packet::plan::{Contents, Hop, Limits, Plan, Protocol, Server, ServerState, Step, Vip, VipKey};

const LIMITS: Limits = Limits { vips_max: 3, settle_after: Duration::from_secs(100) };
/// A change makes rings of 65,537 slots: more would only make inputs slow.
const CHANGES: usize = 6;

#[derive(Default)]
struct Tables {
    vips: BTreeMap<VipKey, abi::Vip>,
    rings: BTreeMap<u32, Vec<u32>>,
    servers: BTreeMap<u16, (u64, abi::Server)>,
}

impl Tables {
    fn apply(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::SetServer { number, owner, server } => {
                    assert!(number < NO_SERVER);
                    self.servers.insert(number, (owner, server));
                }
                Step::SetRing { row, words } => {
                    assert_eq!(words.len(), abi::RING_SLOTS);
                    assert!(row < 2 * LIMITS.vips_max);
                    assert!(self.vips.values().all(|vip| vip.ring != row), "a ring in use was written to");
                    self.rings.insert(row, words);
                }
                Step::SetVip(key, vip) => {
                    assert!(self.rings.contains_key(&vip.ring), "a VIP came before its ring");
                    self.vips.insert(key, vip);
                }
                Step::RemoveVip(key) => assert!(self.vips.remove(&key).is_some(), "no such VIP"),
            }
        }
    }

    fn lives(&self, number: u16) -> bool {
        number == NO_SERVER || self.servers.get(&number).is_some_and(|(_, server)| server.live != 0)
    }

    fn check(&self) {
        for vip in self.vips.values() {
            for &word in &self.rings[&vip.ring] {
                let (current, previous) = (word::current(word), word::previous(word));
                assert!(self.lives(current), "new flows of a dead server");
                assert!(self.lives(previous), "older flows of a dead server");
                assert!(word::is_changed(word) || current == previous);
            }
        }
        let mut rows: Vec<u32> = self.vips.values().map(|vip| vip.ring).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), self.vips.len(), "two VIPs share a ring");
    }

    fn contents(&self) -> Contents {
        Contents {
            vips: self.vips.iter().map(|(key, vip)| (*key, *vip)).collect(),
            rings: self.vips.values().map(|vip| self.rings[&vip.ring].clone()).collect(),
            servers: self
                .servers
                .iter()
                .filter(|(_, (owner, _))| *owner != 0)
                .map(|(number, (owner, server))| (*number, *owner, *server))
                .collect(),
        }
    }
}

/// Numbers from the input; 0 when it is used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn wish(&mut self) -> Vec<Vip> {
        (0..self.next() % 5).map(|_| self.vip()).collect()
    }

    fn vip(&mut self) -> Vip {
        let [address, kind, servers] = [self.next(), self.next(), self.next()];
        let mode = [Mode::Dsr, Mode::Nat, Mode::Tunnel, Mode::Local][usize::from(kind >> 1 & 3)];
        // Names are unique in a pool, and say what a server's record depends on beside itself.
        let pool = format!("{}{}{mode:?}", address % 4, kind & 1);
        let mut servers: Vec<Server> = (0..servers % 6).map(|_| self.server(&pool)).collect();
        servers.sort_by(|a, b| a.name.cmp(&b.name));
        servers.dedup_by(|a, b| a.name == b.name);
        Vip {
            name: format!("vip{}", address % 4),
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, address % 4)),
            port: 443,
            protocol: if kind & 1 == 0 { Protocol::Tcp } else { Protocol::Udp },
            mode,
            hash_on: if kind & 8 == 0 { HashOn::Flow } else { HashOn::Source },
            servers,
        }
    }

    fn server(&mut self, pool: &str) -> Server {
        let [name, weight, state] = [self.next(), self.next(), self.next()];
        let hop = Hop {
            interface: 1,
            next: [2; 6],
            ours: [3; 6],
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mtu: u16::from(weight) * 16,
        };
        Server {
            name: format!("{pool}/s{}", name % 8),
            address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, name % 8)),
            port: if name & 64 == 0 { 443 } else { 444 },
            weight: u32::from(weight),
            state: [ServerState::Active, ServerState::Draining, ServerState::Dead][usize::from(state % 3)],
            hop: (state & 64 == 0).then_some(hop),
            source_spread_bits: state >> 2 & 31,
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let mut now = Instant::now();
    let (mut plan, mut tables) = (Plan::new(LIMITS, now), Tables::default());
    let mut last = Vec::new();
    for _ in 0..CHANGES {
        now += Duration::from_secs(u64::from(input.next()));
        let wish = input.wish();
        let Ok(steps) = plan.update(&wish, now) else { continue };
        tables.apply(steps);
        tables.check();
        let again = plan.update(&wish, now).expect("what could be done can be done again");
        assert!(again.is_empty(), "the same wish at the same time: {} steps", again.len());
        last = wish;
        if input.0.is_empty() {
            break;
        }
    }
    let mut adopted = Plan::adopt(LIMITS, &tables.contents(), now);
    let steps = adopted.update(&last, now).expect("the tables came from this wish");
    assert!(steps.is_empty(), "adopted with {} steps", steps.len());
    for vip in &last {
        assert_eq!(adopted.ring_hash(vip.key()), plan.ring_hash(vip.key()));
    }
});
