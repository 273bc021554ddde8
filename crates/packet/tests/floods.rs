//! Floods against real clients: hping3 and a sender of our own at the machine's full rate for three seconds a case,
//! in front of a kernel listener, NAT, DSR and a tunnel. Every real client is served. Needs root and hping3;
//! `FLOOD_SECONDS` makes the cases longer.

#[path = "support/frame.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod frame;
#[path = "support/service.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod service;
#[path = "support/town.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod town;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use aya::maps::Array;
use aya::programs::{TestRun, TestRunAttrs, TestRunOptions, Xdp};
use aya::{Ebpf, programs::XdpMode};
use frame::{Frame, SYN};
use service::HTTP;
use town::{Names, Town, VIPS, sh};
use transom_packet::abi::Reason;
use transom_packet::load::{Door, Options};
use transom_packet::plan::{Limits, Plan, Protocol};
use transom_packet::shield::{Kernel, Shield, Sizes};

const LOCAL: &str = "10.50.0.1";

const RULES: &str = r#"
[shield]
interfaces = ["front"]
fragments = "drop"
contexts = [
  { destination = ["10.50.0.1"], tracking = "stateful", allow = ["tcp/80", "tcp/22", "icmp/echo"], syn-cookies = { above = "100/s" }, per-source = { icmp = "100/s" }, strays = "100/s" },
  { destination = ["10.50.0.101"], tracking = "stateful", allow = ["tcp/80"], syn-cookies = { above = "100/s" }, strays = "100/s" },
  { destination = ["10.50.0.100", "10.50.0.102"], allow = ["tcp/80"], syn-cookies = { above = "100/s" } },
]
[listener.a]
bind = ["127.0.0.1:1"]
mode = "tcp"
pool = "a"
[pool.a]
servers = [{ name = "a", address = "127.0.0.1:2" }]
"#;

/// A town whose door has a shield, and somebody who wishes it ill.
struct Siege {
    town: Town,
    door: Door,
    shield: Option<Shield>,
    attacker: Option<Ebpf>,
}

impl Siege {
    fn lay(shielded: bool) -> Self {
        let town = Town::build();
        service::start(&town.names);
        serve(&town.names);
        let attacker = camp(&town.names);
        let options = Options {
            pins: None,
            interfaces: vec!["front".into(), "back".into()],
            flows_max: 100_000,
            shield: shielded.then(|| Sizes { lists: 10_000, ..Sizes::default() }),
            ..Options::default()
        };
        let mut door =
            town.names.inside("door", || Door::start(&options)).unwrap_or_else(|fault| panic!("{fault}"));
        let shield = door.shield.take().map(|maps| {
            let mut shield = Shield::adopt(maps, [5; 40]).unwrap_or_else(|fault| panic!("{fault}"));
            let loaded = transom_config::load_text("shield.toml", RULES);
            let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false)));
            let wanted = config.shield.expect("there is one");
            let kernel = town.names.inside("door", || {
                Kernel::prepare().expect("root may");
                Kernel::read(1500)
            });
            shield.apply(&wanted, &kernel).unwrap_or_else(|fault| panic!("{fault}"));
            let settings = Shield::settings(&wanted, options.settings);
            door.tables.set_settings(settings).expect("knobs can be turned");
            shield
        });
        let mut plan = Plan::new(Limits::default(), Instant::now());
        let steps =
            plan.update(&town.names.vips(HTTP, Protocol::Tcp), Instant::now()).expect("it can be met");
        door.tables.apply(&steps).expect("the maps have room");
        Self { town, door, shield, attacker: Some(attacker) }
    }

    fn count(&self, reason: Reason) -> u64 {
        self.door.tables.reason(reason).expect("counters can be read")
    }

    /// Clients for so long: how many tried, how many were served, the slowest of a hundred.
    fn clients(&self, to: &str, seconds: f32) -> (usize, usize, Duration) {
        let to = SocketAddr::new(to.parse().expect("an address"), HTTP);
        self.town.names.inside("client", || {
            let ends = Instant::now() + Duration::from_secs_f32(seconds);
            let mut times = Vec::new();
            let mut tried = 0;
            while Instant::now() < ends {
                tried += 1;
                let began = Instant::now();
                if get(to).is_some() {
                    times.push(began.elapsed());
                }
                thread::sleep(Duration::from_millis(15));
            }
            times.sort();
            let slow = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
            (tried, times.len(), slow)
        })
    }
}

