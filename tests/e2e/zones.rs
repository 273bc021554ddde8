//! A zone's server is killed: no new connection fails after the check interval.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use transom_testkit::server::{Behaviour, Server};

use crate::lab::{Lab, greeting};

const CONFIG: &str = r#"
    zone = "a"
    [listener.door]
    bind = ["203.0.113.1:443"]
    mode = "tcp"
    pool = "exchange"
    [pool.exchange]
    zones = "local-first"
    retry = { times = 0 }
    health-check = { tcp = true, every = "200ms", rise = 1, fall = 2, timeout = "200ms" }
    servers = [
      { name = "ex-a", address = "192.168.10.2:443", zone = "a" },
      { name = "ex-b", address = "192.168.10.3:443", zone = "b" },
    ]
"#;

#[test]
fn the_other_zone_takes_over_after_the_check_interval_and_hands_back() {
    let lab = Lab::new();
    let (a, b) = (lab.host("ex-a", "192.168.10.2"), lab.host("ex-b", "192.168.10.3"));
    let start = |host: &transom_testkit::netns::Namespace, name: &str, address: &str| {
        let address = SocketAddr::new(address.parse().unwrap(), 443);
        host.enter(|| Server::start(name, address, Behaviour::Echo)).unwrap().unwrap()
    };
    let (server_a, _server_b) = (start(&a, "ex-a", "192.168.10.2"), start(&b, "ex-b", "192.168.10.3"));
    let transom = lab.start(CONFIG);
    let reached = || greeting(&mut lab.connect("203.0.113.10", 443).unwrap());
    transom.wait_for_condition("exchange/ex-a", "up");
    transom.wait_for_condition("exchange/ex-b", "up");
    for _ in 0..10 {
        assert_eq!(reached().unwrap(), "ex-a", "this node stands in zone a");
    }

    server_a.stop();
    let killed = Instant::now();
    // Two failed checks of 200 ms, up to a tenth later each, and each up to 200 ms long.
    let grace = Duration::from_millis(1000);
    let mut late_failures = 0;
    let mut served = 0;
    while killed.elapsed() < Duration::from_secs(3) {
        let asked = killed.elapsed();
        match reached() {
            Ok(name) if name == "ex-b" => served += 1,
            _ if asked > grace => late_failures += 1,
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(late_failures, 0);
    assert!(served > 50, "only {served} connections were served");

    server_a.resume().unwrap();
    transom.wait_for_condition("exchange/ex-a", "up");
    assert_eq!(reached().unwrap(), "ex-a");
}
