//! The PROXY protocol, received and sent.

use std::io::{Read, Write};

use crate::door::{Door, Server, read_text};

/// Says what it got up to the first line end, or for version 2 the first 28 bytes in hexadecimal.
fn teller() -> Server {
    Server::start(|mut stream| {
        let mut got = vec![0; 28];
        stream.read_exact(&mut got).unwrap();
        let text = if got[0] == b'\r' {
            got.iter().map(|byte| format!("{byte:02x}")).collect()
        } else {
            while *got.last().unwrap() != b'\n' {
                let mut more = [0];
                stream.read_exact(&mut more).unwrap();
                got.push(more[0]);
            }
            String::from_utf8(got).unwrap().trim_end().to_owned()
        };
        stream.write_all(text.as_bytes()).unwrap();
    })
}

fn door(server: &Server, listener: &str, pool: &str) -> Door {
    Door::open(&format!(
        r#"
        [listener.door]
        bind = ["127.0.0.1:0"]
        mode = "tcp"
        pool = "servers"
        {listener}
        [pool.servers]
        servers = [{{ name = "one", address = "{}" }}]
        {pool}
        "#,
        server.address
    ))
}

fn answer(door: &Door, sent: &[u8]) -> String {
    let mut client = door.connect();
    client.write_all(sent).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn version_1_tells_the_server_who_the_client_is() {
    let server = teller();
    let door = door(&server, "", r#"connect = { proxy-protocol = "v1" }"#);
    let mut client = door.connect();
    let own = client.local_addr().unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}", own.port(), door.addresses[0].1.port()));
}

#[test]
fn a_listed_balancer_is_believed_and_its_client_passed_on() {
    let server = teller();
    let door = door(&server, r#"accept-proxy = ["127.0.0.1/32"]"#, r#"connect = { proxy-protocol = "v2" }"#);
    let text = answer(&door, b"PROXY TCP4 203.0.113.7 192.0.2.1 51544 443\r\n");
    assert_eq!(text, "0d0a0d0a000d0a515549540a2111000ccb007107c0000201c95801bb");
    door.wait_empty();
    assert_eq!(door.lines()[0]["client"], "203.0.113.7:51544");
}

#[test]
fn from_others_a_header_is_bytes_like_any() {
    let server = Server::echo("");
    let door = door(&server, r#"accept-proxy = ["192.0.2.0/24"]"#, "");
    let mut client = door.connect();
    client.write_all(b"PROXY TCP4 203.0.113.7").unwrap();
    assert_eq!(read_text(&mut client, 22), "PROXY TCP4 203.0.113.7");
}

#[test]
fn a_listed_balancer_that_sends_none_is_cut() {
    let server = Server::echo("");
    let door = door(&server, r#"accept-proxy = ["127.0.0.1/32"]"#, "");
    assert_eq!(answer_or_nothing(&door, b"GET / HTTP/1.1\r\n\r\n"), "");
    door.wait_empty();
    assert_eq!(door.lines()[0]["fault"], "client-bad-request");
    assert_eq!(server.accepted(), 0);
}

fn answer_or_nothing(door: &Door, sent: &[u8]) -> String {
    let mut client = door.connect();
    client.write_all(sent).unwrap();
    let mut text = String::new();
    let _ = client.read_to_string(&mut text);
    text
}

#[test]
fn lists_judge_the_true_client() {
    let server = Server::echo("x");
    let lists = "accept-proxy = [\"127.0.0.1/32\"]\nallow = [\"203.0.113.0/24\"]";
    let door = door(&server, lists, "");
    let mut client = door.connect();
    client.write_all(b"PROXY TCP4 203.0.113.7 192.0.2.1 51544 443\r\n").unwrap();
    assert_eq!(read_text(&mut client, 1), "x");
    assert_eq!(answer_or_nothing(&door, b"PROXY TCP4 198.51.100.7 192.0.2.1 51544 443\r\n"), "");
}
