//! The first promise: no client is ever answered with another client's identity, with nothing to configure; and clients
//! without a login still share connections to servers.
//!
//! Three users who log their connections in (NTLM), one of them with one-leg Negotiate on every request, and anonymous
//! clients, over plain HTTP and TLS, while servers close connections, are drained and come back, and the configuration
//! is reloaded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use transom_testkit::ca::Authority;
use transom_testkit::client::Trust;
use transom_testkit::fake_exchange::{Ending, FakeExchange, KERBEROS, Options, USERS};
use transom_testkit::ntlm;
use transom_testkit::raw::{Link, Response};

use crate::lab::{DEADLINE, Lab, PUBLIC, Transom};

/// Requests of the ordinary run; `TRANSOM_LONG` asks for the promised number.
const REQUESTS: u64 = 20_000;
const REQUESTS_LONG: u64 = 100_000;
const HOST: &str = "mail.example.com";

struct Site {
    lab: Lab,
    authority: Authority,
    servers: Vec<FakeExchange>,
}

fn site() -> Site {
    let lab = Lab::new();
    let authority = Authority::new("Lab").unwrap();
    authority.leaf(&[HOST]).unwrap().write(lab.folder.path(), "mail").unwrap();
    let start = |name: &&str| lab.door.enter(|| FakeExchange::start(Options::new(name)).unwrap()).unwrap();
    let servers = ["EX1", "EX2"].iter().map(start).collect();
    Site { lab, authority, servers }
}

impl Site {
    /// `salt` makes another file of it, so that a reload has something to apply.
    fn config(&self, salt: u64) -> String {
        let servers: Vec<_> = self
            .servers
            .iter()
            .map(|server| format!("{{ name = \"{}\", address = \"{}\" }}", server.name(), server.address()))
            .collect();
        format!(
            r#"
            [certificate.mail]
            chain = {:?}
            key = {:?}
            [listener.https]
            bind = ["{PUBLIC}:443"]
            mode = "http"
            tls = {{ certificates = ["mail"] }}
            pool = "exchange"
            [listener.http]
            bind = ["{PUBLIC}:80"]
            mode = "http"
            pool = "exchange"
            set-response-headers = {{ X-Salt = "{salt}" }}
            [pool.exchange]
            servers = [{}]
            "#,
            self.lab.path("mail.pem"),
            self.lab.path("mail.key"),
            servers.join(", "),
        )
    }

    fn open(&self, tls: bool) -> std::io::Result<Link> {
        let address = |port| SocketAddr::new(PUBLIC.parse().unwrap(), port);
        self.lab
            .client
            .enter(|| match tls {
                true => Link::tls(address(443), Some(HOST), Trust::Authority(self.authority.pem()), DEADLINE),
                false => Link::plain(address(80), DEADLINE),
            })
            .unwrap()
    }
}

/// What all clients together saw.
#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    anonymous: AtomicU64,
    failed: AtomicU64,
    wrong: std::sync::Mutex<Vec<String>>,
}

impl Tally {
    /// Judges an answer: it is for one of `fine`, or nobody's because of a fault of the door.
    fn judge(&self, answer: &Response, client: &str, fine: &[&str]) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        match answer.field("x-authenticated-user") {
            Some(user) if fine.contains(&user) => {}
            None if answer.field("transom-fault").is_some() => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            other => {
                let sentence = format!("{client} was answered as {other:?}: {}", answer.head);
                self.wrong.lock().unwrap().push(sentence);
            }
        }
    }
}

/// What one client does with a connection.
#[derive(Clone, Copy)]
enum Kind {
    /// Logs the connection in, then asks as if nothing were.
    Ntlm(usize),
    /// Says who it is with every request.
    OneLeg(usize),
    /// Says nothing.
    Anonymous,
}

/// One connection with a handful of requests. Errors end it: the servers close connections all the time.
fn visit(
    site: &Site,
    tally: &Tally,
    kind: Kind,
    client: &str,
    tls: bool,
    length: u64,
) -> std::io::Result<()> {
    let mut link = site.open(tls)?;
    let line = format!("X-Test-Client: {client}\r\n");
    match kind {
        Kind::Ntlm(who) => {
            let (name, password) = USERS[who];
            let own = format!("LAB\\{name}");
            let user = ntlm::Client::new("LAB", name, password);
            let [challenge, answer] = link.login(&user, "NTLM", [HOST, "/ews/"], &line)?;
            tally.judge(&challenge, client, &["-"]);
            tally.judge(&answer, client, &[&own, "-"]);
            for _ in 0..length {
                let answer = link.get(HOST, "/ews/", &line)?;
                let as_whom = if answer.status == 401 { "-" } else { &own };
                tally.judge(&answer, client, &[as_whom]);
            }
        }
        Kind::OneLeg(who) => {
            let (name, _) = USERS[who];
            let own = format!("LAB\\{name}");
            let token = BASE64.encode(format!("{KERBEROS}{name}"));
            let line = format!("Authorization: Negotiate {token}\r\n{line}");
            for _ in 0..length {
                tally.judge(&link.get(HOST, "/ews/", &line)?, client, &[&own]);
            }
        }
        Kind::Anonymous => {
            for _ in 0..length {
                let answer = link.get(HOST, "/whoami", &line)?;
                tally.anonymous.fetch_add(1, Ordering::Relaxed);
                tally.judge(&answer, client, &["-"]);
            }
        }
    }
    Ok(())
}

