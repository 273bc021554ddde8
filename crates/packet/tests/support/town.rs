//! A small network in namespaces: a client, the balancer's machine and three servers on two bridges. Everything
//! in it is made by this process, named after it, and gone when the value is dropped.
//!
//! ```text
//!   client 10.50.0.2 ──┐            ┌── 10.60.0.11 server 1 10.50.0.11 ──┐
//!   door   10.50.0.1 ── front (br) ──┼── 10.60.0.12 server 2 10.50.0.12 ──┤ front
//!   door   10.60.0.1 ── back  (br) ──┴── 10.60.0.13 server 3 10.50.0.13 ──┘
//! ```
//! Servers hold the VIPs of DSR and tunnel on their loopback and answer those by the front; what came to their own
//! back address (NAT) goes back through the door.

use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use aya::Ebpf;
use aya::programs::{Xdp, XdpMode};
use nix::sched::{CloneFlags, setns};
use transom_packet::abi::{HashOn, Mode};
use transom_packet::decap::{self, Decap};
use transom_packet::plan::{Hop, Protocol, Server, ServerState, Vip};

/// Where a town's names end in.
#[derive(Clone, Debug)]
pub(crate) struct Names(pub(crate) String);

/// The network, and what must be there for packets to flow in it.
pub(crate) struct Town {
    pub(crate) names: Names,
    pub(crate) pins: PathBuf,
    /// On the bridges' side: without a program there the other end of a veth cannot send from one.
    switch: Option<Ebpf>,
    pub(crate) decaps: Vec<Decap>,
}

pub(crate) const SERVERS: u8 = 3;
pub(crate) const HELD_BY_SERVERS: [&str; 5] =
    ["10.50.0.100", "10.50.0.102", "10.50.0.103", "fd50::100", "fd50::102"];
pub(crate) const VIPS: [(&str, Mode, &str); 7] = [
    ("10.50.0.100", Mode::Dsr, "10.60.0."),
    ("fd50::100", Mode::Dsr, "fd60::"),
    ("10.50.0.101", Mode::Nat, "10.60.0."),
    ("fd50::101", Mode::Nat, "fd60::"),
    ("10.50.0.102", Mode::Tunnel, "10.60.0."),
    ("fd50::102", Mode::Tunnel, "fd60::"),
    ("10.50.0.103", Mode::Tunnel, "fd60::"),
];

static TOWNS: AtomicU32 = AtomicU32::new(0);

pub(crate) fn sh(command: &str) {
    let output = Command::new("sh").args(["-ec", command]).output().expect("there is a shell");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {why}");
}

impl Names {
    pub(crate) fn of(&self, who: &str) -> String {
        format!("{}-{who}", self.0)
    }

    /// Runs something in a namespace, in a thread of its own.
    pub(crate) fn inside<T: Send>(&self, who: &str, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(|| self.enter_and(who, work)).join().expect("the work ends well"))
    }

    fn enter_and<T>(&self, who: &str, work: impl FnOnce() -> T) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.of(who))).expect("the namespace is there");
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter it");
        work()
    }

    pub(crate) fn index(&self, who: &str, interface: &str) -> u32 {
        self.inside(who, || nix::net::if_::if_nametoindex(interface).expect("the interface is there"))
    }
}

impl Town {
    pub(crate) fn build() -> Self {
        let number = TOWNS.fetch_add(1, Ordering::Relaxed);
        let names = Names(format!("tpk-{}-{number}", std::process::id()));
        let pins = std::env::temp_dir().join(&names.0);
        // From here on whatever happens is cleared away.
        let mut town = Self { names: names.clone(), pins, switch: None, decaps: Vec::new() };
        for who in ["switch", "client", "door", "s1", "s2", "s3"] {
            let name = names.of(who);
            sh(&format!("ip netns add {name}; ip -n {name} link set lo up"));
            sh(&format!(
                "ip netns exec {name} sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0"
            ));
        }
        for bridge in ["front", "back"] {
            let switch = names.of("switch");
            sh(&format!("ip -n {switch} link add {bridge} type bridge; ip -n {switch} link set {bridge} up"));
        }
        names.plug("client", "front", 2, "02:00:00:00:00:02");
        names.plug("door", "front", 1, "02:00:00:00:00:01");
        names.plug("door", "back", 1, "02:00:00:00:02:01");
        for n in 1..=SERVERS {
            names.plug(&format!("s{n}"), "front", 10 + u32::from(n), &format!("02:00:00:00:01:0{n}"));
            names.plug(&format!("s{n}"), "back", 10 + u32::from(n), &format!("02:00:00:00:02:1{n}"));
            names.furnish(n);
        }
        for (vip, ..) in VIPS {
            let (door, bits) = (names.of("door"), if vip.contains(':') { "128 nodad" } else { "32" });
            let (bits, nodad) = bits.split_once(' ').unwrap_or((bits, ""));
            sh(&format!("ip -n {door} addr add {vip}/{bits} dev front {nodad}"));
        }
        sh(&format!("mkdir {0}; mount -t bpf bpf {0}", town.pins.display()));
        town.switch = Some(names.inside("switch", || let_pass(&names)));
        town.decaps = (1..=SERVERS).map(|n| names.inside(&format!("s{n}"), decapsulate)).collect();
        names.greet();
        town
    }

    pub(crate) fn pins(&self) -> PathBuf {
        self.pins.join("transom")
    }
}

