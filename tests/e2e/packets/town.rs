//! A small network: a client, the door and three servers on two switches.
//!
//! ```text
//!   client 10.50.0.2 ──┐               ┌── 10.60.0.11 server 1 10.50.0.11 ──┐
//!   door   10.50.0.1 ── front   back ──┼── 10.60.0.12 server 2 10.50.0.12 ──┤ front
//!   door   10.60.0.1 ── back           └── 10.60.0.13 server 3 10.50.0.13 ──┘
//! ```
//! Servers hold the VIPs of dsr and tunnel on their loopback and answer those by the front; what came to their own
//! address at the back (nat) goes back through the door. Everything is set up as the how-tos say.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use transom_testkit::netns::{Namespace, Switch};
use transom_testkit::process::{Process, run};

use super::service::{ECHO, HTTP, SHIFT, Service, Talk, UDP};
use crate::lab::{DEADLINE, Transom};

/// One way of balancing: name, mode, VIP, what servers' addresses begin with.
pub(super) type Way = (&'static str, &'static str, &'static str, &'static str);

pub(super) const WAYS: [Way; 7] = [
    ("dsr4", "dsr", "10.50.0.100", "10.50.0.1"),
    ("dsr6", "dsr", "fd50::100", "fd50::1"),
    ("nat4", "nat", "10.50.0.101", "10.60.0.1"),
    ("nat6", "nat", "fd50::101", "fd60::1"),
    ("tunnel4", "tunnel", "10.50.0.102", "10.60.0.1"),
    ("tunnel6", "tunnel", "fd50::102", "fd60::1"),
    ("tunnel46", "tunnel", "10.50.0.103", "fd60::1"),
];
const SERVERS: u8 = 3;

pub(super) struct Town {
    pub(super) client: Namespace,
    pub(super) door: Namespace,
    pub(super) services: Vec<Service>,
    pub(super) folder: tempfile::TempDir,
    /// Unwrapping on servers; at the front switch, where a veth can send from its program if the other end has one.
    _programs: Vec<Process>,
    _servers: Vec<Namespace>,
    _switches: [Switch; 2],
}

impl Town {
    pub(super) fn build() -> Self {
        let (front, back) = (Switch::new("front").unwrap(), Switch::new("back").unwrap());
        let (client, door) = (Namespace::new("client").unwrap(), Namespace::new("door").unwrap());
        plug(&front, &client, "front", 50, 2);
        plug(&front, &door, "front", 50, 1);
        plug(&back, &door, "back", 60, 1);
        for (_, _, vip, _) in WAYS {
            door.add_address("front", &with_bits(vip)).unwrap();
        }
        let mut programs = Vec::new();
        let servers: Vec<Namespace> = (1..=SERVERS)
            .map(|n| {
                let server = Namespace::new(&format!("s{n}")).unwrap();
                plug(&front, &server, "front", 50, 10 + n);
                plug(&back, &server, "back", 60, 10 + n);
                furnish(&server, n);
                programs.push(decap(&server, &["back"], &["10.60.0.1", "fd60::1"]));
                server
            })
            .collect();
        let ports: Vec<String> = (0..2 + SERVERS).map(|port| format!("port{port}")).collect();
        let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
        programs.push(decap(front.namespace(), &ports, &["192.0.2.1"]));
        // Any program would unwrap or drop what is wrapped; being able to glue packets does as well.
        run(back.namespace().command("ethtool").args(["-K", "port0", "gro", "on"])).unwrap();
        let services =
            (1..=SERVERS).zip(&servers).map(|(n, host)| Service::start(n, host, &udp(n))).collect();
        let folder = tempfile::tempdir().unwrap();
        let town = Self {
            client,
            door,
            services,
            folder,
            _programs: programs,
            _servers: servers,
            _switches: [front, back],
        };
        run(Command::new("mount").args(["-t", "bpf", "bpf"]).arg(town.folder.path())).unwrap();
        town
    }

    /// Where the program and its tables are kept.
    pub(super) fn pins(&self) -> std::path::PathBuf {
        self.folder.path().join("transom")
    }

    /// `[packet]` as tests want it; `more` are further keys.
    pub(super) fn packet(&self, more: &str) -> String {
        let pins = self.pins();
        format!("[packet]\ninterfaces = [\"front\", \"back\"]\nflows = 100_000\npins = {pins:?}\n{more}\n")
    }

    /// Starts the program; its own files are elsewhere, since this file system takes none.
    pub(super) fn start(&self, files: &tempfile::TempDir, config: &str) -> Transom {
        Transom::start(&self.door, &files.path().join("transom.toml"), config)
    }

    /// So many talks to a VIP's echo.
    pub(super) fn talk(&self, vip: &str, count: usize) -> Vec<Talk> {
        let to = SocketAddr::new(vip.parse().unwrap(), ECHO);
        let open = || (0..count).map(|_| Talk::open(to, DEADLINE)).collect::<Result<Vec<_>, _>>();
        let talks = self.client.enter(open).unwrap().unwrap_or_else(|error| panic!("{vip}: {error}"));
        assert!(
            talks.iter().all(|talk| talk.seen_as == client_of(vip)),
            "servers see the client's own address"
        );
        talks
    }

