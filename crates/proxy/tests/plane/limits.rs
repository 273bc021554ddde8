//! Who may connect, and how many.

use std::io::Read;

use crate::door::{Door, Server, read_text, wait_until};

fn door(server: &Server, listener: &str, top: &str) -> Door {
    Door::open(&format!(
        r#"
        {top}
        [listener.door]
        bind = ["127.0.0.1:0"]
        mode = "tcp"
        pool = "servers"
        {listener}
        [pool.servers]
        servers = [{{ name = "one", address = "{}" }}]
        "#,
        server.address
    ))
}

#[test]
fn a_source_that_is_refused_gets_nothing() {
    let server = Server::echo("x");
    let door = door(&server, r#"refuse = ["127.0.0.0/8"]"#, "");
    assert_eq!(door.connect().read(&mut [0; 8]).unwrap_or(0), 0);
    door.wait_empty();
    let lines = door.lines();
    assert_eq!((&lines[0]["kind"], &lines[0]["fault"]), (&"refused".into(), &"source-refused".into()));
    assert_eq!(server.accepted(), 0);
}

#[test]
fn a_source_that_is_not_allowed_gets_nothing() {
    let server = Server::echo("x");
    let door = door(&server, r#"allow = ["192.0.2.0/24"]"#, "");
    assert_eq!(door.connect().read(&mut [0; 8]).unwrap_or(0), 0);
}

#[test]
fn further_clients_wait_in_the_backlog_until_one_leaves() {
    for (listener, top) in [("limits = { connections = 2 }", ""), ("", "[limits]\nconnections = 2")] {
        let server = Server::echo("x");
        let door = door(&server, listener, top);
        let mut clients: Vec<_> = (0..2).map(|_| door.connect()).collect();
        for client in &mut clients {
            read_text(client, 1);
        }
        let mut third = door.connect();
        third.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        assert!(third.read(&mut [0; 8]).is_err(), "three clients where two may be");
        assert_eq!(server.accepted(), 2);
        clients.pop();
        third.set_read_timeout(Some(crate::door::DEADLINE)).unwrap();
        read_text(&mut third, 1);
        drop((third, clients));
        wait_until("all to leave", || door.plane().connections() == 0);
    }
}