fn get(to: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"GET /id HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.contains("200 OK").then_some(())
}

/// The kernel's listener on the door's machine, with the backlog of a busy one.
fn serve(names: &Names) {
    sh(&format!(
        "ip netns exec {} sysctl -qw net.ipv4.tcp_max_syn_backlog=256 net.ipv4.tcp_syncookies=0",
        names.of("door")
    ));
    for n in 1..=3 {
        let name = names.of(&format!("s{n}"));
        sh(&format!(
            "ip netns exec {name} sysctl -qw net.ipv4.tcp_max_syn_backlog=256 net.ipv4.tcp_syncookies=0"
        ));
    }
    let listener = names.inside("door", || TcpListener::bind((LOCAL, HTTP)).expect("the port is free"));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut buffer = [0; 1024];
                if stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    drop(stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nok"));
                }
            });
        }
    });
}

/// The attacker sends from the servers' third machine: it is on the same wire, and it routes nothing back.
fn camp(names: &Names) -> Ebpf {
    for who in ["door", "s1", "s2", "s3"] {
        // Answers to invented addresses go to somebody who does not listen.
        sh(&format!("ip -n {} route replace default via 10.50.0.66 dev front", names.of(who)));
        sh(&format!("ip -n {} neigh replace 10.50.0.66 lladdr 02:00:00:00:00:66 dev front", names.of(who)));
    }
    let object = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/harness.bpf.o"));
    let mut ebpf = Ebpf::load(object).expect("the harness loads");
    let program: &mut Xdp = ebpf.program_mut("generate").expect("it is there").try_into().expect("it is XDP");
    program.load().expect("the kernel takes it");
    let pass: &mut Xdp = ebpf.program_mut("let_pass").expect("it is there").try_into().expect("it is XDP");
    pass.load().expect("the kernel takes it");
    names.inside("client", || pass.attach("front", XdpMode::Driver).expect("the client's end takes one"));
    ebpf
}

/// A flood that ends with the value.
struct Flood(Child);

impl Drop for Flood {
    fn drop(&mut self) {
        // Not by KILL: `timeout` has to end what it started before it goes.
        drop(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status());
        drop(self.0.wait());
    }
}

fn hping(names: &Names, to: &str, kind: &str, seconds: f32) -> Flood {
    let mut command = Command::new("ip");
    command.args([
        "netns",
        "exec",
        &names.of("client"),
        "timeout",
        "-s",
        "KILL",
        &format!("{seconds}"),
        "hping3",
        "-q",
    ]);
    command.args(kind.split(' ')).arg("--flood").arg(to).stdout(Stdio::null()).stderr(Stdio::null());
    Flood(command.spawn().expect("hping3 is installed"))
}

const KINDS: [(&str, &str); 11] = [
    ("SYN, random sources", "--rand-source -S -p 80"),
    ("SYN, one source", "-a 198.18.0.5 -S -p 80"),
    ("SYN to other ports", "--rand-source -S -p ++1"),
    ("ACK, random sources", "--rand-source -A -p 80"),
    ("SYN and ACK", "--rand-source -S -A -p 80"),
    ("RST, random sources", "--rand-source -R -p 80"),
    ("FIN and ACK", "--rand-source -F -A -p 80"),
    ("Xmas", "--rand-source -F -P -U -p 80"),
    ("UDP, random sources", "--rand-source -2 -p 53"),
    ("fragments", "--rand-source -2 -x -d 64 -p 53"),
    ("echo requests", "--rand-source -1"),
];

