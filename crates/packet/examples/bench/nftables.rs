//! NAT on real interfaces: live frames from one namespace through another into a third, all on one CPU, with this
//! program and with nftables in turn. What generator, wires and sink cost is measured as well and taken off.

use std::fs::File;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::{Array, MapData, PerCpuArray};
use aya::programs::{TestRun, TestRunAttrs, TestRunOptions, XdpMode};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::time::{ClockId, clock_gettime};
use transom_packet::abi::{HashOn, Mode, Reason, Settings};
use transom_packet::load::{Door, Options};
use transom_packet::plan::{Hop, Limits, Plan, Protocol, Server, ServerState, Vip};

use super::frame::{ACK, Frame};
use super::{program, say};

/// How often each has its turn: what the machine does meanwhile hits all of them.
const TURNS: u32 = 4;
const PACKETS: u32 = 50_000;
const BATCH: u32 = 64;
const RULES: &str = "table ip transom_bench { chain c { type nat hook prerouting priority dstnat; \
                     ip daddr 10.50.0.101 tcp dport 80 dnat to 10.60.0.11:8080; }; }";

/// source --- middle --- sink
struct Street {
    name: String,
    source: Ebpf,
    sink: Ebpf,
    runs: Array<MapData, [u8; 152]>,
}

pub(crate) fn compare(rounds: u32) {
    let mut street = Street::build();
    for flows in [1, 1 << 16] {
        say(&format!(
            "== NAT, {flows} flow(s), {rounds} rounds of {PACKETS} in {TURNS} turns; ns a packet, quietest round"
        ));
        let mut best = [f64::MAX; 3];
        for _ in 0..TURNS {
            let some = rounds.div_ceil(TURNS);
            let turn = [street.floor(flows, some), street.ours(flows, some), street.nftables(flows, some)];
            best = [0, 1, 2].map(|at| best[at].min(turn[at]));
        }
        let [floor, ours, theirs] = best;
        let (net, net_theirs) = (ours - floor, theirs - floor);
        say(&format!("wires and nothing else {floor:.0}"));
        say(&format!("with wires: ours {ours:.0}  nftables {theirs:.0}  ratio {:.1}", theirs / ours));
        say(&format!("net of them: ours {net:.0}  nftables {net_theirs:.0}  ratio {:.1}", net_theirs / net));
    }
}

pub(crate) fn sh(command: &str) {
    let status = Command::new("sh").args(["-ec", command]).status().unwrap();
    assert!(status.success(), "{command}");
}

fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let enter = || {
        setns(File::open(format!("/run/netns/{namespace}")).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(enter).join().unwrap())
}

/// What this thread used of its CPU: the frames' whole way is walked in its name.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// A harness whose `swallow` ends what arrives at an interface.
fn swallower(namespace: &str, interface: &str) -> Ebpf {
    let object = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/harness.bpf.o"));
    let mut ebpf = Ebpf::load(object).unwrap();
    let swallow = program(&mut ebpf, "swallow");
    swallow.load().unwrap();
    inside(namespace, || swallow.attach(interface, XdpMode::Driver).unwrap());
    ebpf
}

impl Street {
    fn build() -> Self {
        let name = format!("tpk-bench-{}", std::process::id());
        for end in ["a", "b", "c"] {
            sh(&format!("ip netns add {name}-{end}"));
        }
        sh(&format!(
            "ip link add out netns {name}-a address 02:00:00:00:00:02 type veth peer name in netns {name}-b address 02:00:00:00:00:01
             ip link add out netns {name}-b address 02:00:00:00:02:01 type veth peer name in netns {name}-c address 02:00:00:00:02:11
             ip -n {name}-a link set out up; ip -n {name}-c link set in up
             ip -n {name}-b link set in up; ip -n {name}-b link set out up
             ip -n {name}-b addr add 10.50.0.1/24 dev in; ip -n {name}-b addr add 10.60.0.1/24 dev out
             ip -n {name}-b addr add 10.50.0.101/32 dev in
             ip -n {name}-b route add default via 10.50.0.2
             ip -n {name}-b neigh add 10.50.0.2 lladdr 02:00:00:00:00:02 dev in
             ip -n {name}-b neigh add 10.60.0.11 lladdr 02:00:00:00:02:11 dev out
             ip netns exec {name}-b sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.in.rp_filter=0
             ip netns exec {name}-b ethtool -K in gro on; ip netns exec {name}-b ethtool -K out gro on"
        ));
        let mut source = swallower(&format!("{name}-a"), "out");
        program(&mut source, "generate").load().unwrap();
        let runs = source.take_map("runs").unwrap().try_into().unwrap();
        Self { sink: swallower(&format!("{name}-c"), "in"), source, runs, name }
    }

