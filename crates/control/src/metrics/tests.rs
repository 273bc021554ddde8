//! The text, read back.

use std::collections::HashMap;
use std::sync::Arc;

use transom_config::{Name, PacketMode};
use transom_state::{
    Fault, PacketCounts, PacketServerCounts, PacketTraffic, ProbeResult, ReasonCount, VipCounts,
};

use super::*;
use crate::fixture::{current, server, shared};

const CONFIG: &str = r#"
[listener.https]
bind = ["127.0.0.1:0"]
mode = "tcp"
pool = "p"
[listener.web]
bind = ["127.0.0.1:0"]
mode = "http"
pool = "p"
[pool.p]
stick = { on = "source", table = "clients" }
health-check = { tcp = true }
servers = [{ name = "one", address = "192.0.2.1:1", weight = 7 }, { name = "two", address = "192.0.2.2:1" }]
[stick-table.clients]
key = "ip"
size = 100
expire = "1h"
"#;

/// Every sample of a text, by name and labels as they stand there; what is not a sample must be a comment.
fn parse(text: &str) -> HashMap<&str, f64> {
    let mut samples = HashMap::new();
    let mut typed = HashMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(typed.insert(name, kind), None, "{name} is there twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let kind = typed.get(name).or_else(|| typed.get(family?)).expect("a type before its samples");
            let kind = *kind;
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            assert_eq!(samples.insert(series, value.parse().unwrap()), None, "{series} is there twice");
        }
    }
    samples
}

#[test]
fn the_text_says_what_the_world_is() {
    let current = current(CONFIG);
    let one = server(&current, "p", "one");
    let took = std::time::Duration::from_millis(250);
    let result = ProbeResult { outcome: Err(Fault::ServerRefused), detail: "".into(), took };
    one.observe(result, std::time::Instant::now());
    {
        let world = current.load();
        world.totals.faults.count_shared(Fault::ServerRefused);
        world.totals.log_lines_lost.add_shared(5);
        let counters = world.listeners()[0].counters();
        counters.connections.add(0, 3);
        counters.bytes_in.add(1, 1000);
    }
    let text = text(&shared(&current));
    let samples = parse(&text);
    let table = [
        ("transom_reload_generation", 1.0),
        ("transom_reload_failures_total", 0.0),
        ("transom_log_lines_lost_total", 5.0),
        ("transom_ready", 1.0),
        ("transom_faults_total{code=\"server-refused\"}", 1.0),
        ("transom_faults_total{code=\"pool-empty\"}", 0.0),
        ("transom_connections{listener=\"https\"}", 0.0),
        ("transom_connections_total{listener=\"https\"}", 3.0),
        ("transom_bytes_total{listener=\"https\",direction=\"in\"}", 1000.0),
        ("transom_server_up{pool=\"p\",server=\"one\"}", 0.0),
        ("transom_server_up{pool=\"p\",server=\"two\"}", 1.0),
        ("transom_server_weight{pool=\"p\",server=\"one\"}", 7.0),
        ("transom_check_seconds{pool=\"p\",server=\"one\"}", 0.25),
        ("transom_check_passed{pool=\"p\",server=\"one\"}", 0.0),
        ("transom_queue_length{pool=\"p\"}", 0.0),
        ("transom_stick_entries{table=\"clients\"}", 0.0),
    ];
    for (series, want) in table {
        assert_eq!(samples.get(series), Some(&want), "{series} in\n{text}");
    }
    assert!(!text.contains("transom_check_seconds{pool=\"p\",server=\"two\"}"));
    assert!(samples["process_open_fds"] > 2.0 && samples["process_open_fds"] < samples["process_max_fds"]);
    assert!(samples["process_resident_memory_bytes"] > 100_000.0);
}

#[test]
fn draining_is_not_ready() {
    let shared = shared(&current(CONFIG));
    shared.set_draining();
    let text = text(&shared);
    let samples = parse(&text);
    assert_eq!((samples["transom_ready"], samples["transom_draining"]), (0.0, 1.0));
}

#[test]
fn labels_are_escaped() {
    let metric = Metric { name: "m", kind: Kind::Gauge, labels: &["l"], help: "h", read: |_, _| {} };
    let mut samples = Samples::default();
    samples.with(["a\"b\\c\nd"], 1.5);
    let mut text = String::new();
    metric.write(&mut text, &samples).unwrap();
    assert_eq!(text, "# HELP m h\n# TYPE m gauge\nm{l=\"a\\\"b\\\\c\\nd\"} 1.5\n");
}