/// What happens to the servers and to the door meanwhile.
fn disturb(site: &Site, transom: &Transom, stop: &AtomicBool) {
    let mut round = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let server = &site.servers[(round % 2) as usize];
        let name = format!("exchange/{}", server.name());
        match round % 5 {
            0 | 2 => drop(server.close_connections(Ending::Close)),
            1 => drop(transom.ctl(&["server", &name, "drain"]).unwrap()),
            3 => drop(server.close_connections(Ending::Reset)),
            _ => drop(transom.reload(&site.config(round)).unwrap()),
        }
        thread::sleep(Duration::from_millis(60));
        for server in &site.servers {
            transom.ctl(&["server", &format!("exchange/{}", server.name()), "ready"]).unwrap();
        }
        round += 1;
    }
}

#[test]
fn nobody_is_ever_answered_as_somebody_else_and_others_still_share_connections() {
    let wanted = if std::env::var_os("TRANSOM_LONG").is_some() { REQUESTS_LONG } else { REQUESTS };
    let site = site();
    let transom = site.lab.start(&site.config(0));
    let (tally, stop) = (Arc::new(Tally::default()), AtomicBool::new(false));
    let kinds = [
        Kind::Ntlm(0),
        Kind::Ntlm(1),
        Kind::Ntlm(2),
        Kind::OneLeg(0),
        Kind::OneLeg(1),
        Kind::Anonymous,
        Kind::Anonymous,
        Kind::Anonymous,
    ];
    let began = Instant::now();
    thread::scope(|scope| {
        let disturber = scope.spawn(|| disturb(&site, &transom, &stop));
        let clients: Vec<_> = (0_u64..)
            .zip(kinds)
            .map(|(number, kind)| {
                let (site, tally) = (&site, &tally);
                scope.spawn(move || {
                    let mut visits = 0_u64;
                    while tally.requests.load(Ordering::Relaxed) < wanted {
                        assert!(began.elapsed() < Duration::from_mins(20), "it never ends");
                        visits += 1;
                        let client = format!("c{number}-{visits}");
                        // An error is a connection that a server or the door closed: the next visit opens another.
                        let _ =
                            visit(site, tally, kind, &client, (number + visits) % 2 == 0, 1 + visits % 12);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        stop.store(true, Ordering::Relaxed);
        disturber.join().unwrap();
    });
    assert_eq!(*tally.wrong.lock().unwrap(), Vec::<String>::new());
    let requests = tally.requests.load(Ordering::Relaxed);
    let failed = tally.failed.load(Ordering::Relaxed);
    assert!(failed * 50 < requests, "{failed} of {requests} were answered with a fault");
    let leaks: Vec<_> =
        site.servers.iter().flat_map(FakeExchange::connections).filter(|one| one.leaks()).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
    let ambiguous: Vec<_> = site.servers.iter().flat_map(FakeExchange::ambiguous).collect();
    assert!(ambiguous.is_empty(), "{ambiguous:?}");
}

/// Without servers that close connections all the time, to count honestly.
#[test]
fn clients_without_a_login_share_few_connections_while_others_are_pinned() {
    let site = site();
    let _transom = site.lab.start(&site.config(0));
    let (tally, pinned) = (Tally::default(), 20_u64);
    for number in 0..pinned {
        let client = format!("n{number}");
        visit(&site, &tally, Kind::Ntlm((number % 3) as usize), &client, false, 5).unwrap();
        for visits in 0..20 {
            visit(&site, &tally, Kind::Anonymous, &format!("a{number}-{visits}"), visits % 2 == 0, 5)
                .unwrap();
        }
    }
    assert_eq!(*tally.wrong.lock().unwrap(), Vec::<String>::new());
    assert_eq!(tally.failed.load(Ordering::Relaxed), 0);
    let connections: u64 = site.servers.iter().map(FakeExchange::accepted).sum();
    let anonymous = tally.anonymous.load(Ordering::Relaxed);
    let shared = connections - pinned;
    assert!(shared * 20 < anonymous, "{shared} connections for {anonymous} requests without a login");
}

/// A PROXY header names one client: a connection that carries it serves nobody else.
#[test]
fn a_connection_that_carries_a_clients_address_serves_no_other_client() {
    let lab = Lab::new();
    let options = Options { proxy_header: true, ..Options::new("EX1") };
    let server = lab.door.enter(|| FakeExchange::start(options).unwrap()).unwrap();
    let _transom = lab.start(&format!(
        "[listener.http]\nbind = [\"{PUBLIC}:80\"]\nmode = \"http\"\npool = \"p\"\n\
         [pool.p]\nconnect = {{ proxy-protocol = \"v2\" }}\n\
         servers = [{{ name = \"ex1\", address = \"{}\" }}]\n",
        server.address()
    ));
    let to = SocketAddr::new(PUBLIC.parse().unwrap(), 80);
    for round in 0..5 {
        for from in ["203.0.113.10", "203.0.113.11", "203.0.113.12"] {
            let open = || Link::plain_from(from.parse().unwrap(), to, DEADLINE).unwrap();
            let mut link = lab.client.enter(open).unwrap();
            for _ in 0..3 {
                let answer =
                    link.get(HOST, "/whoami", &format!("X-Test-Client: {from}-{round}\r\n")).unwrap();
                let seen = answer.field("x-client").unwrap();
                assert!(seen.starts_with(from), "{from} was seen as {seen}");
            }
        }
    }
    assert!(server.connections().iter().all(|connection| connection.clients.len() == 1));
    assert_eq!(server.accepted(), 15, "each client connection has one of its own, for all its requests");
}