impl Names {
    /// A machine's interface, named after the bridge it is on.
    fn plug(&self, who: &str, bridge: &str, host: u32, mac: &str) {
        let (switch, name, net) = (self.of("switch"), self.of(who), if bridge == "front" { 50 } else { 60 });
        sh(&format!("ip -n {switch} link add {who}-{bridge} type veth peer name {bridge} netns {name}"));
        sh(&format!("ip -n {name} link set {bridge} address {mac}"));
        sh(&format!("ip netns exec {name} ethtool -K {bridge} tx off tso off gso off >/dev/null 2>&1"));
        sh(&format!(
            "ip -n {switch} link set {who}-{bridge} master {bridge} up; ip -n {name} link set {bridge} up"
        ));
        sh(&format!("ip -n {name} addr add 10.{net}.0.{host}/24 dev {bridge}"));
        sh(&format!("ip -n {name} addr add fd{net}::{host}/64 dev {bridge} nodad"));
    }

    /// What the manual tells operators to do on a server.
    fn furnish(&self, n: u8) {
        let name = self.of(&format!("s{n}"));
        for vip in HELD_BY_SERVERS {
            let bits = if vip.contains(':') { "128 dev lo nodad" } else { "32 dev lo" };
            sh(&format!("ip -n {name} addr add {vip}/{bits}"));
        }
        let knobs = "all.arp_ignore=1 all.arp_announce=2 all.rp_filter=0 front.rp_filter=0 back.rp_filter=0";
        let knobs: Vec<String> = knobs.split(' ').map(|knob| format!("net.ipv4.conf.{knob}")).collect();
        sh(&format!("ip netns exec {name} sysctl -qw {}", knobs.join(" ")));
        for (family, own, door) in
            [("-4", format!("10.60.0.1{n}"), "10.60.0.1"), ("-6", format!("fd60::1{n}"), "fd60::1")]
        {
            sh(&format!("ip -n {name} {family} rule add from {own} lookup 100"));
            sh(&format!("ip -n {name} {family} route add default via {door} dev back table 100"));
        }
    }

    /// Lets everybody find everybody's MAC address before it matters.
    fn greet(&self) {
        for (who, whom) in [("s1", "10.60.0.1"), ("s2", "10.60.0.1"), ("s3", "10.60.0.1")] {
            sh(&format!("ip -n {} neigh replace {whom} lladdr 02:00:00:00:02:01 dev back", self.of(who)));
            sh(&format!("ip -n {} neigh replace fd60::1 lladdr 02:00:00:00:02:01 dev back", self.of(who)));
        }
    }

    /// A pool of the town's servers behind a VIP.
    pub(crate) fn vip(&self, (address, mode, net): (&str, Mode, &str), port: u16, protocol: Protocol) -> Vip {
        let nat = mode == Mode::Nat;
        let (side, mac) = if mode == Mode::Dsr { ("front", [1, 0]) } else { ("back", [2, 0x10]) };
        let interface = self.index("door", side);
        let source = if net.contains(':') { "fd60::1" } else { "10.60.0.1" };
        let ours = if mode == Mode::Dsr { [2, 0, 0, 0, 0, 1] } else { [2, 0, 0, 0, 2, 1] };
        let server = |n: u8| Server {
            name: format!("town/s{n}"),
            address: format!("{net}1{n}").parse().expect("an address"),
            port: if nat { port + 8000 } else { port },
            weight: 10,
            state: ServerState::Active,
            hop: Some(Hop {
                interface,
                next: [2, 0, 0, 0, mac[0], mac[1] + n],
                ours,
                source: source.parse().expect("an address"),
                mtu: 1500,
            }),
            source_spread_bits: 0,
        };
        Vip {
            name: format!("{mode:?} {address}"),
            address: address.parse().expect("an address"),
            port,
            protocol,
            mode,
            hash_on: HashOn::Flow,
            servers: (1..=SERVERS).map(server).collect(),
        }
    }

    /// Every VIP of the town on one port.
    pub(crate) fn vips(&self, port: u16, protocol: Protocol) -> Vec<Vip> {
        VIPS.into_iter().map(|vip| self.vip(vip, port, protocol)).collect()
    }
}

/// The other ends of all veths.
fn let_pass(names: &Names) -> Ebpf {
    let object = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/harness.bpf.o"));
    let mut ebpf = Ebpf::load(object).expect("the harness loads");
    let program: &mut Xdp = ebpf.program_mut("let_pass").expect("it is there").try_into().expect("it is XDP");
    program.load().expect("the kernel takes it");
    let mut ends = vec!["client-front".to_owned(), "door-front".to_owned(), "door-back".to_owned()];
    ends.extend((1..=SERVERS).flat_map(|n| [format!("s{n}-front"), format!("s{n}-back")]));
    for end in ends {
        program.attach(&end, XdpMode::Driver).unwrap_or_else(|error| panic!("{end} in {names:?}: {error}"));
    }
    ebpf
}

fn decapsulate() -> Decap {
    let sender = |address: &str| decap::sender_of(address.parse::<IpAddr>().expect("an address"), 0);
    let senders = vec![sender("10.60.0.1"), sender("fd60::1")];
    let options = decap::Options { pins: None, interfaces: vec!["back".into()], senders };
    Decap::start(&options).unwrap_or_else(|fault| panic!("{fault}"))
}

impl Drop for Town {
    fn drop(&mut self) {
        self.decaps.clear();
        self.switch = None;
        for who in ["client", "door", "s1", "s2", "s3", "switch"] {
            drop(Command::new("ip").args(["netns", "del", &self.names.of(who)]).status());
        }
        unmount(&self.pins);
    }
}

fn unmount(pins: &Path) {
    drop(Command::new("umount").arg(pins).status());
    drop(std::fs::remove_dir(pins));
}
