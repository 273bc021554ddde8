//! The shield, packet by packet, through the kernel's test run, in front of real sockets: which verdict for which
//! reason. Needs root; every test has a network namespace of its own.

#[path = "support/frame.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod frame;
#[path = "support/lab.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod lab;
#[path = "support/segment.rs"]
mod segment;

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use frame::{ACK, Body, FIN, Frame, RST, SYN};
use ipnet::IpNet;
use lab::{DROP, Lab, PASS, TX, server, vip};
use nix::sched::{CloneFlags, unshare};
use segment::Segment;
use transom_config::Config;
use transom_packet::abi::{Mode, Reason};
use transom_packet::load::{Door, Options};
use transom_packet::plan::Protocol;
use transom_packet::shield::{Kernel, Shield, Sizes};

const CLIENT: (&str, u16) = ("198.18.1.7", 31_337);
const CLIENT6: (&str, u16) = ("2001:db8::7", 31_337);
const OURS: &str = "192.0.2.9";
const OURS6: &str = "2001:db8:1::9";
const DSR: (&str, u16) = ("192.0.2.1", 443);
const NAT: (&str, u16) = ("192.0.2.2", 443);
const SEED: [u8; 40] = [7; 40];

/// Rules for our own addresses and for those of packet listeners.
const RULES: &str = r#"
[[shield.contexts]]
destination = ["192.0.2.9", "2001:db8:1::9"]
tracking = "stateful"
allow = ["tcp/443", "tcp/25 from 203.0.113.0/24", "udp/53", "icmp/echo", "ip/47"]
strays = "0/s"
syn-cookies = { above = "0/s" }

[[shield.contexts]]
destination = ["192.0.2.1", "192.0.2.3"]
syn-cookies = { above = "0/s" }

[[shield.contexts]]
destination = ["192.0.2.2"]
tracking = "stateful"
strays = "0/s"

[[shield.contexts]]
destination = ["192.0.2.4"]
per-source = { syn = "10/s", udp = "10/s", packets = "60/s", icmp = "4/s", connections = 2 }

[[shield.contexts]]
destination = ["192.0.2.5"]
total = { udp = "20/s", icmp = "20/s" }

[[shield.contexts]]
destination = ["192.0.2.6"]
syn-cookies = { above = "500/s" }
"#;

fn config(rules: &str) -> transom_config::Shield {
    let text = format!(
        "[shield]\ninterfaces = [\"lo\"]\n{rules}\n[listener.a]\nbind = [\"127.0.0.1:1\"]\nmode = \"tcp\"\n\
         pool = \"a\"\n[pool.a]\nservers = [{{ name = \"a\", address = \"127.0.0.1:2\" }}]\n"
    );
    let loaded = transom_config::load_text("shield.toml", &text);
    let config: Config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false)));
    config.shield.expect("there is one").as_ref().clone()
}

/// A door with its shield, in a namespace of this thread's own.
struct Watch {
    lab: Lab,
    shield: Shield,
}

