//! The C and the Rust side of `abi` have the same types: sizes, offsets, enum values, read from the objects' BTF.

use std::collections::HashMap;
use std::mem::offset_of;

use transom_packet::shield::abi as shield;
use transom_packet::{abi, decap, object};

/// A type of the BTF, as far as it is compared.
#[derive(Debug, Default)]
struct Types {
    /// Name -> size and (member, byte offset).
    structs: HashMap<String, (usize, Vec<(String, usize)>)>,
    /// Name -> (enumerator, value).
    enums: HashMap<String, Vec<(String, usize)>>,
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

fn u64_at(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize
}

fn string(bytes: &[u8], at: usize) -> String {
    let end = bytes[at..].iter().position(|&byte| byte == 0).expect("strings end");
    String::from_utf8_lossy(&bytes[at..at + end]).into_owned()
}

/// The section of a little-endian ELF64 file.
fn section<'a>(elf: &'a [u8], name: &str) -> &'a [u8] {
    let headers = u64_at(elf, 0x28);
    let count = usize::from(u16::from_le_bytes([elf[0x3c], elf[0x3d]]));
    let names = usize::from(u16::from_le_bytes([elf[0x3e], elf[0x3f]]));
    let header = |n: usize| headers + n * 64;
    let body = |n: usize| &elf[u64_at(elf, header(n) + 0x18)..][..u64_at(elf, header(n) + 0x20)];
    let found = (0..count).find(|&n| string(body(names), u32_at(elf, header(n))) == name);
    body(found.unwrap_or_else(|| panic!("the object has a section {name}")))
}

/// Documentation/bpf/btf.rst: a header, types, strings.
fn types(elf: &[u8]) -> Types {
    let btf = section(elf, ".BTF");
    let header = u32_at(btf, 4);
    let (start, length) = (header + u32_at(btf, 8), u32_at(btf, 12));
    let strings = &btf[header + u32_at(btf, 16)..];
    let mut types = Types::default();
    let mut at = start;
    while at < start + length {
        let (name, info, size) = (string(strings, u32_at(btf, at)), u32_at(btf, at + 4), u32_at(btf, at + 8));
        let (kind, count) = (info >> 24 & 31, info & 0xffff);
        at += 12;
        match kind {
            4 => {
                let member = |n: usize| {
                    let member = at + 12 * n;
                    (string(strings, u32_at(btf, member)), (u32_at(btf, member + 8) & 0xff_ffff) / 8)
                };
                types.structs.insert(name, (size, (0..count).map(member).collect()));
            }
            6 => {
                let value =
                    |n: usize| (string(strings, u32_at(btf, at + 8 * n)), u32_at(btf, at + 8 * n + 4));
                types.enums.insert(name, (0..count).map(value).collect());
            }
            _ => {}
        }
        at += match kind {
            1 | 14 | 17 => 4,
            3 => 12,
            4 | 5 | 15 | 19 => 12 * count,
            6 | 13 => 8 * count,
            _ => 0,
        };
    }
    types
}

/// Name, size and (member, offset) of a Rust struct.
macro_rules! shape {
    ($type:ty, $($member:ident),+) => {
        (size_of::<$type>(), vec![$((stringify!($member), offset_of!($type, $member))),+])
    };
}

#[test]
fn structs_are_the_same_in_c_and_rust() {
    let types = types(object::DOOR.expect("built with the feature bpf"));
    let cases = [
        ("vip4_key", shape!(abi::Vip4Key, address, port, protocol)),
        ("vip6_key", shape!(abi::Vip6Key, address, port, protocol)),
        ("vip", shape!(abi::Vip, id, ring, mode, hash_on, reserved)),
        (
            "server",
            shape!(
                abi::Server,
                address,
                source,
                macs,
                interface,
                source_spread,
                port,
                packet_max,
                epoch,
                family,
                live
            ),
        ),
        ("ring", shape!(abi::Ring, word)),
        ("flow4", shape!(abi::Flow4, source, destination, ports, protocol)),
        ("flow6", shape!(abi::Flow6, source, destination, ports, protocol)),
        ("held", shape!(abi::Held, server, epoch, reserved)),
        (
            "nat4",
            shape!(
                abi::Nat4,
                address,
                port,
                header_delta,
                body_delta,
                server,
                epoch,
                direction,
                closing,
                macs,
                interface
            ),
        ),
        (
            "nat6",
            shape!(
                abi::Nat6,
                address,
                port,
                header_delta,
                body_delta,
                server,
                epoch,
                direction,
                closing,
                macs,
                interface
            ),
        ),
        ("traffic", shape!(abi::Traffic, packets, bytes, reply_packets, reply_bytes, opened)),
        ("settings", shape!(abi::Settings, new_flows_per_second, fragments, options, reserved)),
    ];
    assert_same(&types, cases);
}

