//! Seed 002: Exchange untouched by name, nginx for the rest, one public address.

use std::fs;

use transom_testkit::ca::Authority;
use transom_testkit::process::Process;

use crate::lab::{DEADLINE, Lab, PUBLIC, Transom};

/// The example itself, as an administrator would take it; only the admin part is ours.
fn config() -> String {
    let example = include_str!("../../examples/002-sni.toml");
    let (config, _admin) =
        example.split_once("[admin]").expect("the example has an admin part, and it comes last");
    config.to_owned()
}

struct Site {
    lab: Lab,
    transom: Transom,
    _servers: Vec<Process>,
    _hosts: Vec<transom_testkit::netns::Namespace>,
}

/// `openssl s_server` as Exchange, nginx as nginx, each with a certificate of its own.
fn site() -> Site {
    let lab = Lab::new();
    let authority = Authority::new("Lab").unwrap();
    let exchange = lab.host("exchange", "192.168.10.2");
    let files = authority.leaf(&["exchange.dyb.test"]).unwrap().write(lab.folder.path(), "exchange").unwrap();
    let mut command = exchange.command("openssl");
    command.args(["s_server", "-accept", "192.168.10.2:443", "-www", "-cert"]).arg(&files.certificate);
    command.arg("-key").arg(&files.key);
    let openssl = Process::start("openssl s_server", command).unwrap();
    openssl.wait_for_line("ACCEPT", DEADLINE).unwrap();

    let npm = lab.host("npm", "192.168.20.2");
    let files = authority.leaf(&["npm.dyb.test"]).unwrap().write(lab.folder.path(), "npm").unwrap();
    let nginx_config = lab.path("nginx.conf");
    fs::write(
        &nginx_config,
        format!(
            "user root; daemon off; pid nginx.pid; error_log stderr notice; events {{}}
             http {{ access_log off; server {{
               listen 192.168.20.2:80; listen 192.168.20.2:443 ssl;
               ssl_certificate {}; ssl_certificate_key {};
               location / {{ return 200 \"nginx $scheme\\n\"; }}
             }} }}",
            files.certificate.display(),
            files.key.display()
        ),
    )
    .unwrap();
    let mut command = npm.command("nginx");
    command.arg("-p").arg(lab.folder.path()).arg("-c").arg(&nginx_config);
    let nginx = Process::start("nginx", command).unwrap();
    nginx.wait_for_line("start worker process", DEADLINE).unwrap();

    let transom = lab.start(&config());
    for server in ["exchange/exchange01", "npm-https/npm01", "npm-http/npm01"] {
        transom.wait_for_condition(server, "up");
    }
    Site { lab, transom, _servers: vec![openssl, nginx], _hosts: vec![exchange, npm] }
}

/// The subject of the certificate that `openssl s_client` is shown.
fn subject(lab: &Lab, name: &[&str]) -> String {
    let address = format!("{PUBLIC}:443");
    let arguments = [&["s_client", "-connect", &address][..], name].concat();
    let text = lab.run("openssl", &arguments).unwrap_or_else(|error| {
        std::thread::sleep(std::time::Duration::from_secs(100));
        panic!("{error}")
    });
    text.lines().find_map(|line| line.strip_prefix("subject=")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn every_client_sees_the_certificate_of_the_server_its_name_stands_for() {
    let site = site();
    let (lab, transom) = (&site.lab, &site.transom);
    assert!(subject(lab, &["-servername", "exchange.dyb.test"]).contains("exchange.dyb.test"));
    assert!(subject(lab, &["-servername", "AutoDiscover.dyb.TEST"]).contains("exchange.dyb.test"));
    assert!(subject(lab, &["-servername", "shop.dyb.test"]).contains("npm.dyb.test"));
    assert!(subject(lab, &["-noservername"]).contains("npm.dyb.test"));
    let lines = transom.wait_for_access(4);
    let exchange =
        lines.iter().filter(|line| line["pool"] == "exchange" && line["sni"] == "autodiscover.dyb.test");
    assert_eq!(exchange.count(), 1);
    assert!(lines.iter().all(|line| {
        line.get("client").is_some_and(|client| client.as_str().unwrap().starts_with("203.0.113.10:"))
    }));
}

#[test]
fn curl_reaches_both_sites_and_plain_http() {
    let site = site();
    let lab = &site.lab;
    let curl = |url: &str, name: &str| {
        let resolve = [format!("{name}:443:{PUBLIC}"), format!("{name}:80:{PUBLIC}")];
        lab.run("curl", &["-sk", "--max-time", "10", "--resolve", &resolve[0], "--resolve", &resolve[1], url])
            .unwrap()
    };
    assert!(curl("https://exchange.dyb.test/", "exchange.dyb.test").contains("s_server -accept"));
    assert_eq!(curl("https://shop.dyb.test/", "shop.dyb.test"), "nginx https\n");
    assert_eq!(curl("http://shop.dyb.test/", "shop.dyb.test"), "nginx http\n");
}

/// The example sends such clients to the same address with https.
#[test]
fn plain_http_on_the_tls_port_explains_itself() {
    let site = site();
    let url = "http://shop.dyb.test:443/basket?id=1";
    let resolve = format!("shop.dyb.test:443:{PUBLIC}");
    let arguments = ["-s", "--max-time", "10", "--resolve", &resolve, "-D", "-", url];
    let text = site.lab.run("curl", &arguments).unwrap();
    assert!(text.starts_with("HTTP/1.1 308"), "{text}");
    assert!(text.contains("Location: https://shop.dyb.test/basket?id=1\r\n"), "{text}");
    let lines = site.transom.wait_for_access(1);
    assert!(lines.iter().any(|line| line["fault"] == "client-sent-plain-http"), "{lines:?}");
}
