//! Seed 001: one address; Exchange's paths go to Exchange and everything else to Apache, each origin with its own client
//! certificate. RPC over HTTP streams both ways at once.

use std::net::SocketAddr;
use std::time::Duration;

use transom_testkit::ca::{Authority, Leaf};
use transom_testkit::client::Trust;
use transom_testkit::fake_exchange::{ANY, FakeExchange, Options, Service};
use transom_testkit::pattern::Pattern;
use transom_testkit::raw::{Link, Standing};

use crate::lab::{DEADLINE, Lab, PUBLIC, Transom, resident};

const GIB: u64 = 1 << 30;
const RSS_MAX: u64 = 64 << 20;
const HOST: &str = "contoso.com";

struct Site {
    lab: Lab,
    authority: Authority,
    exchange: FakeExchange,
    web: FakeExchange,
    shown: [Leaf; 2],
}

fn site() -> Site {
    let lab = Lab::new();
    let authority = Authority::new("Lab").unwrap();
    authority.leaf(&[HOST]).unwrap().write(lab.folder.path(), "contoso").unwrap();
    let inner = authority.leaf(&["inside.test"]).unwrap();
    let shown = ["san", "other-san"].map(|stem| {
        let leaf = authority.leaf(&[&format!("{stem}.test")]).unwrap();
        leaf.write(lab.folder.path(), stem).unwrap();
        leaf
    });
    let start = |name: &str| {
        let services = vec![(Service::Https, ANY)];
        let client_authority = Some(authority.pem().to_owned());
        let options = Options { services, client_authority, ..Options::tls(name, &inner) };
        lab.door.enter(|| FakeExchange::start(options).unwrap()).unwrap()
    };
    let (exchange, web) = (start("EXCHANGE"), start("APACHE"));
    Site { lab, authority, exchange, web, shown }
}

impl Site {
    fn start(&self) -> Transom {
        let certificate = |name: &str, stem: &str| {
            let (chain, key) = (self.lab.path(&format!("{stem}.pem")), self.lab.path(&format!("{stem}.key")));
            format!("[certificate.{name}]\nchain = {chain:?}\nkey = {key:?}\n")
        };
        self.lab.start(&format!(
            r#"
            {}{}{}
            [listener.https]
            bind = ["{PUBLIC}:443"]
            mode = "http"
            tls = {{ certificates = ["contoso"] }}
            pool = "web"
            [[listener.https.routes]]
            name = "exchange"
            hosts = ["{HOST}"]
            paths = ["/exchange", "/exchweb", "/public", "/owa", "/ecp", "/microsoft-server-activesync",
                     "/rpc", "/rpcwithcert", "/exadmin", "/upload", "/bytes"]
            pool = "exchange"
            set-request-headers = {{ Front-End-Https = "On" }}
            [pool.exchange]
            connect = {{ tls = {{ verify = "none", certificate = "exchange-client" }} }}
            servers = [{{ name = "exchange", address = "{}" }}]
            [pool.web]
            connect = {{ tls = {{ verify = "none", certificate = "web-client" }} }}
            servers = [{{ name = "apache", address = "{}" }}]
            "#,
            certificate("contoso", "contoso"),
            certificate("exchange-client", "san"),
            certificate("web-client", "other-san"),
            self.exchange.address(),
            self.web.address(),
        ))
    }

    fn open(&self) -> Link {
        let address = SocketAddr::new(PUBLIC.parse().unwrap(), 443);
        let trust = Trust::Authority(self.authority.pem());
        self.lab.client.enter(|| Link::tls(address, Some(HOST), trust, DEADLINE)).unwrap().unwrap()
    }
}

#[test]
fn exchange_paths_in_any_letter_case_go_to_exchange_and_the_rest_to_apache() {
    let site = site();
    let transom = site.start();
    let mut link = site.open();
    for (path, name) in [
        ("/owa/x", "EXCHANGE"),
        ("/OWA", "EXCHANGE"),
        ("/Rpc/RpcProxy.dll", "EXCHANGE"),
        ("/ExAdmin/", "EXCHANGE"),
        ("/%6fwa/x", "EXCHANGE"),
        ("/public/../Exchange", "EXCHANGE"),
        ("/owab", "APACHE"),
        ("/", "APACHE"),
        ("/x?/owa", "APACHE"),
        ("/index/owa", "APACHE"),
    ] {
        let answer = link.get(HOST, path, "").unwrap();
        assert_eq!(answer.field("x-feserver"), Some(name), "{path}: {}", answer.head);
    }
    assert_eq!(link.get("other.test", "/owa", "").unwrap().field("x-feserver"), Some("APACHE"));
    for (server, leaf) in [(&site.exchange, &site.shown[0]), (&site.web, &site.shown[1])] {
        let connections = server.connections();
        assert!(!connections.is_empty());
        for connection in connections {
            assert_eq!(connection.client_certificate.as_ref(), Some(&leaf.der), "{}", server.name());
        }
    }
    let heads: Vec<_> = site.exchange.requests().into_iter().map(|request| request.head).collect();
    assert!(heads.iter().all(|head| head.contains("\r\nFront-End-Https: On")), "{heads:?}");
    assert!(
        heads.iter().any(|head| head.starts_with("GET /public/../Exchange HTTP/1.1")),
        "bytes go on as they came"
    );
    let lines = transom.wait_for_access(11);
    assert!(
        lines.iter().any(|line| line["route"] == "exchange" && line["path"] == "/Rpc/RpcProxy.dll"),
        "{lines:?}"
    );
}

