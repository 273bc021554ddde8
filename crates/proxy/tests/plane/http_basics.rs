//! `mode = "http"`: requests are forwarded one by one, connections to servers are shared.

use crate::http::{answering, client, door, mirror, ok};

#[test]
fn requests_on_one_connection_are_answered_in_order_over_one_server_connection() {
    let (server, seen) = mirror();
    let door = door(&server, "", "");
    let mut client = client(&door);
    for path in ["/a", "/b?c=d", "/c"] {
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let response = client.response().unwrap();
        assert_eq!(response.text(), format!("GET {path} HTTP/1.1"));
        assert_eq!(response.field("connection"), None);
    }
    assert_eq!(server.accepted(), 1);
    let (_, request) = seen.recv().unwrap();
    assert_eq!(request.head, "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n");
    drop(client);
    door.wait_empty();
    let lines = door.lines();
    assert_eq!(lines.len(), 3);
    let line = &lines[1];
    assert_eq!(line["kind"], "request");
    assert_eq!(
        (&line["method"], &line["host"], &line["path"]),
        (&"GET".into(), &"a.test".into(), &"/b".into())
    );
    assert_eq!((&line["status"], &line["proto"]), (&200.into(), &"HTTP/1.1".into()));
    assert_eq!(
        (&line["pool"], &line["server"], &line["route"]),
        (&"servers".into(), &"s0".into(), &"-".into())
    );
    assert!(line.get("fault").is_none(), "{line}");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (server, _seen) = mirror();
    let door = door(&server, "", "");
    let mut client = client(&door);
    let paths: Vec<_> = (0..50).map(|n| format!("/{n}")).collect();
    let all: String = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(&all);
    for path in paths {
        assert_eq!(client.response().unwrap().text(), format!("GET {path} HTTP/1.1"));
    }
}

#[test]
fn bodies_go_on_as_they_came() {
    let (server, seen) = answering(|request| Some(ok(&request.text())));
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().unwrap().text(), "hello");
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in ["5\r\nhe", "llo\r\n", "1", "\r\n!\r\n0\r\nX-Sum: 7\r\n", "\r\n"] {
        client.send(piece);
    }
    assert_eq!(client.response().unwrap().text(), "hello!");
    let requests: Vec<_> = (0..2).map(|_| seen.recv().unwrap().1).collect();
    assert_eq!(requests[1].raw, b"5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 7\r\n\r\n");
}

#[test]
fn a_request_without_a_server_is_told_so() {
    let door = crate::door::Door::open(&crate::http::text(&[crate::door::nobody().to_string()], "", ""));
    let mut client = client(&door);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = client.response().unwrap();
    assert_eq!((response.status(), response.field("transom-fault")), (502, Some("server-refused")));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.response().is_some(), "the connection goes on");
}