impl Watch {
    fn new(rules: &str) -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("root may");
        let ip = |words: &str| {
            let status = std::process::Command::new("ip").args(words.split(' ')).status();
            assert!(status.is_ok_and(|status| status.success()), "ip {words}");
        };
        ip("link set lo up");
        ip("addr add 192.0.2.9/32 dev lo");
        ip("addr add 198.18.1.7/32 dev lo");
        ip("-6 addr add 2001:db8:1::9/128 dev lo nodad");
        ip("-6 addr add 2001:db8::7/128 dev lo nodad");
        // Connections to us come from the client's address, as they would by a wire.
        ip("route replace local 192.0.2.9 dev lo src 198.18.1.7 table local");
        // The kernel enters it a moment after the address.
        let deadline = Instant::now() + Duration::from_secs(10);
        let entered = || {
            let words = ["-6", "route", "show", "table", "local", "2001:db8:1::9"];
            let shown = std::process::Command::new("ip").args(words).output().expect("ip runs");
            !shown.stdout.is_empty()
        };
        while !entered() {
            assert!(Instant::now() < deadline, "the route never came");
        }
        ip("-6 route del local 2001:db8:1::9 dev lo table local");
        ip("-6 route add local 2001:db8:1::9 dev lo src 2001:db8::7 table local");
        Kernel::prepare().expect("root may");
        let sizes = Sizes { lists: 1_100_000, ..Sizes::default() };
        let options = Options { pins: None, flows_max: 10_000, shield: Some(sizes), ..Options::default() };
        let mut door = Door::start(&options).unwrap_or_else(|fault| panic!("{fault}"));
        let maps = door.shield.take().expect("it was asked for");
        let mut shield = Shield::adopt(maps, SEED).unwrap_or_else(|fault| panic!("{fault}"));
        shield.apply(&config(rules), &Kernel::read(1500)).unwrap_or_else(|fault| panic!("{fault}"));
        let wanted = vec![
            vip(DSR.0, DSR.1, Protocol::Tcp, Mode::Dsr, vec![server(1, "10.0.0.11", 443)]),
            vip(NAT.0, NAT.1, Protocol::Tcp, Mode::Nat, vec![server(1, "10.0.0.11", 8443)]),
        ];
        Self { lab: Lab::with(door, wanted), shield }
    }

    fn run(&mut self, frame: &[u8]) -> (u32, Reason) {
        let outcome = self.lab.run(frame);
        (outcome.verdict, outcome.reason)
    }

    fn expect(&mut self, what: &str, frame: &[u8], verdict: u32, reason: Reason) {
        assert_eq!(self.run(frame), (verdict, reason), "{what}");
    }

    /// How often each of many got this reason.
    fn count(&mut self, frames: impl IntoIterator<Item = Vec<u8>>, reason: Reason) -> usize {
        let before = self.lab.door.tables.reason(reason).expect("counters can be read");
        for frame in frames {
            self.lab.run_fast(&frame);
        }
        (self.lab.door.tables.reason(reason).expect("counters can be read") - before) as usize
    }
}

fn tcp(to: (&str, u16), flags: u8) -> Vec<u8> {
    from(if to.0.contains(':') { CLIENT6 } else { CLIENT }, to, flags)
}

fn from(source: (&str, u16), to: (&str, u16), flags: u8) -> Vec<u8> {
    Frame::tcp(source, to, flags).bytes()
}

fn udp(to: (&str, u16)) -> Vec<u8> {
    Frame::udp(CLIENT, to).bytes()
}

fn net(text: &str) -> IpNet {
    text.parse().expect(text)
}

#[test]
fn lists_go_before_everything_and_the_longest_prefix_counts() {
    let mut watch = Watch::new(RULES);
    let to = (OURS, 443);
    let until = SystemTime::now() + Duration::from_secs(60);
    watch.expect("nobody is listed", &tcp(DSR, ACK), TX, Reason::Dsr);
    watch.shield.block(net("198.18.0.0/15"), None).expect("there is room");
    watch.expect("blocked", &tcp(to, SYN), DROP, Reason::Blocked);
    watch.expect("blocked elsewhere", &tcp(("192.0.2.77", 1), ACK), DROP, Reason::Blocked);
    watch.expect("not the neighbour", &from(("198.20.0.1", 9), DSR, ACK), TX, Reason::Dsr);
    watch.shield.allow(net("198.18.1.7/32"), Some(until)).expect("there is room");
    watch.expect("trusted", &tcp((OURS, 9), ACK), PASS, Reason::NoVip);
    watch.shield.tick(until).expect("it ends");
    watch.expect("trusted no more", &tcp(to, SYN), DROP, Reason::Blocked);
    assert!(watch.shield.unblock(net("198.18.0.0/15")).expect("it was there"));
    watch.expect("blocked no more", &tcp(DSR, ACK), TX, Reason::Dsr);
    for prefix in ["2001:db8::/32", "2001:db8::/48", "2001:db8::/64", "2001:db8::7/128", "2000::/3"] {
        let other = from(("2001:db9::7", 9), ("2001:db8:1::77", 9), ACK);
        watch.shield.block(net(prefix), None).expect("there is room");
        watch.expect(prefix, &tcp((OURS6, 443), ACK), DROP, Reason::Blocked);
        let others = if prefix == "2000::/3" { DROP } else { PASS };
        assert_eq!(watch.run(&other).0, others, "{prefix}");
        watch.shield.unblock(net(prefix)).expect("it was there");
    }
    for prefix in ["198.0.0.0/8", "198.18.0.0/16", "198.18.1.0/24", "198.18.1.4/30", "198.18.1.7/32"] {
        watch.shield.block(net(prefix), None).expect("there is room");
        watch.expect(prefix, &tcp(DSR, ACK), DROP, Reason::Blocked);
        watch.shield.unblock(net(prefix)).expect("it was there");
        watch.expect(prefix, &tcp(DSR, ACK), TX, Reason::Dsr);
    }
}

