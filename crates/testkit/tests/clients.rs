//! Clients of others, written in Python, meet the pretend Exchange server: what they cannot do with it they could not
//! do through a proxy either. `TRANSOM_PYTHON` names a Python that has tests/clients/requirements.txt.

use std::path::Path;
use std::process::Command;

use transom_testkit::ca::{Authority, Leaf};
use transom_testkit::fake_exchange::{ExtendedProtection, FakeExchange, Options};
use transom_testkit::process::run;

/// Runs a script of tests/clients and returns the lines it wrote.
fn script(name: &str, arguments: &[&str]) -> Vec<String> {
    let python = std::env::var_os("TRANSOM_PYTHON").expect("TRANSOM_PYTHON is set by cargo xtask test");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
    let mut command = Command::new("timeout");
    command.arg("60").arg(python).arg(folder.join(name)).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = run(&mut command).expect("the script runs to its end");
    output.lines().map(ToOwned::to_owned).collect()
}

fn leaf() -> Leaf {
    let authority = Authority::new("test authority").expect("a key can be made");
    authority.leaf(&["localhost", "127.0.0.1"]).expect("a certificate can be signed")
}

fn url(exchange: &FakeExchange, scheme: &str, path: &str) -> String {
    format!("{scheme}://127.0.0.1:{}{path}", exchange.address().port())
}

#[test]
fn requests_ntlm_logs_in_and_keeps_its_connection() {
    let exchange = FakeExchange::start(Options::new("EX1")).unwrap();
    let url = url(&exchange, "http", "/ews/");
    let lines = script("ntlm_requests.py", &[&url, "LAB\\alice", "Wonderland-1", "3"]);
    assert_eq!(lines, ["200 LAB\\alice 1"; 3]);
    assert_eq!(script("ntlm_requests.py", &[&url, "LAB\\alice", "wrong", "1"]), ["401 - 2"]);
}

#[test]
fn requests_ntlm_binds_to_the_certificate_it_saw() {
    let required = Options { protection: ExtendedProtection::Require, ..Options::tls("EX1", &leaf()) };
    let exchange = FakeExchange::start(required).unwrap();
    let url = url(&exchange, "https", "/ews/");
    let bound = script("ntlm_requests.py", &[&url, "LAB\\alice", "Wonderland-1", "2"]);
    assert_eq!(bound, ["200 LAB\\alice 1"; 2]);
    let unbound = script("ntlm_requests.py", &[&url, "LAB\\alice", "Wonderland-1", "1", "unbound"]);
    assert_eq!(unbound, ["401 - 2"]);
    assert_eq!(exchange.refusals(), ["not-bound alice"]);
}

#[test]
fn pyspnego_logs_in_with_wrapped_ntlm() {
    let exchange = FakeExchange::start(Options::new("EX1")).unwrap();
    let port = exchange.address().port().to_string();
    let lines = script("spnego_negotiate.py", &["127.0.0.1", &port, "/ews/", "LAB\\bob", "Builder-2"]);
    assert_eq!(lines, ["401 - wrapped", "200 LAB\\bob wrapped"]);
}

#[test]
fn impacket_opens_twenty_tunnels() {
    for (scheme, options) in [("http", Options::new("EX1")), ("https", Options::tls("EX1", &leaf()))] {
        let exchange = FakeExchange::start(options).unwrap();
        let url = url(&exchange, scheme, "/rpc/rpcproxy.dll");
        let lines = script("rpc_tunnel.py", &[&url, "LAB", "alice", "Wonderland-1", "20"]);
        assert_eq!(lines, ["ok"; 20], "{scheme}");
        assert!(exchange.ambiguous().is_empty());
    }
}

#[test]
fn exchangelib_reads_streaming_notifications() {
    let exchange = FakeExchange::start(Options::tls("EX1", &leaf())).unwrap();
    let url = url(&exchange, "https", "/EWS/Exchange.asmx?every=50&count=4");
    let lines = script("ews_streaming.py", &[&url, "LAB\\alice", "Wonderland-1"]);
    assert_eq!(lines, ["subscription NewMailEvent"; 4]);
}
