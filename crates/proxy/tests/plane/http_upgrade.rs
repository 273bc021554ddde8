//! Other protocols on the same connection.

use std::net::Shutdown;

use crate::door::Server;
use crate::http::{Reader, client, door, ok};

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

#[test]
fn a_web_socket_is_relayed_both_ways() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        let head = reader.head().unwrap();
        assert!(
            head.contains("Upgrade: websocket\r\n") && head.contains("Connection: Upgrade\r\n"),
            "{head}"
        );
        reader.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello ",
        );
        while reader.more() {
            let echo = std::mem::take(&mut reader.held);
            reader.send(&String::from_utf8(echo).unwrap());
        }
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send(&format!("{ASK}early "));
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Connection: Upgrade\r\n"), "{head}");
    assert_eq!(client.bytes(12).unwrap(), b"hello early ");
    client.send("and more");
    assert_eq!(client.bytes(8).unwrap(), b"and more");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(client.ends());
    door.wait_empty();
    let lines = door.lines();
    assert_eq!((lines.len(), &lines[0]["status"]), (1, &101.into()));
    assert!(lines[0].get("fault").is_none(), "{}", lines[0]);
    assert_eq!(server.accepted(), 1);
}

#[test]
fn a_server_that_does_not_switch_just_answers() {
    let (server, seen) = crate::http::answering(|_| Some(ok("no")));
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send(ASK);
    assert_eq!(client.response().unwrap().text(), "no");
    assert!(seen.recv().unwrap().1.head.contains("Upgrade: websocket"));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().unwrap().text(), "no");
}

#[test]
fn another_version_of_http_is_not_asked_for() {
    let (server, seen) = crate::http::answering(|_| Some(ok("plain")));
    let door = door(&server, "", "");
    for upgrade in ["h2c", "HTTP/2.0", "TLS/1.0", "websocket, h2c", "h2"] {
        let mut client = client(&door);
        client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"));
        assert_eq!(client.response().unwrap().text(), "plain");
        assert_eq!(seen.recv().unwrap().1.head, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "{upgrade}");
    }
}
