//! The same file under the product it was written for and, imported, under us: the same requests, compared. What servers
//! are asked, which one is, and what clients are answered must be the same; where it is not, the table says why.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use transom_testkit::ca::Authority;
use transom_testkit::client::{self, Trust};
use transom_testkit::hello::client_hello;
use transom_testkit::netns::{End, Namespace, cable};
use transom_testkit::process::{Process, run};
use transom_testkit::raw::Link;
use transom_testkit::wait;

use crate::lab::DEADLINE;

/// What is sent, and from where.
struct Ask {
    to: &'static str,
    from: &'static str,
    first: &'static str,
    lines: &'static str,
    /// Why we answer otherwise, and how.
    differs: Option<(&'static str, &'static str)>,
}

const fn ask(to: &'static str, first: &'static str, lines: &'static str) -> Ask {
    Ask { to, from: "127.0.0.1", first, lines, differs: None }
}

impl Ask {
    const fn from(self, from: &'static str) -> Self {
        Self { from, ..self }
    }

    const fn differs(self, seen: &'static str, why: &'static str) -> Self {
        Self { differs: Some((seen, why)), ..self }
    }
}

/// Addresses of a case that stand on the loopback interface, and servers that answer there.
struct Case {
    file: &'static str,
    addresses: &'static [&'static str],
    servers: &'static [&'static str],
    certificates: &'static [&'static str],
    asks: &'static [Ask],
}

/// Says which it is and what it was asked, in the body; to TLS and to who says nothing it says its address.
fn serve(inside: &Namespace, address: &'static str) {
    let listener = inside.enter(|| TcpListener::bind(address).unwrap()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            std::thread::spawn(move || answer(stream, address));
        }
    });
}

fn answer(mut stream: TcpStream, address: &str) {
    let _ = stream.set_read_timeout(Some(DEADLINE));
    let (mut asked, mut room) = (Vec::new(), [0; 4096]);
    while !asked.windows(4).any(|window| window == b"\r\n\r\n") && asked.first() != Some(&0x16) {
        match stream.read(&mut room) {
            Ok(read @ 1..) => asked.extend_from_slice(&room[..read]),
            _ => return,
        }
    }
    if asked.first() == Some(&0x16) {
        let _ = stream.write_all(format!("{address}\n").as_bytes());
        return;
    }
    let body = format!("{address}\n{}", String::from_utf8_lossy(&asked));
    let head = "HTTP/1.1 200 OK\r\nServer: backend\r\nSet-Cookie: C=1; path=/\r\nCache-Control: private\r\nX-Gone: 1\r\n\
                Connection: close\r\nContent-Type: text/plain\r\n";
    let _ = stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
}

/// Fields that are each product's own business.
const OWN: [&str; 14] = [
    "x-request-id",
    "connection",
    "content-length",
    "date",
    "host",
    "transom-fault",
    "transom-request",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "content-type",
    "cache-control",
    "accept",
    "keep-alive",
];

fn fields<'a>(lines: impl Iterator<Item = &'a str>, skip_private: bool) -> Vec<String> {
    let mut all: Vec<String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
        .filter(|(name, _)| !OWN.contains(&name.as_str()) || (!skip_private && name == "host"))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    all.sort();
    all
}

/// What came of a request, without what each product says in its own words.
fn seen(inside: &Namespace, ask: &Ask) -> String {
    let (how, address) = ask.to.split_once('/').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let from: IpAddr = ask.from.parse().unwrap();
    if how == "hello" {
        let mut stream = inside.enter(|| client::connect_from(from, address, DEADLINE)).unwrap().unwrap();
        let name = Some(ask.first).filter(|name| !name.is_empty());
        stream.write_all(&client_hello(name)).unwrap();
        return client::read_line(&mut stream).unwrap_or_else(|error| format!("nothing: {:?}", error.kind()));
    }
    let mut link = inside
        .enter(|| match how {
            "tls" => Link::tls(address, Some("www.example.com"), Trust::Anyone, DEADLINE),
            _ => Link::plain_from(from, address, DEADLINE),
        })
        .unwrap()
        .unwrap();
    let asked = format!("{} HTTP/1.1\r\n{}\r\n", ask.first, ask.lines);
    let method = ask.first.split(' ').next().unwrap();
    let Ok(answer) = link.ask(method, asked) else { return "no answer".to_owned() };
    let mut told = format!("{}", answer.status);
    let all: Vec<String> = answer.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    for field in fields(all.iter().map(String::as_str), true) {
        told.push_str(&format!(" | {field}"));
    }
    let body = answer.text();
    if answer.field("server").is_some() || body.contains(" HTTP/1.1\r\n") {
        let mut lines = body.lines();
        told.push_str(&format!(" | at {} {}", lines.next().unwrap_or(""), lines.next().unwrap_or("")));
        for field in fields(lines, false) {
            told.push_str(&format!(" | {field}"));
        }
    }
    told
}

