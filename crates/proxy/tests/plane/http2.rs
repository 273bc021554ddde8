//! Requests over HTTP/2, with the `h2` crate as the client: bodies, trailers, logins, tunnels, goodbye.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Response};

use crate::door::{DEADLINE, Door, Server};
use crate::http::{Reader, answering, door, mirror, ok};

/// Runs a test of a client, for a limited time.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(2 * DEADLINE, test).await.expect("waited too long") })
}

/// A client of the first listener.
pub(crate) async fn connect(door: &Door) -> SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(door.addresses[0].1).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

fn ask(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://mail.example.com{path}"))
}

async fn whole(response: Response<RecvStream>) -> (Response<()>, Vec<u8>, Option<HeaderMap>) {
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    (Response::from_parts(parts, ()), bytes, body.trailers().await.unwrap())
}

async fn get(client: &mut SendRequest<Bytes>, path: &str) -> Result<(u16, String), h2::Error> {
    let (response, _) =
        client.clone().ready().await?.send_request(ask("GET", path).body(()).unwrap(), true)?;
    let (response, body, _) = whole(response.await?).await;
    Ok((response.status().as_u16(), String::from_utf8(body).unwrap()))
}

#[test]
fn requests_are_forwarded_as_http1_and_share_connections() {
    let (server, seen) = mirror();
    let door = door(&server, "h2c = true", "");
    run(async {
        let mut client = connect(&door).await;
        let request = ask("GET", "/owa/?a=b")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        let (response, body, _) = whole(response.await.unwrap()).await;
        assert_eq!((response.status().as_u16(), &*body), (200, &b"GET /owa/?a=b HTTP/1.1"[..]));
        assert_eq!(response.headers()["content-length"], "22");
        for number in 0..20 {
            let path = format!("/{number}");
            let answer = (200, format!("GET {path} HTTP/1.1"));
            assert_eq!(get(&mut client, &path).await.unwrap(), answer);
        }
    });
    let first = seen.recv().unwrap().1;
    assert_eq!(first.field("host"), Some("mail.example.com"));
    assert_eq!(first.field("cookie"), Some("a=1; b=2"));
    assert_eq!(first.field("te"), Some("trailers"));
    assert_eq!(server.accepted(), 1);
    door.wait_empty();
    let lines = door.lines();
    assert_eq!(lines.len(), 21);
    assert!(lines.iter().all(|line| line["proto"] == "HTTP/2.0" && line["status"] == 200), "{}", lines[0]);
}

#[test]
fn clients_of_http1_and_http2_come_through_the_same_door() {
    let (server, _seen) = mirror();
    let door = door(&server, "h2c = true", "");
    let mut old = crate::http::client(&door);
    // It begins like the other version's first words.
    for piece in ["PR", "OPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        old.send(piece);
        std::thread::yield_now();
    }
    assert_eq!(old.response().unwrap().text(), "PROPFIND / HTTP/1.1");
    run(async {
        assert_eq!(get(&mut connect(&door).await, "/").await.unwrap().0, 200);
    });
}

#[test]
fn nobody_speaks_it_in_clear_where_that_is_not_asked_for() {
    let (server, _seen) = mirror();
    let door = door(&server, "", "");
    let mut client = crate::http::client(&door);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(client.response().unwrap().status(), 505);
}

