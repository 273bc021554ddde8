//! Every mode and every reason, packet by packet, through the kernel's test run: what goes in, which verdict for
//! which reason, what comes out. Needs root.

#[path = "support/frame.rs"]
mod frame;
#[path = "support/lab.rs"]
mod lab;

use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use aya::programs::{TestRun, TestRunOptions};
use frame::{ACK, Body, CLIENT_MAC, DOOR_MAC, FIN, Frame, RST, SYN, octets, sum};
use lab::{DROP, Lab, PASS, TX, server, server_mac, vip};
use nix::time::{ClockId, clock_gettime};
use transom_packet::Fault;
use transom_packet::abi::{HashOn, Mode, Policy, Reason, Settings};
use transom_packet::decap::{self, Decap};
use transom_packet::hash::{Ports, slot4, slot6};
use transom_packet::load::{Door, Options, Tables};
use transom_packet::plan::{Protocol, ServerState, Vip};

const CLIENT: (&str, u16) = ("198.18.1.7", 31_337);
const CLIENT6: (&str, u16) = ("2001:db8::7", 31_337);
const DSR: (&str, u16) = ("192.0.2.1", 443);
const NAT: (&str, u16) = ("192.0.2.2", 443);
const TUNNEL: (&str, u16) = ("192.0.2.3", 443);
const LOCAL: (&str, u16) = ("192.0.2.4", 443);
const FOUR_IN_SIX: (&str, u16) = ("192.0.2.5", 443);
const NAT_TOO: (&str, u16) = ("192.0.2.6", 443);
const DSR6: (&str, u16) = ("2001:db8:1::1", 443);
const NAT6: (&str, u16) = ("2001:db8:1::2", 443);
const TUNNEL6: (&str, u16) = ("2001:db8:1::3", 443);
const SIX_IN_FOUR: (&str, u16) = ("2001:db8:1::5", 443);
const NAT_SERVER: &str = "10.0.0.11";
const NAT_SERVER6: &str = "fd00::11";

/// One server a VIP, so that every packet has one right way.
fn wanted() -> Vec<Vip> {
    let four = |port| vec![server(1, NAT_SERVER, port)];
    let six = |port| vec![server(2, NAT_SERVER6, port)];
    let mut vips = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let mut add = |(address, port), mode, servers| vips.push(vip(address, port, protocol, mode, servers));
        add(DSR, Mode::Dsr, four(443));
        add(NAT, Mode::Nat, four(8443));
        add(NAT_TOO, Mode::Nat, four(8443));
        add(TUNNEL, Mode::Tunnel, four(443));
        add(LOCAL, Mode::Local, vec![]);
        add(FOUR_IN_SIX, Mode::Tunnel, six(443));
        add(DSR6, Mode::Dsr, six(443));
        add(NAT6, Mode::Nat, six(8443));
        add(TUNNEL6, Mode::Tunnel, six(443));
        add(SIX_IN_FOUR, Mode::Tunnel, four(443));
    }
    vips
}

fn tcp(to: (&str, u16)) -> Frame {
    Frame::tcp(if to.0.contains(':') { CLIENT6 } else { CLIENT }, to, ACK)
}

fn udp(to: (&str, u16)) -> Frame {
    Frame::udp(if to.0.contains(':') { CLIENT6 } else { CLIENT }, to)
}

/// The frame a DSR server gets.
fn direct(frame: &Frame, n: u8) -> Vec<u8> {
    let sent = Frame { to: server_mac(n), from: [2, 0, 0, 0, 0, 9], ttl: frame.ttl - 1, ..frame.clone() };
    sent.bytes()
}

/// The frame a NAT server gets.
fn translated(frame: &Frame, n: u8, server: &str) -> Vec<u8> {
    let destination = (server.parse().expect("an address"), 8443);
    let sent = Frame {
        to: server_mac(n),
        from: [2, 0, 0, 0, 0, 9],
        ttl: frame.ttl - 1,
        destination,
        ..frame.clone()
    };
    sent.bytes()
}

/// The frame a tunnel server gets.
fn wrapped(frame: &Frame, n: u8, server: &str, label: &[u8]) -> Vec<u8> {
    let inner = Frame { ttl: frame.ttl - 1, ..frame.clone() }.bytes();
    let header = if frame.vlan.is_some() { 18 } else { 14 };
    let (before, inner) = inner.split_at(header);
    let protocol = if frame.source.0.is_ipv4() { 4 } else { 41 };
    let server: IpAddr = server.parse().expect("an address");
    let mut out = [server_mac(n), [2, 0, 0, 0, 0, 9]].concat();
    out.extend(&before[12..header - 2]);
    if server.is_ipv4() {
        out.extend([8, 0]);
        let mut ip = vec![0x45, frame.tos];
        ip.extend((20 + inner.len() as u16).to_be_bytes());
        ip.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1]);
        ip.extend(octets(server));
        let checksum = !sum(&ip);
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        out.extend(ip);
    } else {
        out.extend([0x86, 0xdd, 0x60 | frame.tos >> 4]);
        out.push(frame.tos << 4 | label[0] & 15);
        out.extend(&label[1..]);
        out.extend((inner.len() as u16).to_be_bytes());
        out.extend([protocol, 64]);
        out.extend(octets("fd00::1".parse().expect("an address")));
        out.extend(octets(server));
    }
    out.extend(inner);
    out
}

