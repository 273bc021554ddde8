//! The packet data plane, and what packet listeners add to listeners.

use super::Kind::{Choice, Duration, Integer, List, Name, Path};
use super::{Key, Table, Word, seconds};

/// The modes that balance packets.
pub(crate) const MODES: &[&str] = &["nat", "dsr", "tunnel"];

/// `mode = "nat"`
pub(crate) const NAT: Word = Word::new(
    "nat",
    "Packets are balanced: destination address and port are rewritten, replies come back through here. The servers' \
     way to the clients must lead through this machine. `docs/how-to/nat.md`.",
);

/// `mode = "dsr"`
pub(crate) const DSR: Word = Word::new(
    "dsr",
    "Packets are balanced: only the MAC address is rewritten, servers hold the VIP and answer clients directly. Servers \
     are in a subnet of this machine. `docs/how-to/dsr.md`.",
);

/// `mode = "tunnel"`
pub(crate) const TUNNEL: Word = Word::new(
    "tunnel",
    "Packets are balanced: wrapped in IP, unwrapped by servers that hold the VIP, wherever they can be routed to. \
     `docs/how-to/tunnel.md`.",
);

/// `balance` of a packet listener
pub(crate) const BALANCE: Key = Key::optional(
    "balance",
    Choice(BALANCES),
    "\"hash\"",
    "as the pool's `balance` says, as far as that is one of these",
    "How a server is chosen for a new flow.",
)
.only(MODES);

/// `hash-on` of a packet listener
pub(crate) const HASH_ON: Key =
    Key::optional("hash-on", Choice(HASHES), "\"source\"", "`source`", "What `balance = \"hash\"` hashes.")
        .only(MODES);

/// `balance`
pub(crate) const BALANCES: &[Word] = &[
    Word::new("round-robin", "Flows are spread evenly by weight."),
    Word::new("hash", "By `hash-on`, consistently (Maglev): a change moves few clients."),
];

/// `hash-on`
pub(crate) const HASHES: &[Word] = &[
    Word::new("source", "The client's address: all its flows reach one server."),
    Word::new("flow", "Addresses and ports: as `round-robin`."),
];

/// `[packet]`
pub(crate) static PACKET: Table = Table {
    doc: "The packet data plane, which serves the listeners of the modes `nat`, `dsr` and `tunnel`: one program in the \
          receive path of network interfaces (XDP). Loading it needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.",
    keys: &[
        Key::optional(
            "interfaces",
            List(&Name),
            "[\"eth0\"]",
            "packet listeners need it",
            "Interfaces whose packets are balanced: where clients' packets come in, and under `nat` also where servers' \
             replies do. Of a bond or VLAN, the interfaces below it.",
        )
        .filled(),
        Key::default("driver", Choice(DRIVERS), "\"auto\"", "Where in the receive path the program runs."),
        Key::optional(
            "mtu",
            Integer { min: 576, max: 9216 },
            "1400",
            "as the interface towards each server says",
            "The longest IP packet on the way to servers, wrapping included. A client's packet that does not fit is \
             answered with ICMP, as a router would.",
        ),
        Key::default(
            "flows",
            Integer { min: 1000, max: 16_000_000 },
            "1_000_000",
            "Flows that each table holds (four tables: NAT or not, IPv4 or IPv6; about 100 bytes a flow, taken when it \
             comes). The one unused for longest makes room. Tables that exist keep their size until a stop.",
        ),
        Key::default(
            "vips",
            Integer { min: 1, max: 1024 },
            "64",
            "Addresses of packet listeners there is room for: 512 KiB each. Changing it takes a stop and a start.",
        ),
        Key::default(
            "new-flows-per-second",
            Integer { min: 0, max: 100_000_000 },
            "125_000",
            "Flows that tables take in a second and CPU, so that a flood of SYNs stays cheap; 0 is no limit. Under `nat` \
             what is above is dropped (`flow-rate`), under `dsr` and `tunnel` it needs no table.",
        ),
        Key::default("fragments", Choice(ODD), "\"pass\"", "What becomes of IP fragments."),
        Key::default(
            "ip-options",
            Choice(ODD),
            "\"pass\"",
            "What becomes of packets with IP options or IPv6 extension headers.",
        ),
        Key::default(
            "settle",
            Duration { min: seconds(60), max: seconds(30 * 86_400) },
            "\"1d\"",
            "How long after a change of servers flows that are older than it are looked for: longer than flows live.",
        ),
        Key::default("on-stop", Choice(ON_STOP), "\"detach\"", "What a stop does."),
        Key::default(
            "pins",
            Path,
            "\"/sys/fs/bpf/transom\"",
            "A directory in a BPF file system, made if need be, where program and tables outlive the process. Changing it \
             takes a stop and a start.",
        ),
    ],
};

/// `driver`
pub(crate) const DRIVERS: &[Word] = &[
    Word::new(
        "auto",
        "In the interface's driver where that can, else in the kernel's stack; the log says which.",
    ),
    Word::new("native", "In the driver; where that cannot, nothing starts."),
    Word::new("generic", "In the kernel's stack: works everywhere, several times slower."),
];

/// `fragments`, `ip-options`
pub(crate) const ODD: &[Word] = &[
    Word::new("pass", "The kernel's stack sees them, as if there were no balancer."),
    Word::new("drop", "They are dropped and counted."),
];

/// `on-stop`
pub(crate) const ON_STOP: &[Word] = &[
    Word::new("detach", "The program is taken off the interfaces: flows through it end."),
    Word::new(
        "keep",
        "It goes on balancing as it last was, and the next start takes it over without losing a flow: for restarts and \
         upgrades. `transom detach` takes it off.",
    ),
];