#[test]
fn bans_survive_a_restart_as_text() {
    let mut watch = Watch::new(RULES);
    watch
        .shield
        .block(net("198.18.1.0/24"), Some(SystemTime::now() + Duration::from_secs(600)))
        .expect("room");
    watch
        .shield
        .block(net("203.0.113.0/24"), Some(SystemTime::now() + Duration::from_secs(1)))
        .expect("room");
    let text = watch.shield.snapshot();
    drop(watch);
    let mut next = Watch::new(RULES);
    next.expect("a new one knows nothing", &tcp(DSR, ACK), TX, Reason::Dsr);
    let later = SystemTime::now() + Duration::from_secs(5);
    assert_eq!(next.shield.restore(&text, later).expect("there is room"), 0);
    next.expect("the ban is back", &tcp(DSR, ACK), DROP, Reason::Blocked);
    next.expect("an old one is not", &from(("203.0.113.9", 9), DSR, ACK), TX, Reason::Dsr);
    let held = next.shield.maps().descriptors();
    let handed =
        held.into_iter().map(|(name, map)| (name.to_owned(), map.try_clone_to_owned().expect("it can")));
    let maps = transom_packet::shield::Maps::from_descriptors(handed).expect("they are all there");
    let mut adopted = Shield::adopt(maps, [9; 40]).expect("maps can be read");
    adopted.apply(&config(RULES), &Kernel::read(1500)).expect("there is room");
    next.expect("what nobody said again is gone", &tcp(DSR, ACK), TX, Reason::Dsr);
}

#[test]
fn gates_are_by_protocol_port_and_source() {
    let mut watch = Watch::new(RULES);
    let _web = TcpListener::bind((OURS, 443)).expect("the port is free");
    let bent = |frame: Vec<u8>, changes: &[(usize, u8)]| {
        let mut frame = frame;
        changes.iter().for_each(|&(at, byte)| frame[at] = byte);
        frame
    };
    watch.expect("a port nobody opened", &tcp((OURS, 80), SYN), DROP, Reason::NotAllowed);
    watch.expect("an ACK there", &tcp((OURS, 80), ACK), DROP, Reason::NotAllowed);
    watch.expect("UDP", &udp((OURS, 53)), PASS, Reason::NoVip);
    watch.expect("other UDP", &udp((OURS, 54)), DROP, Reason::NotAllowed);
    watch.expect("mail from anywhere", &tcp((OURS, 25), SYN), DROP, Reason::NotAllowed);
    let mail = watch.run(&from(("203.0.113.5", 99), (OURS, 25), SYN)).1;
    assert_ne!(mail, Reason::NotAllowed, "mail from the right network");
    watch.expect("echo", &bent(udp((OURS, 9)), &[(23, 1), (34, 8)]), PASS, Reason::OtherProtocol);
    watch.expect("timestamps", &bent(udp((OURS, 9)), &[(23, 1), (34, 13)]), DROP, Reason::NotAllowed);
    watch.expect("an error", &bent(udp((OURS, 9)), &[(23, 1), (34, 3)]), PASS, Reason::OtherProtocol);
    watch.expect("GRE", &bent(udp((OURS, 9)), &[(23, 47)]), PASS, Reason::OtherProtocol);
    watch.expect("ESP", &bent(udp((OURS, 9)), &[(23, 50)]), DROP, Reason::NotAllowed);
    let six = Frame::udp(CLIENT6, (OURS6, 9)).bytes();
    watch.expect("a neighbour", &bent(six.clone(), &[(20, 58), (54, 135)]), PASS, Reason::OtherProtocol);
    watch.expect("echo, v6", &bent(six.clone(), &[(20, 58), (54, 128)]), PASS, Reason::OtherProtocol);
    watch.expect("node information", &bent(six, &[(20, 58), (54, 139)]), DROP, Reason::NotAllowed);
}