    /// Whether a new talk can be had.
    pub(super) fn can_talk(&self, vip: &str, within: Duration) -> bool {
        let to = SocketAddr::new(vip.parse().unwrap(), ECHO);
        self.client.enter(|| Talk::open(to, within).is_ok()).unwrap()
    }

    /// Runs curl as the client.
    pub(super) fn curl(&self, more: &[&str], vip: &str, path: &str) -> String {
        let host = if vip.contains(':') { format!("[{vip}]") } else { vip.to_owned() };
        let mut command = self.client.command("curl");
        command.args(["-sgS", "-m", "60"]).args(more).arg(format!("http://{host}:{HTTP}/{path}"));
        run(&mut command).unwrap()
    }

    /// The packet programs on the door's interfaces, as `ip` tells.
    pub(super) fn attached(&self) -> usize {
        self.door.ip("link show").unwrap().matches(" xdp").count()
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // The folder under it is removed afterwards; a failure would show there.
        let _ = run(Command::new("umount").arg(self.folder.path()));
    }
}

/// How servers see the client of that VIP.
pub(super) fn client_of(vip: &str) -> &'static str {
    if vip.contains(':') { "fd50::2" } else { "10.50.0.2" }
}

/// Listeners of these ways on every port, and their pools. `servers` are those in the pools, `keys` go into each pool.
pub(super) fn listeners(ways: &[Way], servers: &[u8], keys: &str) -> String {
    let mut text = String::new();
    for (name, mode, vip, net) in ways {
        for (port, protocol) in [(HTTP, "tcp"), (ECHO, "tcp"), (UDP, "udp")] {
            let (bind, shift) = (address(vip, port), if *mode == "nat" { SHIFT } else { 0 });
            let server = |n: &u8| {
                let address = address(&format!("{net}{n}"), port + shift);
                format!("{{ name = \"s{n}\", address = \"{address}\", weight = 10 }}")
            };
            let servers: Vec<String> = servers.iter().map(server).collect();
            writeln!(
                text,
                "[listener.{name}-{port}]\nbind = [\"{bind}/{protocol}\"]\nmode = \"{mode}\"\npool = \"{name}-{port}\"\n\
                 [pool.{name}-{port}]\nservers = [{}]\n{keys}",
                servers.join(", ")
            )
            .unwrap();
        }
    }
    text
}

fn address(ip: &str, port: u16) -> String {
    SocketAddr::new(ip.parse().unwrap(), port).to_string()
}

fn with_bits(address: &str) -> String {
    if address.contains(':') { format!("{address}/128") } else { format!("{address}/32") }
}

fn plug(switch: &Switch, host: &Namespace, interface: &str, net: u8, number: u8) {
    let addresses = [format!("10.{net}.0.{number}/24"), format!("fd{net}::{number}/64")];
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    switch.plug(host, interface, &addresses).unwrap();
    let mut ethtool = host.command("ethtool");
    run(ethtool.args(["-K", interface, "tx", "off", "tso", "off", "gso", "off"])).unwrap();
}

/// What the how-tos tell administrators to do on a server.
fn furnish(server: &Namespace, n: u8) {
    for (_, mode, vip, _) in WAYS {
        if mode != "nat" {
            server.add_address("lo", &with_bits(vip)).unwrap();
        }
    }
    let knobs = "all.arp_ignore=1 all.arp_announce=2 all.rp_filter=0 front.rp_filter=0 back.rp_filter=0";
    let knobs = knobs.split(' ').map(|knob| format!("net.ipv4.conf.{knob}"));
    run(server.command("sysctl").arg("-qw").args(knobs)).unwrap();
    for (family, own, door) in
        [("-4", format!("10.60.0.1{n}"), "10.60.0.1"), ("-6", format!("fd60::1{n}"), "fd60::1")]
    {
        server.ip(&format!("{family} rule add from {own} lookup 100")).unwrap();
        server.ip(&format!("{family} route add default via {door} dev back table 100")).unwrap();
    }
}

/// Addresses that a server answers UDP from.
fn udp(n: u8) -> Vec<IpAddr> {
    let held = WAYS.iter().filter(|(_, mode, ..)| *mode != "nat").map(|(_, _, vip, _)| (*vip).to_owned());
    let own = [format!("10.60.0.1{n}"), format!("fd60::1{n}")];
    held.chain(own).map(|address| address.parse().unwrap()).collect()
}

/// `transom decap`
fn decap(host: &Namespace, interfaces: &[&str], senders: &[&str]) -> Process {
    let mut command = host.command(env!("CARGO_BIN_EXE_transom"));
    command.arg("decap");
    command.args(interfaces.iter().flat_map(|name| ["-i", name]));
    command.args(senders.iter().flat_map(|sender| ["--from", sender]));
    let process = Process::start("transom decap", command).unwrap();
    process.wait_for_line("ready", DEADLINE).unwrap();
    process
}
