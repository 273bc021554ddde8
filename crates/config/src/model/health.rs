//! Health checks.

use super::Kind::{
    Bool, Choice, Duration, Headers, Hex, Host, Integer, List, Path, Payload, Regex, Statuses, Text, Token,
    UrlPath,
};
use super::{Key, Kind, Table, Word, milliseconds, root, seconds};

/// `health-check`
pub(crate) static HEALTH_CHECK: Table = Table {
    doc: "A probe that tells whether a server is up. It names exactly one of `tcp`, `tls`, `http`, `https`, `smtp`.",
    keys: &[
        Key::optional("tcp", Bool, "true", "another probe", "The server accepts the connection."),
        Key::optional("tls", Bool, "true", "another probe", "A TLS handshake completes."),
        Key::optional(
            "http",
            UrlPath,
            "\"/health\"",
            "another probe",
            "A request for this path and query over plain HTTP/1.1 is answered as `expect` and `body` say.",
        ),
        Key::optional("https", UrlPath, "\"/owa/healthcheck.htm\"", "another probe", "The same over TLS."),
        Key::optional(
            "smtp",
            Choice(SMTP),
            "\"EHLO\"",
            "another probe",
            "The server greets, and answers this command with `expect` (RFC 5321).",
        ),
        Key::optional(
            "host",
            Host,
            "\"mail.example.com\"",
            "the server's address",
            "The `Host` header of the request; also the TLS server name, where none is verified.",
        )
        .only(&["http", "https"]),
        Key::default("method", Token, "\"GET\"", "The method of the request.").only(&["http", "https"]),
        Key::optional(
            "headers",
            Headers(&Text),
            "{ X-Health = \"1\" }",
            "`Host`, `User-Agent`, `Accept` and `Connection` alone",
            "Further headers of the request. What it says of `User-Agent` and `Accept` is sent in place of ours.",
        )
        .only(&["http", "https"]),
        Key::optional(
            "sequence",
            Kind::Tables(&STEP),
            "[{ send = \"PING\\r\\n\", expect = \"+PONG\" }]",
            "the connection, or the handshake, is enough",
            STEP.doc,
        )
        .filled()
        .only(&["tcp", "tls"]),
        Key::optional(
            "expect",
            Integer { min: 100, max: 599 },
            "200",
            "any status from 200 to 399; 250 for `smtp`",
            "The status that must be answered.",
        )
        .only(&["http", "https", "smtp"]),
        Key::optional(
            "statuses",
            List(&Statuses),
            "[\"2xx\", \"401\"]",
            "as `expect` says",
            "Statuses of which one must be answered: single ones, classes, ranges such as `200-399`. In place of `expect`.",
        )
        .filled()
        .only(&["http", "https"]),
        Key::optional(
            "body",
            root::TEXT,
            "\"200 OK\"",
            "the body is not read",
            "Text that the body must hold.",
        )
        .only(&["http", "https"]),
        Key::optional(
            "not-statuses",
            List(&Statuses),
            "[\"5xx\"]",
            "as `expect` and `statuses` say",
            "Statuses that must not be answered; without `statuses` every other one will do.",
        )
        .filled()
        .only(&["http", "https"]),
        Key::optional(
            "body-lacks",
            root::TEXT,
            "\"maintenance\"",
            "the body is not read",
            "Text that the body must not hold, as far as it is read: 64 KiB.",
        )
        .only(&["http", "https"]),
        Key::optional(
            "body-regex",
            Regex,
            "\"status: *(ok|green)\"",
            "the body is not read",
            "What must be found in the body.",
        )
        .only(&["http", "https"]),
        Key::default(
            "every",
            Duration { min: milliseconds(100), max: seconds(3600) },
            "\"2s\"",
            "Time between two probes of a server; each waits up to a tenth less or more, so that they spread.",
        ),
        Key::default(
            "timeout",
            Duration { min: milliseconds(10), max: seconds(300) },
            "\"2s\"",
            "A probe that takes longer has failed.",
        ),
        Key::default("rise", Integer { min: 1, max: 1000 }, "2", "Passes in a row that bring a server up."),
        Key::default("fall", Integer { min: 1, max: 1000 }, "3", "Failures in a row that take it down."),
        Key::optional(
            "port",
            Integer { min: 1, max: 65_535 },
            "8080",
            "the server's own",
            "Another port to probe.",
        ),
        Key::optional(
            "verify",
            Choice(VERIFY),
            "\"full\"",
            "`pool` where the pool has `connect = { tls = … }`, else `none`",
            "Whether the server's certificate is looked at. A probe carries no secret, so that any may do.",
        )
        .only(&["tls", "https"]),
        Key::optional(
            "ca",
            Path,
            "\"/etc/transom/tls/internal-ca.pem\"",
            "needed by `verify = \"full\"`",
            "PEM file of the authorities that may have signed it.",
        )
        .only(&["tls", "https"]),
        Key::optional(
            "name",
            Host,
            "\"mail.example.com\"",
            "needed by `verify = \"full\"`",
            "The name the certificate must be for; also sent as the TLS server name.",
        )
        .only(&["tls", "https"]),
    ],
};

/// An entry of `sequence`
pub(crate) static STEP: Table = Table {
    doc: "A conversation in bytes: each step sends something, awaits something, or does both in this order. What is \
          awaited may stand among more; what stands before it counts no longer.",
    keys: &[
        Key::optional(
            "send",
            Payload,
            "\"PING\\r\\n\"",
            "nothing is sent",
            "What is sent; `\\r\\n` ends a line.",
        ),
        Key::optional("send-hex", Hex, "\"0d 0a\"", "nothing is sent", "The same in hexadecimal digits."),
        Key::optional("expect", Payload, "\"+PONG\"", "nothing is awaited", "What the server must say."),
        Key::optional(
            "expect-hex",
            Hex,
            "\"0d 0a\"",
            "nothing is awaited",
            "The same in hexadecimal digits.",
        ),
        Key::optional(
            "expect-regex",
            Regex,
            "\"^220 .*ESMTP\"",
            "nothing is awaited",
            "A regular expression that is found in what it says.",
        ),
    ],
};

/// `smtp`
pub(crate) const SMTP: &[Word] = &[Word::new("EHLO", "The greeting of extended SMTP.")];

/// `verify`
pub(crate) const VERIFY: &[Word] = &[
    Word::new("none", "Any certificate will do."),
    Word::new(
        "pool",
        "As for the pool's connections: `connect = { tls = … }` says what is believed and asked for; its `certificate` is not shown.",
    ),
    Word::new("full", "It must be for `name` and signed by an authority in `ca`."),
];

/// The keys that name a probe.
pub(crate) const PROBES: &[&str] = &["tcp", "tls", "http", "https", "smtp"];
