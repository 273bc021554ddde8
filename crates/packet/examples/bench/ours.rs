//! This crate's program with the VIPs of the table.

use std::time::Instant;

use aya::programs::ProgramFd;
use transom_packet::abi::{HashOn, Mode, RING_SLOTS, Settings, word};
use transom_packet::load::{Door, Options};
use transom_packet::plan::{Hop, Limits, Plan, Protocol, Server, ServerState, Step, Vip, VipKey};

use super::{DSR, DSR_QUARTER, DSR_TABLE, FOUR_IN_SIX, LOCAL, NAT, TUNNEL, TUNNEL_QUARTER, TUNNEL_TABLE};

pub(crate) struct Ours {
    door: Door,
}

const VIPS: [(u8, Mode, bool); 13] = [
    (DSR, Mode::Dsr, false),
    (DSR_TABLE, Mode::Dsr, false),
    (DSR_QUARTER, Mode::Dsr, false),
    (NAT, Mode::Nat, false),
    (TUNNEL, Mode::Tunnel, false),
    (TUNNEL_TABLE, Mode::Tunnel, false),
    (TUNNEL_QUARTER, Mode::Tunnel, false),
    (FOUR_IN_SIX, Mode::Tunnel, false),
    (LOCAL, Mode::Local, false),
    (DSR, Mode::Dsr, true),
    (DSR_TABLE, Mode::Dsr, true),
    (TUNNEL, Mode::Tunnel, true),
    (TUNNEL_TABLE, Mode::Tunnel, true),
];

impl Ours {
    pub(crate) fn new() -> Self {
        let options = Options { pins: None, ..Options::default() };
        let mut door = Door::start(&options).unwrap_or_else(|fault| panic!("{fault}"));
        let mut plan = Plan::new(Limits::default(), Instant::now());
        let wanted: Vec<Vip> = VIPS.iter().map(|&(number, mode, six)| vip(number, mode, six)).collect();
        door.tables.apply(&plan.update(&wanted, Instant::now()).unwrap()).unwrap();
        for wanted in &wanted {
            mark(&mut door, &plan, wanted);
        }
        Self { door }
    }

    pub(crate) fn set_budget(&mut self, budget: u32) {
        let settings = Settings { new_flows_per_second: budget, ..Settings::default() };
        self.door.tables.set_settings(settings).unwrap();
    }

    pub(crate) fn program(&mut self) -> ProgramFd {
        self.door.program().unwrap().fd().unwrap().try_clone().unwrap()
    }
}

pub(crate) fn vip(number: u8, mode: Mode, six: bool) -> Vip {
    let address = if six { format!("fd00::1:{number}") } else { format!("192.0.2.{number}") };
    let to_six = six || number == FOUR_IN_SIX;
    let server = |n: u8| Server {
        name: format!("bench/{n}"),
        address: if to_six { format!("fd00::1:{}", n + 4) } else { format!("10.0.0.1{n}") }.parse().unwrap(),
        port: if mode == Mode::Nat { 8080 } else { 80 },
        weight: 1,
        state: ServerState::Active,
        hop: Some(Hop {
            interface: 0,
            next: [2, 0, 0, 0, 1, n],
            ours: [2, 0, 0, 0, 0, 2],
            source: if to_six { "fd00::1:200" } else { "10.0.0.1" }.parse().unwrap(),
            mtu: 1500,
        }),
        source_spread_bits: 0,
    };
    Vip {
        name: format!("{mode:?} {number}"),
        address: address.parse().unwrap(),
        port: 80,
        protocol: Protocol::Tcp,
        mode,
        hash_on: HashOn::Flow,
        servers: if mode == Mode::Local { vec![] } else { (0..4).map(server).collect() },
    }
}

/// Marks all slots of a VIP with a table as changed, or a quarter of them.
fn mark(door: &mut Door, plan: &Plan, vip: &Vip) {
    let last = vip.address.to_string();
    let ends = |number: u8| last.ends_with(&format!(".{number}")) || last.ends_with(&format!(":{number}"));
    let every = if ends(DSR_TABLE) || ends(TUNNEL_TABLE) {
        1
    } else if last.ends_with(&format!(".{DSR_QUARTER}")) || last.ends_with(&format!(".{TUNNEL_QUARTER}")) {
        4
    } else {
        return;
    };
    let numbers: Vec<u16> = vip.servers.iter().map(|server| plan.server_number(server).unwrap()).collect();
    let words = (0..RING_SLOTS).map(|slot| {
        let (current, previous) = (numbers[slot % 4], numbers[(slot + 1) % 4]);
        if slot % every == every - 1 { word::changed(current, previous) } else { word::settled(current) }
    });
    let row = 2 * plan.vip_id(VipKey { address: vip.address, port: 80, protocol: Protocol::Tcp }).unwrap();
    door.tables.apply(&[Step::SetRing { row, words: words.collect() }]).unwrap();
}
