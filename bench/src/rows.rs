//! The rows that there are. One more row is one more entry.

use crate::load::After;
use crate::row::{Key, Mode, Row, Splice, Web, Work, Workers};
use crate::speech::Text;

const KIB: Text = Text::Bytes(1024);

/// What most rows have in common.
const PLAIN: Row = Row {
    name: "",
    what: "",
    mode: Mode::Tcp(Splice::Off),
    work: Work::KeepAlive { connections: 64 },
    gate: None,
    base: None,
    workers: Workers::Alone,
    beside: 0,
    waits: None,
};

/// HTTP/1.1 in clear to one pool.
const WEB: Web = Web { tls: None, resume: false, streams: 0, sites: 1, stick: false };
/// HTTP/1.1 over TLS to one pool.
const ECDSA: Web = Web { tls: Some(Key::Ecdsa), ..WEB };
/// `None` here once we speak it.
const NO_H2: Option<&str> = Some("waits for HTTP/2");

/// The rows that there are.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "tcp-short",
        what: "TCP: connect, 1 KiB there and back, close; 32 clients",
        mode: Mode::Tcp(Splice::Off),
        work: Work::Short { request: KIB, connections: 32 },
        gate: Some(0.95),
        ..PLAIN
    },
    Row {
        name: "tcp-keep-alive-64",
        what: "TCP: 1 KiB there and back; 64 connections",
        mode: Mode::Tcp(Splice::Off),
        work: Work::KeepAlive { connections: 64 },
        gate: Some(0.92),
        ..PLAIN
    },
    Row {
        name: "tcp-keep-alive-256",
        what: "TCP: 1 KiB there and back; 256 connections",
        mode: Mode::Tcp(Splice::Off),
        work: Work::KeepAlive { connections: 256 },
        gate: Some(0.92),
        ..PLAIN
    },
    Row {
        name: "tcp-bulk-down",
        what: "TCP: 1 GiB each from the servers; 4 connections; haproxy has option splice-auto",
        mode: Mode::Tcp(Splice::Auto),
        work: Work::Down { connections: 4 },
        gate: Some(0.35),
        ..PLAIN
    },
    Row {
        name: "tcp-bulk-up",
        what: "TCP: 1 GiB each to the servers; 4 connections; haproxy has option splice-auto",
        mode: Mode::Tcp(Splice::Auto),
        work: Work::Up { connections: 4 },
        gate: Some(0.35),
        ..PLAIN
    },
    Row {
        name: "tcp-splice-down",
        what: "TCP: as tcp-bulk-down; haproxy has option splice-response, which it always follows",
        mode: Mode::Tcp(Splice::Always),
        work: Work::Down { connections: 4 },
        ..PLAIN
    },
    Row {
        name: "tcp-splice-up",
        what: "TCP: as tcp-bulk-up; haproxy has option splice-request, which it always follows",
        mode: Mode::Tcp(Splice::Always),
        work: Work::Up { connections: 4 },
        ..PLAIN
    },
    Row {
        name: "passthrough-short",
        what: "TLS by name: connect, ClientHello, 1 KiB back, close; 32 clients",
        mode: Mode::Passthrough,
        work: Work::Short { request: Text::ClientHello, connections: 32 },
        ..PLAIN
    },
    Row {
        name: "tcp-idle-5000",
        what: "TCP: memory of an idle connection, 5,000 of them",
        mode: Mode::Tcp(Splice::Off),
        work: Work::Idle { connections: 5_000 },
        gate: Some(0.15),
        ..PLAIN
    },
    Row {
        name: "tcp-idle-10000",
        what: "TCP: memory of an idle connection, 10,000 of them (fewer where open files are limited)",
        mode: Mode::Tcp(Splice::Off),
        work: Work::Idle { connections: 10_000 },
        gate: Some(0.15),
        ..PLAIN
    },
    Row {
        name: "http-keep-alive-64",
        what: "HTTP/1.1: GET, 1 KiB back; 64 connections; gates: 0.85 of issue 3, 0.75 of issue 5",
        mode: Mode::Http(WEB),
        work: requests(After::Keep, 64),
        gate: Some(0.75),
        ..PLAIN
    },
    Row {
        name: "http-keep-alive-256",
        what: "HTTP/1.1: GET, 1 KiB back; 256 connections; gates: 0.85 of issue 3, 0.75 of issue 5",
        mode: Mode::Http(WEB),
        work: requests(After::Keep, 256),
        gate: Some(0.75),
        ..PLAIN
    },
    Row {
        name: "http-short",
        what: "HTTP/1.1: connect, GET, 1 KiB back, close; 32 clients",
        mode: Mode::Http(WEB),
        work: requests(After::Close, 32),
        gate: Some(1.0),
        ..PLAIN
    },
    Row {
        name: "tls-keep-alive",
        what: "HTTPS: GET, 1 KiB back; 64 connections; gates: 0.70 of issue 3, 0.65 of issue 5",
        mode: Mode::Http(ECDSA),
        work: requests(After::Keep, 64),
        gate: Some(0.65),
        ..PLAIN
    },
    Row {
        name: "tls-bulk",
        what: "HTTPS: GET, 1 MiB back; 8 connections",
        mode: Mode::Http(ECDSA),
        work: Work::Web { body: 1 << 20, after: After::Keep, connections: 8 },
        gate: Some(0.60),
        ..PLAIN
    },
    Row {
        name: "tls-handshake-ecdsa",
        what: "HTTPS: connect, full handshake (P-256), GET, 1 KiB back, close; 32 clients; gates: 0.50 of issue 3, 0.40 of issue 5",
        mode: Mode::Http(ECDSA),
        work: requests(After::Close, 32),
        gate: Some(0.40),
        ..PLAIN
    },
    Row {
        name: "tls-handshake-rsa2048",
        what: "HTTPS: as tls-handshake-ecdsa with an RSA key of 2048 bits",
        mode: Mode::Http(Web { tls: Some(Key::Rsa2048), ..WEB }),
        work: requests(After::Close, 32),
        gate: Some(0.65),
        ..PLAIN
    },
    Row {
        name: "tls-resumed",
        what: "HTTPS: as tls-handshake-ecdsa, resumed by tickets",
        mode: Mode::Http(Web { resume: true, ..ECDSA }),
        work: requests(After::Close, 32),
        ..PLAIN
    },
    Row {
        name: "h2-8x16",
        what: "HTTP/2 over TLS: GET, 1 KiB back; 8 connections of 16 streams",
        mode: Mode::Http(Web { streams: 16, ..ECDSA }),
        work: requests(After::Keep, 8),
        gate: Some(0.85),
        waits: NO_H2,
        ..PLAIN
    },
    Row {
        name: "h2-64x1",
        what: "HTTP/2 over TLS: GET, 1 KiB back; 64 connections of 1 stream",
        mode: Mode::Http(Web { streams: 1, ..ECDSA }),
        work: requests(After::Keep, 64),
        gate: Some(1.0),
        waits: NO_H2,
        ..PLAIN
    },
    Row {
        name: "h2c-8x16",
        what: "HTTP/2 in clear: GET, 1 KiB back; 8 connections of 16 streams",
        mode: Mode::Http(Web { streams: 16, ..WEB }),
        work: requests(After::Keep, 8),
        gate: Some(0.85),
        waits: NO_H2,
        ..PLAIN
    },
    Row {
        name: "h2c-64x1",
        what: "HTTP/2 in clear: GET, 1 KiB back; 64 connections of 1 stream",
        mode: Mode::Http(Web { streams: 1, ..WEB }),
        work: requests(After::Keep, 64),
        gate: Some(1.0),
        waits: NO_H2,
        ..PLAIN
    },
    Row {
        name: "http-idle-5000",
        what: "HTTP/1.1: memory of an idle connection, 5,000 of them",
        mode: Mode::Http(WEB),
        work: requests(After::Hold, 5_000),
        gate: Some(0.5),
        ..PLAIN
    },
    Row {
        name: "http-idle-10000",
        what: "HTTP/1.1: memory of an idle connection, 10,000 of them (fewer where open files are limited)",
        mode: Mode::Http(WEB),
        work: requests(After::Hold, 10_000),
        gate: Some(0.5),
        ..PLAIN
    },
    Row {
        name: "tls-idle-5000",
        what: "HTTPS: memory of an idle connection, 5,000 of them",
        mode: Mode::Http(ECDSA),
        work: requests(After::Hold, 5_000),
        gate: Some(0.6),
        ..PLAIN
    },
    Row {
        name: "tls-idle-10000",
        what: "HTTPS: memory of an idle connection, 10,000 of them (fewer where open files are limited)",
        mode: Mode::Http(ECDSA),
        work: requests(After::Hold, 10_000),
        gate: Some(0.6),
        ..PLAIN
    },
    Row {
        name: "http-routes-10",
        what: "HTTP/1.1: as http-keep-alive-64, to 10 hosts with a route and a pool each",
        mode: Mode::Http(Web { sites: 10, ..WEB }),
        work: requests(After::Keep, 64),
        ..PLAIN
    },
    Row {
        name: "http-routes-100",
        what: "HTTP/1.1: 100 hosts with a route and a pool each",
        mode: Mode::Http(Web { sites: 100, ..WEB }),
        work: requests(After::Keep, 64),
        base: Some("http-routes-10"),
        ..PLAIN
    },
    Row {
        name: "http-routes-1000",
        what: "HTTP/1.1: 1,000 hosts with a route and a pool each",
        mode: Mode::Http(Web { sites: 1_000, ..WEB }),
        work: requests(After::Keep, 64),
        base: Some("http-routes-10"),
        ..PLAIN
    },
    Row {
        name: "tls-certificates-10",
        what: "HTTPS: as tls-handshake-ecdsa, to 10 hosts with a certificate, a route and a pool each",
        mode: Mode::Http(Web { sites: 10, ..ECDSA }),
        work: requests(After::Close, 32),
        ..PLAIN
    },
    Row {
        name: "tls-certificates-100",
        what: "HTTPS: 100 hosts with a certificate, a route and a pool each",
        mode: Mode::Http(Web { sites: 100, ..ECDSA }),
        work: requests(After::Close, 32),
        base: Some("tls-certificates-10"),
        ..PLAIN
    },
    Row {
        name: "tls-certificates-1000",
        what: "HTTPS: 1,000 hosts with a certificate, a route and a pool each",
        mode: Mode::Http(Web { sites: 1_000, ..ECDSA }),
        work: requests(After::Close, 32),
        base: Some("tls-certificates-10"),
        ..PLAIN
    },
    Row {
        name: "http-beside-10000",
        what: "HTTP/1.1: as http-keep-alive-64, beside 10,000 idle connections (fewer where open files are limited)",
        mode: Mode::Http(WEB),
        work: requests(After::Keep, 64),
        base: Some("http-keep-alive-64"),
        beside: 10_000,
        ..PLAIN
    },
    Row {
        name: "http-stick",
        what: "HTTP/1.1: as http-keep-alive-64, with a stick table of sources",
        mode: Mode::Http(Web { stick: true, ..WEB }),
        work: requests(After::Keep, 64),
        base: Some("http-keep-alive-64"),
        ..PLAIN
    },
    Row {
        name: "http-workers-1",
        what: "HTTP/1.1: as http-keep-alive-64, on the CPUs of http-workers-2",
        mode: Mode::Http(WEB),
        work: requests(After::Keep, 64),
        workers: Workers::Shared(1),
        ..PLAIN
    },
    Row {
        name: "http-workers-2",
        what: "HTTP/1.1: as http-keep-alive-64, with two worker threads",
        mode: Mode::Http(WEB),
        work: requests(After::Keep, 64),
        base: Some("http-workers-1"),
        workers: Workers::Shared(2),
        ..PLAIN
    },
];

/// The row of that name.
pub(crate) fn row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// Requests with 1 KiB back.
const fn requests(after: After, connections: usize) -> Work {
    Work::Web { body: 1024, after, connections }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_gates_are_ratios() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(
                ROWS[index + 1..].iter().all(|other| other.name != row.name),
                "{} stands twice",
                row.name
            );
            assert!(row.gate.is_none_or(|gate| (0.0..2.0).contains(&gate)));
        }
    }

    #[test]
    fn a_row_is_compared_with_one_that_stands_before_it() {
        for (index, row) in ROWS.iter().enumerate() {
            let base = |name: &str| ROWS[..index].iter().find(|other| other.name == name);
            assert!(row.base.is_none_or(|name| base(name).is_some_and(|base| base.unit() == row.unit())));
        }
    }
}