/// What Outlook does: a body of 1 GiB that is never finished, and one that comes while it is still sent.
#[test]
fn rpc_in_data_of_a_gibibyte_streams_both_ways_at_once() {
    let site = site();
    let transom = site.start();
    let open = |method: &str| {
        format!(
            "{method} /rpc/rpcproxy.dll?ex1:6001 HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Basic \
             YWxpY2U6V29uZGVybGFuZC0x\r\nX-Test-Channel: one\r\nContent-Length: {GIB}\r\n\r\n"
        )
    };
    let (mut outward, mut inward) = (site.open(), site.open());
    outward.send(open("RPC_OUT_DATA").replace(&GIB.to_string(), "76") + &"x".repeat(76)).unwrap();
    let head = outward.answer_head().unwrap();
    assert_eq!((head.status, head.field("content-length")), (200, Some("1073741824")));
    inward.send(open("RPC_IN_DATA")).unwrap();
    for number in 0..50 {
        let text = format!("piece {number}");
        inward.send(&text).unwrap();
        assert_eq!(
            outward.up_to(text.len()).unwrap(),
            text.as_bytes(),
            "it comes at once, not when more has come"
        );
    }
    // All of the gibibyte: half of it goes up while it comes down.
    let (pattern, piece) = (Pattern::new(), 256 * 1024);
    let mut sent: u64 = (0..50).map(|number| format!("piece {number}").len() as u64).sum();
    let began = sent;
    let whole = GIB - sent;
    let most = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut buffer = vec![0; piece];
            while sent < GIB {
                let size = buffer.len().min((GIB - sent) as usize);
                pattern.fill(sent - began, &mut buffer[..size]);
                inward.send(&buffer[..size]).unwrap();
                sent += size as u64;
            }
        });
        let (mut read, mut most) = (0, 0);
        // The OUT channel announced 1 GiB itself, of which the pieces were the first.
        while read < whole {
            let want = piece.min((whole - read) as usize);
            let bytes = outward.up_to(want).unwrap();
            assert_eq!(bytes.len(), want, "the channel ended at {read}");
            assert_eq!(pattern.fault(read, &bytes), None);
            read += bytes.len() as u64;
            most = most.max(resident(transom.worker()));
        }
        writer.join().unwrap();
        most
    });
    assert!(most < RSS_MAX, "the worker had {most} bytes");
}

#[test]
fn a_401_comes_at_once_while_a_gibibyte_is_announced() {
    let site = site();
    let _transom = site.start();
    let mut link = site.open();
    link.send(format!(
        "RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {GIB}\r\n\r\nxxxx"
    ))
    .unwrap();
    assert_eq!(link.answer("RPC_IN_DATA").unwrap().status, 401);
    assert_ne!(link.standing(Duration::from_secs(5)), Standing::Talking);
}

/// A slow reader down, a slow server up: bytes wait where they are.
#[test]
fn a_gibibyte_each_way_with_a_slow_reader_leaves_memory_alone() {
    let site = site();
    let transom = site.start();
    let mut link = site.open();
    link.send(format!("GET /bytes/{GIB} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).unwrap();
    assert_eq!(link.answer_head().unwrap().status, 200);
    let (pattern, mut read, mut most) = (Pattern::new(), 0, 0);
    while read < GIB {
        let bytes = link.up_to(1 << 20).unwrap();
        assert!(!bytes.is_empty(), "it ended at {read}");
        assert_eq!(pattern.fault(read, &bytes), None);
        read += bytes.len() as u64;
        if read < 64 << 20 {
            std::thread::sleep(Duration::from_millis(30));
        }
        most = most.max(resident(transom.worker()));
    }
    let mut buffer = vec![0; 1 << 20];
    link.send(format!("POST /upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {GIB}\r\n\r\n")).unwrap();
    for offset in (0..GIB).step_by(buffer.len()) {
        pattern.fill(offset, &mut buffer);
        link.send(&buffer).unwrap();
        most = most.max(resident(transom.worker()));
    }
    let answer = link.answer("POST").unwrap();
    assert!(answer.status == 200 && answer.text().contains(&GIB.to_string()), "{}", answer.text());
    assert!(most < RSS_MAX, "the worker had {most} bytes");
}
