//! Keeper and worker: what the worker may do, what happens when it dies, how both stop.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use transom_testkit::netns::Namespace;
use transom_testkit::server::{Behaviour, Server};
use transom_testkit::wait;

use crate::lab::{DEADLINE, Lab, echo, greeting};

fn config(extra: &str) -> String {
    format!(
        r#"
        [process]
        drain = "3s"
        [listener.door]
        bind = ["203.0.113.1:8443"]
        mode = "tcp"
        pool = "exchange"
        [pool.exchange]
        servers = [{{ name = "ex1", address = "192.168.10.2:443" }}]
        {extra}
        "#
    )
}

fn site() -> (Lab, Namespace, Server) {
    let lab = Lab::new();
    let host = lab.host("ex1", "192.168.10.2");
    let address = SocketAddr::new("192.168.10.2".parse().unwrap(), 443);
    let server = host.enter(|| Server::start("ex1", address, Behaviour::Echo)).unwrap().unwrap();
    (lab, host, server)
}

fn status_line(pid: i32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line[key.len()..].trim().to_owned()
}

#[test]
fn the_worker_is_nobody_in_particular() {
    let (lab, _host, _server) = site();
    let transom = lab.start(&config(""));
    let worker = transom.worker();
    let user = status_line(worker, "Uid:");
    assert!(user.split_whitespace().all(|id| id != "0"), "{user}");
    assert_eq!(status_line(worker, "Groups:").split_whitespace().filter(|id| *id == "0").count(), 0);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(status_line(worker, set), "0000000000000000", "{set}");
    }
    assert_eq!(status_line(worker, "NoNewPrivs:"), "1");
}

/// Port 443, and an authority file that only root may read, arrive after privileges were dropped.
#[test]
fn a_reload_opens_what_only_root_may() {
    let (lab, _host, _server) = site();
    let transom = lab.start(&config(""));
    let authority = transom_testkit::ca::Authority::new("Lab").unwrap().write(lab.path("ca.pem")).unwrap();
    fs::set_permissions(&authority, fs::Permissions::from_mode(0o600)).unwrap();
    let more = format!(
        r#"
        [listener.second]
        bind = ["203.0.113.1:443"]
        mode = "tcp"
        pool = "checked"
        [pool.checked]
        health-check = {{ https = "/", verify = "full", ca = {authority:?}, name = "ex1.test", every = "200ms" }}
        servers = [{{ name = "ex1", address = "192.168.10.2:443" }}]
        "#
    );
    transom.reload(&config(&more)).unwrap();
    assert!(lab.connect("203.0.113.10", 443).is_ok());
    // The server speaks no TLS, so the check fails for that reason and not for want of the file.
    wait::until("the check to run", DEADLINE, || {
        transom.ctl(&["servers", "checked", "--json"]).is_ok_and(|text| text.contains("server-speaks-plain"))
    })
    .unwrap();
}

#[test]
fn a_worker_that_is_killed_is_replaced_on_the_same_sockets_within_a_second() {
    let (lab, _host, _server) = site();
    let transom = lab.start(&config(""));
    greeting(&mut lab.connect("203.0.113.10", 8443).unwrap()).unwrap();
    let old = transom.worker();
    kill_process(Pid::from_raw(old).unwrap(), Signal::KILL).unwrap();
    let killed = Instant::now();
    // The socket stays open: this client waits in the backlog until the new worker takes it.
    let mut stream = lab.connect("203.0.113.10", 8443).unwrap();
    assert_eq!(greeting(&mut stream).unwrap(), "ex1");
    assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
    assert_ne!(transom.worker(), old);
    let log = transom.process.log();
    assert!(
        log.contains("killed by SIGKILL") && log.contains("on the same sockets"),
        "the keeper says so: {log}"
    );
}

/// Who drained a server for maintenance must not find it in service again because a worker died.
#[test]
fn admin_states_and_weights_outlive_a_worker_that_is_killed() {
    let (lab, _host, _server) = site();
    let transom = lab.start(&config(""));
    transom.ctl(&["server", "exchange/ex1", "weight", "7"]).unwrap();
    transom.ctl(&["server", "exchange/ex1", "drain"]).unwrap();
    let old = transom.worker();
    kill_process(Pid::from_raw(old).unwrap(), Signal::KILL).unwrap();
    wait::until("the next worker to answer", DEADLINE, || {
        transom.worker_now().is_some_and(|worker| worker != old) && transom.ctl(&["servers"]).is_ok()
    })
    .unwrap();
    let server = transom.server("exchange/ex1");
    assert_eq!((&server["admin"], &server["weight"]), (&"drain".into(), &7.into()), "{server}");
}

#[test]
fn sigterm_drains_and_then_cuts() {
    let (lab, _host, _server) = site();
    let mut transom = lab.start(&config(""));
    let (mut short, mut long) =
        (lab.connect("203.0.113.10", 8443).unwrap(), lab.connect("203.0.113.11", 8443).unwrap());
    greeting(&mut short).unwrap();
    greeting(&mut long).unwrap();
    transom.process.signal(Signal::TERM).unwrap();
    let told = Instant::now();
    wait::until("the door to close", DEADLINE, || lab.connect("203.0.113.10", 8443).is_err()).unwrap();
    echo(&mut short, b"established connections go on").unwrap();
    drop(short);
    let status = transom.process.wait(DEADLINE).unwrap();
    assert_eq!(status.code(), Some(0));
    let took = told.elapsed();
    assert!(
        took > Duration::from_secs(2) && took < Duration::from_secs(6),
        "drain = 3s, and it took {took:?}"
    );
    let lines = transom.access();
    let ended = |bytes: usize| lines.iter().find(|line| line["bytes_in"] == bytes);
    assert!(ended(b"established connections go on".len()).unwrap().get("fault").is_none(), "{lines:?}");
    assert!(lines.iter().any(|line| line["fault"] == "admin-drained"), "{lines:?}");
}

#[test]
fn sigterm_without_clients_ends_at_once() {
    let (lab, _host, _server) = site();
    let mut transom = lab.start(&config(""));
    transom.process.signal(Signal::TERM).unwrap();
    let told = Instant::now();
    assert_eq!(transom.process.wait(DEADLINE).unwrap().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
}
