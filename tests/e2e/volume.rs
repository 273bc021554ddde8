//! 1 GiB each way with a slow reader: bytes wait where they are, not in our memory.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use transom_testkit::client::{Tls, Trust};
use transom_testkit::server::{Behaviour, Server};

use crate::lab::{Lab, resident};

const GIB: u64 = 1 << 30;
const RSS_MAX: u64 = 64 << 20;

const CONFIG: &str = r#"
    [listener.relay]
    bind = ["203.0.113.1:25"]
    mode = "tcp"
    pool = "plain"
    [listener.by-name]
    bind = ["203.0.113.1:443"]
    mode = "passthrough"
    pool = "tls"
    [listener.upload]
    bind = ["203.0.113.1:26"]
    mode = "tcp"
    pool = "count"
    [listener.upload-by-name]
    bind = ["203.0.113.1:444"]
    mode = "passthrough"
    pool = "tls-count"
    [pool.plain]
    servers = [{ name = "s", address = "192.168.10.2:25" }]
    [pool.tls]
    servers = [{ name = "s", address = "192.168.10.2:443" }]
    [pool.count]
    servers = [{ name = "s", address = "192.168.10.2:26" }]
    [pool.tls-count]
    servers = [{ name = "s", address = "192.168.10.2:444" }]
"#;

/// Reads to the end, slowly at first. Gives the number of bytes and the most memory the worker had meanwhile.
fn read_slowly(stream: &mut impl Read, worker: i32) -> (u64, u64) {
    let (mut bytes, mut most, mut reads) = (0, 0, 0u64);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        if read == 0 {
            return (bytes, most);
        }
        bytes += read as u64;
        reads += 1;
        if reads <= 100 {
            std::thread::sleep(Duration::from_millis(20));
        }
        if reads % 100 == 0 {
            most = most.max(resident(worker));
        }
    }
}

fn write_gib(stream: &mut impl Write, worker: i32) -> u64 {
    let chunk = vec![b'x'; 1 << 20];
    let mut most = 0;
    for _ in 0..1024 {
        stream.write_all(&chunk).unwrap();
        most = most.max(resident(worker));
    }
    stream.flush().unwrap();
    most
}

#[test]
fn a_gibibyte_down_and_up_through_each_mode_stays_under_64_mib() {
    let lab = Lab::new();
    let host = lab.host("s", "192.168.10.2");
    let leaf = transom_testkit::ca::Authority::new("Lab").unwrap().leaf(&["s.test"]).unwrap();
    let at = |port| SocketAddr::new("192.168.10.2".parse().unwrap(), port);
    let _servers = host
        .enter(|| {
            [
                Server::start("s", at(25), Behaviour::Send(GIB)).unwrap(),
                Server::start("s", at(26), Behaviour::Count).unwrap(),
                Server::start_tls("s", at(443), Behaviour::Send(GIB), &leaf).unwrap(),
                Server::start_tls("s", at(444), Behaviour::Count, &leaf).unwrap(),
            ]
        })
        .unwrap();
    let transom = lab.start(CONFIG);
    let worker = transom.worker();
    let connect = |port| -> TcpStream { lab.connect("203.0.113.10", port).unwrap() };
    let tls = |port| Tls::handshake(connect(port), Some("s.test"), Trust::Anyone).unwrap();

    let (bytes, most) = read_slowly(&mut connect(25), worker);
    assert_eq!(bytes, GIB, "tcp down");
    assert!(most < RSS_MAX, "tcp down: {most}");

    let (bytes, most) = read_slowly(&mut tls(443), worker);
    assert_eq!(bytes, GIB, "passthrough down");
    assert!(most < RSS_MAX, "passthrough down: {most}");

    let mut stream = connect(26);
    let most = write_gib(&mut stream, worker);
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with(&format!("{GIB}\n")), "tcp up: {answer}");
    assert!(most < RSS_MAX, "tcp up: {most}");

    let mut stream = tls(444);
    let most = write_gib(&mut stream, worker);
    assert!(most < RSS_MAX, "passthrough up: {most}");
}
