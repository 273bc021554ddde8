//! curl and openssl meet the pretend Exchange server.

use std::process::Command;

use transom_testkit::ca::Authority;
use transom_testkit::fake_exchange::{FakeExchange, Options};
use transom_testkit::pattern::Pattern;
use transom_testkit::process::run;

fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    run(command.args(["-sS", "--max-time", "20"]).args(arguments)).expect("curl gets an answer")
}

fn url(exchange: &FakeExchange, path: &str) -> String {
    format!("http://{}{path}", exchange.address())
}

#[test]
fn curl_logs_in_once_for_three_requests() {
    let exchange = FakeExchange::start(Options::new("EX1")).unwrap();
    let url = url(&exchange, "/ews/");
    let said = ["-o", "/dev/null", "-w", "%{http_code} %header{x-authenticated-user} %{num_connects}\n"];
    let login = ["--ntlm", "--user", "LAB\\alice:Wonderland-1"];
    let asked: Vec<&str> =
        [&said[..], &login, &[&url]].into_iter().flat_map(|part| part.iter().copied()).collect();
    let thrice = [&asked[..], &["--next"], &asked, &["--next"], &asked].concat();
    assert_eq!(curl(&thrice), "200 LAB\\alice 1\n200 LAB\\alice 0\n200 LAB\\alice 0\n");
    let connections = exchange.connections();
    assert_eq!((connections.len(), connections[0].users.join(",")), (1, "-,LAB\\alice".to_owned()));
    assert!(!connections[0].leaks());
    let wrong = [&said[..], &["--ntlm", "--user", "LAB\\alice:no", &url]].concat();
    assert!(curl(&wrong).starts_with("401 - "));
}

#[test]
fn curl_logs_in_with_a_body_that_waits() {
    let exchange = FakeExchange::start(Options::new("EX1")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, Pattern::new().bytes(3_000_000)).unwrap();
    let body = format!("@{}", file.display());
    let expected = format!("bytes=3000000 sha256={} fault=-\n", Pattern::new().sha256(3_000_000));
    let plain = url(&exchange, "/upload");
    let login = url(&exchange, "/upload?login");
    let alice = ["--ntlm", "--user", "LAB\\alice:Wonderland-1", "--expect100-timeout", "10"];
    assert_eq!(curl(&["--data-binary", &body, &plain]), expected);
    assert_eq!(curl(&["-H", "Transfer-Encoding: chunked", "--data-binary", &body, &plain]), expected);
    assert_eq!(
        curl(&[&["--data-binary", &body, "-H", "Expect: 100-continue"], &alice[..], &[&login]].concat()),
        expected
    );
    assert!(exchange.ambiguous().is_empty());
}

#[test]
fn curl_speaks_basic_and_the_old_version() {
    let exchange = FakeExchange::start(Options::new("EX1")).unwrap();
    let url = url(&exchange, "/ews/?x");
    let answer = curl(&["--http1.0", "--user", "bob:Builder-2", "--basic", &url]);
    assert!(answer.starts_with("EX1 GET /ews/?x\nuser=LAB\\bob "), "{answer}");
}

#[test]
fn curl_and_openssl_accept_the_certificate_and_show_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("test authority").unwrap();
    let trusted = authority.write(folder.path().join("ca.pem")).unwrap();
    let leaf = authority.leaf(&["mail.example.com"]).unwrap();
    let own = authority.leaf(&["somebody"]).unwrap();
    let files = own.write(folder.path(), "own").unwrap();
    let options =
        Options { client_authority: Some(authority.pem().to_owned()), ..Options::tls("EX1", &leaf) };
    let exchange = FakeExchange::start(options).unwrap();
    let port = exchange.address().port();
    let [trusted, certificate, key] =
        [&trusted, &files.certificate, &files.key].map(|path| path.display().to_string());
    let resolve = format!("mail.example.com:{port}:127.0.0.1");
    let url = format!("https://mail.example.com:{port}/owa/healthcheck.htm");
    let asked = ["--cacert", trusted.as_str(), "--resolve", &resolve];
    assert_eq!(curl(&[&asked[..], &[&url]].concat()), "200 OK<br/>ex1.lab.test");
    let shown = ["--cert", certificate.as_str(), "--key", &key, &url];
    assert_eq!(curl(&[&asked[..], &shown].concat()), "200 OK<br/>ex1.lab.test");
    let connections = exchange.connections();
    assert_eq!(connections[0].client_certificate, None);
    assert_eq!(connections[1].client_certificate, Some(own.der));
    assert_eq!(connections[1].server_name.as_deref(), Some("mail.example.com"));

    let connect = exchange.address().to_string();
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", &connect, "-servername", "mail.example.com", "-CAfile", &trusted]);
    let seen = run(openssl.args(["-brief", "-verify_return_error", "-alpn", "http/1.1"]));
    assert!(seen.is_ok(), "{seen:?}");
}
