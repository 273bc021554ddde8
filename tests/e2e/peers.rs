//! Programs of others on both sides: haproxy before and behind us, swaks through us.

use std::fs;
use std::net::SocketAddr;

use transom_testkit::process::Process;
use transom_testkit::server::{Behaviour, Server};

use crate::lab::{DEADLINE, Lab, PUBLIC};

fn haproxy(lab: &Lab, host: &transom_testkit::netns::Namespace, config: &str) -> Process {
    let path = lab.path("haproxy.cfg");
    fs::write(&path, config).unwrap();
    let mut command = host.command("haproxy");
    command.arg("-W").arg("-f").arg(&path);
    let process = Process::start("haproxy", command).unwrap();
    process.wait_for_line("Loading success", DEADLINE).unwrap();
    process
}

/// haproxy behind us reads the PROXY header and answers with the address it was told.
#[test]
fn haproxy_behind_us_learns_the_client_from_both_versions() {
    for version in ["v1", "v2"] {
        let lab = Lab::new();
        let host = lab.host("haproxy", "192.168.10.2");
        let _haproxy = haproxy(
            &lab,
            &host,
            "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n\
             frontend f\n bind 192.168.10.2:80 accept-proxy\n\
             http-request return status 200 content-type text/plain lf-string \"%[src]:%[src_port] %[dst]:%[dst_port]\"\n",
        );
        let _transom = lab.start(&format!(
            r#"
            [listener.door]
            bind = ["203.0.113.1:80"]
            mode = "tcp"
            pool = "p"
            [pool.p]
            connect = {{ proxy-protocol = "{version}" }}
            servers = [{{ name = "haproxy", address = "192.168.10.2:80" }}]
            "#
        ));
        let text = lab
            .run("curl", &["-s", "--max-time", "10", "--local-port", "40123", &format!("http://{PUBLIC}/")])
            .unwrap();
        assert_eq!(text, "203.0.113.10:40123 203.0.113.1:80", "{version}");
    }
}

/// haproxy in front of us sends the header; it is believed because its address is listed.
#[test]
fn haproxy_before_us_is_believed_when_it_is_listed() {
    let lab = Lab::new();
    let server_host = lab.host("s", "192.168.10.2");
    let address = SocketAddr::new("192.168.10.2".parse().unwrap(), 80);
    let _server = server_host.enter(|| Server::start("s", address, Behaviour::Http)).unwrap().unwrap();
    let front = lab.host("haproxy", "192.168.10.9");
    let _haproxy = haproxy(
        &lab,
        &front,
        "defaults\n mode tcp\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n\
         listen f\n bind 192.168.10.9:80\n server door 192.168.10.1:80 send-proxy-v2\n",
    );
    let transom = lab.start(
        r#"
        [listener.door]
        bind = ["192.168.10.1:80"]
        mode = "tcp"
        pool = "p"
        accept-proxy = ["192.168.10.9/32"]
        allow = ["192.168.10.2/32"]
        [pool.p]
        servers = [{ name = "s", address = "192.168.10.2:80" }]
        "#,
    );
    let text = transom_testkit::process::run(server_host.command("curl").args([
        "-s",
        "--max-time",
        "10",
        "http://192.168.10.9/hello",
    ]))
    .unwrap();
    assert!(text.starts_with("s GET /hello"), "{text}");
    let lines = transom.wait_for_access(1);
    assert!(lines[0]["client"].as_str().unwrap().starts_with("192.168.10.2:"), "{lines:?}");
}

/// swaks delivers through the relay; the SMTP health check tells a mail server from a port that merely answers.
#[test]
fn swaks_delivers_through_the_relay_and_the_smtp_check_knows_a_mail_server() {
    let lab = Lab::new();
    let host = lab.host("mail", "192.168.10.2");
    let at = |port| SocketAddr::new("192.168.10.2".parse().unwrap(), port);
    let servers = host
        .enter(|| {
            [
                Server::start("ex1", at(25), Behaviour::Smtp(250)),
                Server::start("ex2", at(26), Behaviour::Smtp(421)),
            ]
        })
        .unwrap()
        .map(Result::unwrap);
    let transom = lab.start(
        r#"
        [listener.smtp]
        bind = ["203.0.113.1:25"]
        mode = "tcp"
        pool = "mail"
        [pool.mail]
        health-check = { smtp = "EHLO", expect = 250, every = "200ms", rise = 1, fall = 1 }
        servers = [
          { name = "ex1", address = "192.168.10.2:25" },
          { name = "ex2", address = "192.168.10.2:26" },
        ]
        "#,
    );
    transom.wait_for_condition("mail/ex1", "up");
    transom.wait_for_condition("mail/ex2", "down");
    for _ in 0..4 {
        let text = lab
            .run(
                "swaks",
                &[
                    "--server",
                    PUBLIC,
                    "--to",
                    "alice@lab.test",
                    "--from",
                    "bob@lab.test",
                    "--quit-after",
                    "EHLO",
                ],
            )
            .unwrap();
        assert!(text.contains("250"), "{text}");
    }
    assert!(servers[0].accepted() >= 4);
    assert!(transom.access().iter().all(|line| line["server"] == "ex1"));
}
