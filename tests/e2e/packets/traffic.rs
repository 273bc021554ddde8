//! Every mode carries what it should, and shows it.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use transom_testkit::process::run;
use transom_testkit::wait;

use super::service::{BIG, UDP};
use super::town::{Town, WAYS, client_of, listeners};
use crate::lab::DEADLINE;

#[test]
fn every_mode_carries_downloads_uploads_and_udp_and_servers_see_the_client() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let config = format!("{}{}", town.packet(""), listeners(&WAYS, &[1, 2, 3], ""));
    let transom = town.start(&files, &config);
    let upload = files.path().join("upload");
    std::fs::write(&upload, vec![7; BIG]).unwrap();
    let data = format!("@{}", upload.display());
    for (name, _, vip, _) in WAYS {
        let answers: Vec<String> = (0..20).map(|_| town.curl(&[], vip, "id")).collect();
        let seen = |answer: &&String| answer.split(' ').nth(1) == Some(client_of(vip));
        assert_eq!(answers.iter().filter(seen).count(), 20, "{name}: {answers:?}");
        let down = town.curl(&["-o", "/dev/null", "-w", "%{size_download}"], vip, "big");
        assert_eq!(down, BIG.to_string(), "{name}");
        let up = town.curl(&["-H", "expect:", "--data-binary", &data], vip, "up");
        assert!(up.ends_with(&format!(" {BIG}")), "{name}: {up}");
        let to = SocketAddr::new(vip.parse().unwrap(), UDP);
        let answered = town.client.enter(|| (0..20).filter(|_| asks(to, client_of(vip))).count()).unwrap();
        assert_eq!(answered, 20, "{name}: udp");
    }
    assert_eq!(town.attached(), 2);
    assert!(transom.process.log().contains("the program is on front, native"), "{}", transom.process.log());
}

fn asks(to: SocketAddr, client: &str) -> bool {
    let socket = UdpSocket::bind((client, 0)).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send(b"who?").unwrap();
    let mut buffer = [0; 100];
    let length = socket.recv(&mut buffer).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).ends_with(&format!(" {client} who?"))
}

#[test]
fn a_generic_program_carries_traffic_as_well_and_the_log_says_so() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let config = format!("{}{}", town.packet("driver = \"generic\""), listeners(&WAYS[2..4], &[1, 2], ""));
    let transom = town.start(&files, &config);
    for (_, _, vip, _) in &WAYS[2..4] {
        assert_eq!(town.talk(vip, 10).len(), 10);
    }
    let log = transom.process.log();
    assert!(log.contains("the program is on back, generic"), "{log}");
}

#[test]
fn what_came_by_is_counted_by_address_server_and_reason() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let config = format!("{}{}", town.packet(""), listeners(&WAYS[2..5], &[1, 2], ""));
    let transom = town.start(&files, &config);
    let (mut nat, tunnel) = (town.talk("10.50.0.101", 12), town.talk("10.50.0.102", 7));
    assert_eq!(super::broken(&mut nat), 0);
    let seen = |series: &str, least: f64| {
        let metrics = transom.ctl(&["metrics"]).unwrap();
        let line =
            metrics.lines().find_map(|line| line.strip_prefix(series)).map(str::trim).map(str::to_owned);
        line.is_some_and(|value| value.parse::<f64>().unwrap() >= least)
    };
    let expected = [
        ("transom_packet_vip_flows_total{listener=\"nat4-7\",address=\"10.50.0.101:7/tcp\"}", 12.0),
        ("transom_packet_vip_flows_total{listener=\"tunnel4-7\",address=\"10.50.0.102:7/tcp\"}", 7.0),
        ("transom_packet_verdicts_total{outcome=\"sent\",reason=\"nat-reply\"}", 24.0),
        ("transom_packet_server_reached{pool=\"nat4-7\",server=\"s1\",mode=\"nat\"}", 1.0),
        ("transom_packet_verdicts_total{outcome=\"dropped\",reason=\"bad-flags\"}", 0.0),
    ];
    for (series, least) in expected {
        wait::until(series, DEADLINE, || seen(series, least)).unwrap();
    }
    let flows = transom.ctl_json(&["flows"]);
    let of_echo = |flow: &&serde_json::Value| flow["address"] == "10.50.0.101:7" && flow["protocol"] == "tcp";
    let flows: Vec<_> = flows["flows"].as_array().unwrap().iter().filter(of_echo).collect();
    assert_eq!(flows.len(), 12, "{flows:?}");
    let on = |n: u8| nat.iter().filter(|talk| talk.server == n).count();
    for n in [1, 2] {
        let told = flows.iter().filter(|flow| flow["server"] == format!("s{n}")).count();
        assert_eq!(told, on(n), "server {n}");
    }
    assert!(transom.ctl(&["packets"]).unwrap().contains("nat4-7"));
    assert!(transom.ctl(&["flows", "--client", "10.50.0.2"]).unwrap().contains("nat4-7/s"));
    assert!(transom.ctl(&["flows", "--client", "10.50.0.3"]).unwrap().lines().count() < 2);
    drop(tunnel);
}

#[test]
fn the_same_servers_make_the_same_ring_everywhere() {
    let hash = |servers: &[u8]| {
        let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
        let config = format!("{}{}", town.packet(""), listeners(&WAYS[..1], servers, ""));
        let transom = town.start(&files, &config);
        transom.ctl_json(&["packets"])["listeners"][0]["ring_hash"].as_str().unwrap().to_owned()
    };
    assert_eq!(hash(&[1, 2, 3]), hash(&[3, 1, 2]));
    assert_ne!(hash(&[1, 2, 3]), hash(&[1, 2]));
}

#[test]
fn without_its_capabilities_it_says_which_it_needs() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let path = files.path().join("transom.toml");
    let config = format!("{}{}", town.packet(""), listeners(&WAYS[..1], &[1], ""));
    std::fs::write(&path, config).unwrap();
    let mut command = town.door.command("setpriv");
    command.args(["--bounding-set", "-bpf,-perfmon", env!("CARGO_BIN_EXE_transom"), "run", "-c"]).arg(&path);
    let refused = run(&mut command).unwrap_err().to_string();
    assert!(
        refused.contains("needs CAP_PERFMON and CAP_BPF") && refused.contains("packet-capabilities"),
        "{refused}"
    );
    assert!(!town.pins().exists(), "nothing is left behind");
}

#[test]
fn an_interface_that_is_not_there_ends_the_start_and_leaves_nothing_behind() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let path = files.path().join("transom.toml");
    let config = format!("{}{}", town.packet(""), listeners(&WAYS[..1], &[1], ""));
    std::fs::write(&path, config.replace("\"back\"", "\"nowhere0\"")).unwrap();
    let mut command = town.door.command("timeout");
    command.args(["20", env!("CARGO_BIN_EXE_transom"), "run", "-c"]).arg(&path);
    let refused = run(&mut command).unwrap_err().to_string();
    assert!(refused.contains("nowhere0") && refused.contains("packet-attach"), "{refused}");
    wait::until("everything to be off", Duration::from_secs(5), || town.attached() == 0).unwrap();
    assert!(!town.pins().exists(), "nothing is left behind");
}
