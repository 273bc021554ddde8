//! Clients and servers of the kit talk to each other and to programs of others.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use transom_testkit::ca::Authority;
use transom_testkit::client::{self, Tls, Trust, connect, connect_from, get, read_line};
use transom_testkit::process::run;
use transom_testkit::server::{Behaviour, Server};
use transom_testkit::wait;

const SOON: Duration = Duration::from_secs(10);
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[test]
fn an_echo_names_itself_and_honours_half_close() {
    let server = Server::start("ex1", ANY, Behaviour::Echo).unwrap();
    let mut stream = connect(server.address(), SOON).unwrap();
    assert_eq!(read_line(&mut stream).unwrap(), "ex1");
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut echoed = String::new();
    stream.read_to_string(&mut echoed).unwrap();
    assert_eq!(echoed, "hello");
    assert_eq!(server.accepted(), 1);
    wait::until("the connection to be counted out", SOON, || server.open() == 0).unwrap();
}

#[test]
fn a_server_dies_and_comes_back_on_its_port() {
    let server = Server::start("ex1", ANY, Behaviour::Echo).unwrap();
    for _ in 0..3 {
        let mut stream = connect(server.address(), SOON).unwrap();
        assert_eq!(read_line(&mut stream).unwrap(), "ex1");
        server.stop();
        let mut byte = [0];
        assert!(matches!(stream.read(&mut byte), Ok(0) | Err(_)), "the connection is cut");
        assert!(connect(server.address(), SOON).is_err(), "nobody listens");
        server.resume().unwrap();
    }
    assert_eq!(read_line(&mut connect(server.address(), SOON).unwrap()).unwrap(), "ex1");
}

#[test]
fn a_client_can_choose_its_address() {
    let server = Server::start("ex1", ANY, Behaviour::Echo).unwrap();
    let stream = connect_from(Ipv4Addr::new(127, 0, 0, 9).into(), server.address(), SOON).unwrap();
    assert_eq!(stream.local_addr().unwrap().ip(), Ipv4Addr::new(127, 0, 0, 9));
}

#[test]
fn bytes_are_counted_kept_and_sent() {
    let server = Server::start("sink", ANY, Behaviour::Count).unwrap();
    let mut stream = connect(server.address(), SOON).unwrap();
    stream.write_all(b"PROXY UNKNOWN\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_line(&mut stream).unwrap(), "15");
    assert_eq!(read_line(&mut stream).unwrap(), "sink");
    assert_eq!(server.first_bytes(), [b"PROXY UNKNOWN\r\n"]);

    let source = Server::start("source", ANY, Behaviour::Send(1_000_000)).unwrap();
    let mut received = Vec::new();
    connect(source.address(), SOON).unwrap().read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), 1_000_000);
}

#[test]
fn the_origin_answers_as_its_table_says() {
    let server = Server::start("web", ANY, Behaviour::Http).unwrap();
    server.set_answer("/owa/healthcheck.htm", 503, "down");
    let mut stream = connect(server.address(), SOON).unwrap();
    let table = [
        ("/", 200, "web GET /\n"),
        ("/status/404", 404, "web GET /status/404\n"),
        ("/bytes/3", 200, "xxx"),
        ("/owa/healthcheck.htm", 503, "down"),
    ];
    for (path, status, body) in table {
        let answer = get(&mut stream, "a.test", path).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{path}");
        assert_eq!(answer.header("server"), Some("web"));
    }
    assert_eq!(server.accepted(), 1, "the connection is kept");

    server.set_delay(Duration::from_millis(50));
    let started = Instant::now();
    get(&mut connect(server.address(), SOON).unwrap(), "a.test", "/slow/50").unwrap();
    assert!(started.elapsed() >= Duration::from_millis(100));
}

#[test]
fn tls_shows_the_certificate_that_was_signed() {
    let authority = Authority::new("test authority").unwrap();
    let leaf = authority.leaf(&["mail.example.com"]).unwrap();
    let server = Server::start_tls("ex1", ANY, Behaviour::Http, &leaf).unwrap();
    for (name, trust) in
        [(Some("mail.example.com"), Trust::Authority(authority.pem())), (None, Trust::Anyone)]
    {
        let stream = connect(server.address(), SOON).unwrap();
        let mut tls = Tls::handshake(stream, name, trust).unwrap();
        assert_eq!(tls.certificate(), leaf.der);
        assert_eq!(get(&mut tls, "mail.example.com", "/").unwrap().text(), "ex1 GET /\n");
    }
    let stream = connect(server.address(), SOON).unwrap();
    assert!(Tls::handshake(stream, Some("other.test"), Trust::Authority(authority.pem())).is_err());
}

#[test]
fn curl_and_openssl_accept_the_tls_server() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("test authority").unwrap();
    let trusted = authority.write(folder.path().join("ca.pem")).unwrap();
    let leaf = authority.leaf(&["mail.example.com"]).unwrap();
    let server = Server::start_tls("ex1", ANY, Behaviour::Http, &leaf).unwrap();
    let port = server.address().port();
    let page = run(Command::new("curl")
        .args(["-sS", "--max-time", "10", "--cacert"])
        .arg(&trusted)
        .args(["--resolve", &format!("mail.example.com:{port}:127.0.0.1")])
        .arg(format!("https://mail.example.com:{port}/x")));
    assert_eq!(page.unwrap(), "ex1 GET /x\n");
}

#[test]
fn the_mail_server_answers_ehlo() {
    let server = Server::start("mx", ANY, Behaviour::Smtp(250)).unwrap();
    let mut stream = connect(server.address(), SOON).unwrap();
    assert_eq!(read_line(&mut stream).unwrap(), "220 mx ESMTP");
    stream.write_all(b"EHLO a.test\r\n").unwrap();
    assert_eq!(read_line(&mut stream).unwrap(), "250-mx");
    assert_eq!(read_line(&mut stream).unwrap(), "250 8BITMIME");
    stream.write_all(b"QUIT\r\n").unwrap();
    assert_eq!(read_line(&mut stream).unwrap(), "221 mx");
    assert!(client::read_answer(&mut stream).is_err());
}