fn assert_same(what: &str, got: &[u8], wanted: &[u8]) {
    let at = got.iter().zip(wanted).position(|(a, b)| a != b);
    assert!(
        got == wanted,
        "{what}: differs at byte {at:?}, {} against {} bytes\n{got:02x?}\n{wanted:02x?}",
        got.len(),
        wanted.len()
    );
}

#[test]
fn every_mode_sends_the_right_frame() {
    let mut lab = Lab::new(wanted());
    for (name, make) in [("tcp", tcp as fn((&str, u16)) -> Frame), ("udp", udp)] {
        for vlan in [None, Some(7)] {
            let make = |to| Frame { vlan, tos: 0x28, ..make(to) };
            let cases = [
                ("dsr", make(DSR), Reason::Dsr, direct(&make(DSR), 1)),
                ("dsr v6", make(DSR6), Reason::Dsr, direct(&make(DSR6), 2)),
                ("nat", make(NAT), Reason::Nat, translated(&make(NAT), 1, NAT_SERVER)),
                ("nat again", make(NAT), Reason::Nat, translated(&make(NAT), 1, NAT_SERVER)),
                ("nat v6", make(NAT6), Reason::Nat, translated(&make(NAT6), 2, NAT_SERVER6)),
                ("tunnel", make(TUNNEL), Reason::Tunnel, wrapped(&make(TUNNEL), 1, NAT_SERVER, &[])),
                (
                    "6 in 4",
                    make(SIX_IN_FOUR),
                    Reason::Tunnel,
                    wrapped(&make(SIX_IN_FOUR), 1, NAT_SERVER, &[]),
                ),
            ];
            for (mode, frame, reason, wanted) in cases {
                let what = format!("{mode}, {name}, vlan {vlan:?}");
                let outcome = lab.run(&frame.bytes());
                assert_eq!((outcome.verdict, outcome.reason), (TX, reason), "{what}");
                assert_same(&what, &outcome.frame, &wanted);
            }
            for (mode, frame) in [("6 in 6", make(TUNNEL6)), ("4 in 6", make(FOUR_IN_SIX))] {
                let what = format!("{mode}, {name}, vlan {vlan:?}");
                let outcome = lab.run(&frame.bytes());
                assert_eq!((outcome.verdict, outcome.reason), (TX, Reason::Tunnel), "{what}");
                let header = if vlan.is_some() { 18 } else { 14 };
                let label = outcome.frame[header + 1..header + 4].to_vec();
                assert_same(&what, &outcome.frame, &wrapped(&frame, 2, NAT_SERVER6, &label));
            }
        }
    }
}

#[test]
fn nat_replies_go_back_the_way_the_client_came() {
    let mut lab = Lab::new(wanted());
    for (vip, server) in [(NAT, NAT_SERVER), (NAT6, NAT_SERVER6)] {
        for make in [tcp as fn((&str, u16)) -> Frame, udp] {
            let request = make(vip);
            assert_eq!(lab.run(&request.bytes()).reason, Reason::Nat);
            let address = |text: &str| text.parse::<IpAddr>().expect("an address");
            let reply = Frame {
                to: [2, 0, 0, 0, 0, 9],
                from: server_mac(1),
                source: (address(server), 8443),
                destination: request.source,
                ..request.clone()
            };
            let wanted = Frame {
                to: CLIENT_MAC,
                from: DOOR_MAC,
                source: request.destination,
                ttl: reply.ttl - 1,
                ..reply.clone()
            };
            let outcome = lab.run(&reply.bytes());
            assert_eq!((outcome.verdict, outcome.reason), (TX, Reason::NatReply));
            assert_same(server, &outcome.frame, &wanted.bytes());
        }
    }
}

#[test]
fn a_worker_with_the_descriptors_needs_nothing_else() {
    let mut lab = Lab::new(wanted());
    let hand_over = |tables: &Tables| -> Vec<_> {
        let all = tables.descriptors();
        all.into_iter().map(|(name, map)| (name.to_owned(), map.try_clone_to_owned().unwrap())).collect()
    };
    let mut worker = Tables::from_descriptors(hand_over(&lab.door.tables)).unwrap();
    lab.wanted.retain(|vip| vip.mode == Mode::Dsr);
    worker.apply(&lab.plan.update(&lab.wanted, Instant::now()).unwrap()).unwrap();
    assert_eq!(lab.run(&tcp(TUNNEL).bytes()).reason, Reason::NoVip, "what the worker wrote counts");
    assert_eq!(worker.reason(Reason::NoVip).unwrap(), 1, "and it reads what was counted");
    assert_eq!(worker.vips_max().unwrap(), 64);
    let torn = hand_over(&lab.door.tables).split_off(1);
    assert!(matches!(Tables::from_descriptors(torn).err(), Some(Fault::Map(_))), "a missing map is told");
}

#[test]
fn flows_can_be_told_by_name() {
    let mut lab = Lab::new(wanted());
    for to in [NAT, NAT6] {
        lab.run(&tcp(to).bytes());
    }
    let flows = lab.door.tables.flows(10).unwrap();
    let told: Vec<String> = flows.iter().map(|flow| format!("{} -> {}", flow.client, flow.vip)).collect();
    let wanted = ["198.18.1.7:31337 -> 192.0.2.2:443", "[2001:db8::7]:31337 -> [2001:db8:1::2]:443"]
        .map(str::to_owned);
    assert_eq!(told, wanted, "one line a flow, though NAT has an entry a direction");
    assert_eq!(lab.door.tables.flows(1).unwrap().len(), 1);
}

