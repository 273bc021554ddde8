//! `mode = "passthrough"`: the server name chooses, nothing is decrypted.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::door::{Door, Server, read_text};

fn door(one: &Server, other: &Server, extra: &str) -> Door {
    Door::open(&format!(
        r#"
        [listener.door]
        bind = ["127.0.0.1:0"]
        mode = "passthrough"
        inspect-timeout = "500ms"
        routes = [{{ sni = ["mail.example.com", "*.example.org"], pool = "one" }}]
        {extra}
        [pool.one]
        servers = [{{ name = "one", address = "{}" }}]
        [pool.other]
        servers = [{{ name = "other", address = "{}" }}]
        "#,
        one.address, other.address
    ))
}

/// A minimal ClientHello (RFC 8446 section 4.1.2), in one record.
fn hello(server_name: Option<&str>) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = server_name {
        let length = name.len() as u16;
        extensions.extend([0, 0]);
        extensions.extend((length + 5).to_be_bytes());
        extensions.extend((length + 3).to_be_bytes());
        extensions.push(0);
        extensions.extend(length.to_be_bytes());
        extensions.extend(name.as_bytes());
    }
    extensions.extend([0, 43, 0, 3, 2, 3, 4]);
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 2, 0x13, 1, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut record = vec![22, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

/// Sends the hello, and reads the server's name and its echo of every byte.
fn served_by(client: &mut TcpStream, hello: &[u8], name: &str) {
    client.write_all(hello).unwrap();
    assert_eq!(read_text(client, name.len()), name);
    let mut echo = vec![0; hello.len()];
    client.read_exact(&mut echo).unwrap();
    assert_eq!(echo, hello, "the server must get every byte as it came");
}

#[test]
fn names_choose_the_pool_in_any_letter_case() {
    let (one, other) = (Server::echo("one"), Server::echo("other"));
    let door = door(&one, &other, "pool = \"other\"");
    for (name, server) in [
        (Some("mail.example.com"), "one"),
        (Some("MAIL.Example.COM"), "one"),
        (Some("a.b.example.org"), "one"),
        (Some("example.org"), "other"),
        (Some("elsewhere.test"), "other"),
        (None, "other"),
    ] {
        served_by(&mut door.connect(), &hello(name), server);
    }
    door.wait_empty();
    let lines = door.lines();
    assert_eq!(lines.iter().filter(|line| line["sni"] == "mail.example.com").count(), 2);
}

#[test]
fn a_hello_may_come_byte_by_byte() {
    let (one, other) = (Server::echo("one"), Server::echo("other"));
    let door = door(&one, &other, "pool = \"other\"");
    let mut client = door.connect();
    client.set_nodelay(true).unwrap();
    let hello = hello(Some("mail.example.com"));
    for byte in &hello[..hello.len() - 1] {
        client.write_all(&[*byte]).unwrap();
    }
    served_by_rest(&mut client, &hello);
}

fn served_by_rest(client: &mut TcpStream, hello: &[u8]) {
    client.write_all(&hello[hello.len() - 1..]).unwrap();
    assert_eq!(read_text(client, 3), "one");
    let mut echo = vec![0; hello.len()];
    client.read_exact(&mut echo).unwrap();
    assert_eq!(echo, hello);
}

#[test]
fn a_name_for_nobody_gets_an_alert() {
    let (one, other) = (Server::echo("one"), Server::echo("other"));
    let door = door(&one, &other, "");
    let mut client = door.connect();
    client.write_all(&hello(Some("elsewhere.test"))).unwrap();
    let mut alert = Vec::new();
    client.read_to_end(&mut alert).unwrap();
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 112]);
    drop(client);
    door.wait_empty();
    let lines = door.lines();
    assert_eq!((&lines[0]["fault"], &lines[0]["sni"]), (&"no-sni-match".into(), &"elsewhere.test".into()));
}

fn plain(door: &Door, request: &str) -> String {
    let mut client = door.connect();
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer);
    answer
}

#[test]
fn plain_http_is_answered_as_asked() {
    let request = "GET /owa/?a=b HTTP/1.1\r\nHost: mail.example.com\r\n\r\n";
    for (setting, expected) in [
        ("", "HTTP/1.1 400 "),
        ("plain-http = \"refuse\"", "HTTP/1.1 400 "),
        ("plain-http = \"redirect\"", "HTTP/1.1 308 "),
        ("plain-http = \"reset\"", ""),
    ] {
        let (one, other) = (Server::echo("one"), Server::echo("other"));
        let door = door(&one, &other, &format!("pool = \"other\"\n{setting}"));
        let answer = plain(&door, request);
        assert!(
            answer.starts_with(expected) && answer.is_empty() == expected.is_empty(),
            "{setting}: {answer}"
        );
        if setting.contains("redirect") {
            let port = door.addresses[0].1.port();
            assert!(
                answer.contains(&format!("Location: https://mail.example.com:{port}/owa/?a=b\r\n")),
                "{answer}"
            );
        }
        door.wait_empty();
        assert_eq!(door.lines()[0]["fault"], "client-sent-plain-http");
        assert_eq!(one.accepted() + other.accepted(), 0);
    }
}

#[test]
fn other_protocols_and_silence_are_refused_or_go_to_the_default_pool() {
    let garbage = [0u8, 1, 2, 3, 4, 5, 6, 7];
    let (one, other) = (Server::echo("one"), Server::echo("other"));
    let refusing = door(&one, &other, "pool = \"other\"");
    for (bytes, fault) in [(&garbage[..], "client-bad-request"), (&[][..], "client-timeout")] {
        let mut client = refusing.connect();
        client.write_all(bytes).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap_or(0), 0, "{fault}");
    }
    refusing.wait_empty();
    let mut faults: Vec<_> =
        refusing.lines().iter().map(|line| line["fault"].as_str().unwrap().to_owned()).collect();
    faults.sort();
    assert_eq!(faults, ["client-bad-request", "client-timeout"]);

    let passing = door(&one, &other, "pool = \"other\"\nnot-tls = \"pool\"");
    let mut client = passing.connect();
    client.write_all(&garbage).unwrap();
    assert_eq!(read_text(&mut client, 5), "other");
    assert_eq!(read_text(&mut passing.connect(), 5), "other");
}
