//! Many idle connections beside traffic.

use std::net::SocketAddr;

use transom_testkit::server::{Behaviour, Server};

use crate::lab::{Lab, echo, greeting, resident};

const CONFIG: &str = r#"
    [listener.door]
    bind = ["203.0.113.1:443"]
    mode = "tcp"
    pool = "exchange"
    [pool.exchange]
    servers = [{ name = "ex1", address = "192.168.10.2:443" }]
"#;

#[test]
fn five_thousand_idle_connections_cost_little_and_all_live() {
    let lab = Lab::new();
    let host = lab.host("ex1", "192.168.10.2");
    let address = SocketAddr::new("192.168.10.2".parse().unwrap(), 443);
    let _server = host.enter(|| Server::start("ex1", address, Behaviour::Echo)).unwrap().unwrap();
    let transom = lab.start(CONFIG);
    let connect = |at: usize| {
        let mut stream = lab.connect(["203.0.113.10", "203.0.113.11"][at % 2], 443).unwrap();
        greeting(&mut stream).unwrap();
        stream
    };
    // The first connections warm the allocator and the thread's buffers.
    let mut idle: Vec<_> = (0..100).map(connect).collect();
    let before = resident(transom.worker());
    idle.extend((0..5_000).map(connect));
    let each = resident(transom.worker()).saturating_sub(before) / 5_000;
    assert!(each < 2_000, "an idle connection takes {each} bytes");
    for _ in 0..200 {
        echo(&mut connect(0), b"traffic beside them").unwrap();
    }
    for stream in &mut idle {
        echo(stream, b"x").unwrap();
    }
}