#[test]
fn a_udp_packet_without_a_checksum_stays_without() {
    let mut lab = Lab::new(wanted());
    let frame = Frame { body: Body::Udp { checksum: false }, ..udp(NAT) };
    assert_same("nat", &lab.run(&frame.bytes()).frame, &translated(&frame, 1, NAT_SERVER));
}

/// A valid frame with some bytes overwritten.
fn bent(frame: &Frame, changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = frame.bytes();
    for &(at, byte) in changes {
        bytes[at] = byte;
    }
    bytes
}

fn cut(frame: &Frame, length: usize) -> Vec<u8> {
    frame.bytes()[..length].to_vec()
}

#[test]
fn unlawful_and_odd_packets_have_their_reason() {
    let mut lab = Lab::new(wanted());
    let flags = |flags| bent(&tcp(DSR), &[(47, flags)]);
    let cases: Vec<(&str, Vec<u8>, u32, Reason)> = vec![
        ("a local listener's", tcp(LOCAL).bytes(), PASS, Reason::Local),
        ("another address", tcp(("192.0.2.99", 443)).bytes(), PASS, Reason::NoVip),
        ("another port", tcp(("192.0.2.1", 444)).bytes(), PASS, Reason::NoVip),
        ("another address, v6", tcp(("2001:db8:1::99", 443)).bytes(), PASS, Reason::NoVip),
        ("ARP", bent(&tcp(DSR), &[(12, 8), (13, 6)]), PASS, Reason::NotIp),
        ("two VLAN tags", bent(&tcp(DSR).vlan(1), &[(16, 0x81), (17, 0)]), PASS, Reason::NotIp),
        ("GRE", bent(&tcp(DSR), &[(23, 47)]), PASS, Reason::OtherProtocol),
        ("ICMP echo", bent(&tcp(DSR), &[(23, 1), (34, 8)]), PASS, Reason::OtherProtocol),
        ("no next header, v6", bent(&tcp(DSR6), &[(20, 59)]), PASS, Reason::OtherProtocol),
        ("first fragment", bent(&udp(DSR), &[(20, 0x20)]), PASS, Reason::FragmentPassed),
        ("later fragment", bent(&udp(DSR), &[(21, 1)]), PASS, Reason::FragmentPassed),
        ("fragment, v6", bent(&udp(DSR6), &[(20, 44)]), PASS, Reason::FragmentPassed),
        ("IP options", bent(&tcp(DSR), &[(14, 0x46)]), PASS, Reason::OptionsPassed),
        ("IGMP with its option", bent(&tcp(DSR), &[(14, 0x46), (23, 2)]), PASS, Reason::OtherProtocol),
        ("routing header", bent(&tcp(DSR6), &[(20, 43)]), PASS, Reason::OptionsPassed),
        ("hop-by-hop options", bent(&tcp(DSR6), &[(20, 0)]), PASS, Reason::OptionsPassed),
        ("its last hop", tcp(DSR).ttl(1).bytes(), PASS, Reason::Ttl),
        ("its last hop, v6", tcp(TUNNEL6).ttl(1).bytes(), PASS, Reason::Ttl),
        ("Ethernet only", cut(&tcp(DSR), 14), DROP, Reason::Truncated),
        ("half an IP header", cut(&tcp(DSR), 33), DROP, Reason::Truncated),
        ("half an IPv6 header", cut(&tcp(DSR6), 53), DROP, Reason::Truncated),
        ("half a VLAN tag", cut(&tcp(DSR).vlan(1), 16), DROP, Reason::Truncated),
        ("length past the frame", bent(&tcp(DSR), &[(16, 1)]), DROP, Reason::Truncated),
        ("length past the frame, v6", bent(&tcp(DSR6), &[(18, 1)]), DROP, Reason::Truncated),
        ("length shorter than its header", bent(&tcp(DSR), &[(16, 0), (17, 19)]), DROP, Reason::Truncated),
        ("IP version 5", bent(&tcp(DSR), &[(14, 0x55)]), DROP, Reason::BadHeader),
        ("four words of IP header", bent(&tcp(DSR), &[(14, 0x44)]), DROP, Reason::BadHeader),
        ("IPv6 of version 4", bent(&tcp(DSR6), &[(14, 0x40)]), DROP, Reason::BadHeader),
        ("four words of TCP header", bent(&tcp(DSR), &[(46, 0x40)]), DROP, Reason::BadLength),
        ("TCP header past the packet", bent(&tcp(DSR), &[(46, 0xf0)]), DROP, Reason::BadLength),
        ("UDP length 7", bent(&udp(DSR), &[(38, 0), (39, 7)]), DROP, Reason::BadLength),
        ("UDP length past the packet", bent(&udp(DSR), &[(38, 9)]), DROP, Reason::BadLength),
        ("null scan", flags(0), DROP, Reason::BadFlags),
        ("FIN alone", flags(FIN), DROP, Reason::BadFlags),
        ("Xmas", flags(0x29), DROP, Reason::BadFlags),
        ("SYN and FIN", flags(SYN | FIN), DROP, Reason::BadFlags),
        ("SYN and RST", flags(SYN | RST), DROP, Reason::BadFlags),
        ("RST and FIN", flags(RST | FIN | ACK), DROP, Reason::BadFlags),
        ("null scan, v6", bent(&tcp(DSR6), &[(67, 0)]), DROP, Reason::BadFlags),
        ("ECN set-up SYN is lawful", flags(SYN | 0xc0), TX, Reason::Dsr),
        ("source port 0", Frame::tcp((CLIENT.0, 0), DSR, ACK).bytes(), DROP, Reason::BadPort),
        ("destination port 0", Frame::udp(CLIENT, (DSR.0, 0)).bytes(), DROP, Reason::BadPort),
        ("UDP from port 0 is lawful", Frame::udp((CLIENT.0, 0), DSR).bytes(), TX, Reason::Dsr),
        ("land", Frame::tcp(DSR, DSR, SYN).bytes(), DROP, Reason::Martian),
        ("land, v6", Frame::tcp(DSR6, DSR6, SYN).bytes(), DROP, Reason::Martian),
        ("from loopback", Frame::tcp(("127.0.0.1", 9), DSR, SYN).bytes(), DROP, Reason::Martian),
        ("from loopback, v6", Frame::tcp(("::1", 9), DSR6, SYN).bytes(), DROP, Reason::Martian),
        ("from a group", Frame::tcp(("224.0.0.1", 9), DSR, SYN).bytes(), DROP, Reason::Martian),
        ("from everybody", Frame::tcp(("255.255.255.255", 9), DSR, SYN).bytes(), DROP, Reason::Martian),
        ("from a group, v6", Frame::tcp(("ff02::1", 9), DSR6, SYN).bytes(), DROP, Reason::Martian),
    ];
    for (what, frame, verdict, reason) in cases {
        let outcome = lab.run(&frame);
        assert_eq!((outcome.verdict, outcome.reason), (verdict, reason), "{what}");
        assert!(verdict == TX || outcome.frame == frame, "{what}: what is not sent is not touched");
    }
}

