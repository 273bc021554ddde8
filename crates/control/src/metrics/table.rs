//! The table: every metric there is.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use transom_state::{
    AdminState, Class, Condition, LastProbe, PacketCounts, PacketTraffic, STATUS_CLASSES, Server,
};

use super::{Kind, Metric, Samples, Scrape};

/// In the order of the text. Names and labels are a contract: new ones may come, none changes or goes.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "transom_build_info",
        kind: Kind::Gauge,
        labels: &["version"],
        help: "Always 1; the label says which version runs",
        read: |_, samples| samples.with([env!("CARGO_PKG_VERSION")], 1.0),
    },
    Metric {
        name: "transom_reload_generation",
        kind: Kind::Gauge,
        labels: &[],
        help: "The configuration in force, counted from 1; each reload that is applied adds one",
        read: |scrape, samples| samples.one(scrape.world.generation as f64),
    },
    Metric {
        name: "transom_reload_failures_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Reloads refused because the configuration had errors; the old one stayed in force",
        read: |scrape, samples| samples.one(scrape.world.totals.reloads_failed.sum() as f64),
    },
    Metric {
        name: "transom_log_lines_lost_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Lines of the access log that were not written because its sink was too slow",
        read: |scrape, samples| samples.one(scrape.world.totals.log_lines_lost.sum() as f64),
    },
    Metric {
        name: "transom_ready",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while /ready answers 200",
        read: |scrape, samples| samples.one(flag(scrape.shared.not_ready(scrape.world).is_empty())),
    },
    Metric {
        name: "transom_draining",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while the program waits for connections to end before it stops",
        read: |scrape, samples| samples.one(flag(scrape.shared.is_draining())),
    },
    Metric {
        name: "transom_faults_total",
        kind: Kind::Counter,
        labels: &["code"],
        help: "Faults by code; see faults.md",
        read: |scrape, samples| {
            for (fault, count) in scrape.world.totals.faults.iter() {
                samples.with([fault.code()], count as f64);
            }
        },
    },
    Metric {
        name: "transom_requests_total",
        kind: Kind::Counter,
        labels: &["listener", "route", "pool", "status_class"],
        help: "Requests by what they came to; route `-`: no route took it; pool empty: answered here; class `none`: no \
               answer could be given",
        read: |scrape, samples| {
            for listener in scrape.world.listeners() {
                for (route, pool, classes) in listener.requests().routes() {
                    let labels = [&**listener.name(), &*route, pool.as_deref().unwrap_or_default()];
                    for (class, count) in STATUS_CLASSES.iter().zip(classes).filter(|(_, count)| *count > 0) {
                        samples.with([labels[0], labels[1], labels[2], *class], count as f64);
                    }
                }
            }
        },
    },
    Metric {
        name: "transom_request_seconds",
        kind: Kind::Histogram,
        labels: &["listener", "class"],
        help: "Time from a request's first byte to the last of its response; long polls and channels apart",
        read: |scrape, samples| {
            for listener in scrape.world.listeners().iter().filter(|listener| listener.http().is_some()) {
                for class in Class::ALL {
                    samples.histogram([listener.name(), class.word()], listener.requests().times(class));
                }
            }
        },
    },
    Metric {
        name: "transom_connections_limit",
        kind: Kind::Gauge,
        labels: &[],
        help: "Client connections that all listeners together may have; absent without a limit",
        read: |scrape, samples| {
            if let Some(limit) = scrape.world.totals.gate().limit() {
                samples.one(limit.into());
            }
        },
    },
    Metric {
        name: "transom_connections",
        kind: Kind::Gauge,
        labels: &["listener"],
        help: "Client connections now",
        read: |scrape, samples| {
            for listener in scrape.world.listeners() {
                samples.with([listener.name()], listener.gate().used().into());
            }
        },
    },
    Metric {
        name: "transom_connections_total",
        kind: Kind::Counter,
        labels: &["listener"],
        help: "Client connections accepted",
        read: |scrape, samples| {
            for listener in scrape.world.listeners() {
                samples.with([listener.name()], listener.counters().connections.sum() as f64);
            }
        },
    },
    Metric {
        name: "transom_connections_refused_total",
        kind: Kind::Counter,
        labels: &["listener"],
        help: "Client connections turned away by source lists or a wrong PROXY header",
        read: |scrape, samples| {
            for listener in scrape.world.listeners() {
                samples.with([listener.name()], listener.counters().refused.sum() as f64);
            }
        },
    },
    Metric {
        name: "transom_connections_limited_total",
        kind: Kind::Counter,
        labels: &["listener"],
        help: "Times that accepting paused because a connection limit was reached",
        read: |scrape, samples| {
            for listener in scrape.world.listeners() {
                samples.with([listener.name()], listener.counters().limited.sum() as f64);
            }
        },
    },
    Metric {
        name: "transom_bytes_total",
        kind: Kind::Counter,
        labels: &["listener", "direction"],
        help: "Bytes from clients (direction in) and to clients (out)",
        read: |scrape, samples| {
            for listener in scrape.world.listeners() {
                let counters = listener.counters();
                samples.with([listener.name(), "in"], counters.bytes_in.sum() as f64);
                samples.with([listener.name(), "out"], counters.bytes_out.sum() as f64);
            }
        },
    },
    Metric {
        name: "transom_pool_usable",
        kind: Kind::Gauge,
        labels: &["pool"],
        help: "1 while the pool has a server that may be used",
        read: |scrape, samples| {
            for pool in scrape.world.pools() {
                samples.with([pool.name()], flag(pool.is_usable()));
            }
        },
    },
    Metric {
        name: "transom_pool_clients_total",
        kind: Kind::Counter,
        labels: &["pool"],
        help: "Clients that were given a server",
        read: |scrape, samples| {
            for pool in scrape.world.pools() {
                samples.with([pool.name()], pool.counters().chosen.sum() as f64);
            }
        },
    },
    Metric {
        name: "transom_pool_stuck_total",
        kind: Kind::Counter,
        labels: &["pool"],
        help: "Clients whose server the stick table decided",
        read: |scrape, samples| {
            for pool in scrape.world.pools() {
                samples.with([pool.name()], pool.counters().stuck.sum() as f64);
            }
        },
    },
    Metric {
        name: "transom_pinned_connections",
        kind: Kind::Gauge,
        labels: &["pool"],
        help: "Server connections that belong to one client connection, because of its login",
        read: |scrape, samples| {
            for pool in scrape.world.pools() {
                samples.with([pool.name()], pool.counters().pinned.now() as f64);
            }
        },
    },
    Metric {
        name: "transom_idle_connections",
        kind: Kind::Gauge,
        labels: &["pool"],
        help: "Server connections that wait for reuse",
        read: |scrape, samples| {
            for pool in scrape.world.pools() {
                samples.with([pool.name()], pool.counters().idle.now() as f64);
            }
        },
    },
    Metric {
        name: "transom_queue_length",
        kind: Kind::Gauge,
        labels: &["pool"],
        help: "Clients that wait for a server with room",
        read: |scrape, samples| {
            for pool in scrape.world.pools() {
                samples.with([pool.name()], pool.waiting() as f64);
            }
        },
    },
    Metric {
        name: "transom_queued_total",
        kind: Kind::Counter,
        labels: &["pool"],
        help: "Clients that had to wait",
        read: |scrape, samples| {
            for pool in scrape.world.pools() {
                samples.with([pool.name()], pool.counters().queued.sum() as f64);
            }
        },
    },
    Metric {
        name: "transom_queue_full_total",
        kind: Kind::Counter,
        labels: &["pool"],
        help: "Clients that were turned away because the queue was full",
        read: |scrape, samples| {
            for pool in scrape.world.pools() {
                samples.with([pool.name()], pool.counters().queue_full.sum() as f64);
            }
        },
    },
    Metric {
        name: "transom_server_up",
        kind: Kind::Gauge,
        labels: &["pool", "server"],
        help: "1 while the server is up or not yet known, 0 while it is down",
        read: |scrape, samples| {
            each_server(scrape, samples, |server| flag(server.condition() != Condition::Down));
        },
    },
    Metric {
        name: "transom_server_ready",
        kind: Kind::Gauge,
        labels: &["pool", "server"],
        help: "1 while its admin state is ready, 0 in drain and maint",
        read: |scrape, samples| {
            each_server(scrape, samples, |server| flag(server.admin() == AdminState::Ready));
        },
    },
    Metric {
        name: "transom_server_weight",
        kind: Kind::Gauge,
        labels: &["pool", "server"],
        help: "Its weight, set at run time or configured",
        read: |scrape, samples| each_server(scrape, samples, |server| server.weight().into()),
    },
    Metric {
        name: "transom_server_connections",
        kind: Kind::Gauge,
        labels: &["pool", "server"],
        help: "Connections to the server now",
        read: |scrape, samples| each_server(scrape, samples, |server| server.connections().into()),
    },
    Metric {
        name: "transom_server_connections_total",
        kind: Kind::Counter,
        labels: &["pool", "server"],
        help: "Connections established to the server",
        read: |scrape, samples| {
            each_server(scrape, samples, |server| server.counters().connections.sum() as f64);
        },
    },
    Metric {
        name: "transom_server_requests_total",
        kind: Kind::Counter,
        labels: &["pool", "server"],
        help: "HTTP requests given to the server",
        read: |scrape, samples| {
            each_server(scrape, samples, |server| server.counters().requests.sum() as f64);
        },
    },
    Metric {
        name: "transom_server_reused_total",
        kind: Kind::Counter,
        labels: &["pool", "server"],
        help: "Of those, the ones that a connection served which was there already",
        read: |scrape, samples| each_server(scrape, samples, |server| server.counters().reused.sum() as f64),
    },
    Metric {
        name: "transom_server_failures_total",
        kind: Kind::Counter,
        labels: &["pool", "server"],
        help: "Connects that failed, and connections broken by the server",
        read: |scrape, samples| {
            each_server(scrape, samples, |server| server.counters().failures.sum() as f64);
        },
    },
    Metric {
        name: "transom_server_retries_total",
        kind: Kind::Counter,
        labels: &["pool", "server"],
        help: "Tries that came to this server after another one failed",
        read: |scrape, samples| each_server(scrape, samples, |server| server.counters().retries.sum() as f64),
    },
    Metric {
        name: "transom_server_bytes_in_total",
        kind: Kind::Counter,
        labels: &["pool", "server"],
        help: "Bytes from clients to the server",
        read: |scrape, samples| {
            each_server(scrape, samples, |server| server.counters().bytes_in.sum() as f64);
        },
    },
    Metric {
        name: "transom_server_bytes_out_total",
        kind: Kind::Counter,
        labels: &["pool", "server"],
        help: "Bytes from the server to clients",
        read: |scrape, samples| {
            each_server(scrape, samples, |server| server.counters().bytes_out.sum() as f64);
        },
    },
    Metric {
        name: "transom_server_transitions_total",
        kind: Kind::Counter,
        labels: &["pool", "server"],
        help: "How often its condition changed",
        read: |scrape, samples| each_server(scrape, samples, |server| server.transitions() as f64),
    },
    Metric {
        name: "transom_check_passed",
        kind: Kind::Gauge,
        labels: &["pool", "server"],
        help: "1 if the last health check passed; absent before the first",
        read: |scrape, samples| {
            each_probe(scrape, samples, |last| flag(last.result.outcome.is_ok()));
        },
    },
    Metric {
        name: "transom_check_seconds",
        kind: Kind::Gauge,
        labels: &["pool", "server"],
        help: "How long the last health check took; absent before the first",
        read: |scrape, samples| each_probe(scrape, samples, |last| last.result.took.as_secs_f64()),
    },
    Metric {
        name: "transom_names_failing",
        kind: Kind::Gauge,
        labels: &[],
        help: "Names of servers that do not resolve now",
        read: |scrape, samples| samples.one(scrape.shared.failing_names.list().len() as f64),
    },
    Metric {
        name: "transom_stick_entries",
        kind: Kind::Gauge,
        labels: &["table"],
        help: "Entries in the stick table now",
        read: |scrape, samples| {
            for table in scrape.world.stick_tables() {
                samples.with([table.name()], table.len() as f64);
            }
        },
    },
    Metric {
        name: "transom_stick_evicted_total",
        kind: Kind::Counter,
        labels: &["table"],
        help: "Entries that made room for newer ones; if it moves, the table is too small",
        read: |scrape, samples| {
            for table in scrape.world.stick_tables() {
                samples.with([table.name()], table.evicted() as f64);
            }
        },
    },
    Metric {
        name: "transom_stick_expired_total",
        kind: Kind::Counter,
        labels: &["table"],
        help: "Entries whose time was over",
        read: |scrape, samples| {
            for table in scrape.world.stick_tables() {
                samples.with([table.name()], table.expired() as f64);
            }
        },
    },
    Metric {
        name: "transom_packet_vip_packets_total",
        kind: Kind::Counter,
        labels: &["listener", "address"],
        help: "Packets to a packet listener's address that were sent to a server",
        read: |scrape, samples| each_vip(scrape, samples, |traffic| traffic.packets),
    },
    Metric {
        name: "transom_packet_vip_bytes_total",
        kind: Kind::Counter,
        labels: &["listener", "address"],
        help: "Bytes of IP in those packets",
        read: |scrape, samples| each_vip(scrape, samples, |traffic| traffic.bytes),
    },
    Metric {
        name: "transom_packet_vip_flows_total",
        kind: Kind::Counter,
        labels: &["listener", "address"],
        help: "Flows begun: SYNs, and UDP flows entered in a table",
        read: |scrape, samples| each_vip(scrape, samples, |traffic| traffic.flows),
    },
    Metric {
        name: "transom_packet_ring_hash",
        kind: Kind::Gauge,
        labels: &["listener", "address", "hash"],
        help: "Always 1; nodes whose rings are the same have the same hash",
        read: |scrape, samples| {
            for vip in &packets(scrape).vips {
                samples.with([&vip.listener, &vip.address, &format!("{:016x}", vip.ring_hash)], 1.0);
            }
        },
    },
    Metric {
        name: "transom_packet_server_packets_total",
        kind: Kind::Counter,
        labels: &["pool", "server", "mode", "direction"],
        help: "Packets to the server (direction in) and from it (out; nat only)",
        read: |scrape, samples| {
            each_packet_server(scrape, samples, |traffic| [traffic.packets, traffic.reply_packets]);
        },
    },
    Metric {
        name: "transom_packet_server_bytes_total",
        kind: Kind::Counter,
        labels: &["pool", "server", "mode", "direction"],
        help: "Bytes of IP in those packets",
        read: |scrape, samples| {
            each_packet_server(scrape, samples, |traffic| [traffic.bytes, traffic.reply_bytes]);
        },
    },
    Metric {
        name: "transom_packet_server_flows_total",
        kind: Kind::Counter,
        labels: &["pool", "server", "mode"],
        help: "Flows begun on the server",
        read: |scrape, samples| {
            for one in &packets(scrape).servers {
                samples.with([&one.pool, &one.server, one.mode.word()], one.traffic.flows as f64);
            }
        },
    },
    Metric {
        name: "transom_packet_server_reached",
        kind: Kind::Gauge,
        labels: &["pool", "server", "mode"],
        help: "1 while the way to the server is known: its interface and the next MAC address",
        read: |scrape, samples| {
            for one in &packets(scrape).servers {
                samples.with([&one.pool, &one.server, one.mode.word()], flag(one.reached));
            }
        },
    },
    Metric {
        name: "transom_packet_verdicts_total",
        kind: Kind::Counter,
        labels: &["outcome", "reason"],
        help: "Packets by what became of them (passed to the kernel, sent, dropped) and why",
        read: |scrape, samples| {
            for one in &packets(scrape).reasons {
                samples.with([one.outcome, one.reason], one.packets as f64);
            }
        },
    },
    Metric {
        name: "transom_packet_faults_total",
        kind: Kind::Counter,
        labels: &["code"],
        help: "Failures of the packet plane by code; see faults.md",
        read: |scrape, samples| {
            for (code, count) in &packets(scrape).faults {
                samples.with([code], *count as f64);
            }
        },
    },
    Metric {
        name: "process_start_time_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "When the program started, in seconds since 1970",
        read: |scrape, samples| {
            let started = scrape.shared.started.duration_since(UNIX_EPOCH).unwrap_or_default();
            samples.one(started.as_secs_f64());
        },
    },
    Metric {
        name: "process_open_fds",
        kind: Kind::Gauge,
        labels: &[],
        help: "File descriptors open now",
        read: |scrape, samples| scrape.process.open_fds.into_iter().for_each(|n| samples.one(n as f64)),
    },
    Metric {
        name: "process_max_fds",
        kind: Kind::Gauge,
        labels: &[],
        help: "File descriptors that may be open",
        read: |scrape, samples| scrape.process.max_fds.into_iter().for_each(|n| samples.one(n as f64)),
    },
    Metric {
        name: "process_resident_memory_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "Memory in use",
        read: |scrape, samples| scrape.process.resident_bytes.into_iter().for_each(|n| samples.one(n as f64)),
    },
    Metric {
        name: "process_cpu_seconds_total",
        kind: Kind::Counter,
        labels: &[],
        help: "CPU time used, in user space and kernel together",
        read: |scrape, samples| samples.one(scrape.process.cpu_seconds),
    },
];

fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}

/// What the packet plane counted last; nothing where there is none.
fn packets(scrape: &Scrape<'_>) -> Arc<PacketCounts> {
    scrape.world.totals.packets.load_full().unwrap_or_default()
}

fn each_vip(scrape: &Scrape<'_>, samples: &mut Samples, read: impl Fn(&PacketTraffic) -> u64) {
    for vip in &packets(scrape).vips {
        samples.with([&vip.listener, &vip.address], read(&vip.traffic) as f64);
    }
}

fn each_packet_server(scrape: &Scrape<'_>, samples: &mut Samples, read: impl Fn(&PacketTraffic) -> [u64; 2]) {
    for one in &packets(scrape).servers {
        let [to, from] = read(&one.traffic);
        samples.with([&one.pool, &one.server, one.mode.word(), "in"], to as f64);
        samples.with([&one.pool, &one.server, one.mode.word(), "out"], from as f64);
    }
}

fn each_server(scrape: &Scrape<'_>, samples: &mut Samples, read: impl Fn(&Server) -> f64) {
    for pool in scrape.world.pools() {
        for server in pool.servers() {
            samples.with([pool.name(), server.name()], read(server));
        }
    }
}

fn each_probe(scrape: &Scrape<'_>, samples: &mut Samples, read: impl Fn(&LastProbe) -> f64) {
    for pool in scrape.world.pools() {
        for server in pool.servers() {
            if let Some(last) = server.last_probe() {
                samples.with([pool.name(), server.name()], read(&last));
            }
        }
    }
}
