//! Health checks.

use super::Kind::{Bool, Choice, Duration, Host, Integer, Path, UrlPath};
use super::{Key, Table, Word, milliseconds, root, seconds};

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
            "A GET of this path and query over plain HTTP/1.1 is answered as `expect` and `body` say.",
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
        Key::optional(
            "expect",
            Integer { min: 100, max: 599 },
            "200",
            "any status from 200 to 399; 250 for `smtp`",
            "The status that must be answered.",
        )
        .only(&["http", "https", "smtp"]),
        Key::optional(
            "body",
            root::TEXT,
            "\"200 OK\"",
            "the body is not read",
            "Text that the body must hold.",
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