    fn middle(&self) -> String {
        format!("{}-b", self.name)
    }

    /// Nanoseconds a packet: everything ends at the first interface.
    fn floor(&mut self, flows: u32, rounds: u32) -> f64 {
        let _stop = swallower(&self.middle(), "in");
        self.best(flows, rounds).0
    }

    fn ours(&mut self, flows: u32, rounds: u32) -> f64 {
        let options = Options {
            pins: None,
            interfaces: vec!["in".into(), "out".into()],
            settings: Settings { new_flows_per_second: 0, ..Settings::default() },
            ..Options::default()
        };
        let mut door =
            inside(&self.middle(), || Door::start(&options)).unwrap_or_else(|fault| panic!("{fault}"));
        let out = inside(&self.middle(), || if_nametoindex("out").unwrap());
        let mut plan = Plan::new(Limits::default(), Instant::now());
        door.tables.apply(&plan.update(&[vip(out)], Instant::now()).unwrap()).unwrap();
        let (time, arrived) = self.best(flows, rounds);
        assert!(arrived > 0.95, "{arrived} of the packets arrived; {:?}", door.tables.reason(Reason::Nat));
        time
    }

    fn nftables(&mut self, flows: u32, rounds: u32) -> f64 {
        sh(&format!("ip netns exec {} nft '{RULES}'", self.middle()));
        let (time, arrived) = self.best(flows, rounds);
        sh(&format!("ip netns exec {} nft flush ruleset", self.middle()));
        assert!(arrived > 0.95, "{arrived} of the packets arrived");
        time
    }

    /// The quietest round, and which part of the packets reached the sink in all of them.
    fn best(&mut self, flows: u32, rounds: u32) -> (f64, f64) {
        self.send(flows, flows.max(PACKETS));
        let before = self.arrived();
        let best = (0..rounds).map(|_| self.send(flows, PACKETS)).fold(f64::MAX, f64::min);
        let arrived = (self.arrived() - before) as f64 / (f64::from(rounds) * f64::from(PACKETS));
        (best, arrived)
    }

    fn arrived(&mut self) -> u64 {
        let counts: PerCpuArray<&mut MapData, u64> =
            self.sink.map_mut("swallowed").unwrap().try_into().unwrap();
        counts.get(&0, 0).unwrap().iter().sum()
    }

    fn send(&mut self, flows: u32, packets: u32) -> f64 {
        let frame = Frame::tcp(("198.18.1.7", 31_337), ("10.50.0.101", 80), ACK).payload(10).bytes();
        let source = format!("{}-a", self.name);
        let interface = inside(&source, || if_nametoindex("out").unwrap());
        // An ACK without a SYN: both take up a flow in its middle.
        let mut run = [0; 152];
        for (at, word) in [frame.len() as u32, 0, flows, 0, 0, interface].iter().enumerate() {
            run[4 * at..4 * at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        run[24..24 + frame.len()].copy_from_slice(&frame);
        self.runs.set(0, run, 0).unwrap();
        let generate = program(&mut self.source, "generate");
        let live = TestRunAttrs::new().xdp_live_frames(BATCH);
        inside(&source, || {
            let options = TestRunOptions {
                data_in: Some(&frame),
                repeat: packets,
                attrs: live,
                ..TestRunOptions::default()
            };
            let began = cpu_time();
            generate.test_run(options).unwrap();
            (cpu_time() - began).as_nanos() as f64 / f64::from(packets)
        })
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        for end in ["a", "b", "c"] {
            drop(Command::new("ip").args(["netns", "del", &format!("{}-{end}", self.name)]).status());
        }
    }
}

fn vip(interface: u32) -> Vip {
    let server = Server {
        name: "bench/server".into(),
        address: [10, 60, 0, 11].into(),
        port: 8080,
        weight: 1,
        state: ServerState::Active,
        hop: Some(Hop {
            interface,
            next: [2, 0, 0, 0, 2, 0x11],
            ours: [2, 0, 0, 0, 2, 1],
            source: [10, 60, 0, 1].into(),
            mtu: 1500,
        }),
        source_spread_bits: 0,
    };
    Vip {
        name: "nat".into(),
        address: [10, 50, 0, 101].into(),
        port: 80,
        protocol: Protocol::Tcp,
        mode: Mode::Nat,
        hash_on: HashOn::Flow,
        servers: vec![server],
    }
}
