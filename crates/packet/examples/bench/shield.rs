//! The shield's rows: what it costs on the way of packets it has nothing against, with and without a million prefixes,
//! and what its answers cost.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::time::Instant;

use aya::programs::ProgramFd;
use ipnet::IpNet;
use transom_packet::abi::Mode;
use transom_packet::load::{Door, Options};
use transom_packet::plan::{Limits, Plan};
use transom_packet::shield::{Kernel, Shield, Sizes};

use super::frame::{ACK, Frame, SYN};
use super::{Harness, TCP_OPTIONS, ours, quiet, rival, say};

/// The rival's VIPs with its flags for cookies and challenges.
pub(crate) const COOKIE: u8 = 13;
pub(crate) const CHALLENGE: u8 = 14;
/// Guarded, and nothing is asked.
const CALM: u8 = 15;

const RULES: &str = r#"
[shield]
interfaces = ["lo"]
contexts = [
  { destination = ["192.0.2.13"], tracking = "stateful", allow = ["tcp/80"], syn-cookies = { above = "0/s" } },
  { destination = ["192.0.2.14"], allow = ["tcp/80"], syn-cookies = { above = "0/s" } },
  { destination = ["192.0.2.15"], allow = ["tcp/80"], per-source = { syn = "1M/s" } },
  { destination = ["192.0.2.16"], tracking = "stateful", allow = ["tcp/80"], strays = "0/s" },
]
[listener.a]
bind = ["127.0.0.1:1"]
mode = "tcp"
pool = "a"
[pool.a]
servers = [{ name = "a", address = "127.0.0.1:2" }]
"#;

struct Guarded {
    door: Door,
    shield: Shield,
    wanted: transom_config::Shield,
    _listeners: Vec<TcpListener>,
}

impl Guarded {
    fn new() -> Self {
        super::nftables::sh(
            "ip link set lo up; ip addr add 192.0.2.13/32 dev lo; ip addr add 192.0.2.16/32 dev lo",
        );
        Kernel::prepare().unwrap();
        let options = Options { pins: None, shield: Some(Sizes::default()), ..Options::default() };
        let mut door = Door::start(&options).unwrap_or_else(|fault| panic!("{fault}"));
        let mut shield = Shield::adopt(door.shield.take().unwrap(), [7; 40]).unwrap();
        let wanted = transom_config::load_text("bench.toml", RULES).config.unwrap().shield.unwrap();
        shield.apply(&wanted, &Kernel::read(1500)).unwrap();
        let mut plan = Plan::new(Limits::default(), Instant::now());
        let vips: Vec<_> = [CHALLENGE, CALM, super::DSR].map(|n| ours::vip(n, Mode::Dsr, false)).into();
        door.tables.apply(&plan.update(&vips, Instant::now()).unwrap()).unwrap();
        let listeners = ["192.0.2.13:80", "192.0.2.16:80"].map(|at| TcpListener::bind(at).unwrap()).into();
        Self { door, shield, wanted: wanted.as_ref().clone(), _listeners: listeners }
    }

    fn program(&mut self) -> ProgramFd {
        self.door.program().unwrap().fd().unwrap().try_clone().unwrap()
    }

    fn block_a_million(&mut self) {
        let address = |n: u32| Ipv4Addr::from(0x0b00_0000 + n.wrapping_mul(2_654_435_761) % 0x5000_0000);
        self.wanted.block = (0..1_000_000).map(|n| IpNet::from(IpAddr::from(address(n)))).collect();
        self.shield.apply(&self.wanted, &Kernel::read(1500)).unwrap_or_else(|fault| panic!("{fault}"));
    }
}

fn packet(vip: u8, flags: u8, options: bool) -> Vec<u8> {
    let to = format!("192.0.2.{vip}");
    if options {
        super::with_options(&to, flags)
    } else {
        Frame::tcp(("198.18.1.7", 31_337), (&to, 80), flags).payload(10).bytes()
    }
}

/// Rows of ours, and beside them the rival's where it has such a thing.
pub(crate) fn compare(harness: &mut Harness, rounds: u32, rival: Option<&str>) {
    let mut ours = Guarded::new();
    let mut plain = ours::Ours::new();
    let mut rival = rival.map(|path| rival::Rival::load(path, 0));
    let rows: [(&str, u8, u8, bool); 7] = [
        ("dsr, no context", super::DSR, ACK, false),
        ("dsr, guarded", CALM, ACK, false),
        ("dsr, guarded, SYN", CALM, SYN, false),
        ("invalid flags", CALM, 0x29, false),
        ("stateful, ACK of no connection", 16, ACK, false),
        ("SYN -> challenge", CHALLENGE, SYN, false),
        ("SYN -> SYN-ACK, all options", COOKIE, SYN, true),
    ];
    for flows in [1, 1 << 18] {
        say(&format!(
            "== shield, {flows} flow(s); net ns a packet; beside it the plain program and the rival"
        ));
        for (name, vip, flags, options) in rows {
            let frame = packet(vip, flags, options);
            let mut sides = vec![harness.nothing(), ours.program(), plain.program()];
            sides.extend(rival.as_mut().map(rival::Rival::program));
            say(&row(name, &times(harness, &sides, &frame, flows, rounds)));
        }
    }
    let frame = packet(CALM, ACK, false);
    let sides = [harness.nothing(), ours.program()];
    for flows in [1, 1 << 18] {
        say(&row("a miss, no list", &times(harness, &sides, &frame, flows, rounds)));
    }
    let began = Instant::now();
    ours.block_a_million();
    say(&format!("a million prefixes in {:.1} s", began.elapsed().as_secs_f32()));
    for flows in [1, 1 << 18] {
        say(&row("a miss, a million prefixes", &times(harness, &sides, &frame, flows, rounds)));
    }
    debug_assert_eq!(TCP_OPTIONS.len(), 20);
}

fn times(
    harness: &mut Harness,
    sides: &[ProgramFd],
    frame: &[u8],
    flows: u32,
    rounds: u32,
) -> Vec<(u32, f64)> {
    let mut all = vec![(0, Vec::new()); sides.len()];
    for side in sides {
        harness.run_at(side, frame, flows, flows.max(10_000));
    }
    for _ in 0..rounds {
        for (side, (verdict, times)) in sides.iter().zip(&mut all) {
            let (own, time) = harness.run_at(side, frame, flows, 50_000);
            *verdict = own;
            times.push(time);
        }
    }
    all.into_iter().map(|(verdict, times)| (verdict, quiet(times))).collect()
}

fn row(name: &str, times: &[(u32, f64)]) -> String {
    let base = times[0].1;
    let cells: Vec<String> =
        times[1..].iter().map(|(verdict, time)| format!("{:6.1} ({verdict})", time - base)).collect();
    format!("{name:<34} {}", cells.join("  "))
}