#[test]
fn answers_to_our_own_questions_pass_without_a_gate() {
    let mut watch = Watch::new(RULES);
    let ask = UdpSocket::bind((OURS, 5353)).expect("the port is free");
    watch.expect("bound is not enough", &udp((OURS, 5353)), DROP, Reason::NotAllowed);
    ask.connect(CLIENT).expect("there is a route");
    watch.expect("an answer", &udp((OURS, 5353)), PASS, Reason::NoVip);
    watch.expect(
        "not from others",
        &Frame::udp(("198.18.1.8", 31_337), (OURS, 5353)).bytes(),
        DROP,
        Reason::NotAllowed,
    );
}

#[test]
fn no_packet_of_a_connection_is_dropped_however_odd() {
    let mut watch = Watch::new(RULES);
    let listener = TcpListener::bind((OURS, 443)).expect("the port is free");
    let listener6 = TcpListener::bind((OURS6, 443)).expect("the port is free");
    let mut packets = 0;
    for n in 0..500 {
        let (listener, to) = if n % 2 == 0 { (&listener, OURS) } else { (&listener6, OURS6) };
        let client = TcpStream::connect((to, 443)).expect("it listens");
        let (accepted, peer) = listener.accept().expect("somebody came");
        let source = peer.ip().to_string();
        let at = (source.as_str(), peer.port());
        if n % 5 == 1 {
            client.shutdown(std::net::Shutdown::Write).expect("half of it closes");
        }
        if n % 5 == 2 {
            accepted.shutdown(std::net::Shutdown::Write).expect("half of it closes");
        }
        // Keep-alives, probes, pushes, urgent data, both ends closing, resets, answers to resets, SYNs again.
        for (flags, payload, window) in [
            (ACK, 0, 1000),
            (ACK, 1, 0),
            (ACK | 8, 1400, 100),
            (ACK | 32, 10, 1),
            (FIN | ACK, 0, 9),
            (FIN | ACK, 100, 9),
            (RST, 0, 0),
            (RST | ACK, 0, 0),
            (ACK | 0x40, 0, 7),
            (ACK | 0x80 | 8, 5, 7),
            (SYN | ACK, 0, 5),
            (FIN | ACK | 8, 3, 3),
            (ACK, 536, 65_535),
            (ACK, 0, 0),
            (ACK | 8, 0, 3),
            (RST | ACK, 7, 0),
            (ACK, 2, 2),
            (ACK | 8 | 32, 4, 1),
            (FIN | ACK | 32, 1, 1),
            (SYN, 0, 1),
        ] {
            let mut frame = Frame::tcp(at, (to, 443), flags).payload(payload).bytes();
            let header = if n % 2 == 0 { 34 } else { 54 };
            frame[header + 14..header + 16].copy_from_slice(&u16::to_be_bytes(window as u16));
            packets += 1;
            let (verdict, reason) = watch.run(&frame);
            assert_eq!((verdict, reason), (PASS, Reason::NoVip), "{n}: flags {flags:#x}, {payload} bytes");
        }
        drop((client, accepted));
        // Who closed first waits in TIME-WAIT for what comes late.
        if n % 5 == 2 {
            packets += 1;
            watch.expect("late", &Frame::tcp(at, (to, 443), ACK).bytes(), PASS, Reason::NoVip);
        }
    }
    assert!(packets >= 10_000, "{packets}");
    watch.expect("of no connection", &tcp((OURS, 443), ACK), DROP, Reason::NoFlow);
    watch.expect("of no connection, v6", &tcp((OURS6, 443), FIN | ACK), DROP, Reason::NoFlow);
    watch.expect("a SYN-ACK to a listener", &tcp((OURS, 443), SYN | ACK), DROP, Reason::NoFlow);
    watch.expect("a RST to a listener", &tcp((OURS, 443), RST), DROP, Reason::NoFlow);
}

