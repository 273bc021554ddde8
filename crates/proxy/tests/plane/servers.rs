//! Choosing and reaching servers.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use transom_state::ProbeResult;

use crate::door::{Door, Server, nobody, read_text, wait_until};

fn pool(servers: &str, extra: &str) -> String {
    format!(
        r#"
        [listener.door]
        bind = ["127.0.0.1:0"]
        mode = "tcp"
        pool = "servers"
        [pool.servers]
        servers = [{servers}]
        {extra}
        "#
    )
}

#[test]
fn a_refused_connect_goes_to_another_server_and_the_client_does_not_notice() {
    let server = Server::echo("two");
    let servers = format!(
        r#"{{ name = "one", address = "{}" }}, {{ name = "two", address = "{}" }}"#,
        nobody(),
        server.address
    );
    let door = Door::open(&pool(&servers, ""));
    for _ in 0..8 {
        assert_eq!(read_text(&mut door.connect(), 3), "two");
    }
    door.wait_empty();
    let lines = door.lines();
    assert!(lines.iter().all(|line| line["server"] == "two" && line.get("fault").is_none()));
    assert!(lines.iter().any(|line| line["retries"] == 1), "nobody met the dead server");
}

#[test]
fn one_source_stays_on_one_server() {
    let (one, two) = (Server::echo("one"), Server::echo("two"));
    let servers = format!(
        r#"{{ name = "one", address = "{}" }}, {{ name = "two", address = "{}" }}"#,
        one.address, two.address
    );
    let stick = "stick = { on = \"source\", table = \"t\" }\n[stick-table.t]\nkey = \"ip\"\nsize = 100\nexpire = \"1m\"";
    let door = Door::open(&pool(&servers, stick));
    let first = read_text(&mut door.connect(), 3);
    for _ in 0..8 {
        assert_eq!(read_text(&mut door.connect(), 3), first);
    }
}

#[test]
fn clients_wait_for_a_server_at_its_limit_and_are_served_in_turn() {
    let server = Server::echo("x");
    let servers = format!(r#"{{ name = "one", address = "{}", connections = 1 }}"#, server.address);
    let door = Door::open(&pool(&servers, "queue = { size = 1, timeout = \"5s\" }"));
    let mut first = door.connect();
    read_text(&mut first, 1);
    let mut second = door.connect();
    wait_until("the second to queue", || door.world().pool("servers").unwrap().waiting() == 1);
    let mut third = door.connect();
    assert_eq!(third.read(&mut [0; 8]).unwrap_or(0), 0, "the queue holds one");
    assert_eq!(server.accepted(), 1);
    drop(first);
    read_text(&mut second, 1);
    drop(second);
    door.wait_empty();
    let faults: Vec<_> =
        door.lines().iter().filter_map(|line| line["fault"].as_str().map(String::from)).collect();
    assert_eq!(faults, ["pool-full"]);
}

#[test]
fn a_client_that_waits_too_long_is_told() {
    let server = Server::echo("x");
    let servers = format!(r#"{{ name = "one", address = "{}", connections = 1 }}"#, server.address);
    let door = Door::open(&pool(&servers, "queue = { size = 5, timeout = \"200ms\" }"));
    let mut first = door.connect();
    read_text(&mut first, 1);
    assert_eq!(door.connect().read(&mut [0; 8]).unwrap_or(0), 0);
    drop(first);
    door.wait_empty();
    assert!(door.lines().iter().any(|line| line["fault"] == "queue-timeout"));
}

#[test]
fn connections_end_with_their_server_where_the_pool_says_so() {
    let server = Server::echo("x");
    let servers = format!(r#"{{ name = "one", address = "{}" }}"#, server.address);
    let extra = "on-down = \"close\"\nhealth-check = { tcp = true, every = \"1h\", fall = 1 }";
    let door = Door::open(&pool(&servers, extra));
    let mut client = door.connect();
    read_text(&mut client, 1);
    let world = door.world();
    let down = ProbeResult {
        outcome: Err(transom_state::Fault::ServerRefused),
        detail: "".into(),
        took: Duration::ZERO,
    };
    world.pool("servers").unwrap().servers()[0].observe(down, Instant::now()).unwrap();
    assert_eq!(client.read(&mut [0; 8]).unwrap_or(0), 0);
    door.wait_empty();
    let mut late = door.connect();
    assert_eq!(late.read(&mut [0; 8]).unwrap_or(0), 0);
    door.wait_empty();
    let mut faults: Vec<_> =
        door.lines().iter().map(|line| line["fault"].as_str().unwrap().to_owned()).collect();
    // Two workers hand on their lines in any order.
    faults.sort();
    assert_eq!(faults, ["pool-empty", "server-went-down"]);
}

#[test]
fn a_reload_moves_new_clients_and_keeps_old_ones() {
    let (one, two) = (Server::echo("one"), Server::echo("two"));
    let with = |server: &Server| pool(&format!(r#"{{ name = "s", address = "{}" }}"#, server.address), "");
    let door = Door::open(&with(&one));
    let mut old = door.connect();
    assert_eq!(read_text(&mut old, 3), "one");
    door.reload(&with(&two));
    assert_eq!(read_text(&mut door.connect(), 3), "two");
    old.write_all(b"still").unwrap();
    assert_eq!(read_text(&mut old, 5), "still");
}