/// Where a product runs, and its servers next door: both may listen on the same ports.
struct Town {
    door: Namespace,
    _servers: Namespace,
}

fn town(label: &str, case: &Case) -> Town {
    let (door, servers) = (Namespace::new(label).unwrap(), Namespace::new("servers").unwrap());
    let end = |namespace, addresses| End { namespace, interface: "eth0", addresses };
    cable(end(&door, &["198.18.0.1/24"]), end(&servers, &["198.18.0.2/24"])).unwrap();
    let behind = |address: &str| case.servers.iter().any(|server| server.starts_with(&format!("{address}:")));
    for address in case.addresses {
        let (there, route) = (format!("{address}/32"), format!("route add {address} via 198.18.0.2"));
        if behind(address) {
            servers.add_address("lo", &there).unwrap();
            door.ip(&route).unwrap();
        } else {
            door.add_address("lo", &there).unwrap();
        }
    }
    for server in case.servers {
        serve(if server.starts_with("127.") { &door } else { &servers }, server);
    }
    Town { door, _servers: servers }
}

fn wait_for(inside: &Namespace, case: &Case) {
    let asked: Vec<SocketAddr> =
        case.asks.iter().map(|ask| ask.to.split_once('/').unwrap().1.parse().unwrap()).collect();
    for address in asked {
        wait::until("the listener", DEADLINE, || {
            inside.enter(|| TcpStream::connect(address).is_ok()).unwrap()
        })
        .unwrap();
    }
}

/// The file with the paths that this machine does not have.
fn source(case: &Case, folder: &Path) -> String {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/import/tests");
    let shown = folder.join("certs").display().to_string();
    let mut text = fs::read_to_string(cases.join(case.file)).unwrap();
    for place in ["/etc/ssl/", "/etc/haproxy/certs/", "/etc/haproxy/", "/run/haproxy/"] {
        text = text.replace(place, &format!("{shown}/"));
    }
    // A machine of tests has fewer descriptors.
    let text = text.replace("maxconn 50000", "maxconn 500").replace("maxconn 10000 ", "maxconn 500 ");
    // Debian's version takes it in backends alone, and the case is for newer ones.
    let text = text.replace("  http-request set-timeout server 1h if { path_beg /slow }\n", "");
    text.replace("    chroot /var/lib/haproxy\n", "")
}

/// Starts us with what the file becomes.
fn ours(inside: &Namespace, path: &Path) -> Process {
    let toml = path.with_extension("toml");
    let mut import = Command::new(env!("CARGO_BIN_EXE_transom"));
    run(import.arg("import").arg(path).arg("-o").arg(&toml)).unwrap();
    let text = fs::read_to_string(&toml).unwrap();
    let socket = format!("[admin]\nsocket = {:?}\n", path.with_extension("sock"));
    let text = match text.contains("[admin]\n") {
        true => text.replace("[admin]\n", &socket),
        false => format!("{text}\n{socket}"),
    };
    fs::write(&toml, text).unwrap();
    let mut command = inside.command(env!("CARGO_BIN_EXE_transom"));
    command.arg("run").arg("-c").arg(&toml);
    let process = Process::start("transom", command).unwrap();
    process.wait_for_line("ready listeners=", DEADLINE).unwrap();
    process
}

