//! The program without an interface: packets go through BPF_PROG_TEST_RUN.

use std::net::IpAddr;
use std::time::Instant;

use aya::programs::TestRun;
use transom_packet::abi::{HashOn, Mode, Reason};
use transom_packet::load::{Door, Options};
use transom_packet::plan::{Hop, Limits, Plan, Protocol, Server, ServerState, Vip};

pub(crate) const DROP: u32 = 1;
pub(crate) const PASS: u32 = 2;
pub(crate) const TX: u32 = 3;

/// A loaded program with its plan.
pub(crate) struct Lab {
    pub(crate) door: Door,
    pub(crate) plan: Plan,
    pub(crate) wanted: Vec<Vip>,
}

/// What became of a packet.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: u32,
    pub(crate) reason: Reason,
    pub(crate) frame: Vec<u8>,
}

impl Lab {
    pub(crate) fn new(wanted: Vec<Vip>) -> Self {
        let options = Options { pins: None, flows_max: 100_000, ..Options::default() };
        Self::with(Door::start(&options).unwrap_or_else(|fault| panic!("{fault}")), wanted)
    }

    /// With a door of one's own.
    pub(crate) fn with(door: Door, wanted: Vec<Vip>) -> Self {
        let mut lab = Self { door, plan: Plan::new(Limits::default(), Instant::now()), wanted };
        lab.turn();
        lab
    }

    /// Brings the maps to what is wanted now.
    pub(crate) fn turn(&mut self) {
        let steps = self.plan.update(&self.wanted, Instant::now()).unwrap_or_else(|fault| panic!("{fault}"));
        self.door.tables.apply(&steps).unwrap_or_else(|fault| panic!("{fault}"));
    }

    pub(crate) fn run(&mut self, frame: &[u8]) -> Outcome {
        let before = self.door.tables.reasons().expect("counters can be read");
        let (verdict, frame) = self.run_fast(frame);
        let after = self.door.tables.reasons().expect("counters can be read");
        let moved: Vec<Reason> = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before.1 != after.1)
            .map(|(_, after)| after.0)
            .collect();
        assert_eq!(moved.len(), 1, "one packet moves one counter: {moved:?}");
        Outcome { verdict, reason: moved[0], frame }
    }

    pub(crate) fn run_fast(&mut self, frame: &[u8]) -> (u32, Vec<u8>) {
        let mut out = vec![0; frame.len() + 256];
        let program = self.door.program().expect("the program is loaded");
        let options = aya::programs::TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ..aya::programs::TestRunOptions::default()
        };
        let run = program.test_run(options).expect("the kernel runs the program");
        out.truncate(run.data_size_out as usize);
        (run.return_value, out)
    }
}

pub(crate) fn server(n: u8, address: &str, port: u16) -> Server {
    let address: IpAddr = address.parse().expect("an address");
    let source = if address.is_ipv4() { "10.0.0.1" } else { "fd00::1" };
    Server {
        name: format!("exchange/exchange{n}"),
        address,
        port,
        weight: 10,
        state: ServerState::Active,
        hop: Some(Hop {
            interface: 0,
            next: server_mac(n),
            ours: [2, 0, 0, 0, 0, 9],
            source: source.parse().expect("an address"),
            mtu: 1500,
        }),
        source_spread_bits: 0,
    }
}

pub(crate) fn server_mac(n: u8) -> [u8; 6] {
    [2, 0, 0, 0, 1, n]
}

pub(crate) fn vip(address: &str, port: u16, protocol: Protocol, mode: Mode, servers: Vec<Server>) -> Vip {
    Vip {
        name: format!("{mode:?} {address}"),
        address: address.parse().expect("an address"),
        port,
        protocol,
        mode,
        hash_on: HashOn::Flow,
        servers,
    }
}
