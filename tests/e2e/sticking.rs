//! One source stays on one server, and moves when that server dies or its entry expires.

use std::net::SocketAddr;

use transom_testkit::server::{Behaviour, Server};
use transom_testkit::wait;

use crate::lab::{DEADLINE, Lab, greeting};

const PORT: u16 = 443;

fn config(expire: &str) -> String {
    format!(
        r#"
        [listener.door]
        bind = ["203.0.113.1:443"]
        mode = "tcp"
        pool = "exchange"
        [pool.exchange]
        stick = {{ on = "source", table = "clients" }}
        health-check = {{ tcp = true, every = "200ms", rise = 1, fall = 2 }}
        servers = [
          {{ name = "ex1", address = "192.168.10.2:443" }},
          {{ name = "ex2", address = "192.168.10.3:443" }},
        ]
        [stick-table.clients]
        key = "ip"
        size = 1_000
        expire = "{expire}"
        "#
    )
}

struct Site {
    lab: Lab,
    servers: Vec<Server>,
    _hosts: Vec<transom_testkit::netns::Namespace>,
}

fn site() -> Site {
    let lab = Lab::new();
    let (mut servers, mut hosts) = (Vec::new(), Vec::new());
    for (name, address) in [("ex1", "192.168.10.2"), ("ex2", "192.168.10.3")] {
        let host = lab.host(name, address);
        let address = SocketAddr::new(address.parse().unwrap(), PORT);
        servers.push(host.enter(|| Server::start(name, address, Behaviour::Echo)).unwrap().unwrap());
        hosts.push(host);
    }
    Site { lab, servers, _hosts: hosts }
}

impl Site {
    /// Which server a new connection from this address reaches.
    fn reached(&self, from: &str) -> String {
        greeting(&mut self.lab.connect(from, PORT).unwrap()).unwrap()
    }

    fn server(&self, name: &str) -> &Server {
        self.servers.iter().find(|server| server.name() == name).unwrap()
    }
}

#[test]
fn a_source_stays_until_its_server_dies_and_does_not_come_back_with_it() {
    let site = site();
    let transom = site.lab.start(&config("30m"));
    let first = site.reached("203.0.113.10");
    for _ in 0..10 {
        assert_eq!(site.reached("203.0.113.10"), first);
    }
    // Others are spread over both.
    let others: Vec<_> = (0..8).map(|at| site.reached(["203.0.113.11", "203.0.113.12"][at % 2])).collect();
    assert!(others.iter().any(|name| *name != first), "{others:?}");

    site.server(&first).stop();
    let second = site.reached("203.0.113.10");
    assert_ne!(second, first, "the retry goes to the other server");
    transom.wait_for_condition(&format!("exchange/{first}"), "down");
    site.server(&first).resume().unwrap();
    transom.wait_for_condition(&format!("exchange/{first}"), "up");
    for _ in 0..5 {
        assert_eq!(site.reached("203.0.113.10"), second, "its entry names the new server now");
    }
}

#[test]
fn an_entry_ends_after_its_expiry() {
    let site = site();
    let transom = site.lab.start(&config("2s"));
    site.reached("203.0.113.10");
    let entries = || transom.ctl_json(&["stick", "clients"])["entries"].as_array().map_or(0, Vec::len);
    assert_eq!(entries(), 1);
    wait::until("the entry to expire", DEADLINE, || entries() == 0).unwrap();
}
