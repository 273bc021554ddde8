//! Idle keep-alive connections, plain and TLS, beside traffic and reloads: no request fails, and all of them live on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use transom_testkit::ca::Authority;
use transom_testkit::client::Trust;
use transom_testkit::fake_exchange::{FakeExchange, Options};
use transom_testkit::raw::Link;

use crate::lab::{DEADLINE, Lab, PUBLIC, resident};

const HOST: &str = "mail.example.com";
/// Connections.
const IDLE: usize = 5_000;
const RELOADS: usize = 100;

struct Site {
    lab: Lab,
    authority: Authority,
    server: FakeExchange,
}

fn site() -> Site {
    let lab = Lab::new();
    let authority = Authority::new("Lab").unwrap();
    authority.leaf(&[HOST]).unwrap().write(lab.folder.path(), "mail").unwrap();
    let server = lab.door.enter(|| FakeExchange::start(Options::new("EX1")).unwrap()).unwrap();
    Site { lab, authority, server }
}

impl Site {
    /// `round` makes another file of it: a route, a header and a listener come and go.
    fn config(&self, round: usize) -> String {
        let more = if round.is_multiple_of(2) {
            format!("[listener.other]\nbind = [\"{PUBLIC}:8080\"]\nmode = \"http\"\npool = \"p\"\n")
        } else {
            String::new()
        };
        format!(
            "[certificate.mail]\nchain = {:?}\nkey = {:?}\n\
             [listener.https]\nbind = [\"{PUBLIC}:443\"]\nmode = \"http\"\ntls = {{ certificates = [\"mail\"] }}\npool = \"p\"\n\
             timeouts = {{ keep-alive = \"10m\" }}\n\
             [listener.http]\nbind = [\"{PUBLIC}:80\"]\nmode = \"http\"\npool = \"p\"\n\
             timeouts = {{ keep-alive = \"10m\" }}\nset-response-headers = {{ X-Round = \"{round}\" }}\n\
             routes = [{{ name = \"r{round}\", paths = [\"/r{round}\"], pool = \"p\" }}]\n{more}\
             [pool.p]\nservers = [{{ name = \"ex1\", address = \"{}\" }}]\n",
            self.lab.path("mail.pem"),
            self.lab.path("mail.key"),
            self.server.address(),
        )
    }

    fn open(&self, tls: bool, at: usize) -> Link {
        let source = ["203.0.113.10", "203.0.113.11", "203.0.113.12"][at % 3].parse().unwrap();
        let to = |port| SocketAddr::new(PUBLIC.parse().unwrap(), port);
        let open = || match tls {
            true => Link::tls(to(443), Some(HOST), Trust::Authority(self.authority.pem()), DEADLINE),
            false => Link::plain_from(source, to(80), DEADLINE),
        };
        self.lab.client.enter(open).unwrap().unwrap()
    }

    /// One request, answered as it should be.
    fn ask(link: &mut Link) {
        let answer = link.get(HOST, "/whoami", "").unwrap();
        assert_eq!(
            (answer.status, answer.field("x-authenticated-user")),
            (200, Some("-")),
            "{}",
            answer.head
        );
    }
}

#[test]
fn five_thousand_idle_connections_and_a_hundred_reloads_under_load_lose_no_request() {
    reload_beside_idle(false);
}

#[test]
fn nor_do_five_thousand_over_tls() {
    reload_beside_idle(true);
}

fn reload_beside_idle(tls: bool) {
    let site = site();
    let transom = site.lab.start(&site.config(0));
    let mut idle: Vec<_> = (0..IDLE)
        .map(|at| {
            let mut link = site.open(tls, at);
            Site::ask(&mut link);
            link
        })
        .collect();
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (before, after) = std::thread::scope(|scope| {
        for client in 0..4 {
            let (site, stop, served) = (&site, &stop, &served);
            scope.spawn(move || {
                let mut visits = client;
                while !stop.load(Ordering::Relaxed) {
                    let mut link = site.open(client % 2 == 0, visits);
                    (0..1 + visits % 7).for_each(|_| Site::ask(&mut link));
                    served.fetch_add(1 + visits % 7, Ordering::Relaxed);
                    visits += 1;
                }
            });
        }
        let reload = |round: usize| drop(transom.reload(&site.config(round)).unwrap());
        (1..=RELOADS / 5).for_each(reload);
        let before = resident(transom.worker());
        (RELOADS / 5 + 1..=RELOADS).for_each(reload);
        let after = resident(transom.worker());
        stop.store(true, Ordering::Relaxed);
        (before, after)
    });
    assert!(served.load(Ordering::Relaxed) > 500, "hardly any traffic");
    assert!(after < before + (8 << 20), "{before} bytes after {} reloads, {after} at the end", RELOADS / 5);
    idle.iter_mut().for_each(Site::ask);
    let faults: Vec<_> = transom.access().into_iter().filter(|line| line.get("fault").is_some()).collect();
    assert!(faults.is_empty(), "{} faults, the first: {:?}", faults.len(), faults.first());
}
