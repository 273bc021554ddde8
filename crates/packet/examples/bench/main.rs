//! Nanoseconds a packet, by path: this program, and beside it (if named) a rival object in the same run.
//!
//! `bench [--rounds N] [--repeat N] [--rival FILE] [--only TEXT]`, as root, on a quiet machine. Figures are net of
//! what the harness costs by itself. They drift from machine to machine and from hour to hour: only the ratios of
//! one run mean something.
//!
//! `bench --shield ROUNDS` has the shield's rows.
//!
//! `bench --nftables ROUNDS` does NAT between real interfaces in namespaces, this program and nftables in turn.

#![expect(clippy::unwrap_used, reason = "a tool for developers: it stops at a fault")]

#[path = "../../tests/support/frame.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod frame;
mod nftables;
mod ours;
mod rival;
mod shield;

use std::io::Write;

use aya::Ebpf;
use aya::maps::{Array, MapData, ProgramArray};
use aya::programs::{ProgramFd, TestRun, TestRunOptions, Xdp};
use frame::{ACK, Frame, SYN};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// What a row of the table runs. VIPs are 192.0.2.n and fd00::1:n; both sides know them by number.
struct Case {
    name: &'static str,
    vip: u8,
    six: bool,
    flags: u8,
    /// New flows a second, 0 without limit.
    budget: u32,
}

/// VIPs by number: DSR, tunnel and NAT, without and with a table, and in between.
pub(crate) const DSR: u8 = 1;
pub(crate) const DSR_TABLE: u8 = 2;
pub(crate) const NAT: u8 = 3;
pub(crate) const TUNNEL: u8 = 4;
pub(crate) const TUNNEL_TABLE: u8 = 5;
pub(crate) const FOUR_IN_SIX: u8 = 8;
pub(crate) const LOCAL: u8 = 9;
pub(crate) const DSR_QUARTER: u8 = 11;
pub(crate) const TUNNEL_QUARTER: u8 = 12;
const NOBODY: u8 = 99;
/// The cap under which SYNs are compared.
pub(crate) const BUDGET: u32 = 125_000;
const XMAS: u8 = 0x29;

const CASES: [Case; 17] = [
    case("dsr", DSR, false, ACK),
    case("dsr, a quarter of the slots changed", DSR_QUARTER, false, ACK),
    case("dsr, table hit", DSR_TABLE, false, ACK),
    case("ipip", TUNNEL, false, ACK),
    case("ipip, a quarter of the slots changed", TUNNEL_QUARTER, false, ACK),
    case("ipip, table hit", TUNNEL_TABLE, false, ACK),
    case("nat, table hit", NAT, false, ACK),
    case("4 in 6", FOUR_IN_SIX, false, ACK),
    case("local", LOCAL, false, ACK),
    case("no vip", NOBODY, false, ACK),
    case("invalid flags", DSR, false, XMAS),
    case("v6 dsr", DSR, true, ACK),
    case("v6 dsr, table hit", DSR_TABLE, true, ACK),
    case("v6 in v6", TUNNEL, true, ACK),
    case("v6 in v6, table hit", TUNNEL_TABLE, true, ACK),
    Case { name: "dsr, SYN, capped", vip: DSR_TABLE, six: false, flags: SYN, budget: BUDGET },
    Case { name: "ipip, SYN, capped", vip: TUNNEL_TABLE, six: false, flags: SYN, budget: BUDGET },
];

const fn case(name: &'static str, vip: u8, six: bool, flags: u8) -> Case {
    Case { name, vip, six, flags, budget: 0 }
}

/// The program that restores the packet and calls the one under test.
struct Harness {
    ebpf: Ebpf,
    runs: Array<MapData, [u8; 152]>,
    tested: ProgramArray<MapData>,
    repeat: u32,
    last: [u8; 152],
}

impl Harness {
    fn new(repeat: u32) -> Self {
        let object = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/harness.bpf.o"));
        let mut ebpf = Ebpf::load(object).unwrap();
        let runs = ebpf.take_map("runs").unwrap().try_into().unwrap();
        let tested = ebpf.take_map("tested").unwrap().try_into().unwrap();
        for name in ["repeat", "nothing"] {
            program(&mut ebpf, name).load().unwrap();
        }
        Self { ebpf, runs, tested, repeat, last: [0; 152] }
    }

    fn nothing(&mut self) -> ProgramFd {
        program(&mut self.ebpf, "nothing").fd().unwrap().try_clone().unwrap()
    }

    /// Verdict and nanoseconds, harness included.
    fn run(&mut self, what: &ProgramFd, frame: &[u8], six: bool, flows: u32, repeat: u32) -> (u32, f64) {
        self.run_so(what, frame, [u32::from(six), 0], flows, repeat)
    }

    /// The same for IPv4 and programs that change the end of the frame.
    fn run_at(&mut self, what: &ProgramFd, frame: &[u8], flows: u32, repeat: u32) -> (u32, f64) {
        self.run_so(what, frame, [0, 1], flows, repeat)
    }