#[test]
fn a_nat_flow_lives_on_whatever_comes_and_strangers_do_not_begin_in_the_middle() {
    let mut watch = Watch::new(RULES);
    watch.expect("a stranger's ACK", &tcp(NAT, ACK), DROP, Reason::NoFlow);
    watch.expect("an opening", &tcp(NAT, SYN), TX, Reason::Nat);
    for flags in [ACK, FIN | ACK, RST | ACK, ACK | 8, SYN, RST, SYN | ACK] {
        watch.expect("of the flow", &tcp(NAT, flags), TX, Reason::Nat);
    }
    let mut relaxed = config(RULES);
    relaxed.contexts[2].strays.count = 100;
    watch.shield.apply(&relaxed, &Kernel::read(1500)).expect("there is room");
    let strays = (1..2000).map(|port| from((CLIENT.0, port), NAT, ACK));
    let passed = watch.count(strays, Reason::Nat);
    assert!((25..=400).contains(&passed), "{passed}: what was lost is taken up again, up to the rate");
}

#[test]
fn a_sources_budget_is_its_own() {
    let mut watch = Watch::new(RULES);
    let to = ("192.0.2.4", 80);
    let syns = watch.count((1..100).map(|port| from((CLIENT.0, port), to, SYN)), Reason::SourceSyn)
        + watch.count([], Reason::SourcePackets);
    assert!(syns >= 40, "{syns}");
    watch.expect("another source", &from(("198.18.9.9", 9), to, SYN), PASS, Reason::NoVip);
    watch.expect("another context", &tcp(("192.0.2.5", 80), SYN), PASS, Reason::NoVip);
    let packets = (0..300).map(|n| from(("198.18.7.7", 1000 + n), to, ACK));
    assert!((220..=260).contains(&watch.count(packets, Reason::SourcePackets)));
    let packets = (0..40).map(|_| Frame::udp(("198.18.7.8", 9), to).bytes());
    assert!((25..=32).contains(&watch.count(packets, Reason::SourceUdp)));
    let ping = |n: u8| {
        let mut frame = Frame::udp(("198.18.7.9", 9), to).bytes();
        (frame[23], frame[34], frame[40]) = (1, 8, n);
        frame
    };
    assert!((10..=16).contains(&watch.count((0..20).map(ping), Reason::SourceIcmp)));
    let six: Vec<Vec<u8>> = (0..3).map(|_| tcp((OURS6, 443), ACK)).collect();
    assert_eq!(watch.count(six, Reason::SourcePackets), 0);
}

#[test]
fn a_contexts_budget_is_for_all_sources_together() {
    let mut watch = Watch::new(RULES);
    let to = ("192.0.2.5", 53);
    let packets =
        (0..200_u32).map(|n| Frame::udp((&format!("198.18.{}.{}", n / 100, n % 100 + 1), 9), to).bytes());
    assert!(watch.count(packets, Reason::UdpRate) > 150);
    watch.expect("TCP has none", &tcp(to, SYN), PASS, Reason::NoVip);
}