/// Every request to both; what differs without a reason, and reasons that no longer hold.
fn compare(case: &Case) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Lab").unwrap();
    fs::create_dir(folder.path().join("certs")).unwrap();
    for name in case.certificates {
        let files = authority.leaf(&["www.example.com"]).unwrap().write(folder.path(), "leaf").unwrap();
        let both = [files.certificate, files.key].map(|path| fs::read_to_string(path).unwrap()).concat();
        fs::write(folder.path().join("certs").join(name), both).unwrap();
    }
    let path = folder.path().join("haproxy.cfg");
    fs::write(&path, source(case, folder.path())).unwrap();
    let (theirs, own) = (town("theirs", case), town("ours", case));
    let mut command = theirs.door.command("haproxy");
    command.arg("-db").arg("-f").arg(&path);
    let _haproxy = Process::start("haproxy", command).unwrap();
    let _transom = ours(&own.door, &path);
    wait_for(&theirs.door, case);
    wait_for(&own.door, case);
    let mut wrong = Vec::new();
    for ask in case.asks {
        let (expected, got) = (seen(&theirs.door, ask), seen(&own.door, ask));
        let fine = match ask.differs {
            None => expected == got,
            Some((differs, _)) => expected != got && got.contains(differs),
        };
        if !fine {
            wrong.push(format!(
                "{} {} {}\n  haproxy {expected}\n  transom {got}",
                case.file, ask.to, ask.first
            ));
        }
    }
    wrong
}

const H: &str = "Host: www.example.com\r\n";

