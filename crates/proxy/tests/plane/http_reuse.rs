//! Which server connection a request gets, what is tried again, and whose a connection becomes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use base64::Engine;

use crate::door::{DEADLINE, Door, Server, wait_until};
use crate::http::{Reader, answering, client, door, mirror, ok, text};

fn get(client: &mut Reader, path: &str) -> String {
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client.response().map(|response| response.text()).unwrap_or_default()
}

#[test]
fn clients_share_an_idle_connection() {
    let (server, _seen) = mirror();
    let door = door(&server, "", "");
    for _ in 0..20 {
        assert_eq!(get(&mut client(&door), "/x"), "GET /x HTTP/1.1");
    }
    assert_eq!(server.accepted(), 1);
    let world = door.world();
    let counters = world.pool("servers").unwrap().servers()[0].counters();
    let (up, down) = (counters.bytes_in.sum(), counters.bytes_out.sum());
    assert_eq!((up, down), (20 * 28, 20 * 54));
    let listener = world.listeners()[0].counters();
    assert_eq!((listener.bytes_in.sum(), listener.bytes_out.sum()), (up, down));
    assert_eq!((counters.requests.sum(), counters.reused.sum(), counters.connections.sum()), (20, 19, 1));
}

/// Each reason to close a connection instead of keeping it: the second request finds a new one.
#[test]
fn what_may_not_be_used_again_is_closed() {
    for (what, answer) in [
        ("it says so", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"),
        ("an old server does not say it stays", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"),
        ("bytes behind the answer", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"),
        (
            "a second answer nobody asked for",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        ),
        (
            "bytes behind the last chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nX",
        ),
        ("a body where none may be", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    ] {
        let (server, _seen) = answering(move |_| Some(answer.into()));
        let door = door(&server, "", "");
        for _ in 0..2 {
            let mut client = client(&door);
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let response = client.response().unwrap();
            assert!(response.text().len() <= 1, "{what}: {response:?}");
        }
        assert_eq!(server.accepted(), 2, "{what}");
    }
}

#[test]
fn bytes_on_an_idle_connection_never_become_an_answer() {
    let (sent, evil) = channel();
    let (ask, asked) = channel::<()>();
    let asked = std::sync::Mutex::new(asked);
    let server = Server::start(move |stream| {
        let mut reader = Reader::new(stream);
        reader.request().unwrap();
        reader.send(&ok("good"));
        if asked.lock().unwrap().recv().is_ok() {
            reader.send(&ok("evil"));
            sent.send(()).unwrap();
        }
        while reader.more() {}
    });
    let door = door(&server, "", "");
    assert_eq!(get(&mut client(&door), "/"), "good");
    ask.send(()).unwrap();
    evil.recv_timeout(DEADLINE).unwrap();
    drop(ask);
    assert_eq!(get(&mut client(&door), "/"), "good");
    assert_eq!(server.accepted(), 2);
}

#[test]
fn bad_answers_are_told_from_good_ones() {
    for (answer, fault) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", "server-bad-response"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
            "server-bad-response",
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "server-bad-response"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "server-bad-response"),
        ("\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}(", "server-speaks-tls"),
        ("", "server-closed-before-response"),
        ("HTTP/1.1 200 OK\r\n", "server-bad-response"),
    ] {
        let (server, _seen) =
            answering(move |_| None::<String>.filter(|_| answer.is_empty()).or(Some(answer.into())));
        let server = if answer.is_empty() || answer == "HTTP/1.1 200 OK\r\n" {
            Server::start(move |stream| {
                let mut reader = Reader::new(stream);
                reader.head().unwrap();
                reader.send(answer);
            })
        } else {
            server
        };
        let door = door(&server, "", "");
        let mut client = client(&door);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.response().unwrap();
        assert_eq!((response.status(), response.field("transom-fault")), (502, Some(fault)), "{answer:?}");
    }
}

/// A server that closes each connection when its second request comes, without an answer.
fn closing_on_the_second() -> (Server, std::sync::Arc<AtomicUsize>) {
    let requests = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&requests);
    let server = Server::start(move |stream| {
        let mut reader = Reader::new(stream);
        if reader.request().is_some() {
            count.fetch_add(1, Ordering::SeqCst);
            reader.send(&ok("first"));
        }
        if reader.request().is_some() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (server, requests)
}

#[test]
fn a_request_that_may_be_asked_twice_survives_a_dead_idle_connection() {
    let (server, requests) = closing_on_the_second();
    let door = door(&server, "", "");
    for _ in 0..4 {
        assert_eq!(get(&mut client(&door), "/"), "first");
    }
    assert_eq!((server.accepted(), requests.load(Ordering::SeqCst)), (4, 7));
}

#[test]
fn a_request_that_may_have_taken_effect_is_never_asked_twice() {
    let (server, requests) = closing_on_the_second();
    let door = door(&server, "", "");
    assert_eq!(get(&mut client(&door), "/"), "first");
    let mut client = client(&door);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.response().unwrap().field("transom-fault"), Some("server-closed-before-response"));
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[test]
fn a_request_that_must_not_fail_gets_no_connection_that_waited_long() {
    let (server, _seen) = mirror();
    let door = door(&server, "", "");
    get(&mut client(&door), "/");
    // Longer than a connection counts as proven.
    std::thread::sleep(std::time::Duration::from_millis(1300));
    let mut other = client(&door);
    other.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    other.response().unwrap();
    assert_eq!(server.accepted(), 2);
    get(&mut client(&door), "/");
    assert_eq!(server.accepted(), 2, "others may use any");
}

#[test]
fn without_reuse_each_request_has_a_connection_of_its_own() {
    let (server, _seen) = mirror();
    let door = door(&server, "", "reuse = { idle = 0 }");
    let mut client = client(&door);
    for _ in 0..3 {
        get(&mut client, "/");
    }
    assert_eq!(server.accepted(), 3);
}

#[test]
fn idle_connections_end_after_their_time() {
    let (server, _seen) = mirror();
    let door = door(&server, "", "reuse = { idle-for = \"1s\" }");
    get(&mut client(&door), "/");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    get(&mut client(&door), "/");
    assert_eq!(server.accepted(), 2);
}

#[test]
fn with_a_proxy_header_a_connection_is_one_clients_alone() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        while !reader.held.windows(2).any(|two| two == b"\r\n") {
            if !reader.more() {
                return;
            }
        }
        let end = reader.held.windows(2).position(|two| two == b"\r\n").unwrap();
        let header: Vec<u8> = reader.held.drain(..end + 2).collect();
        let header = String::from_utf8(header).unwrap();
        while reader.request().is_some() {
            reader.send(&ok(header.trim_end()));
        }
    });
    let door = door(&server, "", "connect = { proxy-protocol = \"v1\" }");
    let mut clients: Vec<_> = (0..4).map(|_| client(&door)).collect();
    for _ in 0..3 {
        for client in &mut clients {
            let port = client.stream.local_addr().unwrap().port().to_string();
            let header = get(client, "/");
            assert_eq!(header.split(' ').nth(4), Some(port.as_str()), "{header}");
        }
    }
    assert_eq!(server.accepted(), 4, "each client has kept its own");
    drop(clients);
    door.wait_empty();
    get(&mut client(&door), "/");
    assert_eq!(server.accepted(), 5);
}