#[test]
fn fragments_and_options_are_dropped_if_so_asked() {
    let mut lab = Lab::new(wanted());
    let strict =
        Settings { fragments: Policy::Drop as u8, options: Policy::Drop as u8, ..Settings::default() };
    lab.door.tables.set_settings(strict).expect("knobs can be turned");
    for (what, frame, reason) in [
        ("fragment", bent(&udp(DSR), &[(20, 0x20)]), Reason::FragmentDropped),
        ("fragment, v6", bent(&udp(DSR6), &[(20, 44)]), Reason::FragmentDropped),
        ("options", bent(&tcp(DSR), &[(14, 0x46)]), Reason::OptionsDropped),
        ("routing header", bent(&tcp(DSR6), &[(20, 43)]), Reason::OptionsDropped),
    ] {
        let outcome = lab.run(&frame);
        assert_eq!((outcome.verdict, outcome.reason), (DROP, reason), "{what}");
    }
    assert_eq!(lab.run(&bent(&tcp(DSR), &[(14, 0x46), (23, 2)])).verdict, PASS, "IGMP needs its option");
}

#[test]
fn a_packet_too_big_for_the_tunnel_is_answered() {
    let mut lab = Lab::new(wanted());
    let largest = tcp(TUNNEL).payload(1440);
    assert_eq!(lab.run(&largest.bytes()).reason, Reason::Tunnel, "1480 bytes and 20 of wrapping fit 1500");
    for vlan in [None, Some(7)] {
        let header = if vlan.is_some() { 18 } else { 14 };
        let frame = Frame { vlan, ..tcp(TUNNEL).payload(1441) };
        let outcome = lab.run(&frame.bytes());
        assert_eq!((outcome.verdict, outcome.reason), (TX, Reason::TooBig));
        assert_eq!(outcome.frame[..12], [CLIENT_MAC, DOOR_MAC].concat());
        let packet = &outcome.frame[header..];
        assert_eq!(sum(&packet[..20]), 0xffff, "the IP header's checksum holds");
        assert_eq!(packet[12..20], [192, 0, 2, 3, 198, 18, 1, 7], "from the VIP to the client");
        assert_eq!(packet[20..22], [3, 4]);
        assert_eq!(packet[26..28], 1480_u16.to_be_bytes(), "what would fit");
        assert_eq!(sum(&packet[20..]), 0xffff, "the message's checksum holds");
        assert_eq!(packet[28..], frame.bytes()[header..header + packet.len() - 28], "the packet is quoted");
        let six = Frame { vlan, ..tcp(TUNNEL6).payload(1441) };
        let outcome = lab.run(&six.bytes());
        assert_eq!((outcome.verdict, outcome.reason), (TX, Reason::TooBig));
        let packet = &outcome.frame[header..];
        assert_eq!(packet[40..42], [2, 0]);
        assert_eq!(packet[44..48], 1460_u32.to_be_bytes());
        assert_eq!(packet[48..], six.bytes()[header..header + packet.len() - 48], "the packet is quoted");
        let mut pseudo = packet[8..40].to_vec();
        pseudo.extend([0, 0, 0, (packet.len() - 40) as u8, 0, 0, 0, 58]);
        pseudo.extend(&packet[40..]);
        assert_eq!(sum(&pseudo), 0xffff, "the message's checksum holds");
    }
}

