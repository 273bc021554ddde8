//! Requests that two readers might understand differently: each is refused, or goes on in one form that has one meaning.
//!
//! The server here is as lenient as servers are: it takes whatever it is sent for requests, one after the other. What it
//! sees is compared with what the client meant.

use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc::Receiver;

use crate::door::{Door, Server};
use crate::http::{Message, Reader, answering, client, door, ok};

/// What must become of the bytes of one client.
enum Becomes {
    /// Nothing reaches a server; the answer has this status.
    Refused(u16),
    /// One request with this first line and body (the framing of chunks included) reaches the server.
    One(&'static str, &'static str),
}
use Becomes::{One, Refused};

/// A description, the bytes, and what must become of them.
const CASES: &[(&str, &str, Becomes)] = &[
    (
        "length and chunks",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        Refused(400),
    ),
    (
        "chunks and length",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
        Refused(400),
    ),
    (
        "chunks and a length of nothing",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "two lengths",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nGET /",
        Refused(400),
    ),
    (
        "two lengths that agree",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        Refused(400),
    ),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", Refused(400)),
    ("a length with a sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", Refused(400)),
    ("a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nhello", Refused(400)),
    ("a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", Refused(400)),
    ("an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello", Refused(400)),
    ("a length in two words", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n\r\nhello", Refused(400)),
    (
        "a length beyond 64 bits",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
        Refused(400),
    ),
    ("a length with a comma", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,\r\n\r\nhello", Refused(400)),
    ("a length in quotes", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \"5\"\r\n\r\nhello", Refused(400)),
    (
        "a length with a fraction",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello",
        Refused(400),
    ),
    (
        "a length with an exponent",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5e0\r\n\r\nhello",
        Refused(400),
    ),
    (
        "a length named with an underscore is no length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n",
        One("POST / HTTP/1.1", ""),
    ),
    ("space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", Refused(400)),
    (
        "a tab before the colon",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "space before the name",
        "POST / HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "space before the first name",
        "POST / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\nhello",
        Refused(400),
    ),
    ("a folded length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\n\r\nhello", Refused(400)),
    (
        "a folded coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n",
        Refused(400),
    ),
    ("a bare LF ends the line", "POST / HTTP/1.1\nHost: a\r\n\r\n", Refused(400)),
    ("a bare LF ends a field", "POST / HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nhello", Refused(400)),
    ("a bare LF ends the head", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\nhello", Refused(400)),
    (
        "a bare CR in a value",
        "POST / HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 5\r\n\r\nhello",
        Refused(400),
    ),
    ("a bare CR in a name", "POST / HTTP/1.1\r\nHost: a\r\nX\rY: a\r\n\r\n", Refused(400)),
    ("CR CR LF", "POST / HTTP/1.1\r\nHost: a\r\r\n\r\n", Refused(400)),
    ("NUL in a value", "POST / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", Refused(400)),
    ("NUL in a name", "POST / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", Refused(400)),
    (
        "a vertical tab before chunked",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "a form feed in a length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \u{c}5\r\n\r\nhello",
        Refused(400),
    ),
    ("a field without a colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length 5\r\n\r\nhello", Refused(400)),
    ("a field without a name", "POST / HTTP/1.1\r\nHost: a\r\n: 5\r\n\r\nhello", Refused(400)),
    (
        "another coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        Refused(501),
    ),
    ("identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", Refused(501)),
    (
        "gzip, chunked",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        Refused(501),
    ),
    (
        "chunked, identity",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        Refused(501),
    ),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refused(501),
    ),
    (
        "chunked and another",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",
        Refused(501),
    ),
    (
        "chunked in quotes",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        Refused(501),
    ),
    (
        "chunked with a parameter",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
        Refused(501),
    ),
    ("an empty coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", Refused(501)),
    (
        "chunks in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refused(501),
    ),
    (
        "a chunk extension",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "a chunk extension with a line end",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;\nxx\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "a chunk size beyond 64 bits",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\nx\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "a chunk size with 0x",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "a chunk size with a sign",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "a chunk size with a space",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "a chunk size before LF",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "a chunk longer than its size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "a chunk that ends in LF",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n",
        Refused(400),
    ),
    ("no chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", Refused(400)),
    (
        "a trailer that frames",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n",
        Refused(400),
    ),
    (
        "a trailer that routes",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n",
        Refused(400),
    ),
    (
        "a trailer that signs in",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: NTLM x\r\n\r\n",
        Refused(400),
    ),
    (
        "a trailer without a colon",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
        Refused(400),
    ),
    ("HTTP/0.9", "GET /\r\n\r\n", Refused(400)),
    ("no version", "GET / \r\nHost: a\r\n\r\n", Refused(400)),
    ("HTTP/2.0 in words", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
    ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", Refused(505)),
    ("http in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Refused(400)),
    ("a request line with two targets", "GET / HTTP/1.1 /b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Refused(400)),
    ("no host", "GET / HTTP/1.1\r\n\r\n", Refused(400)),
    ("a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Refused(400)),
    ("a host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Refused(400)),
    ("two hosts in a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Refused(400)),
    ("a target with a user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a target without a slash", "GET owa HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a fragment", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("a method that is none", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ("CONNECT", "CONNECT b:25 HTTP/1.1\r\nHost: b:25\r\n\r\n", Refused(405)),
    (
        "a length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        One("POST / HTTP/1.1", "hello"),
    ),
    (
        "a length named by Connection",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello",
        One("POST / HTTP/1.1", "hello"),
    ),
    (
        "a coding named by Connection",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        One("POST / HTTP/1.1", "2\r\nhi\r\n0\r\n\r\n"),
    ),
    (
        "a body that looks like a request",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /admin HTTP/1.1\r\nHost: evil\r\n\r\n",
        One("POST / HTTP/1.1", "GET /admin HTTP/1.1\r\nHost: evil\r\n\r\n"),
    ),
    (
        "chunks in capitals",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0A\r\n0123456789\r\n0\r\n\r\n",
        One("POST / HTTP/1.1", "0A\r\n0123456789\r\n0\r\n\r\n"),
    ),
    ("an empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", One("GET / HTTP/1.1", "")),
    (
        "a body of GET",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        One("GET / HTTP/1.1", "hi"),
    ),
    (
        "an absolute target names the host",
        "GET http://b/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
        One("GET /x?y HTTP/1.1", ""),
    ),
    (
        "leading zeros",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\nhello",
        One("POST / HTTP/1.1", "hello"),
    ),
];

/// What the server saw of the bytes of one client, and the status of the first answer.
fn send(door: &Door, seen: &Receiver<(usize, Message)>, bytes: &str) -> (Option<u16>, Vec<Message>) {
    let mut client = client(door);
    client.stream.write_all(bytes.as_bytes()).unwrap();
    let status = client.response().map(|response| response.status());
    let _ = client.stream.shutdown(Shutdown::Write);
    // Whatever the door still says is said when the connection has ended.
    while client.more() {}
    (status, seen.try_iter().map(|(_, request)| request).collect())
}

#[test]
fn the_server_never_sees_what_the_client_did_not_plainly_ask() {
    assert!(CASES.len() >= 60);
    let (server, seen): (Server, _) = answering(|_| Some(ok("seen")));
    let door = door(&server, "", "");
    for (what, bytes, becomes) in CASES {
        let (status, requests) = send(&door, &seen, bytes);
        match becomes {
            Refused(expected) => {
                assert_eq!(status, Some(*expected), "{what}");
                assert!(requests.is_empty(), "{what}: {requests:?}");
            }
            One(line, body) => {
                assert_eq!(status, Some(200), "{what}");
                // What stands behind a complete request is another one, judged by itself.
                assert_eq!(requests.len(), 1, "{what}: {requests:?}");
                assert_eq!(requests[0].line(), *line, "{what}");
                assert_eq!(String::from_utf8_lossy(&requests[0].raw), *body, "{what}");
            }
        }
    }
}

/// Answers of servers that two readers might understand differently never reach a client as more than one.
#[test]
fn a_server_cannot_answer_twice() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
    ] {
        let server = Server::start(move |stream| {
            let mut reader = Reader::new(stream);
            while reader.request().is_some() {
                reader.send(answer);
            }
        });
        let door = door(&server, "", "");
        let mut client = client(&door);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.response().unwrap();
        assert_eq!(response.field("transom-fault"), Some("server-bad-response"), "{answer:?}");
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response().unwrap().status(), 502, "{answer:?}");
        assert_eq!(server.accepted(), 2, "{answer:?}");
    }
}
