//! Reloads: nothing is lost, memory stays flat, a bad file changes nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use transom_testkit::netns::Namespace;
use transom_testkit::process::Process;
use transom_testkit::server::{Behaviour, Server};

use crate::lab::{DEADLINE, Lab, echo, greeting, resident};

fn config(extra: &str) -> String {
    format!(
        r#"
        [listener.door]
        bind = ["203.0.113.1:8443"]
        mode = "tcp"
        pool = "exchange"
        {extra}
        [pool.exchange]
        servers = [{{ name = "ex1", address = "192.168.10.2:443" }}]
        "#
    )
}

const PORT_443: &str =
    "[listener.second]\nbind = [\"203.0.113.1:443\"]\nmode = \"tcp\"\npool = \"exchange\"\n";

fn site() -> (Lab, Namespace, Server) {
    let lab = Lab::new();
    let host = lab.host("ex1", "192.168.10.2");
    let address = SocketAddr::new("192.168.10.2".parse().unwrap(), 443);
    let server = host.enter(|| Server::start("ex1", address, Behaviour::Echo)).unwrap().unwrap();
    (lab, host, server)
}

/// 5,000 idle connections, traffic, and 100 reloads that add and remove a listener each time.
#[test]
fn a_hundred_reloads_under_load_lose_nothing_and_memory_stays_flat() {
    let (lab, _host, _server) = site();
    let transom = lab.start(&config(""));
    let mut idle: Vec<_> = (0..5_000)
        .map(|at| {
            let mut stream = lab.connect(["203.0.113.10", "203.0.113.11"][at % 2], 8443).unwrap();
            greeting(&mut stream).unwrap();
            stream
        })
        .collect();
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (before, after) = std::thread::scope(|scope| {
        for from in ["203.0.113.10", "203.0.113.12"] {
            let (lab, stop, served) = (&lab, &stop, &served);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut stream = lab.connect(from, 8443).unwrap();
                    greeting(&mut stream).unwrap();
                    echo(&mut stream, b"still served").unwrap();
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let reload = |round: usize| {
            transom.reload(&config(if round.is_multiple_of(2) { PORT_443 } else { "" })).unwrap()
        };
        (0..20).for_each(|round| drop(reload(round)));
        let before = resident(transom.worker());
        (20..100).for_each(|round| drop(reload(round)));
        let after = resident(transom.worker());
        stop.store(true, Ordering::Relaxed);
        (before, after)
    });
    assert!(served.load(Ordering::Relaxed) > 200, "hardly any traffic");
    assert!(after < before + (4 << 20), "{before} bytes after 20 reloads, {after} after 100");
    for stream in &mut idle {
        echo(stream, b"x").unwrap();
    }
    let lines = transom.access();
    assert!(lines.iter().all(|line| line.get("fault").is_none()), "some connection ended with a fault");
    assert!(idle.len() * 16_000 > usize::try_from(after).unwrap() / 2, "{after} bytes");
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let (lab, _host, _server) = site();
    let transom = lab.start(&config(""));
    let refused = transom.reload(&config("pol = \"exchange\"")).unwrap_err().to_string();
    assert!(refused.contains("transom.toml:") && refused.contains("pol"), "{refused}");
    greeting(&mut lab.connect("203.0.113.10", 8443).unwrap()).unwrap();
    let refused =
        transom.reload(&config(&PORT_443.replace("203.0.113.1", "203.0.113.99"))).unwrap_err().to_string();
    assert!(refused.contains("203.0.113.99:443"), "{refused}");
    greeting(&mut lab.connect("203.0.113.10", 8443).unwrap()).unwrap();
    transom.reload(&config("")).unwrap();
}

#[test]
fn sighup_reloads_as_well() {
    let (lab, _host, _server) = site();
    let transom = lab.start(&config(""));
    std::fs::write(
        lab.path("transom.toml"),
        format!("{}\n[admin]\nsocket = {:?}\n", config(PORT_443), lab.path("transom.sock")),
    )
    .unwrap();
    transom.process.signal(rustix::process::Signal::HUP).unwrap();
    transom_testkit::wait::until("port 443 to open", DEADLINE, || lab.connect("203.0.113.10", 443).is_ok())
        .unwrap();
}

#[test]
fn a_port_that_is_taken_is_named_with_its_line() {
    let (lab, _host, _server) = site();
    let address = SocketAddr::new("203.0.113.1".parse().unwrap(), 8443);
    let _taken = lab.door.enter(|| Server::start("other", address, Behaviour::Echo)).unwrap().unwrap();
    let path = lab.path("transom.toml");
    std::fs::write(&path, config("")).unwrap();
    let mut command = lab.door.command(env!("CARGO_BIN_EXE_transom"));
    command.arg("run").arg("-c").arg(&path);
    let mut process = Process::start("transom", command).unwrap();
    assert_eq!(process.wait(DEADLINE).unwrap().code(), Some(2));
    let log = process.log();
    assert!(log.contains("203.0.113.1:8443") && log.contains("transom.toml:2"), "{log}");
}