#[test]
fn other_servers_are_tried_and_cookies_lead_back() {
    let (one, _) = mirror();
    let (two, _) = mirror();
    let addresses = [one.address.to_string(), two.address.to_string()];
    let door = Door::open(&text(&addresses, "", "cookie = { name = \"DOOR\" }"));
    let mut first = client(&door);
    first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = first.response().unwrap();
    let cookie = response.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let server = if cookie == "DOOR=s0" { &one } else { &two };
    let before = server.accepted();
    for _ in 0..6 {
        let mut client = client(&door);
        client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"));
        assert_eq!(client.response().unwrap().field("set-cookie"), None);
    }
    assert_eq!((server.accepted(), one.accepted() + two.accepted()), (before, 1));
}

fn ntlm(kind: u8) -> String {
    let mut message = b"NTLMSSP\0".to_vec();
    message.extend_from_slice(&[kind, 0, 0, 0]);
    message.extend_from_slice(&[0; 60]);
    base64::engine::general_purpose::STANDARD.encode(message)
}

/// A server as IIS is: who the connection belongs to is known after a login, and every later request is that user's.
fn iis() -> Server {
    Server::start(|stream| {
        let mut reader = Reader::new(stream);
        let mut user = "nobody".to_owned();
        while let Some(request) = reader.request() {
            let token = request.field("authorization").unwrap_or_default().to_owned();
            if token == format!("NTLM {}", ntlm(1)) {
                let answer = format!(
                    "HTTP/1.1 401 x\r\nWWW-Authenticate: NTLM {}\r\nContent-Length: 0\r\n\r\n",
                    ntlm(2)
                );
                reader.send(&answer);
                continue;
            }
            if token.starts_with("NTLM") {
                user = request.field("x-user").unwrap().to_owned();
            }
            if request.line().contains("/leave") && user != "nobody" {
                return;
            }
            reader.send(&ok(&user));
        }
    })
}

