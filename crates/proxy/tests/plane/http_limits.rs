//! What clients may send and how long they may take, and what those are told who do not.

use std::time::Duration;

use crate::door::{Door, Server};
use crate::http::{Reader, client, door, mirror, ok, text};

#[test]
fn what_is_no_request_is_told_why() {
    let (server, _seen) = mirror();
    let door = door(&server, "limits = { head = \"4KiB\", header-fields = 16, body = \"1KiB\" }", "");
    let long = "a".repeat(8000);
    let many = "X: y\r\n".repeat(20);
    for (request, status, fault) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "client-bad-request"),
        ("nonsense\r\n\r\n".into(), 400, "client-bad-request"),
        ("\u{16}\u{3}\u{1}".into(), 400, "client-bad-request"),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414, "client-bad-request"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431, "client-bad-request"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431, "client-bad-request"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".into(), 505, "client-bad-request"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n".into(), 501, "client-bad-request"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n".into(), 413, "client-body-too-large"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 405, "method-refused"),
    ] {
        let mut client = client(&door);
        client.send(&request);
        let response = client.response().unwrap_or_else(|| panic!("no answer to {request:.60}"));
        assert_eq!(
            (response.status(), response.field("transom-fault")),
            (status, Some(fault)),
            "{request:.60}"
        );
        assert_eq!(response.field("connection"), Some("close"), "{request:.60}");
        assert_eq!(response.field("transom-request").unwrap().len(), 16);
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(client.ends(), "{request:.60}");
    }
    assert_eq!(server.accepted(), 0, "nothing of it reached a server");
}

#[test]
fn a_chunked_body_that_grows_too_large_is_cut() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        while reader.more() {}
    });
    let door = door(&server, "limits = { body = \"1KiB\" }", "");
    let mut client = client(&door);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("200\r\n{}\r\n", "a".repeat(512));
    for _ in 0..4 {
        if std::io::Write::write_all(&mut client.stream, chunk.as_bytes()).is_err() {
            break;
        }
    }
    assert_eq!(client.response().unwrap().status(), 413);
}

#[test]
fn the_streams_of_exchange_have_no_limit() {
    let (server, _seen) = crate::http::answering(|request| Some(ok(&request.body.len().to_string())));
    let door = door(&server, "limits = { body = \"1KiB\" }", "");
    let mut client = client(&door);
    let body = "x".repeat(5000);
    client.send(&format!(
        "RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n{body}"
    ));
    assert_eq!(client.response().unwrap().text(), "5000");
}

/// Times of clients, each by a door of its own.
#[test]
fn clients_that_take_too_long_are_told() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        while reader.more() {}
    });
    let times = "timeouts = { head = \"300ms\", body = \"300ms\", keep-alive = \"300ms\" }";
    let door = door(&server, times, "");
    let mut slow_head = client(&door);
    slow_head.send("GET / HTTP/1.1\r\nHo");
    let mut slow_body = client(&door);
    slow_body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab");
    let mut silent = client(&door);
    for (client, expected) in [(&mut slow_head, Some(408)), (&mut slow_body, Some(408)), (&mut silent, None)]
    {
        assert_eq!(client.response().map(|response| response.status()), expected);
    }
    drop((slow_head, slow_body, silent));
    door.wait_empty();
    let lines = door.lines();
    assert!(lines.iter().all(|line| line["fault"] == "client-timeout"), "{lines:?}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn an_idle_connection_ends_after_its_time_without_a_line() {
    let (server, _seen) = mirror();
    let door = door(&server, "timeouts = { keep-alive = \"300ms\" }", "");
    let mut client = client(&door);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.response().unwrap();
    assert!(client.ends());
    door.wait_empty();
    assert_eq!(door.lines().len(), 1);
}

#[test]
fn a_server_that_takes_too_long_is_blamed() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        while reader.more() {}
    });
    let door = door(&server, "", "timeouts = { response = \"300ms\" }");
    let mut short = client(&door);
    short.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut expecting = client(&door);
    expecting.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(expecting.response().unwrap().status(), 504, "it was the server's turn");
    let mut held = client(&door);
    held.send("POST /Microsoft-Server-ActiveSync?Cmd=Ping HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let response = short.response().unwrap();
    assert_eq!((response.status(), response.field("transom-fault")), (504, Some("server-response-timeout")));
    held.stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let waited = std::io::Read::read(&mut held.stream, &mut [0; 16]).unwrap_err();
    assert_eq!(waited.kind(), std::io::ErrorKind::WouldBlock, "a ping is held for an hour");
}

#[test]
fn so_many_requests_and_no_more() {
    let (server, _seen) = mirror();
    let door = door(&server, "limits = { requests = 3 }", "");
    let mut client = client(&door);
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(&request.repeat(5));
    for connection in [None, None, Some("close")] {
        assert_eq!(client.response().unwrap().field("connection"), connection);
    }
    assert!(client.ends());
}

#[test]
fn a_door_that_drains_says_close_and_lets_idle_ones_go() {
    let (server, _seen) = mirror();
    let door = door(&server, "", "");
    let (mut idle, mut busy) = (client(&door), client(&door));
    for client in [&mut idle, &mut busy] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client.response().unwrap();
    }
    busy.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    crate::door::wait_until("the second to be served", || {
        door.world().pool("servers").unwrap().servers()[0].counters().requests.sum() == 3
    });
    door.plane().drain();
    assert!(idle.ends());
    busy.send("b");
    assert_eq!(busy.response().unwrap().field("connection"), Some("close"));
    assert!(busy.ends());
}

#[test]
fn a_request_belongs_to_the_newest_configuration() {
    let (one, _) = mirror();
    let two = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        while reader.request().is_some() {
            reader.send(&ok("two"));
        }
    });
    let door = Door::open(&text(&[one.address.to_string()], "", ""));
    let mut client = client(&door);
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(request);
    assert_eq!(client.response().unwrap().text(), "GET / HTTP/1.1");
    door.reload(&text(&[two.address.to_string()], "", ""));
    client.send(request);
    assert_eq!(client.response().unwrap().text(), "two");
}

#[test]
fn a_listener_that_a_reload_took_away_answers_once_more() {
    let (server, _) = mirror();
    let with = |name: &str| text(&[server.address.to_string()], "", "").replace("listener.web", name);
    let door = Door::open(&with("listener.web"));
    let mut client = client(&door);
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(request);
    assert_eq!(client.response().unwrap().field("connection"), None);
    door.reload(&with("listener.other"));
    client.send(request);
    assert_eq!(client.response().unwrap().field("connection"), Some("close"));
    assert!(client.ends());
}