    fn run_so(
        &mut self,
        what: &ProgramFd,
        frame: &[u8],
        [six, at_tail]: [u32; 2],
        flows: u32,
        repeat: u32,
    ) -> (u32, f64) {
        self.tested.set(0, what, 0).unwrap();
        let mut run = [0; 152];
        for (at, word) in [frame.len() as u32, at_tail, flows, 0, six, 0].iter().enumerate() {
            run[4 * at..4 * at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        let length = frame.len().min(128);
        run[24..24 + length].copy_from_slice(&frame[..length]);
        // The turn goes on from run to run, so that all flows have theirs.
        if self.last != run {
            self.runs.set(0, run, 0).unwrap();
            self.last = run;
        }
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::default() };
        let run = program(&mut self.ebpf, "repeat").test_run(options).unwrap();
        (run.return_value, run.duration.as_nanos() as f64)
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut Xdp {
    ebpf.program_mut(name).unwrap().try_into().unwrap()
}

struct Arguments {
    rounds: u32,
    repeat: u32,
    rival: Option<String>,
    only: Option<String>,
    nftables: Option<u32>,
    shield: Option<u32>,
}

fn arguments() -> Arguments {
    let mut arguments =
        Arguments { rounds: 30, repeat: 50_000, rival: None, only: None, nftables: None, shield: None };
    let mut words = std::env::args().skip(1);
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        match key.as_str() {
            "--rounds" => arguments.rounds = value.parse().unwrap(),
            "--repeat" => arguments.repeat = value.parse().unwrap(),
            "--rival" => arguments.rival = Some(value),
            "--nftables" => arguments.nftables = Some(value.parse().unwrap()),
            "--shield" => arguments.shield = Some(value.parse().unwrap()),
            "--only" => arguments.only = Some(value),
            _ => say(&format!("what is {key}?")),
        }
    }
    arguments
}

fn frame(case: &Case, flags: u8) -> Vec<u8> {
    if case.six {
        let vip = format!("fd00::1:{}", case.vip);
        return Frame::tcp(("fd00::9", 31_337), (&vip, 80), flags).payload(6).bytes();
    }
    let vip = format!("192.0.2.{}", case.vip);
    Frame::tcp(("198.18.1.7", 31_337), (&vip, 80), flags).payload(10).bytes()
}

/// What Linux writes into a SYN: MSS, SACK permitted, timestamps, window scale.
const TCP_OPTIONS: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];

/// A segment with them, padded to what the harness restores.
fn with_options(to: &str, flags: u8) -> Vec<u8> {
    let mut bytes = Frame::tcp(("198.18.1.7", 31_337), (to, 80), flags).payload(20).bytes();
    bytes[46] = 0xa0;
    bytes[54..74].copy_from_slice(&TCP_OPTIONS);
    bytes[50..52].copy_from_slice(&[0, 0]);
    let mut pseudo = bytes[26..34].to_vec();
    pseudo.extend([0, 6, 0, 40]);
    pseudo.extend(&bytes[34..74]);
    let checksum = !frame::sum(&pseudo);
    bytes[50..52].copy_from_slice(&checksum.to_be_bytes());
    bytes.resize(80, 0);
    bytes
}

/// Net time of the quietest rounds for each side, the sides taking turns.
fn measure(
    harness: &mut Harness,
    case: &Case,
    sides: &[ProgramFd],
    flows: u32,
    rounds: u32,
) -> (Vec<u32>, Vec<f64>) {
    let frame_bytes = frame(case, case.flags);
    let repeat = harness.repeat;
    let nothing = harness.nothing();
    for side in sides {
        let opening = frame(case, SYN);
        if case.flags == ACK {
            harness.run(side, &opening, case.six, flows, flows.max(10_000));
        }
        harness.run(side, &frame_bytes, case.six, flows, flows.max(10_000));
    }
    let mut times = vec![Vec::new(); sides.len() + 1];
    let mut verdicts = vec![0; sides.len() + 1];
    for _ in 0..rounds {
        for (at, side) in sides.iter().chain([&nothing]).enumerate() {
            let (verdict, time) = harness.run(side, &frame_bytes, case.six, flows, repeat);
            verdicts[at] = verdict;
            times[at].push(time);
        }
    }
    let times: Vec<f64> = times.into_iter().map(quiet).collect();
    let base = times[sides.len()];
    (verdicts, times[..sides.len()].iter().map(|time| time - base).collect())
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
}

/// The mean of the fastest third: what else the machine did only ever adds.
fn quiet(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.truncate(times.len().div_ceil(3));
    times.iter().sum::<f64>() / times.len() as f64
}

fn main() {
    let arguments = arguments();
    let mut cpus = CpuSet::new();
    cpus.set(1).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
    if let Some(rounds) = arguments.nftables {
        return nftables::compare(rounds);
    }
    if let Some(rounds) = arguments.shield {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let mut harness = Harness::new(arguments.repeat);
        return shield::compare(&mut harness, rounds, arguments.rival.as_deref());
    }
    let mut harness = Harness::new(arguments.repeat);
    let mut ours = ours::Ours::new();
    let mut rivals =
        arguments.rival.map(|path| [rival::Rival::load(&path, 0), rival::Rival::load(&path, BUDGET)]);
    for flows in [1, 1 << 18] {
        say(&format!(
            "== {flows} flow(s), {} rounds of {}; net ns a packet",
            arguments.rounds, arguments.repeat
        ));
        for case in &CASES {
            if arguments.only.as_ref().is_some_and(|only| !case.name.contains(only.as_str())) {
                continue;
            }
            ours.set_budget(case.budget);
            let mut sides = vec![ours.program()];
            if let Some(rivals) = &mut rivals {
                sides.push(rivals[usize::from(case.budget > 0)].program());
            }
            let (verdicts, net) = measure(&mut harness, case, &sides, flows, arguments.rounds);
            let beside = match (net.get(1), verdicts.get(1)) {
                (Some(rival), Some(verdict)) => {
                    format!("rival {rival:6.1} ({verdict})  ratio {:.2}", net[0] / rival)
                }
                _ => String::new(),
            };
            say(&format!("{:<40} ours {:6.1} ({})  {beside}", case.name, net[0], verdicts[0]));
        }
    }
}