#[test]
fn who_has_as_many_connections_as_he_may_opens_no_more() {
    let mut watch = Watch::new(RULES);
    let (client, to) = (CLIENT.0.parse().expect("an address"), "192.0.2.4".parse().expect("an address"));
    watch.shield.opened(client, to).expect("it is counted");
    watch.expect("one", &tcp(("192.0.2.4", 80), SYN), PASS, Reason::NoVip);
    watch.shield.opened(client, to).expect("it is counted");
    watch.expect("two", &tcp(("192.0.2.4", 80), SYN), DROP, Reason::SourceFull);
    watch.expect("what is open goes on", &tcp(("192.0.2.4", 80), ACK), PASS, Reason::NoVip);
    watch.shield.closed(client, to).expect("it is counted");
    watch.expect("one ended", &tcp(("192.0.2.4", 80), SYN), PASS, Reason::NoVip);
}

/// The options of Linux, Windows, macOS, of an old stack, of none, in a wrong order, and torn.
const OPTIONS: [(&str, &[u8], bool); 8] = [
    ("linux", &[2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7], true),
    ("macos", &[2, 4, 5, 180, 1, 3, 3, 6, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 4, 2, 0, 0], true),
    ("windows", &[2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2], false),
    ("old", &[2, 4, 2, 24], false),
    ("none", &[], false),
    ("no scale", &[8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 1], true),
    ("torn", &[2, 4, 5, 180, 8, 10, 1, 2], false),
    ("a length of 0", &[2, 4, 5, 180, 9, 0, 3, 3], false),
];

#[test]
fn a_syn_is_answered_with_a_cookie_that_the_kernel_takes() {
    let mut watch = Watch::new(RULES);
    for to in [OURS, OURS6] {
        let listener = TcpListener::bind((to, 443)).expect("the port is free");
        listener.set_nonblocking(true).expect("it can");
        let warm = Segment::new(to, 443, 40_000).options(OPTIONS[0].1);
        watch.expect("the first SYN warms the listener", &warm.frame(), PASS, Reason::NoVip);
        for vlan in [None, Some(9)] {
            for (n, (name, options, with)) in OPTIONS.into_iter().enumerate() {
                let syn = Segment { vlan, ..Segment::new(to, 443, 41_000 + n as u16).options(options) };
                let outcome = watch.lab.run(&syn.frame());
                // Once a second one goes to the listener: then the next does not.
                let outcome =
                    if outcome.reason == Reason::NoVip { watch.lab.run(&syn.frame()) } else { outcome };
                assert_eq!((outcome.verdict, outcome.reason), (TX, Reason::SynCookie), "{to} {name}");
                let answer = segment::read(&outcome.frame);
                assert!(answer.sound, "{to} {name}: checksums hold");
                assert_eq!((answer.flags, answer.acknowledgement), (SYN | ACK, 1001), "{name}");
                assert_eq!(answer.source, syn.destination(), "{name}");
                let option =
                    |kind: u8| answer.options.iter().find(|(own, _)| *own == kind).map(|(_, at)| at.clone());
                assert_eq!(option(2).map(|mss| mss.len()), Some(2), "{name}");
                assert_eq!(option(8).is_some(), with, "{name}");
                if let Some(stamp) = option(8) {
                    assert_eq!(stamp[4..], [1, 2, 3, 4], "{name}: the client's is echoed");
                    let own = u32::from_be_bytes([stamp[0], stamp[1], stamp[2], stamp[3]]);
                    let scale = if name == "no scale" {
                        15
                    } else {
                        u32::from(options[if name == "linux" { 19 } else { 7 }])
                    };
                    assert_eq!(own & 15, scale, "{name}");
                    assert_eq!(own >> 4 & 1, u32::from(name != "no scale"), "{name}: SACK");
                }
                let ack = Segment { vlan, ..syn.answer(&answer) };
                watch.expect("the cookie comes back", &ack.frame(), PASS, Reason::NoVip);
                let forged = Segment { acknowledgement: ack.acknowledgement ^ 0x100, ..ack };
                watch.expect("a forged one", &forged.frame(), DROP, Reason::NoFlow);
            }
        }
        let torn = Segment::new(to, 443, 42_000).options(OPTIONS[0].1);
        let mut frame = torn.frame();
        let last = frame.len() - 1;
        frame[last] ^= 1;
        watch.expect("a wrong checksum", &frame, DROP, Reason::BadChecksum);
    }
}