/// An ICMP error that a router on the way of `reply` would send to its source.
fn icmp_about(reply: &Frame, kind: u8) -> Vec<u8> {
    let quoted = reply.bytes()[14..].to_vec();
    let mut bytes = Frame::udp(("203.0.113.1", 9), ("192.0.2.1", 9)).payload(quoted.len()).bytes();
    bytes[23] = 1;
    bytes[30..34].copy_from_slice(&octets(reply.source.0));
    bytes[34] = kind;
    bytes[35] = 4;
    bytes[42..42 + quoted.len()].copy_from_slice(&quoted);
    bytes
}

#[test]
fn an_icmp_error_about_a_flow_reaches_the_flows_server() {
    let servers = (1..=4).map(|n| server(n, &format!("10.0.0.1{n}"), 443)).collect();
    let mut lab = Lab::new(vec![vip(DSR.0, DSR.1, Protocol::Tcp, Mode::Dsr, servers)]);
    for port in 40_000..40_050 {
        let request = Frame::tcp((CLIENT.0, port), DSR, ACK);
        let chosen = lab.run(&request.bytes()).frame[..6].to_vec();
        let reply = Frame { source: request.destination, destination: request.source, ..request };
        for kind in [3, 11] {
            let outcome = lab.run(&icmp_about(&reply, kind));
            assert_eq!((outcome.verdict, outcome.reason), (TX, Reason::Dsr));
            assert_eq!(outcome.frame[..6], chosen, "port {port}");
        }
        assert_eq!(lab.run(&icmp_about(&reply, 8)).reason, Reason::OtherProtocol);
    }
}