static CASES: [Case; 8] = [
    Case {
        file: "haproxy/guide-path-routing.cfg",
        addresses: &["192.168.50.10", "192.168.50.20", "192.168.50.30", "192.168.50.40", "192.168.50.41"],
        servers: &[
            "192.168.50.10:80",
            "192.168.50.20:80",
            "192.168.50.30:80",
            "192.168.50.40:80",
            "192.168.50.41:80",
        ],
        certificates: &[],
        asks: &[
            ask("http/127.0.0.1:80", "GET /static/a.css", H),
            ask("http/127.0.0.1:80", "GET /x.png", H),
            ask("http/127.0.0.1:80", "GET /x.PNG", H)
                .differs("at 192.168.50.20:80", "paths are compared in any letter case"),
            ask("http/127.0.0.1:80", "POST /api/v1/users", "Host: a\r\nContent-Length: 0\r\n"),
            ask("http/127.0.0.1:80", "GET /api/v1/users", H),
            ask("http/127.0.0.1:80", "GET /images/a.gif?x=1", H),
            ask("http/127.0.0.1:80", "GET /images/a.txt", H),
            ask("http/127.0.0.1:80", "GET /old/page?x=1", H),
            ask("http/127.0.0.1:80", "GET /older/page", H),
            ask("http/127.0.0.1:80", "POST /old/page", "Host: a\r\nContent-Length: 0\r\n"),
            ask("http/127.0.0.1:80", "GET /", H),
        ],
    },
    Case {
        file: "haproxy/guide-redirects.cfg",
        addresses: &["192.168.50.10"],
        servers: &["192.168.50.10:80"],
        certificates: &["site.pem"],
        asks: &[
            ask("http/127.0.0.1:80", "GET /a?b=c", H),
            ask("tls/127.0.0.1:443", "GET /a?b=c", "Host: example.com\r\n"),
            ask("tls/127.0.0.1:443", "GET /old/x", H),
            ask("tls/127.0.0.1:443", "GET /status", H),
            ask("tls/127.0.0.1:443", "GET /a?b=c", "Host: blog.example.net\r\n"),
            ask("tls/127.0.0.1:443", "GET /a?b=c", H),
        ],
    },
    Case {
        file: "haproxy/guide-letsencrypt.cfg",
        addresses: &["10.0.0.11"],
        servers: &["127.0.0.1:8888", "10.0.0.11:8080"],
        certificates: &["site.pem"],
        asks: &[
            ask("http/127.0.0.1:80", "GET /.well-known/acme-challenge/token", H),
            ask("http/127.0.0.1:80", "GET /index.html", H).differs("308", "a redirect that keeps the method"),
            ask("tls/127.0.0.1:443", "GET /index.html", H),
        ],
    },
    Case {
        file: "haproxy/guide-rewrites.cfg",
        addresses: &["192.168.50.10", "192.168.50.11"],
        servers: &["192.168.50.10:80", "192.168.50.11:80"],
        certificates: &[],
        asks: &[
            ask("http/127.0.0.1:80", "GET /", H),
            ask("http/127.0.0.1:80", "GET /app1/x", H),
            ask(
                "http/127.0.0.1:80",
                "GET /x",
                "Host: a.test:80\r\nX-Debug: 1\r\nX-Host: no\r\nCookie: a=1; foo=bar; b=2\r\n",
            ),
        ],
    },
    Case {
        file: "haproxy/guide-acls.cfg",
        addresses: &["192.168.50.10", "192.168.50.11", "192.168.50.12", "192.168.50.13", "10.0.0.7"],
        servers: &["192.168.50.10:80", "192.168.50.11:80", "192.168.50.12:80", "192.168.50.13:80"],
        certificates: &[],
        asks: &[
            ask("http/127.0.0.1:80", "GET /admin", H),
            ask("http/10.0.0.7:80", "GET /admin", H).from("10.0.0.7"),
            ask("http/127.0.0.1:80", "PUT /", "Host: a\r\nContent-Length: 0\r\n"),
            ask("http/127.0.0.1:80", "HEAD /", H),
            ask("http/127.0.0.1:80", "GET /", "Host: a\r\nUser-Agent: Mozilla (iPhone)\r\n"),
            ask("http/127.0.0.1:80", "GET /?region=EU", H),
            ask("http/127.0.0.1:80", "GET /?region=us", H),
            ask("http/127.0.0.1:80", "GET /", "Host: a\r\nCookie: beta=1\r\nX-Token: t\r\n"),
            ask("http/127.0.0.1:80", "GET /", "Host: a\r\nCookie: beta=1\r\n"),
        ],
    },
    Case {
        file: "haproxy/http-rules.cfg",
        addresses: &["192.0.2.1", "192.0.2.2"],
        servers: &["192.0.2.1:80", "192.0.2.2:80"],
        certificates: &["closed.html"],
        asks: &[
            ask("http/127.0.0.1:80", "GET /robots.txt", H),
            ask("http/127.0.0.1:80", "GET /closed", H),
            ask("http/127.0.0.1:80", "POST /m", "Host: a\r\nContent-Length: 0\r\n"),
            ask("http/127.0.0.1:80", "GET /q?x=1", H),
            ask("http/127.0.0.1:80", "GET /u/more?x=1", H),
            ask("http/127.0.0.1:80", "GET /v?x=1", H),
            ask("http/127.0.0.1:80", "GET /r/a/b?x=1", H),
            ask("http/127.0.0.1:80", "GET /t/a?x=1", H),
        ],
    },
    Case {
        file: "haproxy/seed-002-sni.cfg",
        addresses: &["192.168.10.2", "192.168.20.2"],
        servers: &["192.168.10.2:443", "192.168.20.2:443", "192.168.20.2:80"],
        certificates: &[],
        asks: &[
            ask("hello/127.0.0.1:443", "exchange.dyb.test", ""),
            ask("hello/127.0.0.1:443", "AutoDiscover.dyb.test", ""),
            ask("hello/127.0.0.1:443", "www.dyb.test", ""),
            ask("hello/127.0.0.1:443", "", ""),
            ask("http/127.0.0.1:80", "GET /", H),
        ],
    },
    Case {
        file: "haproxy/seed-004-aloha-proxy.cfg",
        addresses: &["10.0.0.9", "10.0.0.13"],
        servers: &["10.0.0.13:443"],
        certificates: &[],
        asks: &[ask("hello/10.0.0.9:443", "mail.example.com", ""), ask("hello/10.0.0.9:443", "", "")],
    },
];