#[test]
fn the_reference_names_every_metric_once() {
    let reference = reference();
    for metric in METRICS {
        assert_eq!(reference.matches(&format!("| `{}` |", metric.name)).count(), 1, "{}", metric.name);
        assert!(!metric.help.contains(['\n', '\\', '|']), "{}", metric.name);
    }
}

fn packets() -> PacketCounts {
    let traffic = PacketTraffic { packets: 7, bytes: 700, reply_packets: 5, reply_bytes: 500, flows: 2 };
    let (pool, mode) = (Name::from("p"), PacketMode::Nat);
    PacketCounts {
        vips: vec![VipCounts {
            listener: "nat".into(),
            address: "192.0.2.9:443/tcp".into(),
            mode,
            pool: pool.clone(),
            ring_hash: 0xab,
            traffic,
        }],
        servers: vec![PacketServerCounts { pool, server: "one".into(), mode, reached: true, traffic }],
        reasons: vec![ReasonCount { reason: "bad-flags", outcome: "dropped", packets: 9 }],
        faults: vec![("packet-no-way", 1)],
    }
}

#[test]
fn packets_are_counted_by_address_server_and_reason() {
    let current = current(CONFIG);
    current.load().totals.packets.store(Some(Arc::new(packets())));
    let text = text(&shared(&current));
    let samples = parse(&text);
    let table = [
        ("transom_packet_vip_packets_total{listener=\"nat\",address=\"192.0.2.9:443/tcp\"}", 7.0),
        (
            "transom_packet_ring_hash{listener=\"nat\",address=\"192.0.2.9:443/tcp\",hash=\"00000000000000ab\"}",
            1.0,
        ),
        (
            "transom_packet_server_bytes_total{pool=\"p\",server=\"one\",mode=\"nat\",direction=\"out\"}",
            500.0,
        ),
        ("transom_packet_verdicts_total{outcome=\"dropped\",reason=\"bad-flags\"}", 9.0),
        ("transom_packet_faults_total{code=\"packet-no-way\"}", 1.0),
    ];
    for (series, want) in table {
        assert_eq!(samples.get(series), Some(&want), "{series} in\n{text}");
    }
}

#[test]
fn every_metric_of_a_full_world_appears() {
    let current = current(CONFIG);
    let result = ProbeResult { outcome: Ok(()), detail: "".into(), took: std::time::Duration::ZERO };
    server(&current, "p", "one").observe(result, std::time::Instant::now());
    current.load().totals.gate().set_limit(Some(5));
    current.load().totals.packets.store(Some(Arc::new(packets())));
    let web = current.load().listeners()[1].http().map(|http| Arc::clone(&http.otherwise().counters));
    web.expect("an http listener").count(0, Some(200));
    let text = text(&shared(&Arc::clone(&current)));
    for metric in METRICS {
        assert!(text.contains(&format!("\n# TYPE {} ", metric.name)), "{}", metric.name);
    }
}

#[test]
fn requests_are_counted_by_route_and_timed_by_class() {
    let current = current(CONFIG);
    {
        let world = current.load();
        let listener = &world.listeners()[1];
        listener.http().unwrap().otherwise().counters.count(0, Some(204));
        listener
            .requests()
            .times(transom_state::Class::Short)
            .observe(0, std::time::Duration::from_millis(3));
    }
    let text = text(&shared(&current));
    let samples = parse(&text);
    let is = |series: &str, value: f64| assert_eq!(samples.get(series), Some(&value), "{series} in {text}");
    is("transom_requests_total{listener=\"web\",route=\"-\",pool=\"p\",status_class=\"2xx\"}", 1.0);
    is("transom_request_seconds_bucket{listener=\"web\",class=\"short\",le=\"0.0025\"}", 0.0);
    is("transom_request_seconds_bucket{listener=\"web\",class=\"short\",le=\"0.005\"}", 1.0);
    is("transom_request_seconds_bucket{listener=\"web\",class=\"short\",le=\"+Inf\"}", 1.0);
    is("transom_request_seconds_count{listener=\"web\",class=\"short\"}", 1.0);
    is("transom_request_seconds_count{listener=\"web\",class=\"channel\"}", 0.0);
}