/// The ICMPv6 error a router would send about `reply`, with a valid checksum.
fn icmp6_about(reply: &Frame) -> Vec<u8> {
    let quoted = reply.bytes()[14..].to_vec();
    let mut bytes = Frame::udp(("2001:db8:ff::1", 9), (NAT6.0, 9)).payload(quoted.len()).bytes();
    bytes[20] = 58;
    bytes[54..62].copy_from_slice(&[2, 0, 0, 0, 0, 0, 5, 0]);
    bytes[62..].copy_from_slice(&quoted);
    let checksum = !icmp6_sum(&bytes);
    bytes[56..58].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn icmp6_sum(frame: &[u8]) -> u16 {
    let mut pseudo = frame[22..54].to_vec();
    pseudo.extend([0, 0, frame[18], frame[19], 0, 0, 0, 58]);
    pseudo.extend(&frame[54..]);
    sum(&pseudo)
}

#[test]
fn an_icmp_error_about_a_nat_reply_reaches_the_server_in_its_own_words() {
    let mut lab = Lab::new(wanted());
    let (server, server6): (IpAddr, IpAddr) = (NAT_SERVER.parse().unwrap(), NAT_SERVER6.parse().unwrap());
    let turned =
        |request: Frame| Frame { source: request.destination, destination: request.source, ..request };
    let reply = turned(tcp(NAT));
    let mut error = icmp_about(&reply, 3);
    error[36..38].copy_from_slice(&[0, 0]);
    let checksum = !sum(&error[34..]);
    error[36..38].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(lab.run(&error).reason, Reason::OtherProtocol, "about no flow of ours");
    lab.run(&tcp(NAT).bytes());
    lab.run(&tcp(NAT6).bytes());
    let before = sum(&error[14..34]);
    let outcome = lab.run(&error);
    assert_eq!((outcome.verdict, outcome.reason), (TX, Reason::Nat));
    assert_eq!(outcome.frame[30..34], octets(server));
    assert_eq!(sum(&outcome.frame[14..34]), before, "the outer header's checksum moved along");
    assert_eq!(sum(&outcome.frame[34..]), 0xffff, "the message's checksum holds");
    let own = Frame { source: (server, 8443), ..reply }.bytes();
    assert_eq!(outcome.frame[42..66], own[14..38], "the quote up to the ports");
    let reply = turned(tcp(NAT6));
    let error = icmp6_about(&reply);
    assert_eq!(icmp6_sum(&error), 0xffff);
    let outcome = lab.run(&error);
    assert_eq!((outcome.verdict, outcome.reason), (TX, Reason::Nat));
    assert_eq!(outcome.frame[38..54], octets(server6));
    assert_eq!(icmp6_sum(&outcome.frame), 0xffff, "the message's checksum holds");
    let own = Frame { source: (server6, 8443), ..reply }.bytes();
    assert_eq!(outcome.frame[62..106], own[14..58], "the quote up to the ports");
}

#[test]
fn the_program_and_user_space_hash_alike() {
    let servers: Vec<_> = (1..=4).map(|n| server(n, &format!("10.0.0.1{n}"), 443)).collect();
    let six: Vec<_> = (1..=4).map(|n| server(n, &format!("fd00::1{n}"), 443)).collect();
    for hash_on in [HashOn::Flow, HashOn::Source] {
        let mut dsr = vip(DSR.0, DSR.1, Protocol::Tcp, Mode::Dsr, servers.clone());
        let mut dsr6 = vip(DSR6.0, DSR6.1, Protocol::Tcp, Mode::Dsr, six.clone());
        (dsr.hash_on, dsr6.hash_on) = (hash_on, hash_on);
        let mut lab = Lab::new(vec![dsr, dsr6]);
        let contents = lab.door.tables.contents().expect("maps can be read");
        for n in 1..500_u16 {
            let client = format!("198.18.{}.{}", n % 7, n % 200);
            let client6 = format!("2001:db8:f{:x}::{n:x}", n % 9);
            let ports = match hash_on {
                HashOn::Flow => Ports { source: 5000 + n, destination: 443 },
                HashOn::Source => Ports::default(),
            };
            let slots = [
                (DSR, &client, slot4(client.parse().unwrap(), DSR.0.parse().unwrap(), ports)),
                (DSR6, &client6, slot6(client6.parse().unwrap(), DSR6.0.parse().unwrap(), ports)),
            ];
            for (to, client, slot) in slots {
                let at = contents.vips.iter().position(|(key, _)| key.address.to_string() == to.0).unwrap();
                let number = (contents.rings[at][slot] & 0xfff) as u16;
                let record = contents.servers.iter().find(|(n, ..)| *n == number).unwrap().2;
                let outcome = lab.run(&Frame::tcp((client, 5000 + n), to, ACK).bytes());
                assert_eq!(outcome.reason, Reason::Dsr, "{client}");
                let sent = outcome.frame;
                assert_eq!(sent[..4], record.macs[0].to_ne_bytes());
                assert_eq!(sent[4..6], record.macs[1].to_ne_bytes()[..2]);
            }
        }
    }
}

/// Opens flows on a VIP and gives the server each got.
fn open(lab: &mut Lab, to: (&str, u16), ports: std::ops::Range<u16>) -> Vec<(u16, u8)> {
    ports.map(|port| (port, lab.run_fast(&Frame::tcp((CLIENT.0, port), to, SYN).bytes()).1[5])).collect()
}

fn moved(lab: &mut Lab, to: (&str, u16), flows: &[(u16, u8)]) -> usize {
    let at = |lab: &mut Lab, port| lab.run_fast(&Frame::tcp((CLIENT.0, port), to, ACK).bytes()).1[5];
    flows.iter().filter(|(port, server)| at(lab, *port) != *server).count()
}

#[test]
fn drains_and_deaths_move_what_they_should_in_the_program_itself() {
    for mode in [Mode::Dsr, Mode::Nat, Mode::Tunnel] {
        let servers = (1..=4).map(|n| server(n, &format!("10.0.0.1{n}"), 443)).collect();
        let mut lab = Lab::new(vec![vip(DSR.0, DSR.1, Protocol::Tcp, mode, servers)]);
        let mut flows = open(&mut lab, DSR, 1000..3000);
        lab.wanted[0].servers[0].state = ServerState::Draining;
        lab.wanted[0].servers[2].weight = 3;
        lab.turn();
        assert_eq!(moved(&mut lab, DSR, &flows), 0, "{mode:?}: drain");
        let new = open(&mut lab, DSR, 3000..5000);
        assert!(new.iter().all(|(_, server)| *server != 1), "{mode:?}: a drained server gets no new flow");
        assert_eq!(moved(&mut lab, DSR, &new), 0, "{mode:?}: new flows");
        flows.extend(new);
        lab.wanted[0].servers.push(server(5, "10.0.0.15", 443));
        lab.wanted[0].servers[0].state = ServerState::Active;
        lab.turn();
        assert_eq!(moved(&mut lab, DSR, &flows), 0, "{mode:?}: one more server, and the drained one back");
        lab.wanted[0].servers[1].state = ServerState::Dead;
        lab.turn();
        let lost = flows.iter().filter(|(_, server)| *server == 2).count();
        assert_eq!(moved(&mut lab, DSR, &flows), lost, "{mode:?}: the dead server's flows and no others");
        assert!(open(&mut lab, DSR, 6000..6500).iter().all(|(_, server)| *server != 2));
        let id = lab.plan.vip_id(lab.wanted[0].key()).unwrap();
        assert!(lab.door.tables.vip_traffic(id).unwrap().opened >= 4500, "{mode:?}: flows are counted");
    }
}

#[test]
fn a_row_given_again_counts_from_zero() {
    let mut lab =
        Lab::new(vec![vip(DSR.0, DSR.1, Protocol::Tcp, Mode::Dsr, vec![server(1, "10.0.0.11", 443)])]);
    let (id, number) = numbers(&lab);
    open(&mut lab, DSR, 1000..1100);
    let both = |lab: &Lab| {
        let tables = &lab.door.tables;
        (tables.vip_traffic(id).unwrap().packets, tables.server_traffic(number).unwrap().packets)
    };
    assert_eq!(both(&lab), (100, 100));
    // Another address takes the id at once; another server takes the number when the first one's flows are over.
    lab.wanted = vec![vip(TUNNEL.0, TUNNEL.1, Protocol::Tcp, Mode::Dsr, vec![])];
    lab.turn();
    assert_eq!(both(&lab), (0, 100));
    let later = Instant::now() + Duration::from_secs(25 * 3600);
    let steps = lab.plan.update(&lab.wanted, later).unwrap();
    lab.door.tables.apply(&steps).unwrap();
    lab.wanted[0].servers.push(server(2, "10.0.0.12", 443));
    lab.turn();
    assert_eq!(numbers(&lab), (id, number));
    assert_eq!(both(&lab), (0, 0));
}

/// The first VIP's id, and the number of its first server.
fn numbers(lab: &Lab) -> (u32, u16) {
    let vip = &lab.wanted[0];
    let number = lab.plan.server_number(&vip.servers[0]);
    (lab.plan.vip_id(vip.key()).expect("it is planned"), number.expect("it is planned"))
}

#[test]
fn without_a_live_server_packets_are_dropped_for_that_reason() {
    let mut lab = Lab::new(wanted());
    for vip in &mut lab.wanted {
        vip.servers.iter_mut().for_each(|server| server.state = ServerState::Dead);
    }
    lab.turn();
    for to in [DSR, NAT, TUNNEL, DSR6, NAT6, TUNNEL6] {
        let outcome = lab.run(&tcp(to).bytes());
        assert_eq!((outcome.verdict, outcome.reason), (DROP, Reason::NoServer), "{to:?}");
    }
}

#[test]
fn new_nat_flows_past_the_budget_wait_and_known_ones_do_not() {
    let mut lab = Lab::new(wanted());
    assert_eq!(lab.run(&tcp(NAT).bytes()).reason, Reason::Nat);
    lab.door.tables.set_settings(Settings { new_flows_per_second: 1, ..Settings::default() }).unwrap();
    let reasons: Vec<Reason> =
        (1..50).map(|port| lab.run(&Frame::tcp((CLIENT.0, port), NAT, SYN).bytes()).reason).collect();
    assert!(reasons.contains(&Reason::FlowRate));
    assert_eq!(lab.run(&tcp(NAT).bytes()).reason, Reason::Nat, "a known flow goes on");
}

#[test]
fn past_the_budget_a_syn_of_a_changed_slot_stays_with_its_later_packets() {
    let servers = (1..=4).map(|n| server(n, &format!("10.0.0.1{n}"), 443)).collect();
    let mut lab = Lab::new(vec![vip(DSR.0, DSR.1, Protocol::Tcp, Mode::Dsr, servers)]);
    lab.wanted[0].servers[0].state = ServerState::Draining;
    lab.turn();
    lab.door.tables.set_settings(Settings { new_flows_per_second: 1, ..Settings::default() }).unwrap();
    let flows = open(&mut lab, DSR, 1000..3000);
    assert_eq!(moved(&mut lab, DSR, &flows), 0);
}

#[test]
fn two_vips_may_not_share_one_flow_of_a_server() {
    let mut lab = Lab::new(wanted());
    let syn = |to, flags| Frame::tcp(CLIENT, to, flags).bytes();
    assert_eq!(lab.run(&syn(NAT, SYN)).reason, Reason::Nat);
    assert_eq!(lab.run(&syn(NAT_TOO, SYN)).reason, Reason::NatClash);
    assert_eq!(lab.run(&syn(NAT, SYN)).reason, Reason::Nat, "the first keeps it");
    let server: IpAddr = NAT_SERVER.parse().unwrap();
    let fin =
        Frame { source: (server, 8443), destination: tcp(NAT).source, ..Frame::tcp(CLIENT, NAT, FIN | ACK) };
    assert_eq!(lab.run(&fin.bytes()).reason, Reason::NatReply);
    assert_eq!(lab.run(&syn(NAT_TOO, SYN)).reason, Reason::Nat, "once it has ended the next may");
}

/// No test by itself but what the next one starts as somebody who may not load programs.
#[test]
fn nobody() {
    if std::env::var_os("AS_NOBODY").is_some() {
        let fault = Door::load(&Options { pins: None, ..Options::default() }).err();
        println!(
            "{}",
            fault.map_or_else(|| "it loads".to_owned(), |fault| format!("{}: {fault}", fault.code()))
        );
    }
}

#[test]
fn who_lacks_capabilities_is_told_which() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "nobody", "--nocapture"]).env("AS_NOBODY", "1").uid(65_534);
    let said = String::from_utf8_lossy(&again.output().unwrap().stdout).into_owned();
    let wanted = "packet-capabilities: the packet data plane needs CAP_NET_ADMIN and CAP_PERFMON and CAP_BPF";
    assert!(said.contains(wanted), "{said}");
}

