//! Listeners and their routes.

use super::Kind::{Bool, Choice, Duration, Integer, List, Listen, Name, Network};
use super::http::{
    ERROR_PAGE, FORWARDED, HTTP, LISTENER_EDITS, LISTENER_REDIRECT, LISTENER_TIMEOUTS, REQUEST_LIMITS, ROUTE,
};
use super::waf::PER_SOURCE;
use super::{Key, Kind, Table, Word, certificate, milliseconds, packet, root, seconds};

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
            "`passthrough` refuses clients that no route takes (`no-sni-match`), `http` answers their requests with 404 \
             (`no-route`); all other modes need it",
            "Where connections (or packets) go: all of them, but under `passthrough` those without a server name or with \
             one that no route lists, and under `http` requests that no route takes.",
        ),
        Key::optional(
            "routes",
            Kind::Tables(&ROUTE),
            "[{ sni = [\"mail.example.com\"], pool = \"exchange\" }]",
            "everything goes to `pool`",
            "What is done with whom: under `passthrough` by TLS server name, under `http` by request. The first route that \
             fits takes the connection or request.",
        )
        .only(&["passthrough", "http"]),
        Key::optional(
            "redirect",
            Choice(LISTENER_REDIRECT),
            "\"https\"",
            "requests that no route takes go to `pool`",
            "Requests that no route takes are sent elsewhere, all of them where there are no routes.",
        )
        .only(HTTP),
        Key::optional(
            "tls",
            Kind::Table(&certificate::LISTENER_TLS),
            "{ certificates = [\"mail\"] }",
            "`mode = \"tls\"` needs it; `http` is in clear",
            certificate::LISTENER_TLS.doc,
        )
        .only(&["tls", "http"]),
        Key::default(
            "inspect-timeout",
            Duration { min: milliseconds(100), max: seconds(300) },
            "\"5s\"",
            "How long a client may take to send its ClientHello, under `tls` and \
             `http` for its whole handshake (`client-timeout`).",
        )
        .only(&["passthrough", "tls", "http"]),
        Key::default(
            "plain-http",
            Choice(PLAIN_HTTP),
            "\"refuse\"",
            "What a client gets that speaks plain HTTP where TLS is expected (`client-sent-plain-http`).",
        )
        .only(&["passthrough", "tls", "http"]),
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
        Key::optional(
            "timeouts",
            Kind::Table(&LISTENER_TIMEOUTS),
            "{ head = \"10s\", keep-alive = \"2m\" }",
            "as its keys say",
            LISTENER_TIMEOUTS.doc,
        )
        .only(HTTP),
        LISTENER_EDITS[0],
        LISTENER_EDITS[1],
        LISTENER_EDITS[2],
        LISTENER_EDITS[3],
        LISTENER_EDITS[4],
        LISTENER_EDITS[5],
        LISTENER_EDITS[6],
        LISTENER_EDITS[7],
        Key::optional("forwarded", Kind::Table(&FORWARDED), "{ trust = [\"10.0.10.0/24\"] }", "as its keys say", FORWARDED.doc)
            .only(HTTP),
        Key::optional(
            "error-pages",
            Kind::Tables(&ERROR_PAGE),
            "[{ status = 503, file = \"/etc/transom/503.html\" }]",
            "a sentence in plain text",
            ERROR_PAGE.doc,
        )
        .only(HTTP),
        Key::default(
            "h2c",
            Bool,
            "false",
            "Whether clients may speak HTTP/2 in clear here, where they know that beforehand (RFC 9113 section 3.3): for \
             a balancer in front, and gRPC inside. Over TLS clients choose by ALPN.",
        )
        .only(HTTP),
        Key::default(
            "ready",
            Bool,
            "false",
            "Whether `/.transom/ready` is answered here: 200, or 503 while draining or while a pool of this listener has \
             no server up. For a balancer in front.",
        )
        .only(HTTP),
        Key::optional(
            "waf",
            Name,
            "\"default\"",
            "none",
            "The firewall that looks at requests; routes may name another.",
        )
        .only(HTTP),
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
    Word::new(
        "http",
        "Requests are read, and each is routed by itself: HTTP/1.1, in clear or over TLS with the certificates of `tls`.",
    ),
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
        Key::optional(
            "per-source",
            Kind::Table(&PER_SOURCE),
            "{ connections = 200, connections-rate = \"50/s\" }",
            "no limits",
            PER_SOURCE.doc,
        ),
        REQUEST_LIMITS[0],
        REQUEST_LIMITS[1],
        REQUEST_LIMITS[2],
        REQUEST_LIMITS[3],
    ],
};
