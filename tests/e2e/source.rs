//! `source = { client = true }`: servers see the client's own address, with the routing that `transom check` prints.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use transom_testkit::client;
use transom_testkit::netns::Namespace;
use transom_testkit::process::run;

use crate::lab::{DEADLINE, Lab, greeting};

const CONFIG: &str = r#"
    [listener.smtp]
    bind = ["203.0.113.1:25", "[2001:db8::1]:25"]
    mode = "tcp"
    pool = "smtp"
    [listener.http]
    bind = ["203.0.113.1:80"]
    mode = "http"
    routes = [{ pool = "web" }]
    [pool.smtp]
    source = { client = true }
    timeouts = { connect = "1s" }
    servers = [{ name = "v4", address = "192.168.10.2:25" }, { name = "v6", address = "[fd00::2]:25" }]
    retry = { times = 3 }
    [pool.web]
    source = { client = true }
    timeouts = { connect = "1s" }
    servers = [{ name = "web", address = "192.168.10.2:80" }]
"#;

struct Site {
    lab: Lab,
    _host: Namespace,
}

/// A server whose gateway is the door, and that greets with the address it sees.
fn site() -> Site {
    let lab = Lab::new();
    let host = lab.host("ex1", "192.168.10.2");
    lab.client.add_address("eth0", "2001:db8::10/64").unwrap();
    lab.door.add_address("eth0", "2001:db8::1/64").unwrap();
    lab.door.add_address("eth1", "fd00::1/64").unwrap();
    host.add_address("eth0", "fd00::2/64").unwrap();
    host.ip("route add default via 192.168.10.1").unwrap();
    host.ip("-6 route add default via fd00::1").unwrap();
    for (address, http) in [("192.168.10.2:25", false), ("[fd00::2]:25", false), ("192.168.10.2:80", true)] {
        let listener = host.enter(|| TcpListener::bind(address)).unwrap().unwrap();
        thread::spawn(move || {
            while let Ok((stream, peer)) = listener.accept() {
                thread::spawn(move || if http { answer(&stream, peer) } else { greet(stream, peer) });
            }
        });
    }
    Site { lab, _host: host }
}

fn greet(mut stream: TcpStream, peer: SocketAddr) {
    // A client that has left is no concern of the server.
    let _ = writeln!(stream, "220 ex1 sees {}\r", peer.ip());
    let _ = BufReader::new(stream).lines().map_while(Result::ok).count();
}

/// Answers every request of the connection with the address it comes from.
fn answer(mut stream: &TcpStream, peer: SocketAddr) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    for _ in lines.filter(String::is_empty) {
        let body = peer.to_string();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    }
}

impl Site {
    /// Does what the remark of `transom check` says for this machine, line by line.
    fn route_as_check_says(&self) {
        let path = self.lab.path("transom.toml");
        let mut check = self.lab.door.command("sh");
        check.args(["-c", "exec \"$0\" check -c \"$1\" 2>&1", env!("CARGO_BIN_EXE_transom")]).arg(&path);
        let said = run(&mut check).unwrap();
        let (_, here) = said.split_once("  here").expect(&said);
        let (here, _) = here.split_once("\nClients in").expect(&said);
        let script = self.lab.path("routing.sh");
        std::fs::write(&script, format!("set -e\n{}\n", here.trim())).unwrap();
        run(self.lab.door.command("sh").arg(&script)).unwrap();
    }

    fn sees(&self, from: &str, to: &str) -> std::io::Result<String> {
        let to: SocketAddr = to.parse().unwrap();
        let from = from.parse().unwrap();
        let mut stream = self.lab.client.enter(|| client::connect_from(from, to, DEADLINE)).unwrap()?;
        greeting(&mut stream)
    }
}

#[test]
fn servers_see_the_clients_own_address_with_the_routing_that_check_prints() {
    let site = site();
    let transom = site.lab.start(CONFIG);
    site.route_as_check_says();
    for from in ["203.0.113.10", "203.0.113.11", "203.0.113.10"] {
        let line = site.sees(from, "203.0.113.1:25").unwrap();
        assert_eq!(line.trim(), format!("220 ex1 sees {from}"));
    }
    let line = site.sees("2001:db8::10", "[2001:db8::1]:25").unwrap();
    assert!(!line.is_empty(), "{:?}", transom.wait_for_access(4));
    assert_eq!(line.trim(), "220 ex1 sees 2001:db8::10");
    let status = std::fs::read_to_string(format!("/proc/{}/status", transom.worker())).unwrap();
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
}

#[test]
fn no_connection_of_an_http_pool_carries_a_second_client() {
    let site = site();
    let _transom = site.lab.start(CONFIG);
    site.route_as_check_says();
    for _ in 0..20 {
        for from in ["203.0.113.10", "203.0.113.11", "203.0.113.12"] {
            let mut stream = site.lab.connect(from, 80).unwrap();
            let first = client::get(&mut stream, "mail.example.com", "/").unwrap().text();
            let second = client::get(&mut stream, "mail.example.com", "/").unwrap().text();
            assert!(first.starts_with(&format!("{from}:")), "{from}: {first}");
            assert_eq!(first, second, "the connection is its client's own");
        }
    }
}

#[test]
fn without_the_routing_the_fault_is_named() {
    let site = site();
    let transom = site.lab.start(CONFIG);
    let mut stream = site.lab.connect("203.0.113.10", 80).unwrap();
    let answer = client::get(&mut stream, "mail.example.com", "/").unwrap();
    assert!(!answer.text().contains("192.168.10.1:"), "the server never saw our own address");
    assert_eq!(transom.wait_for_access(1)[0]["fault"], "server-connect-timeout");
}

#[test]
fn a_client_that_no_server_of_the_pool_can_see_is_turned_away() {
    let site = site();
    let only = CONFIG.replace(r#"{ name = "v4", address = "192.168.10.2:25" }, "#, "");
    let transom = site.lab.start(&only);
    assert!(site.sees("203.0.113.10", "203.0.113.1:25").unwrap_or_default().is_empty());
    assert_eq!(transom.wait_for_access(1)[0]["fault"], "source-unusable");
}