#[test]
fn pins_outside_a_bpf_file_system_are_refused() {
    let options = Options { pins: Some("/proc".into()), ..Options::default() };
    assert!(matches!(Door::load(&options).err(), Some(Fault::NoBpfFileSystem(_))));
}

/// What this thread used of a CPU: how busy the machine is besides says nothing.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("threads have a clock").into()
}

#[test]
fn ten_thousand_random_packets_do_no_harm_and_take_no_time() {
    let mut lab = Lab::new(wanted());
    let began = cpu_time();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut dice = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    let frames =
        [tcp(DSR), udp(NAT), tcp(TUNNEL).vlan(3), tcp(NAT6), udp(TUNNEL6), tcp(SIX_IN_FOUR).payload(1441)];
    for _ in 0..10_000 {
        let mut bytes = frames[dice() % frames.len()].bytes();
        for _ in 0..dice() % 4 {
            let at = 12 + dice() % (bytes.len() - 12);
            bytes[at] = dice() as u8;
        }
        let length = if dice() % 4 == 0 { 14 + dice() % (bytes.len() - 14) } else { bytes.len() };
        let (verdict, _) = lab.run_fast(&bytes[..length]);
        assert!([DROP, PASS, TX].contains(&verdict), "verdict {verdict}");
    }
    let counted: u64 = lab.door.tables.reasons().unwrap().iter().map(|(_, count)| count).sum();
    assert_eq!(counted, 10_000, "every packet has one reason");
    assert!(cpu_time() - began < Duration::from_secs(1), "{:?}", cpu_time() - began);
}

