//! `mode = "http"` and programs of others: a TLS scanner, a browser, and web servers behind us.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use transom_testkit::ca::Authority;
use transom_testkit::fake_exchange::{FakeExchange, Options};
use transom_testkit::netns::Namespace;
use transom_testkit::process::Process;
use transom_testkit::raw::Link;
use transom_testkit::wait;

use crate::lab::{DEADLINE, Lab, PUBLIC, Transom};

const HOST: &str = "mail.example.com";

/// The door with TLS in front of a pretend Exchange server, all in one namespace but the clients.
fn door(lab: &Lab) -> (FakeExchange, Transom) {
    let authority = Authority::new("Lab").unwrap();
    authority.write(lab.path("ca.pem")).unwrap();
    authority.leaf(&[HOST]).unwrap().write(lab.folder.path(), "mail").unwrap();
    let server = lab.door.enter(|| FakeExchange::start(Options::new("EX1")).unwrap()).unwrap();
    let transom = lab.start(&format!(
        "[certificate.mail]\nchain = {:?}\nkey = {:?}\n\
         [listener.https]\nbind = [\"{PUBLIC}:443\"]\nmode = \"http\"\ntls = {{ certificates = [\"mail\"] }}\npool = \"p\"\n\
         [listener.http]\nbind = [\"{PUBLIC}:80\"]\nmode = \"http\"\npool = \"p\"\n\
         [pool.p]\nservers = [{{ name = \"ex1\", address = \"{}\" }}]\n",
        lab.path("mail.pem"),
        lab.path("mail.key"),
        server.address(),
    ));
    (server, transom)
}

/// Findings of testssl.sh that speak of the test's certificate and name, or of the scanner's own openssl, not of the
/// listener.
const OF_THE_TEST: [&str; 13] = [
    "engine_problem",
    "cert_trust",
    "cert_chain_of_trust",
    "cert_caIssuers",
    "cert_revocation",
    "cert_crlDistributionPoints",
    "cert_ocspURL",
    "cert_validityPeriod",
    "cert_extlifeSpan",
    "cert_notAfter",
    "DNS_CAArecord",
    "OCSP_stapling",
    "certificate_transparency",
];

/// Protocols, ciphers and vulnerabilities of a listener with nothing but a certificate configured.
#[test]
fn testssl_finds_nothing_on_the_default_listener() {
    let lab = Lab::new();
    let (_server, _transom) = door(&lab);
    let found = lab.path("testssl.json");
    let arguments = [
        "--protocols",
        "--server-defaults",
        "--server-preference",
        "--fs",
        "--vulnerable",
        "--std",
        "--warnings",
        "off",
        "--color",
        "0",
        "--ip",
        PUBLIC,
        "--nodns",
        "none",
        "--jsonfile",
        found.to_str().unwrap(),
        HOST,
    ];
    // Its exit status counts findings of the certificate as well.
    let said = lab.run("testssl", &arguments);
    let text = fs::read_to_string(&found).unwrap_or_else(|_| panic!("testssl.sh wrote nothing: {said:?}"));
    let findings: serde_json::Value = serde_json::from_str(&text).unwrap();
    let findings = findings.as_array().unwrap();
    assert!(findings.len() > 40, "{text}");
    let bad: Vec<_> = findings
        .iter()
        .filter(|one| ["LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN"].iter().any(|bad| one["severity"] == *bad))
        .filter(|one| !OF_THE_TEST.iter().any(|own| one["id"].as_str().unwrap_or_default().starts_with(own)))
        .map(|one| format!("{} {}: {}", one["severity"], one["id"], one["finding"]))
        .collect();
    assert_eq!(bad, Vec::<String>::new());
}

/// A page that opens a WebSocket, says something, and tells what came back with a request of its own.
const PAGE: &str = r#"<!DOCTYPE html><title>t</title><script>
const socket = new WebSocket("ws://203.0.113.1/socket");
const tell = text => fetch("http://203.0.113.1/said?" + encodeURIComponent(text), { mode: "no-cors" });
socket.onopen = () => socket.send("through the door");
socket.onmessage = event => { tell(event.data); socket.close(); };
socket.onerror = () => tell("failed");
</script>"#;