#[test]
fn the_shields_structs_are_the_same_in_c_and_rust() {
    let types = types(object::DOOR.expect("built with the feature bpf"));
    let context = shape!(
        shield::Context,
        source_packets,
        source_syn,
        source_udp,
        source_icmp,
        all_udp,
        all_icmp,
        strays,
        insistent,
        proof_above,
        proof_batch,
        tracking,
        proof,
        gated,
        full
    );
    let settings = shape!(
        shield::ShieldSettings,
        keys,
        seed,
        key_number,
        lists,
        mss4,
        mss6,
        window_scale,
        options,
        reserved
    );
    let event = shape!(
        shield::Event,
        reason,
        weight,
        source,
        target,
        ports,
        context,
        protocol,
        flags,
        length,
        reserved
    );
    let cases = [
        ("context", context),
        ("shield_settings", settings),
        ("event", event),
        ("pace", shape!(shield::Pace, gap, depth)),
        ("gate_key", shape!(shield::GateKey, context, port, protocol)),
        ("line", shape!(shield::Line, bits)),
        ("source", shape!(shield::Source, packets, syn, udp, icmp)),
        ("source_key", shape!(shield::SourceKey, source, context, reserved)),
        ("pressure", shape!(shield::Pressure, window, count, hot_until, reserved)),
        ("spending", shape!(shield::Spending, udp, icmp, strays, insistent, syns)),
        ("tally", shape!(shield::Tally, by)),
    ];
    assert_same(&types, cases);
    let values = |name: &str| types.enums[name].iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    assert_eq!(values("tracking"), ["TRACKING_STATELESS", "TRACKING_STATEFUL"]);
    assert_eq!(values("proof"), ["PROOF_OFF", "PROOF_ABOVE", "PROOF_ALWAYS"]);
    assert_eq!(values("listed"), ["LISTED_NOT", "LISTED_BLOCK", "LISTED_ALLOW"]);
    assert_eq!(values("gate"), ["GATE_SHUT", "GATE_OPEN", "GATE_BY_SOURCE"]);
}

/// Name, and size and members.
type Shape = (&'static str, (usize, Vec<(&'static str, usize)>));

fn assert_same(types: &Types, cases: impl IntoIterator<Item = Shape>) {
    for (name, (size, members)) in cases {
        let (in_c, members_in_c) =
            types.structs.get(name).unwrap_or_else(|| panic!("C has no struct {name}"));
        assert_eq!(*in_c, size, "size of {name}");
        let members: Vec<_> = members.into_iter().map(|(name, at)| (name.to_owned(), at)).collect();
        assert_eq!(*members_in_c, members, "{name}");
    }
}

/// `REASON_NO_VIP` -> `no-vip`.
fn plain(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).expect("enumerators have their prefix").to_lowercase().replace('_', "-")
}

#[test]
fn enums_are_the_same_in_c_and_rust() {
    let door = types(object::DOOR.expect("built with the feature bpf"));
    let reasons: Vec<_> =
        abi::Reason::ALL.iter().map(|reason| (reason.name().to_owned(), *reason as usize)).collect();
    let in_c = |types: &Types, name: &str, prefix: &str, end: &str| -> Vec<(String, usize)> {
        let values = &types.enums[name];
        values
            .iter()
            .filter(|(name, _)| name != end)
            .map(|(name, value)| (plain(name, prefix), *value))
            .collect()
    };
    assert_eq!(in_c(&door, "reason", "REASON_", "REASONS"), reasons);
    let modes = [abi::Mode::Local, abi::Mode::Dsr, abi::Mode::Nat, abi::Mode::Tunnel];
    let modes = modes.map(|mode| (format!("{mode:?}").to_lowercase(), mode as usize));
    assert_eq!(in_c(&door, "mode", "MODE_", ""), modes);
    let hashes =
        [abi::HashOn::Flow, abi::HashOn::Source].map(|on| (format!("{on:?}").to_lowercase(), on as usize));
    assert_eq!(in_c(&door, "hash_on", "HASH_ON_", ""), hashes);
    let policies = [abi::Policy::Pass, abi::Policy::Drop]
        .map(|policy| (format!("{policy:?}").to_lowercase(), policy as usize));
    assert_eq!(in_c(&door, "policy", "POLICY_", ""), policies);
    let unwrap = types(object::DECAP.expect("built with the feature bpf"));
    let reasons: Vec<_> =
        decap::Reason::ALL.iter().map(|reason| (reason.name().to_owned(), *reason as usize)).collect();
    assert_eq!(in_c(&unwrap, "decap_reason", "DECAP_", "DECAP_REASONS"), reasons);
}