fn seconds() -> f32 {
    std::env::var("FLOOD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3.0)
}

#[expect(clippy::print_stdout, reason = "figures beside the verdict, with --nocapture")]
fn besiege(what: &str, to: &str, kinds: &[(&str, &str)]) {
    let mut siege = Siege::lay(true);
    let (tried, served, quiet) = siege.clients(to, 1.0);
    assert_eq!(tried, served, "{what}: quiet");
    for (name, kind) in kinds {
        let flood = hping(&siege.town.names, to, kind, seconds() + 1.0);
        thread::sleep(Duration::from_millis(300));
        let (tried, served, slow) = siege.clients(to, seconds());
        drop(flood);
        println!("{what:<8} {name:<22} {served}/{tried} served, p99 {slow:?} (quiet {quiet:?})");
        assert_eq!(tried, served, "{what}, {name}: {:?}", siege.door.tables.reasons());
    }
    let shield = siege.shield.as_mut().expect("it has one");
    assert!(!shield.poll(usize::MAX).is_empty(), "something was told");
    assert!(siege.count(Reason::NotAllowed) > 0 && siege.count(Reason::BadFlags) > 0);
}

#[test]
fn real_clients_of_a_listener_are_served_during_every_flood() {
    besiege("listener", LOCAL, &KINDS);
}

#[test]
fn real_clients_of_nat_are_served_during_every_flood() {
    besiege("nat", VIPS[2].0, &KINDS);
}

#[test]
fn real_clients_of_dsr_are_served_during_every_flood() {
    besiege("dsr", VIPS[0].0, &KINDS);
}

#[test]
fn real_clients_of_a_tunnel_are_served_during_every_flood() {
    besiege("tunnel", VIPS[4].0, &KINDS);
}

/// What the shield is for: the same flood without it. Not an assertion about the kernel, so only told.
#[test]
fn the_same_without_a_shield_is_shown() {
    let siege = Siege::lay(false);
    for (what, to) in [("listener", LOCAL), ("dsr", VIPS[0].0)] {
        let flood = hping(&siege.town.names, to, KINDS[0].1, seconds() + 1.0);
        thread::sleep(Duration::from_millis(300));
        let (tried, served, slow) = siege.clients(to, seconds());
        drop(flood);
        println!("{what:<8} unprotected            {served}/{tried} served, p99 {slow:?}");
    }
    let door = siege.town.names.of("door");
    sh(&format!("ip netns exec {door} sysctl -qw net.ipv4.tcp_syncookies=1"));
    let flood = hping(&siege.town.names, LOCAL, KINDS[0].1, seconds() + 1.0);
    thread::sleep(Duration::from_millis(300));
    let (tried, served, slow) = siege.clients(LOCAL, seconds());
    drop(flood);
    println!("listener kernel cookies         {served}/{tried} served, p99 {slow:?}");
}

/// Frames without a stack in between: several times hping3's rate.
#[test]
fn our_own_sender_at_full_rate_hurts_nobody_either() {
    let mut siege = Siege::lay(true);
    let frame = Frame::tcp(("198.18.1.7", 31_337), (LOCAL, HTTP), SYN).payload(10).bytes();
    let interface = siege.town.names.index("client", "front");
    let mut run = [0_u8; 152];
    for (at, word) in [frame.len() as u32, 0, 1 << 18, 0, 0, interface].iter().enumerate() {
        run[4 * at..4 * at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    run[24..24 + frame.len()].copy_from_slice(&frame);
    let mut attacker = siege.attacker.take().expect("nobody took it yet");
    let mut runs: Array<_, [u8; 152]> =
        attacker.map_mut("runs").expect("it is there").try_into().expect("an array");
    runs.set(0, run, 0).expect("it fits");
    let ends = Instant::now() + Duration::from_secs_f32(seconds());
    let names = siege.town.names.clone();
    let flood = thread::spawn(move || {
        let mut sent = 0_u64;
        let program = attacker.program_mut("generate").expect("it is there");
        let sender: &mut Xdp = program.try_into().expect("it is XDP");
        names.inside("client", || {
            while Instant::now() < ends {
                let options = TestRunOptions {
                    data_in: Some(&frame),
                    repeat: 20_000,
                    attrs: TestRunAttrs::new().xdp_live_frames(64),
                    ..TestRunOptions::default()
                };
                sender.test_run(options).expect("the kernel sends them");
                sent += 20_000;
            }
        });
        (sent, attacker)
    });
    let (tried, served, slow) = siege.clients(LOCAL, seconds() - 0.2);
    let (sent, _attacker) = flood.join().expect("it ends");
    println!("listener {sent} SYNs by our own sender: {served}/{tried} served, p99 {slow:?}");
    assert_eq!(tried, served, "{:?}", siege.door.tables.reasons());
    assert!(siege.count(Reason::SynCookie) > sent / 10, "they came");
}