#[test]
fn bodies_with_and_without_a_length_arrive_whole_with_their_trailers() {
    let (server, seen) = answering(|request| {
        Some(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n{:x}\r\n{}\r\n0\r\nGrpc-Status: 0\r\n\r\n",
            request.body.len(),
            request.text()
        ))
    });
    let door = door(&server, "h2c = true", "");
    let body = "0123456789abcdef".repeat(40_000);
    for length in [Some(body.len()), None] {
        let echoed = run(async {
            let mut client = connect(&door).await;
            let mut request = ask("POST", "/grpc");
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            let (response, mut up) = client.send_request(request.body(()).unwrap(), false).unwrap();
            let mut rest = Bytes::from(body.clone());
            while !rest.is_empty() {
                up.reserve_capacity(rest.len());
                let room = std::future::poll_fn(|context| up.poll_capacity(context)).await.unwrap().unwrap();
                up.send_data(rest.split_to(room.min(rest.len())), false).unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "7".parse().unwrap());
            up.send_trailers(trailers).unwrap();
            let (response, body, trailers) = whole(response.await.unwrap()).await;
            assert!(!response.headers().contains_key("transfer-encoding"), "{response:?}");
            assert_eq!(trailers.unwrap()["grpc-status"], "0");
            body
        });
        assert_eq!(echoed.len(), body.len());
        assert_eq!(echoed, body.as_bytes());
        let request = seen.recv().unwrap().1;
        assert_eq!(request.field("transfer-encoding").is_none(), length.is_some());
        assert_eq!(
            String::from_utf8_lossy(&request.raw).ends_with("0\r\nx-sum: 7\r\n\r\n"),
            length.is_none()
        );
    }
    door.wait_empty();
}

#[test]
fn heads_as_large_as_kerberos_makes_them_pass() {
    let (server, seen) = mirror();
    let door = door(&server, "h2c = true\nlimits = { head = \"80KiB\" }", "");
    let ticket = "T".repeat(64 * 1024);
    run(async {
        let mut client = connect(&door).await;
        let request = ask("GET", "/").header("x-ticket", &ticket).body(()).unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
    });
    assert_eq!(seen.recv().unwrap().1.field("x-ticket"), Some(&*ticket));
}

#[test]
fn a_login_of_the_connection_is_sent_back_to_http1() {
    let (server, seen) = answering(|request| {
        Some(match request.field("authorization") {
            Some(basic) if basic.starts_with("Basic") => "HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n".into(),
            _ if request.line().contains("/free") => ok("free"),
            _ => "HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n".into(),
        })
    });
    let door = door(&server, "h2c = true", "");
    run(async {
        let mut client = connect(&door).await;
        let status = async |client: &mut SendRequest<Bytes>, path: &str, login: Option<&str>| {
            let mut request = ask("GET", path);
            if let Some(login) = login {
                request = request.header("authorization", login);
            }
            let (response, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
            response.await.map(|response| response.status().as_u16()).map_err(|error| error.reason())
        };
        let required = Err(Some(Reason::HTTP_1_1_REQUIRED));
        assert_eq!(status(&mut client, "/ews", None).await, required, "a 401 that offers only such a login");
        let token = "NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==";
        assert_eq!(status(&mut client, "/never", Some(token)).await, required, "a request with such a login");
        assert_eq!(status(&mut client, "/never", Some("Negotiate YII=")).await, required);
        assert_eq!(status(&mut client, "/ews", Some("Basic YTpi")).await, Ok(401), "Basic stays");
        assert_eq!(status(&mut client, "/free", None).await, Ok(200));
    });
    door.wait_empty();
    let lines = door.lines();
    assert_eq!(lines.iter().filter(|line| line["fault"] == "login-needs-http1").count(), 3);
    let asked: Vec<_> = seen.try_iter().map(|(_, request)| request).collect();
    assert_eq!(asked.len(), 3, "logins of the connection were forwarded");
    assert!(!asked.iter().any(|request| request.line().contains("/never")));
}

#[test]
fn a_web_socket_over_a_stream_reaches_a_server_of_http1() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        let head = reader.head().unwrap();
        for line in [
            "GET /ws HTTP/1.1\r\n",
            "Upgrade: websocket\r\n",
            "Connection: Upgrade\r\n",
            "Sec-WebSocket-Key: ",
        ] {
            assert!(head.contains(line), "{head}");
        }
        reader.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nhello",
        );
        while reader.more() {
            let echo = std::mem::take(&mut reader.held);
            reader.send(&String::from_utf8(echo).unwrap());
        }
    });
    let door = door(&server, "h2c = true", "");
    run(async {
        let mut client = connect(&door).await;
        // Known once the server's settings have come.
        assert_eq!(get(&mut client, "*").await.map(|answer| answer.0).ok(), Some(400));
        assert!(client.is_extended_connect_protocol_enabled());
        let mut request = ask("CONNECT", "/ws").header("sec-websocket-version", "13").body(()).unwrap();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let (response, mut up) = client.send_request(request, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("sec-websocket-accept"));
        let mut down = response.into_body();
        assert_eq!(down.data().await.unwrap().unwrap(), "hello");
        up.send_data(Bytes::from_static(b"ping"), false).unwrap();
        assert_eq!(down.data().await.unwrap().unwrap(), "ping");
        up.send_data(Bytes::new(), true).unwrap();
        assert!(down.data().await.is_none_or(|last| last.unwrap().is_empty()));
        let plain = Request::builder().method(Method::CONNECT).uri("mail.example.com:443").body(()).unwrap();
        let (response, _) = client.send_request(plain, false).unwrap();
        assert_eq!(response.await.unwrap().status(), 405, "we are nobody's way out");
    });
    door.wait_empty();
    let lines = door.lines();
    let tunnel = lines.iter().find(|line| line["path"] == "/ws").unwrap();
    assert_eq!((&tunnel["status"], tunnel.get("fault")), (&101.into(), None));
}

