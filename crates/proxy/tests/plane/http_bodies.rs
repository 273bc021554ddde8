//! Bodies: both directions at once, early answers, ends of every kind, back-pressure.

use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::door::{DEADLINE, Server, wait_until};
use crate::http::{Reader, answering, client, door, ok};

#[test]
fn an_early_answer_comes_while_the_body_is_still_to_come() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        reader.head().unwrap();
        reader.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nwho?");
        while reader.more() {}
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client
        .send("RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\nsome");
    let response = client.response().unwrap();
    assert_eq!((response.status(), response.text().as_str()), (401, "who?"));
    assert_eq!(response.field("connection"), Some("close"), "nobody waits for a gigabyte");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(client.ends());
}

#[test]
fn after_an_early_answer_a_small_rest_is_taken_and_the_connection_goes_on() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        while reader.head().is_some() {
            reader.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
            if reader.bytes(10).is_none() {
                return;
            }
        }
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    for _ in 0..3 {
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
        assert_eq!(client.response().unwrap().text(), "early");
        client.send("56789");
    }
    assert_eq!(server.accepted(), 1, "the rest went up and both connections were used again");
}

#[test]
fn both_directions_stream_at_once() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        reader.head().unwrap();
        reader.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..5 {
            let piece = reader.bytes(3).unwrap();
            let text = String::from_utf8(piece).unwrap();
            reader.send(&format!("3\r\n{text}\r\n"));
        }
        reader.send("0\r\n\r\n");
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send("RPC_IN_DATA / HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n");
    assert!(client.head().unwrap().contains("chunked"));
    for piece in ["abc", "def", "ghi", "jkl", "mno"] {
        client.send(piece);
        // Each answer comes before the next piece is sent: nothing is gathered on the way.
        assert_eq!(client.bytes(8).unwrap(), format!("3\r\n{piece}\r\n").as_bytes());
    }
    assert_eq!(client.bytes(5).unwrap(), b"0\r\n\r\n");
}

#[test]
fn expect_is_passed_on_and_never_invented() {
    let (seen, told) = channel();
    let server = Server::start(move |stream| {
        let mut reader = Reader::new(stream);
        let head = reader.head().unwrap();
        seen.send(head).unwrap();
        reader.send("HTTP/1.1 100 Continue\r\nX-Why: asked\r\n\r\n");
        let body = reader.bytes(5).unwrap();
        reader.send(&ok(&String::from_utf8(body).unwrap()));
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert!(told.recv_timeout(DEADLINE).unwrap().contains("Expect: 100-continue\r\n"));
    assert_eq!(client.head().unwrap(), "HTTP/1.1 100 Continue\r\nX-Why: asked\r\n\r\n");
    client.send("hello");
    assert_eq!(client.response().unwrap().text(), "hello");
}

#[test]
fn a_final_answer_to_expect_needs_no_body() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        reader.head().unwrap();
        reader.send("HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.response().unwrap().status(), 417);
}

#[test]
fn every_kind_of_end_is_passed_on() {
    for (what, answer, head, body, stays) in [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "200 OK", "abc", true),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
            "200 OK",
            "abc",
            true,
        ),
        ("close", "HTTP/1.1 200 OK\r\n\r\nabc", "200 OK", "abc", false),
        ("close of an old server", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "200 OK", "abc", true),
        ("no content", "HTTP/1.1 204 No Content\r\n\r\n", "204 No Content", "", true),
        (
            "not modified",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
            "304 Not Modified",
            "",
            true,
        ),
        ("empty", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 ", "", true),
    ] {
        let server = Server::start(move |stream| {
            let mut reader = Reader::new(stream);
            reader.head().unwrap();
            reader.send(answer);
        });
        let door = door(&server, "", "");
        let mut client = client(&door);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.response().unwrap();
        assert_eq!(response.line(), format!("HTTP/1.1 {head}"), "{what}");
        assert_eq!(response.text(), body, "{what}");
        assert_eq!(response.field("connection"), (!stays).then_some("close"), "{what}");
        if stays {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(client.response().is_some(), "{what}");
        }
    }
}

#[test]
fn the_answer_to_head_has_no_body_whatever_it_says() {
    let (server, _seen) = answering(|request| {
        Some(if request.line().starts_with("HEAD") {
            "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n".into()
        } else {
            ok("body")
        })
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().unwrap().contains("Content-Length: 500"));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().unwrap().text(), "body");
    assert_eq!(server.accepted(), 1);
}

#[test]
fn clients_of_http_1_0_get_no_chunks_and_keep_alive_only_when_they_ask() {
    let (server, _seen) = answering(|request| {
        Some(if request.line().contains("chunked") {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n".into()
        } else {
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc".into()
        })
    });
    let door = door(&server, "", "");
    let mut first = client(&door);
    first.send("GET /chunked HTTP/1.0\r\n\r\n");
    let response = first.response().unwrap();
    assert_eq!(response.field("transfer-encoding"), None);
    assert_eq!((response.text().as_str(), response.field("connection")), ("abc", Some("close")));
    assert!(first.ends());
    let mut second = client(&door);
    for _ in 0..2 {
        second.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let response = second.response().unwrap();
        assert_eq!((response.status(), response.field("connection")), (200, Some("keep-alive")));
    }
    second.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(second.response().unwrap().field("connection"), Some("close"));
    assert!(second.ends());
}

/// Neither a reader that stops nor a server that sends without end makes us hold more than a little.
#[test]
fn a_slow_reader_holds_up_the_server() {
    const BYTES: usize = 256 << 20;
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&sent);
    let server = Server::start(move |stream| {
        let mut reader = Reader::new(stream);
        reader.head().unwrap();
        reader.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n"));
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..BYTES / piece.len() {
            if reader.stream.write_all(&piece).is_err() {
                return;
            }
            count.fetch_add(piece.len(), std::sync::atomic::Ordering::SeqCst);
        }
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head().unwrap();
    let now = || sent.load(std::sync::atomic::Ordering::SeqCst);
    let mut before = usize::MAX;
    wait_until("the server to be held up", || {
        std::thread::sleep(Duration::from_millis(200));
        std::mem::replace(&mut before, now()) == now()
    });
    assert!(now() < 64 << 20, "{} bytes were taken for a reader that takes none", now());
    let mut left = BYTES - client.held.len();
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        left -= client.stream.read(&mut buffer).unwrap();
    }
}

#[test]
fn a_server_that_stops_in_the_middle_is_no_end() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        reader.head().unwrap();
        reader.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.response().is_none());
    door.wait_empty();
    assert_eq!(door.lines()[0]["fault"], "server-closed-mid-body");
}

#[test]
fn a_client_that_leaves_in_the_middle_costs_its_server_connection() {
    let (told, ended) = channel();
    let server = Server::start(move |stream| {
        let mut reader = Reader::new(stream);
        reader.head().unwrap();
        while reader.more() {}
        told.send(()).unwrap();
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome");
    drop(client);
    ended.recv_timeout(DEADLINE).unwrap();
    door.wait_empty();
    assert_eq!(door.lines()[0]["fault"], "client-closed");
}

#[test]
fn a_server_that_only_says_continue_has_not_answered() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        reader.head().unwrap();
        reader.send("HTTP/1.1 100 Continue\r\n\r\n");
        reader.bytes(5);
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert!(client.head().unwrap().starts_with("HTTP/1.1 100 "));
    client.send("hello");
    let response = client.response().unwrap();
    assert_eq!(
        (response.status(), response.field("transom-fault")),
        (502, Some("server-closed-before-response"))
    );
    assert_eq!(server.accepted(), 1, "nothing is tried again once a server has spoken");
}