#[test]
fn a_source_behind_us_is_challenged_once() {
    let mut watch = Watch::new(RULES);
    for vlan in [None, Some(3)] {
        let source = if vlan.is_some() { "198.18.3.3" } else { "198.18.3.4" };
        let syn =
            Segment { vlan, source: source.parse().expect("an address"), ..Segment::new(DSR.0, DSR.1, 5000) };
        let outcome = watch.lab.run(&syn.frame());
        assert_eq!((outcome.verdict, outcome.reason), (TX, Reason::Challenge));
        let answer = segment::read(&outcome.frame);
        assert!(answer.sound, "checksums hold");
        assert_ne!(answer.acknowledgement, 1001, "a number nobody can accept");
        let reset = |sequence| Segment { flags: RST, sequence, acknowledgement: 0, ..syn.clone() };
        watch.expect("a guess goes on as what it is", &reset(77).frame(), TX, Reason::Dsr);
        watch.expect("still a stranger", &syn.frame(), TX, Reason::Challenge);
        watch.shield.rotate([3; 16]).expect("a new key");
        watch.expect("the answer", &reset(answer.acknowledgement).frame(), DROP, Reason::Proven);
        watch.expect("known now", &syn.frame(), TX, Reason::Dsr);
        watch.expect("by any port", &Segment { port: 6000, ..syn.clone() }.frame(), TX, Reason::Dsr);
    }
    assert_eq!(watch.shield.known_sources().expect("they can be counted"), 2);
}

#[test]
fn who_asks_again_and_again_gets_in_without() {
    let mut watch = Watch::new(RULES);
    let syn = Segment::new(DSR.0, DSR.1, 5001).frame();
    watch.expect("first", &syn, TX, Reason::Challenge);
    watch.expect("again at once", &syn, TX, Reason::Challenge);
    let ends = Instant::now() + Duration::from_secs(10);
    let got_in = loop {
        std::thread::sleep(Duration::from_millis(950));
        if watch.run(&syn) == (TX, Reason::Dsr) {
            break true;
        }
        if Instant::now() > ends {
            break false;
        }
    };
    assert!(got_in, "TCP asks after one, three and seven seconds");
    watch.expect(
        "not with another number",
        &Segment { sequence: 9, ..Segment::new(DSR.0, DSR.1, 5001) }.frame(),
        TX,
        Reason::Challenge,
    );
}

#[test]
fn proof_is_asked_for_above_the_rate_only() {
    let mut watch = Watch::new(RULES);
    let syn = |n: u32| from((&format!("198.18.{}.{}", n / 250, n % 250 + 1), 9), ("192.0.2.6", 80), SYN);
    assert_eq!(watch.count((0..400).map(syn), Reason::Challenge), 0);
    assert!(watch.shield.under_attack(monotonic()).expect("it can be read").iter().all(|n| *n != 6));
    let challenged = watch.count((400..2000).map(syn), Reason::Challenge);
    assert!(challenged > 1000, "{challenged}");
    assert!(watch.shield.under_attack(monotonic()).expect("it can be read").contains(&6));
    let ends = Instant::now() + Duration::from_secs(20);
    let mut quiet = false;
    while !quiet && Instant::now() < ends {
        std::thread::sleep(Duration::from_millis(200));
        quiet = watch.count([syn(3)], Reason::Challenge) == 0;
    }
    assert!(quiet, "and no more when it is over");
}

fn monotonic() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("there is a clock").into()
}