#[test]
fn what_is_refused_is_said_on_the_stream_alone() {
    let (server, _seen) = mirror();
    let door = door(
        &server,
        "h2c = true\nlimits = { body = \"10B\" }\nroutes = [{ paths = [\"/no\"], refuse = 403 }, { paths = [\"/gone\"], reset = true }]",
        "",
    );
    run(async {
        let mut client = connect(&door).await;
        assert_eq!(get(&mut client, "/no").await.unwrap().0, 403);
        assert!(get(&mut client, "/gone").await.unwrap_err().is_reset());
        let request = ask("POST", "/").header("content-length", "11").body(()).unwrap();
        let (response, mut up) = client.send_request(request, false).unwrap();
        up.send_data(Bytes::from_static(b"01234567890"), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 413);
        let both = ask("GET", "/").header("host", "other.example.com").body(()).unwrap();
        let (response, _) = client.send_request(both, true).unwrap();
        assert_eq!(response.await.unwrap().status(), 400, "two hosts");
        assert_eq!(get(&mut client, "/").await.unwrap().0, 200);
        let head = ask("HEAD", "/no").body(()).unwrap();
        let (response, _) = client.send_request(head, true).unwrap();
        let (response, body, _) = whole(response.await.unwrap()).await;
        assert_eq!((response.status().as_u16(), body.len()), (403, 0));
    });
}

#[test]
fn many_streams_answer_at_once_and_slow_ones_hold_up_nobody() {
    let (server, _seen) = answering(|request| {
        if request.line().contains("slow") {
            std::thread::sleep(Duration::from_millis(300));
        }
        Some(ok(request.line()))
    });
    let door = door(&server, "h2c = true", "");
    run(async {
        let mut client = connect(&door).await;
        let slow = client.send_request(ask("GET", "/slow").body(()).unwrap(), true).unwrap().0;
        let mut rest = Vec::new();
        for number in 0..100 {
            let request = ask("GET", &format!("/{number}")).body(()).unwrap();
            client = client.ready().await.unwrap();
            rest.push(client.send_request(request, true).unwrap().0);
        }
        let mut seen = HashSet::new();
        for response in rest {
            let (_, body, _) = whole(response.await.unwrap()).await;
            seen.insert(String::from_utf8(body).unwrap());
        }
        assert_eq!(seen.len(), 100);
        assert_eq!(slow.await.unwrap().status(), 200);
    });
}