#[test]
fn haproxys_files_do_under_us_what_they_do_under_haproxy() {
    let wrong: Vec<String> = CASES.iter().flat_map(compare).collect();
    let asked: usize = CASES.iter().map(|case| case.asks.len()).sum();
    let explained = CASES.iter().flat_map(|case| case.asks).filter(|ask| ask.differs.is_some()).count();
    println!("{} files, {asked} requests, {explained} differences explained", CASES.len());
    for (ask, (_, why)) in CASES.iter().flat_map(|case| case.asks).filter_map(|ask| Some((ask, ask.differs?)))
    {
        println!("{} {}: {why}", ask.to, ask.first);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Which server a source's hash names is each product's own; that it stays the same is not.
#[test]
fn a_source_keeps_its_server_under_the_seeds_hash() {
    static ASKS: [Ask; 1] = [ask("http/127.0.0.1:80", "GET /", H)];
    let case = Case {
        file: "haproxy/seed-004-hash.cfg",
        addresses: &[
            "192.168.10.11",
            "192.168.10.21",
            "10.0.0.1",
            "10.0.0.2",
            "10.0.0.3",
            "10.0.0.4",
            "10.0.0.5",
        ],
        servers: &["192.168.10.11:80", "192.168.10.21:80"],
        certificates: &[],
        asks: &ASKS,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("haproxy.cfg");
    // The snippet stands alone: HAProxy takes requests as bytes there, and so do we.
    fs::write(&path, source(&case, folder.path())).unwrap();
    let own = town("ours", &case);
    let _transom = ours(&own.door, &path);
    let server = |from: &'static str| {
        let told =
            seen(&own.door, &Ask { to: "http/127.0.0.1:80", from, first: "GET /", lines: H, differs: None });
        told.split(" | at ").nth(1).unwrap_or(&told).split(' ').next().unwrap().to_owned()
    };
    let sources = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"];
    for source in sources {
        let first = server(source);
        assert!(first.starts_with("192.168."), "{first}");
        assert!((0..5).all(|_| server(source) == first), "{source}");
    }
}

/// `run` and `check` with the file itself.
#[test]
fn a_file_of_haproxys_is_checked_and_refused_where_it_would_lack_something() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("haproxy.cfg");
    let sound = "frontend f\n mode tcp\n bind 127.0.0.1:0\n default_backend b\nbackend b\n mode tcp\n server s 127.0.0.1:9\n";
    fs::write(&path, sound).unwrap();
    let transom = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transom"));
        let output = command.args(arguments).arg(&path).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, account) = transom(&["check", "--haproxy"]);
    assert_eq!(code, Some(0), "{out}{account}");
    assert!(out.contains("it can be served") && account.contains("0 unsupported"), "{out}{account}");
    let (_, out, _) = transom(&["check", "--json", "--haproxy"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(value["account"]["lines"].is_array() || value["account"].is_array(), "{out}");

    let lua = format!("global\n lua-load /etc/x.lua\n{sound}");
    fs::write(&path, lua).unwrap();
    for command in ["check", "run"] {
        let (code, _, account) = transom(&[command, "--haproxy"]);
        assert_ne!(code, Some(0), "{account}");
        assert!(account.contains("lines 2 have no counterpart"), "{account}");
    }
    fs::write(&path, b"\0\0").unwrap();
    assert_eq!(transom(&["check", "--haproxy"]).0, Some(2));

    fs::write(&path, sound).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_transom"));
    command.env("XDG_RUNTIME_DIR", folder.path()).arg("run").arg("--haproxy").arg(&path);
    let process = Process::start("transom", command).unwrap();
    process.wait_for_line("ready listeners=", DEADLINE).unwrap();
}

#[test]
fn a_password_in_clear_is_imported_as_a_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("haproxy.cfg");
    let text = "frontend stats\n mode http\n bind 127.0.0.1:8404\n stats enable\n stats uri /stats\n stats auth admin:changeme\n";
    fs::write(&path, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_transom"));
    let output = command.arg("import").arg(&path).output().unwrap();
    let toml = String::from_utf8_lossy(&output.stdout);
    assert!(toml.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !toml.contains("changeme"), "{toml}");
}