/// Runs a frame through the unwrapping program of a server that knows one balancer.
fn unwrapped(frame: &[u8]) -> (u32, decap::Reason, Vec<u8>) {
    let sender = |address: &str| decap::sender_of(address.parse().expect("an address"), 0);
    let senders = vec![sender("10.0.0.1"), sender("fd00::1")];
    let options = decap::Options { pins: None, interfaces: vec![], senders };
    let mut decap = Decap::start(&options).unwrap_or_else(|fault| panic!("{fault}"));
    let mut out = vec![0; frame.len() + 64];
    let program = decap.program().expect("the program is loaded");
    let options =
        TestRunOptions { data_in: Some(frame), data_out: Some(&mut out), ..TestRunOptions::default() };
    let run = program.test_run(options).expect("the kernel runs it");
    out.truncate(run.data_size_out as usize);
    let counted: Vec<_> =
        decap.reasons().expect("counters can be read").into_iter().filter(|(_, count)| *count > 0).collect();
    let [(reason, 1)] = counted[..] else { panic!("one packet has one reason: {counted:?}") };
    (run.return_value, reason, out)
}

#[test]
fn the_servers_end_takes_off_what_the_tunnel_put_on() {
    let mut lab = Lab::new(wanted());
    for to in [TUNNEL, TUNNEL6, FOUR_IN_SIX, SIX_IN_FOUR] {
        let frame = tcp(to);
        let sent = lab.run(&frame.bytes()).frame;
        let (verdict, reason, got) = unwrapped(&sent);
        assert_eq!((verdict, reason), (PASS, decap::Reason::Unwrapped), "{to:?}");
        let mut wanted = Frame { ttl: 63, ..frame }.bytes();
        wanted[..12].copy_from_slice(&sent[..12]);
        assert_same(to.0, &got, &wanted);
    }
}

#[test]
fn the_servers_end_tells_the_inner_header_of_congestion() {
    let mut lab = Lab::new(wanted());
    for (to, offset) in [(TUNNEL, 14), (SIX_IN_FOUR, 14)] {
        let sender = Frame { tos: 2, ..tcp(to) };
        let mut sent = lab.run(&sender.bytes()).frame;
        sent[offset + 1] |= 3;
        let got = unwrapped(&sent).2;
        let mut wanted = Frame { ttl: 63, tos: 3, ..sender }.bytes();
        wanted[..12].copy_from_slice(&sent[..12]);
        assert_same(to.0, &got, &wanted);
    }
    let mut sent = lab.run(&tcp(TUNNEL).bytes()).frame;
    sent[15] |= 3;
    assert_eq!(unwrapped(&sent).2[15], 0, "a sender that knows no ECN is told nothing");
}

#[test]
fn a_tunnels_source_varies_by_flow_as_far_as_it_is_told() {
    let mut spread = server(1, NAT_SERVER, 443);
    spread.source_spread_bits = 4;
    spread.hop.as_mut().expect("it has a way").source = [10, 0, 0, 16].into();
    let mut lab = Lab::new(vec![vip(TUNNEL.0, TUNNEL.1, Protocol::Tcp, Mode::Tunnel, vec![spread])]);
    let mut seen = std::collections::BTreeSet::new();
    for port in 1..200 {
        let sent = lab.run_fast(&Frame::tcp((CLIENT.0, port), TUNNEL, ACK).bytes()).1;
        assert_eq!(sum(&sent[14..34]), 0xffff, "the outer header's checksum holds");
        assert_eq!(sent[26..29], [10, 0, 0]);
        seen.insert(sent[29]);
    }
    assert_eq!(seen, (16..32).collect(), "all sixteen addresses and no other");
    let senders = decap::sender_of([10, 0, 0, 16].into(), 4);
    assert_eq!((senders.bits, senders.address), (28, [10, 0, 0, 16].into()));
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let options = Options { pins: None, interfaces: vec!["tpk-none".into()], ..Options::default() };
    let fault = Door::start(&options).err().expect("there is no such interface");
    assert!(fault.to_string().contains("tpk-none"), "{fault}");
}

#[test]
fn the_servers_end_listens_to_nobody_else() {
    let mut lab = Lab::new(wanted());
    let wrapped = lab.run(&tcp(TUNNEL).bytes()).frame;
    let mut stranger = wrapped.clone();
    stranger[29] = 2;
    let mut fragment = wrapped.clone();
    fragment[20] = 0x20;
    let cases = [
        ("not a tunnel's", tcp(DSR).bytes(), PASS, decap::Reason::Other),
        ("a stranger's", stranger, DROP, decap::Reason::Stranger),
        ("a fragment", fragment, PASS, decap::Reason::Other),
        ("torn", wrapped[..50].to_vec(), DROP, decap::Reason::Truncated),
        ("Ethernet only", wrapped[..14].to_vec(), PASS, decap::Reason::Other),
    ];
    for (what, frame, verdict, reason) in cases {
        let (got, why, _) = unwrapped(&frame);
        assert_eq!((got, why), (verdict, reason), "{what}");
    }
}
