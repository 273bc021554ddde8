//! Listeners and their routes.

use super::Kind::{Choice, Duration, Integer, List, Listen, Name, Network, ServerName};
use super::{Key, Kind, Table, Word, certificate, later, milliseconds, packet, root, seconds};

/// `[listener.NAME]`
pub(crate) static LISTENER: Table = Table {
    doc: "Addresses that connections are accepted on, and what happens to them there.",
    keys: &[
        Key::required(
            "bind",
            List(&Listen),
            "[\"[::]:443\"]",
            "Addresses to accept on. `[::]` takes IPv4 as well. An address may be listed once in the whole file, and \
             not beside `[::]` or `0.0.0.0` with the same port, which take it already. Port 0 takes a free port, which \
             the `ready` line names. Under `nat`, `dsr` and `tunnel` each is one address and port, and a protocol if it \
             is not TCP: `\"192.0.2.1:53/udp\"`.",
        )
        .filled(),
        Key::required("mode", Choice(MODES), "\"passthrough\"", "What is done with a connection."),
        Key::optional(
            "pool",
            Name,
            "\"web\"",
            "`passthrough` refuses clients that no route takes (`no-sni-match`); all other modes need it",
            "Where connections (or packets) go: all of them, but under `passthrough` those without a server name \
             or with one that no route lists.",
        ),
        Key::optional(
            "routes",
            Kind::Tables(&ROUTE),
            "[{ sni = [\"mail.example.com\"], pool = \"exchange\" }]",
            "every client goes to `pool`",
            "Pools by TLS server name. The first route that lists the name takes the connection.",
        )
        .only(&["passthrough"]),
        Key::optional(
            "tls",
            Kind::Table(&certificate::LISTENER_TLS),
            "{ certificates = [\"mail\"] }",
            "`mode = \"tls\"` needs it",
            certificate::LISTENER_TLS.doc,
        )
        .only(&["tls"]),
        Key::default(
            "inspect-timeout",
            Duration { min: milliseconds(100), max: seconds(300) },
            "\"5s\"",
            "How long a client may take to send its ClientHello, under `tls` for its whole handshake \
             (`client-timeout`).",
        )
        .only(&["passthrough", "tls"]),
        Key::default(
            "plain-http",
            Choice(PLAIN_HTTP),
            "\"refuse\"",
            "What a client gets that speaks plain HTTP where TLS is expected (`client-sent-plain-http`).",
        )
        .only(&["passthrough", "tls"]),
        Key::default(
            "not-tls",
            Choice(NOT_TLS),
            "\"refuse\"",
            "What happens to a client that speaks neither TLS nor HTTP, or says nothing in time.",
        )
        .only(&["passthrough"]),
        Key::optional(
            "allow",
            List(&Network),
            "[\"192.0.2.0/24\"]",
            "everybody may connect",
            "Sources that may connect; all others may not. An empty list is as none.",
        ),
        Key::optional(
            "refuse",
            List(&Network),
            "[\"198.51.100.7\"]",
            "nobody is refused",
            "Sources that may not connect. Asked before `allow`.",
        ),
        Key::optional(
            "accept-proxy",
            List(&Network),
            "[\"10.0.10.0/24\"]",
            "no header is read",
            "Sources that put a PROXY protocol header (version 1 or 2) before each connection, and are believed what \
             it says of the client. `allow` and `refuse` then look at the client that the header names.",
        ),
        Key::optional("limits", Kind::Table(&LISTENER_LIMITS), "{ connections = 10_000 }", "as its keys say", LISTENER_LIMITS.doc),
        Key::later("hosts", later::HTTP),
        Key::later("redirect", later::HTTP),
        Key::later("waf", later::WAF),
        Key::later("application", later::APPLICATION),
        packet::BALANCE,
        packet::HASH_ON,
    ],
};

/// `mode`
pub(crate) const MODES: &[Word] = &[
    Word::new("tcp", "Every connection goes to one pool, and nothing in it is read."),
    Word::new(
        "passthrough",
        "The TLS ClientHello is read for its server name, which chooses the pool; nothing is decrypted, so that the \
         servers keep their certificates, and NTLM and Extended Protection keep working.",
    ),
    Word::new(
        "tls",
        "TLS is decrypted with the certificates of `tls`; what is inside goes to one pool unread, encrypted again where \
         the pool's `connect` says so.",
    ),
    Word::later("http", later::HTTP),
    packet::NAT,
    packet::DSR,
    packet::TUNNEL,
];

/// `plain-http`
pub(crate) const PLAIN_HTTP: &[Word] = &[
    Word::new("redirect", "308 to the same address with `https`; 400 where the request names no host."),
    Word::new("refuse", "400 with a sentence that says why."),
    Word::new("reset", "The connection is reset."),
];

/// `not-tls`
pub(crate) const NOT_TLS: &[Word] = &[
    Word::new("refuse", "It is cut (`client-bad-request`, or `client-timeout` when it said nothing)."),
    Word::new("pool", "It goes to the listener's `pool` as it is."),
];

/// An entry of `routes`
pub(crate) static ROUTE: Table = Table {
    doc: "One route of a passthrough listener. Also written `[[listener.NAME.routes]]`.",
    keys: &[
        Key::required(
            "sni",
            List(&ServerName),
            "[\"mail.example.com\", \"*.example.net\"]",
            "Server names, in any letter case. `*.example.net` takes every name below `example.net`, of one label or \
             more, but not `example.net` itself.",
        )
        .filled(),
        Key::required("pool", Name, "\"exchange\"", "Where such connections go."),
        Key::later("name", later::HTTP),
        Key::later("host", later::HTTP),
        Key::later("hosts", later::HTTP),
        Key::later("path", later::HTTP),
        Key::later("paths", later::HTTP),
        Key::later("method", later::HTTP),
        Key::later("methods", later::HTTP),
        Key::later("redirect", later::HTTP),
        Key::later("set-request-headers", later::HTTP),
        Key::later("set-response-headers", later::HTTP),
    ],
};

/// `limits` of a listener
pub(crate) static LISTENER_LIMITS: Table = Table {
    doc: "Limits of one listener.",
    keys: &[
        Key::optional(
            "connections",
            Integer { min: 1, max: root::CONNECTIONS_MAX },
            "10_000",
            "the global limit alone",
            "Client connections at a time. Further ones wait in the backlog.",
        ),
        Key::default(
            "backlog",
            Integer { min: 1, max: 1_000_000 },
            "4096",
            "Connections the kernel keeps while they wait to be accepted. The kernel's own limit, \
             `net.core.somaxconn`, may be lower.",
        ),
    ],
};
