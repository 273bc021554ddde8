//! `mode = "tcp"`: bytes both ways, ends one direction at a time, nothing held back.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::door::{DEADLINE, Door, Server, read_text};

fn tcp(server: &Server, extra: &str) -> String {
    format!(
        r#"
        [listener.door]
        bind = ["127.0.0.1:0"]
        mode = "tcp"
        pool = "servers"
        [pool.servers]
        servers = [{{ name = "one", address = "{}" }}]
        {extra}
        "#,
        server.address
    )
}

#[test]
fn the_server_may_speak_first() {
    let server = Server::echo("hello ");
    let door = Door::open(&tcp(&server, ""));
    let mut client = door.connect();
    assert_eq!(read_text(&mut client, 6), "hello ");
    client.write_all(b"world").unwrap();
    assert_eq!(read_text(&mut client, 5), "world");
    drop(client);
    door.wait_empty();
    let lines = door.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["kind"], "connection");
    assert_eq!((&lines[0]["bytes_in"], &lines[0]["bytes_out"]), (&5.into(), &11.into()));
    assert_eq!(lines[0]["server"], "one");
    assert!(lines[0].get("fault").is_none(), "{}", lines[0]);
}

#[test]
fn an_end_is_passed_on_and_the_answer_still_comes() {
    let server = Server::start(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        write!(stream, "{} bytes", all.len()).unwrap();
    });
    let door = Door::open(&tcp(&server, ""));
    let mut client = door.connect();
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "8 bytes");
}

/// 48 MiB each way through copy and splice, every byte checked.
#[test]
fn bulk_arrives_as_it_was_sent() {
    const BYTES: usize = 48 << 20;
    let server = Server::start(|mut stream| {
        let mut writer = stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            for chunk in pattern(BYTES) {
                writer.write_all(&chunk).unwrap();
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        check_pattern(&mut stream, BYTES);
        sender.join().unwrap();
    });
    let door = Door::open(&tcp(&server, ""));
    let mut client = door.connect();
    let mut writer = client.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        for chunk in pattern(BYTES) {
            writer.write_all(&chunk).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    check_pattern(&mut client, BYTES);
    sender.join().unwrap();
    drop(client);
    door.wait_empty();
    let lines = door.lines();
    assert_eq!((&lines[0]["bytes_in"], &lines[0]["bytes_out"]), (&BYTES.into(), &BYTES.into()));
}

fn pattern(bytes: usize) -> impl Iterator<Item = Vec<u8>> {
    let chunk = 96 * 1024;
    (0..bytes / chunk)
        .map(move |at| (0..chunk).map(|byte| ((at * 31 + byte) % 251) as u8).collect())
        .chain(std::iter::once(vec![7; bytes % chunk]))
}

fn check_pattern(stream: &mut impl Read, bytes: usize) {
    let mut received = Vec::with_capacity(96 * 1024);
    for expected in pattern(bytes) {
        received.resize(expected.len(), 0);
        stream.read_exact(&mut received).unwrap();
        assert!(received == expected, "bytes were changed on the way");
    }
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_reset_reaches_the_other_side_as_a_reset() {
    let (seen, told) = std::sync::mpsc::channel();
    let server = Server::start(move |mut stream| {
        stream.write_all(b"x").unwrap();
        seen.send(stream.read(&mut [0; 16]).map_err(|error| error.kind())).unwrap();
    });
    let door = Door::open(&tcp(&server, ""));
    let mut client = door.connect();
    read_text(&mut client, 1);
    rustix::net::sockopt::set_socket_linger(&client, Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Err(std::io::ErrorKind::ConnectionReset));
    door.wait_empty();
    assert_eq!(door.lines()[0]["fault"], "client-closed");
}

#[test]
fn silence_ends_a_connection_after_the_idle_time() {
    let server = Server::echo("");
    let door = Door::open(&tcp(&server, "timeouts = { idle = \"1s\" }"));
    let mut client = door.connect();
    client.write_all(b"x").unwrap();
    read_text(&mut client, 1);
    assert_eq!(client.read(&mut [0; 16]).unwrap(), 0);
    door.wait_empty();
    assert_eq!(door.lines()[0]["fault"], "client-timeout");
}

#[test]
fn what_is_left_when_the_drain_time_is_over_is_cut() {
    let server = Server::echo("x");
    let door = Door::open(&tcp(&server, ""));
    let mut client = door.connect();
    read_text(&mut client, 1);
    door.plane().drain();
    client.write_all(b"still here").unwrap();
    assert_eq!(read_text(&mut client, 10), "still here");
    door.plane().cut();
    assert_eq!(client.read(&mut [0; 16]).unwrap_or(0), 0);
    door.wait_empty();
    assert_eq!(door.lines()[0]["fault"], "admin-drained");
}