fn sign_in(client: &mut Reader, user: &str) {
    client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM {}\r\n\r\n", ntlm(1)));
    assert_eq!(client.response().unwrap().status(), 401);
    client.send(&format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\nAuthorization: NTLM {}\r\n\r\n",
        ntlm(3)
    ));
    assert_eq!(client.response().unwrap().text(), user);
}

#[test]
fn a_login_makes_the_connection_its_clients_own() {
    let server = iis();
    let door = door(&server, "", "");
    assert_eq!(get(&mut client(&door), "/"), "nobody");
    let mut alice = client(&door);
    let mut bob = client(&door);
    sign_in(&mut alice, "alice");
    sign_in(&mut bob, "bob");
    for _ in 0..5 {
        assert_eq!(get(&mut alice, "/"), "alice");
        assert_eq!(get(&mut client(&door), "/"), "nobody");
        assert_eq!(get(&mut bob, "/"), "bob");
    }
    assert_eq!(server.accepted(), 3, "strangers share theirs");
    let world = door.world();
    let counters = world.pool("servers").unwrap().counters();
    wait_until("two logins and one idle connection", || {
        (counters.pinned.now(), counters.idle.now()) == (2, 1)
    });
    drop((alice, bob));
    wait_until("no logins", || counters.pinned.now() == 0);
    for _ in 0..5 {
        assert_eq!(get(&mut client(&door), "/"), "nobody");
    }
    assert_eq!(server.accepted(), 3);
    door.wait_empty();
    let lines = door.lines();
    assert_eq!(lines.iter().filter(|line| line["pinned"] == true).count(), 14);
}

#[test]
fn a_login_with_one_pool_is_not_lost_over_requests_to_another() {
    let (exchange, (web, _seen)) = (iis(), mirror());
    let door = Door::open(&format!(
        r#"
        workers = 1
        [listener.web]
        bind = ["127.0.0.1:0"]
        mode = "http"
        pool = "exchange"
        [[listener.web.routes]]
        paths = ["/web"]
        pool = "web"
        [pool.exchange]
        servers = [{{ name = "e", address = "{}" }}]
        [pool.web]
        servers = [{{ name = "w", address = "{}" }}]
        "#,
        exchange.address, web.address
    ));
    let mut alice = client(&door);
    sign_in(&mut alice, "alice");
    for _ in 0..3 {
        assert_eq!(get(&mut alice, "/web"), "GET /web HTTP/1.1");
        assert_eq!(get(&mut client(&door), "/web"), "GET /web HTTP/1.1");
        assert_eq!(get(&mut alice, "/owa"), "alice");
    }
    assert_eq!((exchange.accepted(), web.accepted()), (1, 1));
    drop(alice);
    door.wait_empty();
    let lines = door.lines();
    let web = lines.iter().filter(|line| line["path"] == "/web");
    assert!(web.clone().count() == 6 && web.clone().all(|line| line.get("pinned").is_none()), "{lines:?}");
}

#[test]
fn when_its_server_connection_is_gone_the_client_starts_anew() {
    let server = iis();
    let door = door(&server, "", "");
    let mut alice = client(&door);
    sign_in(&mut alice, "alice");
    assert_eq!(get(&mut alice, "/leave"), "nobody", "asked again over a fresh one");
    sign_in(&mut alice, "alice");
    assert_eq!(get(&mut alice, "/"), "alice");
    alice.send("POST /leave HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert!(alice.response().is_none(), "that may have taken effect: the client must know");
    door.wait_empty();
    let lines = door.lines();
    assert_eq!(lines.last().unwrap()["fault"], "pinned-server-gone");
    assert_eq!(lines[0].get("user"), None);
}

#[test]
fn a_login_that_is_half_done_ends_with_its_server_connection() {
    let server = Server::start(|stream| {
        let mut reader = Reader::new(stream);
        reader.request().unwrap();
        reader.send(&format!(
            "HTTP/1.1 401 x\r\nWWW-Authenticate: NTLM {}\r\nContent-Length: 0\r\n\r\n",
            ntlm(2)
        ));
    });
    let door = door(&server, "", "");
    let mut client = client(&door);
    client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM {}\r\n\r\n", ntlm(1)));
    assert_eq!(client.response().unwrap().status(), 401);
    client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM {}\r\n\r\n", ntlm(3)));
    assert!(client.response().is_none());
    door.wait_empty();
    assert_eq!(door.lines()[1]["fault"], "pinned-server-gone");
}
