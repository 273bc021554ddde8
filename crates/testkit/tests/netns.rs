//! Namespaces reach each other over cables and switches, and leave nothing behind. Needs root and `ip`: run with the
//! end-to-end tests, not with the unit tests.

use std::path::Path;
use std::time::Duration;

use transom_testkit::client::{connect, read_line};
use transom_testkit::netns::{End, Namespace, Switch, cable};
use transom_testkit::server::{Behaviour, Server};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_server_in_one_namespace_is_reached_from_another() {
    let (server_host, client_host) = (Namespace::new("server").unwrap(), Namespace::new("client").unwrap());
    let one = End { namespace: &server_host, interface: "eth0", addresses: &["10.9.0.1/24", "fd00:9::1/64"] };
    let other =
        End { namespace: &client_host, interface: "eth0", addresses: &["10.9.0.2/24", "fd00:9::2/64"] };
    cable(one, other).unwrap();
    for address in ["10.9.0.1:80", "[fd00:9::1]:80"] {
        let address = address.parse().unwrap();
        let server = server_host.enter(|| Server::start("ex1", address, Behaviour::Echo)).unwrap().unwrap();
        let greet = || read_line(&mut connect(address, SOON)?);
        assert_eq!(client_host.enter(greet).unwrap().unwrap(), "ex1");
        server.stop();
        server.resume().unwrap();
        assert_eq!(client_host.enter(greet).unwrap().unwrap(), "ex1", "it came back where it was");
    }
}

#[test]
fn a_switch_joins_many() {
    let switch = Switch::new("switch").unwrap();
    let hosts: Vec<_> = (1..=3).map(|_| Namespace::new("host").unwrap()).collect();
    for (number, host) in (1..).zip(&hosts) {
        switch.plug(host, "eth0", &[&format!("10.9.1.{number}/24")]).unwrap();
    }
    for (number, host) in (1..).zip(&hosts) {
        let address = format!("10.9.1.{number}:80").parse().unwrap();
        let name = format!("ex{number}");
        let _server = host.enter(|| Server::start(&name, address, Behaviour::Echo)).unwrap().unwrap();
        let greeting = hosts[0].enter(|| read_line(&mut connect(address, SOON)?)).unwrap();
        assert_eq!(greeting.unwrap(), name);
    }
}

#[test]
fn nothing_is_left_behind() {
    let namespace = Namespace::new("short-lived").unwrap();
    let path = Path::new("/run/netns").join(namespace.name());
    assert!(path.exists());
    drop(namespace);
    assert!(!path.exists());
}