#[test]
fn what_is_dropped_is_counted_by_context_and_told() {
    let mut watch = Watch::new(RULES);
    watch.shield.block(net("198.18.0.0/16"), None).expect("there is room");
    watch.shield.poll(usize::MAX);
    for n in 0..2000_u32 {
        watch.lab.run_fast(&from(
            (&format!("198.18.{}.9", if n % 4 == 0 { n % 250 } else { 7 }), 9),
            DSR,
            SYN,
        ));
    }
    let counters = watch.shield.counters().expect("they can be read");
    let own = counters
        .iter()
        .find(|one| one.destinations.contains(&net("192.0.2.1/32")))
        .expect("it has a context");
    assert_eq!(
        own.reasons.iter().find(|(reason, _)| *reason == Reason::Blocked),
        Some(&(Reason::Blocked, 2000))
    );
    assert_eq!((own.packets(), own.dropped()), (2000, 2000));
    let samples = watch.shield.poll(usize::MAX);
    assert!(samples.len() >= 10 && samples.iter().all(|one| one.reason == Reason::Blocked), "{samples:?}");
    assert_eq!(samples[0].target.to_string(), DSR.0);
    assert_eq!(samples.iter().map(|one| one.weight).sum::<u32>(), 2000 / 256 * 256);
    assert_eq!(watch.shield.top_networks(1)[0].who, net("198.18.7.0/24"));
}

#[test]
fn the_knobs_of_the_kernel_are_turned_in_this_namespace() {
    let _watch = Watch::new(RULES);
    for name in ["tcp_syncookies", "tcp_timestamps"] {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).expect("it is there");
        assert_eq!(text.trim(), "2", "{name}");
    }
    assert!(Kernel::read(1500).options);
}

#[test]
fn random_packets_do_no_harm() {
    let mut watch = Watch::new(RULES);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for n in 0..20_000_u32 {
        let to = [OURS, DSR.0, NAT.0, "192.0.2.4", OURS6][n as usize % 5];
        let mut frame = tcp((to, 443), SYN);
        if n % 3 == 0 {
            let options: Vec<u8> = (0..random() % 11 * 4).map(|_| (random() % 12) as u8).collect();
            frame = Segment::new(to, 443, n as u16 | 1).options(&options).frame();
        }
        for _ in 0..random() % 4 {
            let at = 12 + random() as usize % (frame.len() - 12);
            frame[at] = random() as u8;
        }
        frame.truncate(14 + random() as usize % (frame.len() - 13));
        let (verdict, out) = watch.lab.run_fast(&frame);
        assert!((DROP..=TX).contains(&verdict), "{frame:02x?}");
        assert!(out.len() < frame.len() + 64);
    }
}

#[test]
fn a_million_prefixes_fit_and_each_is_found() {
    let mut watch = Watch::new(RULES);
    let address =
        |n: u32| std::net::Ipv4Addr::from(0x0b00_0000 + n.wrapping_mul(2_654_435_761) % 0x5000_0000);
    let block = (0..1_000_000).map(|n| IpNet::from(std::net::IpAddr::from(address(n)))).collect();
    let wanted = transom_config::Shield { block, ..config(RULES) };
    watch.shield.apply(&wanted, &Kernel::read(1500)).unwrap_or_else(|fault| panic!("{fault}"));
    for n in (0..1_000_000).step_by(9973) {
        watch.expect("listed", &from((&address(n).to_string(), 9), DSR, ACK), DROP, Reason::Blocked);
    }
    watch.expect("not listed", &tcp(DSR, ACK), TX, Reason::Dsr);
}

/// Bodies are made in `frame`; here only one kind of them is used.
#[test]
fn udp_without_a_checksum_is_lawful() {
    let mut watch = Watch::new(RULES);
    let frame = Frame { body: Body::Udp { checksum: false }, ..Frame::udp(CLIENT, (OURS, 53)) };
    watch.expect("no checksum", &frame.bytes(), PASS, Reason::NoVip);
}