#[test]
fn a_browser_speaks_websocket_through_us() {
    let lab = Lab::new();
    let (server, transom) = door(&lab);
    let page = lab.path("page.html");
    fs::write(&page, PAGE).unwrap();
    let mut command = lab.client.command("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    command.arg("--remote-debugging-port=0");
    command.arg(format!("--user-data-dir={}", lab.path("profile").display()));
    command.arg(format!("file://{}", page.display()));
    let _browser = Process::start("chromium", command).unwrap();
    let said = || server.requests().into_iter().find(|request| request.head.starts_with("GET /said?"));
    let said = wait::for_some("what the page tells", Duration::from_secs(60), said).unwrap();
    assert!(said.head.starts_with("GET /said?through%20the%20door "), "{}", said.head);
    let upgraded = || transom.access().into_iter().find(|line| line["path"] == "/socket");
    let line = wait::for_some("the line of the WebSocket", DEADLINE, upgraded).unwrap();
    assert_eq!(line["status"], 101, "{line}");
}

/// A web server of others at `192.168.10.2:80` in a namespace of its own.
struct Behind {
    _process: Process,
    _host: Namespace,
}

const BEHIND: &str = "192.168.10.2";

fn nginx(lab: &Lab) -> Behind {
    let host = lab.host("nginx", BEHIND);
    let path = lab.path("nginx.conf");
    let root = lab.path("www");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("page"), "from nginx").unwrap();
    let folder = lab.folder.path().display();
    fs::write(
        &path,
        format!(
            "daemon off; pid {folder}/nginx.pid; error_log stderr notice; user root;\nevents {{}}\n\
             http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; \
             fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
             server {{ listen {BEHIND}:80; root {}; location /echo {{ return 200 \"$request_method $request_uri\
             $http_x_forwarded_for\"; }} }} }}\n",
            root.display()
        ),
    )
    .unwrap();
    let mut command = host.command("nginx");
    command.arg("-c").arg(&path);
    let process = Process::start("nginx", command).unwrap();
    process.wait_for_line("start worker process", DEADLINE).unwrap();
    Behind { _process: process, _host: host }
}

fn haproxy(lab: &Lab) -> Behind {
    let host = lab.host("haproxy", BEHIND);
    let path = lab.path("haproxy.cfg");
    fs::write(
        &path,
        format!(
            "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend f\n bind \
             {BEHIND}:80\n http-request return status 200 content-type text/plain lf-string \"from haproxy \
             %[method] %[pathq] %[req.hdr(x-forwarded-for)]\"\n"
        ),
    )
    .unwrap();
    let mut command = host.command("haproxy");
    command.arg("-W").arg("-f").arg(&path);
    let process = Process::start("haproxy", command).unwrap();
    process.wait_for_line("Loading success", DEADLINE).unwrap();
    Behind { _process: process, _host: host }
}

fn through(lab: &Lab) -> (Transom, Link) {
    let transom = lab.start(&format!(
        "[listener.http]\nbind = [\"{PUBLIC}:80\"]\nmode = \"http\"\npool = \"p\"\n\
         [pool.p]\nservers = [{{ name = \"s\", address = \"{BEHIND}:80\" }}]\n"
    ));
    let to = SocketAddr::new(PUBLIC.parse().unwrap(), 80);
    let link = lab.client.enter(|| Link::plain(to, DEADLINE)).unwrap().unwrap();
    (transom, link)
}

/// Many requests on one connection, HEAD, 304 and ranges among them: what frames a body differs for each.
#[test]
fn nginx_behind_us_is_read_to_the_byte() {
    let lab = Lab::new();
    let _nginx = nginx(&lab);
    let (_transom, mut link) = through(&lab);
    for _ in 0..3 {
        let page = link.get(HOST, "/page", "").unwrap();
        assert_eq!((page.status, page.text().as_str()), (200, "from nginx"));
        let tag = page.field("etag").unwrap().to_owned();
        let head = link.ask("HEAD", format!("HEAD /page HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).unwrap();
        assert_eq!((head.status, head.field("content-length")), (200, Some("10")));
        let same = link.get(HOST, "/page", &format!("If-None-Match: {tag}\r\n")).unwrap();
        assert_eq!(same.status, 304);
        let part = link.get(HOST, "/page", "Range: bytes=5-9\r\n").unwrap();
        assert_eq!((part.status, part.text().as_str()), (206, "nginx"));
        assert_eq!(link.get(HOST, "/none", "").unwrap().status, 404);
        let echo = link.get(HOST, "/echo?x=1", "").unwrap();
        assert_eq!(echo.text(), "GET /echo?x=1203.0.113.10");
    }
}

#[test]
fn haproxy_behind_us_sees_the_request_as_it_was_sent() {
    let lab = Lab::new();
    let _haproxy = haproxy(&lab);
    let (_transom, mut link) = through(&lab);
    let answer = link.ask("PROPFIND", format!("PROPFIND /a%20b?c HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).unwrap();
    assert_eq!(answer.text(), "from haproxy PROPFIND /a%20b?c 203.0.113.10");
}

/// The same questions to the pretend server directly and through us: status, body and the fields a client sees.
#[test]
fn an_answer_through_us_is_the_answer() {
    let lab = Lab::new();
    let (server, _transom) = door(&lab);
    let to = SocketAddr::new(PUBLIC.parse().unwrap(), 80);
    let mut through = lab.client.enter(|| Link::plain(to, DEADLINE)).unwrap().unwrap();
    let mut direct = lab.door.enter(|| Link::plain(server.address(), DEADLINE)).unwrap().unwrap();
    for target in [
        "/bytes/100",
        "/bytes/100000?framing=chunked",
        "/owa/healthcheck.htm",
        "/bytes/7?status=404",
        "/bytes/7?fields=90",
        "/bytes/7?interim=103",
        "/owa/",
        "/ews/",
    ] {
        let (one, other) = (direct.get(HOST, target, "").unwrap(), through.get(HOST, target, "").unwrap());
        assert_eq!((one.status, &one.body), (other.status, &other.body), "{target}");
        // Which connection and client it was differs by its nature.
        let told = |fields: &[(String, String)]| {
            let differs = ["x-connection-id", "x-request-number", "x-client", "connection", "date"];
            let same = |name: &str| !differs.contains(&name.to_lowercase().as_str());
            fields.iter().filter(|(name, _)| same(name)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(told(&one.fields), told(&other.fields), "{target}");
    }
}
