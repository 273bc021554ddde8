//! The world as JSON. Field names are a contract: new ones may come, none changes or goes.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};
use transom_config::{Balance, Role};
use transom_state::{Condition, Fault, LastProbe, Listener, Pool, Server, StickTable, World};

use crate::shared::Shared;

/// `GET /api/v1/listeners`
pub(super) fn listeners(shared: &Shared, world: &World) -> Value {
    let all = world.listeners().iter().map(|own| listener(own, &shared.addresses(own.name())));
    json!({ "generation": world.generation, "listeners": all.collect::<Vec<_>>() })
}

fn listener(listener: &Listener, addresses: &[SocketAddr]) -> Value {
    let counters = listener.counters();
    json!({
        "name": &**listener.name(),
        "mode": listener.config.mode.word(),
        "bind": listener.config.bind.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "addresses": addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "pools": listener.config.mode.pools().into_iter().map(|pool| &**pool).collect::<Vec<_>>(),
        "connections": listener.gate().used(),
        "connections_max": listener.gate().limit(),
        "connections_total": counters.connections.sum(),
        "refused_total": counters.refused.sum(),
        "limited_total": counters.limited.sum(),
        "bytes_in": counters.bytes_in.sum(),
        "bytes_out": counters.bytes_out.sum(),
        "place": listener.config.place.to_string(),
    })
}

/// `GET /api/v1/pools`
pub(super) fn pools(world: &World) -> Value {
    let all: Vec<_> = world.pools().iter().map(|own| pool(own)).collect();
    json!({ "generation": world.generation, "pools": all })
}

fn pool(pool: &Pool) -> Value {
    let counters = pool.counters();
    let up = pool.servers().iter().filter(|server| server.condition() != Condition::Down).count();
    json!({
        "name": &**pool.name(),
        "balance": balance_word(pool.config.balance),
        "usable": pool.is_usable(),
        "servers": pool.servers().iter().map(|server| &**server.name()).collect::<Vec<_>>(),
        "servers_up": up,
        "connections": pool.servers().iter().map(|server| u64::from(server.connections())).sum::<u64>(),
        "queue": pool.waiting(),
        "queue_max": pool.config.queue.size,
        "stick_table": pool.config.stick.as_ref().map(|stick| &*stick.table),
        "chosen_total": counters.chosen.sum(),
        "stuck_total": counters.stuck.sum(),
        "queued_total": counters.queued.sum(),
        "queue_full_total": counters.queue_full.sum(),
        "place": pool.config.place.to_string(),
    })
}

/// `GET /api/v1/servers`
pub(super) fn servers(world: &World, now: Instant) -> Value {
    let all = world.pools().iter().flat_map(|pool| pool.servers().iter().map(|own| server(pool, own, now)));
    json!({ "generation": world.generation, "servers": all.collect::<Vec<_>>() })
}

/// One server, as in the list.
pub(super) fn server(pool: &Pool, server: &Server, now: Instant) -> Value {
    let (config, counters) = (server.config(), server.counters());
    json!({
        "pool": &**pool.name(),
        "name": &**server.name(),
        "address": config.address.to_string(),
        "resolved": server.address().map(|address| address.to_string()),
        "condition": server.condition().as_str(),
        "admin": server.admin().as_str(),
        "since_seconds": now.saturating_duration_since(server.since()).as_secs_f64(),
        "downtime_seconds": server.downtime(now).as_secs_f64(),
        "transitions_total": server.transitions(),
        "weight": server.weight(),
        "weight_configured": config.weight,
        "backup": config.backup,
        "zone": config.zone.as_deref(),
        "connections": server.connections(),
        "connections_max": config.connections,
        "connections_total": counters.connections.sum(),
        "failures_total": counters.failures.sum(),
        "retries_total": counters.retries.sum(),
        "bytes_in": counters.bytes_in.sum(),
        "bytes_out": counters.bytes_out.sum(),
        "probe": server.last_probe().map(|last| probe(&last, now)),
        "place": config.place.to_string(),
    })
}

fn probe(last: &LastProbe, now: Instant) -> Value {
    json!({
        "passed": last.result.outcome.is_ok(),
        "fault": last.result.outcome.err().map(Fault::code),
        "detail": &*last.result.detail,
        "took_seconds": last.result.took.as_secs_f64(),
        "ago_seconds": now.saturating_duration_since(last.at).as_secs_f64(),
    })
}

/// `GET /api/v1/stick-tables`
pub(super) fn stick_tables(world: &World) -> Value {
    let all: Vec<_> = world.stick_tables().iter().map(|own| stick_table(own)).collect();
    json!({ "generation": world.generation, "stick_tables": all })
}

fn stick_table(table: &StickTable) -> Value {
    json!({
        "name": &**table.name(),
        "key": "ip",
        "entries": table.len(),
        "entries_max": table.size(),
        "expire_seconds": table.config.expire.as_secs_f64(),
        "evicted_total": table.evicted(),
        "expired_total": table.expired(),
        "place": table.config.place.to_string(),
    })
}

/// `GET /api/v1/faults`
pub(super) fn faults(world: &World) -> Value {
    let all = world.totals.faults.iter().map(|(fault, count)| {
        json!({
            "code": fault.code(),
            "blame": fault.blame().as_str(),
            "count": count,
            "meaning": fault.meaning(),
            "remedy": fault.remedy(),
        })
    });
    json!({ "faults": all.collect::<Vec<_>>() })
}

/// `GET /api/v1/config`: what is in force, without secrets.
pub(super) fn config(world: &World) -> Value {
    json!({ "generation": world.generation, "toml": transom_config::expanded_for_viewers(&world.config) })
}

fn balance_word(balance: Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "round-robin",
        Balance::LeastConnections => "least-connections",
        Balance::Random => "random",
        Balance::Hash => "hash",
        Balance::First => "first",
    }
}

/// The word for a role in the configuration.
pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}
