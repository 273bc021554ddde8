//! Seed 000: TLS on the listener and to the servers, in three zones; health is asked over HTTPS.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use transom_testkit::ca::Authority;
use transom_testkit::client::{self, Tls, Trust};
use transom_testkit::netns::Namespace;
use transom_testkit::server::{Behaviour, Server};

use crate::lab::{DEADLINE, Lab, PUBLIC, Transom};

const HEALTH: &str = "/owa/healthcheck.htm";
const ZONES: [(&str, &str, &str); 3] =
    [("ex-a", "192.168.10.10", "a"), ("ex-b", "192.168.10.11", "b"), ("ex-c", "192.168.10.12", "c")];

struct Site {
    lab: Lab,
    authority: Authority,
    https: Vec<Server>,
    _smtp: Vec<Server>,
    _hosts: Vec<Namespace>,
}

fn site() -> Site {
    let lab = Lab::new();
    let authority = Authority::new("Lab").unwrap();
    authority.write(lab.path("ca.pem")).unwrap();
    authority.leaf(&["mail.example.com"]).unwrap().write(lab.folder.path(), "mail").unwrap();
    let inner = authority.leaf(&["mail.example.com"]).unwrap();
    let (mut https, mut smtp, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
    for (name, address, _) in ZONES {
        let host = lab.host(name, address);
        let at = |port| SocketAddr::new(address.parse().unwrap(), port);
        host.enter(|| {
            https.push(Server::start_tls(name, at(443), Behaviour::Http, &inner).unwrap());
            smtp.push(Server::start(name, at(25), Behaviour::Smtp(250)).unwrap());
        })
        .unwrap();
        hosts.push(host);
    }
    Site { lab, authority, https, _smtp: smtp, _hosts: hosts }
}

impl Site {
    fn config(&self, health: &str) -> String {
        let certificate = |file: &str| self.lab.path(file);
        let servers = |port: u16| {
            let one = |(name, address, zone): &(&str, &str, &str)| {
                format!("{{ name = \"{name}\", address = \"{address}:{port}\", zone = \"{zone}\" }},\n")
            };
            ZONES.iter().map(one).collect::<String>()
        };
        format!(
            r#"
            zone = "a"
            [certificate.mail]
            chain = {:?}
            key = {:?}
            [listener.https]
            bind = ["203.0.113.1:443"]
            mode = "tls"
            tls = {{ certificates = ["mail"], min = "1.2" }}
            plain-http = "redirect"
            pool = "exchange-https"
            [listener.smtp]
            bind = ["203.0.113.1:25"]
            mode = "tcp"
            pool = "exchange-smtp"
            [pool.exchange-https]
            balance = "least-connections"
            zones = "local-first"
            connect = {{ tls = {{ ca = {:?}, name = "mail.example.com" }} }}
            health-check = {{ https = "{health}", expect = 200, every = "200ms", timeout = "500ms", rise = 2, fall = 2 }}
            servers = [{}]
            [pool.exchange-smtp]
            health-check = {{ smtp = "EHLO", expect = 250, every = "200ms" }}
            servers = [{}]
            "#,
            certificate("mail.pem"),
            certificate("mail.key"),
            certificate("ca.pem"),
            servers(443),
            servers(25)
        )
    }

    /// One request over TLS, the listener's certificate verified; the name of the server that answered.
    fn get(&self) -> std::io::Result<String> {
        let stream = self.lab.connect("203.0.113.10", 443)?;
        let mut tls =
            Tls::handshake(stream, Some("mail.example.com"), Trust::Authority(self.authority.pem()))?;
        let answer = client::get(&mut tls, "mail.example.com", "/owa/")?;
        Ok(answer.text().split(' ').next().unwrap_or_default().to_owned())
    }

    fn wait_up(&self, transom: &Transom) {
        for (name, _, _) in ZONES {
            transom.wait_for_condition(&format!("exchange-https/{name}"), "up");
        }
    }
}

#[test]
fn a_zone_that_dies_under_load_and_returns_fails_nobody_after_the_check_interval() {
    let site = site();
    let transom = site.lab.start(&site.config(HEALTH));
    site.wait_up(&transom);
    assert_eq!(site.get().unwrap(), "ex-a", "this node stands in zone a");
    let (stop, dead) = (AtomicBool::new(false), std::sync::Mutex::new(None::<Instant>));
    let late = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut late, mut asked) = (Vec::new(), 0u32);
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let outcome = site.get();
                asked += 1;
                let grace =
                    dead.lock().unwrap().is_some_and(|at| begun.duration_since(at) < Duration::from_secs(2));
                if let (Err(error), false) = (outcome, grace) {
                    late.push(error.to_string());
                }
                std::thread::sleep(Duration::from_millis(20).saturating_sub(begun.elapsed()));
            }
            (late, asked)
        });
        std::thread::sleep(Duration::from_secs(1));
        *dead.lock().unwrap() = Some(Instant::now());
        site.https[0].stop();
        transom.wait_for_condition("exchange-https/ex-a", "down");
        std::thread::sleep(Duration::from_secs(3));
        site.https[0].resume().unwrap();
        transom.wait_for_condition("exchange-https/ex-a", "up");
        std::thread::sleep(Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
        load.join().unwrap()
    });
    assert_eq!(late.0, Vec::<String>::new());
    assert!(late.1 > 100, "only {} requests", late.1);
    assert_eq!(site.get().unwrap(), "ex-a");
}