#[test]
fn large_responses_reach_a_client_that_reads_slowly_in_its_time() {
    const BYTES: usize = 4 << 20;
    let (server, _seen) = answering(|_| Some(ok(&"x".repeat(BYTES))));
    let door = door(&server, "h2c = true", "");
    run(async {
        let mut client = connect(&door).await;
        let mut readers = Vec::new();
        for _ in 0..4 {
            let response = client.send_request(ask("GET", "/").body(()).unwrap(), true).unwrap().0;
            readers.push(tokio::spawn(async { whole(response.await.unwrap()).await.1.len() }));
        }
        for reader in readers {
            assert_eq!(reader.await.unwrap(), BYTES);
        }
    });
}

#[test]
fn a_client_that_gives_no_room_loses_its_stream_and_nothing_else() {
    let (server, _seen) = answering(|request| {
        Some(ok(&if request.line().contains("large") { "x".repeat(1 << 20) } else { "small".into() }))
    });
    let door = door(&server, "h2c = true\ntimeouts = { send = \"300ms\" }", "");
    run(async {
        let mut client = connect(&door).await;
        let large = client.send_request(ask("GET", "/large").body(()).unwrap(), true).unwrap().0;
        let mut body = large.await.unwrap().into_body();
        let error = loop {
            match body.data().await.expect("the whole came without room for it") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.is_reset(), "{error}");
        // Its bytes count against the connection's room until they are given back.
        drop(body);
        assert_eq!(get(&mut client, "/").await.unwrap().0, 200);
    });
    let lines = door.lines();
    assert!(lines.iter().any(|line| line["fault"] == "client-timeout"), "{lines:?}");
}

#[test]
fn a_request_that_is_taken_back_lets_its_server_go() {
    let (seen, told) = std::sync::mpsc::channel();
    let seen = std::sync::Mutex::new(seen);
    let server = Server::start(move |stream| {
        let mut reader = Reader::new(stream);
        if reader.request().is_some() {
            seen.lock().unwrap().send(false).unwrap();
            seen.lock().unwrap().send(reader.ends()).unwrap();
        }
    });
    let door = door(&server, "h2c = true", "");
    run(async {
        let mut client = connect(&door).await;
        let (response, mut up) = client.send_request(ask("GET", "/").body(()).unwrap(), true).unwrap();
        tokio::task::yield_now().await;
        let told = tokio::task::spawn_blocking(move || (told.recv().unwrap(), told));
        let (_, told) = told.await.unwrap();
        up.send_reset(Reason::CANCEL);
        drop(response);
        assert!(tokio::task::spawn_blocking(move || told.recv().unwrap()).await.unwrap());
    });
    door.wait_empty();
    assert_eq!(door.lines()[0]["fault"], "client-closed");
}

#[test]
fn draining_says_goodbye_and_lets_the_last_request_end() {
    let (server, seen) = answering(|_| {
        std::thread::sleep(Duration::from_millis(300));
        Some(ok("late"))
    });
    let door = door(&server, "h2c = true", "");
    run(async {
        let mut client = connect(&door).await;
        let (response, _) = client.send_request(ask("GET", "/").body(()).unwrap(), true).unwrap();
        let (seen, _) = tokio::task::spawn_blocking(move || (seen.recv().unwrap(), seen)).await.unwrap();
        assert_eq!(seen.1.line(), "GET / HTTP/1.1");
        door.plane().drain();
        assert_eq!(whole(response.await.unwrap()).await.1, b"late");
        let refused =
            async { client.ready().await?.send_request(ask("GET", "/").body(()).unwrap(), true)?.0.await };
        let refused = refused.await;
        assert!(refused.is_err(), "a request after goodbye: {refused:?}");
    });
    door.wait_empty();
}

#[test]
fn an_idle_connection_is_told_that_its_time_is_over() {
    let (server, _seen) = mirror();
    let door = door(&server, "h2c = true\ntimeouts = { keep-alive = \"300ms\" }", "");
    run(async {
        let stream = tokio::net::TcpStream::connect(door.addresses[0].1).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        assert_eq!(get(&mut client, "/").await.unwrap().0, 200);
        connection.await.unwrap().unwrap();
    });
    door.wait_empty();
}
