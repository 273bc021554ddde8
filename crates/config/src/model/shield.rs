//! `[shield]` and `[[shield.contexts]]`

use super::Kind::{Allow, Choice, Integer, Interface, List, Network, PacketRate, Table as Inline};
use super::{Key, Kind, Table, Word};

/// `[shield]`
pub(crate) static SHIELD: Table = Table {
    doc: "The packet shield: it stands before everything on its interfaces, and before the kernel's own stack. \
          Malformed packets are always dropped.",
    keys: &[
        Key::required(
            "interfaces",
            List(&Interface),
            "[\"eth0\"]",
            "The interfaces that packets from outside come by.",
        )
        .filled(),
        Key::default(
            "tracking",
            Choice(TRACKING),
            "\"stateless\"",
            "What contexts do that say nothing else.",
        ),
        Key::optional(
            "block",
            List(&Network),
            "[\"192.0.2.0/24\"]",
            "nobody",
            "Sources that get nothing. The longest prefix of `block` and `allow` counts. `transom ctl shield block` \
             adds to it while the program runs.",
        ),
        Key::optional(
            "allow",
            List(&Network),
            "[\"198.51.100.7\"]",
            "nobody",
            "Sources that are asked for nothing: no budget, no list of ports, no proof. For monitoring and for large \
             offices behind one address.",
        ),
        Key::default("fragments", Choice(POLICIES), "\"pass\"", "What is done with fragments of IP packets."),
        Key::default(
            "options",
            Choice(POLICIES),
            "\"pass\"",
            "What is done with TCP and UDP that has IP options or IPv6 extension headers.",
        ),
        Key::optional(
            "contexts",
            Kind::Tables(&CONTEXT),
            "[{ destination = [\"192.0.2.9\"], allow = [\"tcp/443\"] }]",
            "validity and lists, and nothing else",
            CONTEXT.doc,
        ),
    ],
};

/// `tracking`
pub(crate) const TRACKING: &[Word] = &[
    Word::new(
        "stateful",
        "Both directions pass this machine: packets of no known connection do not go on. For listeners of this \
         program, and for `nat`.",
    ),
    Word::new(
        "stateless",
        "Replies do not pass here, as for `dsr` and `tunnel`: every packet is judged alone.",
    ),
];

/// `fragments` and `options`
pub(crate) const POLICIES: &[Word] =
    &[Word::new("pass", "The kernel sees them."), Word::new("drop", "They are dropped and counted.")];

/// An entry of `contexts`
pub(crate) static CONTEXT: Table = Table {
    doc: "What holds for packets to some destinations. Those that no context names are looked at for validity and \
          lists only.",
    keys: &[
        Key::required(
            "destination",
            List(&Network),
            "[\"192.0.2.9\"]",
            "Addresses or networks of this machine and of its packet listeners. Of several contexts the one with the \
             longest prefix holds.",
        )
        .filled(),
        Key::optional("tracking", Choice(TRACKING), "\"stateful\"", "as `[shield]` says", "Whether replies pass here."),
        Key::optional(
            "allow",
            List(&Allow),
            "[\"tcp/443\", \"tcp/25 from 192.0.2.0/24\", \"icmp/echo\"]",
            "everything",
            "What goes on: `tcp/PORT`, `udp/PORT`, ranges as `udp/5000-5010`, `icmp/echo`, `ip/NUMBER`; each for one \
             source with ` from NETWORK`. ICMP errors and what the network itself needs always go on; under \
             `tracking = \"stateful\"` answers to this machine's own connections do as well.",
        ),
        Key::optional(
            "syn-cookies",
            Inline(&SYN_COOKIES),
            "{ above = \"20k/s\" }",
            "openings prove nothing",
            SYN_COOKIES.doc,
        ),
        Key::optional(
            "per-source",
            Inline(&PER_SOURCE),
            "{ syn = \"100/s\", connections = 500 }",
            "no limit",
            PER_SOURCE.doc,
        ),
        Key::optional("total", Inline(&TOTAL), "{ udp = \"50k/s\" }", "no limit", TOTAL.doc),
        Key::default(
            "strays",
            PacketRate,
            "\"1k/s\"",
            "Packets of no known connection that go on all the same under `tracking = \"stateful\"`, so that whoever \
             lost a connection with this machine is told at once.",
        ),
    ],
};

/// `syn-cookies`
pub(crate) static SYN_COOKIES: Table = Table {
    doc: "Openings that have to prove their source. Listeners of this machine are answered for with SYN cookies; for \
          everything behind it the source is challenged once.",
    keys: &[Key::required(
        "above",
        PacketRate,
        "\"20k/s\"",
        "Openings of the context above which proof is asked for; `\"0/s\"` is always.",
    )],
};

/// `per-source`
pub(crate) static PER_SOURCE: Table = Table {
    doc: "What one source may send: an IPv4 address, or a /64 of IPv6.",
    keys: &[
        Key::optional("syn", PacketRate, "\"100/s\"", "no limit", "Openings of TCP connections."),
        Key::optional("packets", PacketRate, "\"20k/s\"", "no limit", "Packets of every kind."),
        Key::optional("udp", PacketRate, "\"1k/s\"", "no limit", "UDP, and what is neither TCP nor ICMP."),
        Key::optional("icmp", PacketRate, "\"10/s\"", "no limit", "Packets of ICMP."),
        Key::optional(
            "connections",
            Integer { min: 1, max: 16_777_216 },
            "500",
            "no limit",
            "Connections at a time, those of proxied listeners and of `nat` counted together.",
        ),
    ],
};

/// `total`
pub(crate) static TOTAL: Table = Table {
    doc: "What all sources together may send to the context; each CPU has an equal part.",
    keys: &[
        Key::optional("udp", PacketRate, "\"50k/s\"", "no limit", "UDP, and what is neither TCP nor ICMP."),
        Key::optional("icmp", PacketRate, "\"1k/s\"", "no limit", "Packets of ICMP."),
    ],
};