#[test]
fn a_wrong_health_path_is_named() {
    let site = site();
    for server in &site.https {
        server.set_answer("/wrong", 302, "moved");
    }
    let transom = site.lab.start(&site.config("/wrong"));
    transom.wait_for_condition("exchange-https/ex-a", "down");
    let text = transom.ctl(&["servers", "exchange-https"]).unwrap();
    assert!(text.contains("302") && text.contains("server-bad-response"), "{text}");
}

#[test]
fn plain_http_on_443_explains_itself_to_the_client_and_in_the_log() {
    let site = site();
    let transom = site.lab.start(&site.config(HEALTH));
    let url = "http://mail.example.com:443/ecp";
    let resolve = format!("mail.example.com:443:{PUBLIC}");
    let text =
        site.lab.run("curl", &["-s", "--max-time", "10", "--resolve", &resolve, "-D", "-", url]).unwrap();
    assert!(text.starts_with("HTTP/1.1 308") && text.contains("https://mail.example.com/ecp"), "{text}");
    let lines = transom.wait_for_access(1);
    assert_eq!(lines[0]["fault"], "client-sent-plain-http");
}

#[test]
fn swaks_gets_through_the_smtp_relay() {
    let site = site();
    let transom = site.lab.start(&site.config(HEALTH));
    transom.wait_for_condition("exchange-smtp/ex-b", "up");
    let arguments =
        ["--server", PUBLIC, "--to", "a@lab.test", "--from", "b@lab.test", "--quit-after", "EHLO"];
    assert!(site.lab.run("swaks", &arguments).unwrap().contains("250"));
}

/// openssl and curl as clients; a certificate that is renewed arrives with a reload.
#[test]
fn a_renewed_certificate_is_shown_after_a_reload() {
    let site = site();
    let transom = site.lab.start(&site.config(HEALTH));
    site.wait_up(&transom);
    let serial = || {
        let address = format!("{PUBLIC}:443");
        let text = site
            .lab
            .run("openssl", &["s_client", "-connect", &address, "-servername", "mail.example.com"])
            .unwrap();
        let begin = text.find("-----BEGIN CERTIFICATE-----").unwrap();
        text[begin..text.find("-----END CERTIFICATE-----").unwrap()].to_owned()
    };
    let before = serial();
    site.authority.leaf(&["mail.example.com"]).unwrap().write(site.lab.folder.path(), "mail").unwrap();
    transom.reload(&site.config(HEALTH)).unwrap();
    assert_ne!(serial(), before);
    let resolve = format!("mail.example.com:443:{PUBLIC}");
    let ca = site.lab.path("ca.pem");
    let arguments = [
        "-s",
        "--max-time",
        "10",
        "--resolve",
        &resolve,
        "--cacert",
        ca.to_str().unwrap(),
        "https://mail.example.com/x",
    ];
    assert!(site.lab.run("curl", &arguments).unwrap().starts_with("ex-a GET /x"), "within {DEADLINE:?}");
}
