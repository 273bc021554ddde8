//! What the admin API answers, for people.

use serde_json::Value;

use super::table::Table;

/// How an answer is told to people.
pub(super) type View = fn(&Value) -> String;

/// `transom ctl status`
pub(super) fn status(value: &Value) -> String {
    let mut parts =
        vec![format!("{} (generation {})", text(&value["readiness"]), text(&value["generation"]))];
    let troubles = troubles(value);
    if !troubles.is_empty() {
        parts.push(troubles.join("\n"));
    }
    parts.extend([listeners(value), pools(value), servers(value)]);
    if items(value, "stick_tables").next().is_some() {
        parts.push(stick_tables(value));
    }
    if value["faults"].as_array().is_some_and(|faults| !faults.is_empty()) {
        parts.push(faults(value));
    }
    parts.join("\n\n")
}

/// What somebody should look at, a sentence each. Pools without a usable server are in the readiness already.
fn troubles(value: &Value) -> Vec<String> {
    let mut sentences = Vec::new();
    for one in items(value, "listeners") {
        let (now, limit) = (one["connections"].as_u64(), one["connections_max"].as_u64());
        if limit.is_some_and(|limit| now >= Some(limit)) {
            sentences.push(format!("listener {} is at its limit of connections", text(&one["name"])));
        }
    }
    for one in items(value, "servers") {
        let name = format!("server {}/{}", text(&one["pool"]), text(&one["name"]));
        if one["condition"] == "down" {
            let why = probe(&one["probe"]);
            let why = if why.is_empty() { why } else { format!(": {why}") };
            sentences.push(format!("{name} has been down for {}{why}", age(&one["since_seconds"])));
        }
        match one["admin"].as_str() {
            Some("drain") => sentences.push(format!("{name} is being drained")),
            Some("maint") => sentences.push(format!("{name} is in maintenance")),
            _ => {}
        }
    }
    sentences
}

/// `GET /api/v1/listeners`
pub(super) fn listeners(value: &Value) -> String {
    let mut table =
        Table::new(&["listener", "mode", "addresses", "now", "limit", "total", "refused", "in", "out"]);
    for one in items(value, "listeners") {
        table.row(vec![
            text(&one["name"]),
            text(&one["mode"]),
            joined(&one["addresses"]),
            text(&one["connections"]),
            text(&one["connections_max"]),
            text(&one["connections_total"]),
            text(&one["refused_total"]),
            bytes(&one["bytes_in"]),
            bytes(&one["bytes_out"]),
        ]);
    }
    table.text()
}

/// `GET /api/v1/packet`
pub(super) fn packets(value: &Value) -> String {
    let mut listeners =
        Table::new(&["listener", "mode", "address", "pool", "flows", "packets", "bytes", "ring"]);
    for one in items(value, "listeners") {
        let traffic = &one["traffic"];
        listeners.row(vec![
            text(&one["name"]),
            text(&one["mode"]),
            text(&one["address"]),
            text(&one["pool"]),
            text(&traffic["flows_total"]),
            text(&traffic["packets"]),
            bytes(&traffic["bytes"]),
            text(&one["ring_hash"]),
        ]);
    }
    let mut servers =
        Table::new(&["pool", "server", "mode", "reached", "flows", "packets", "bytes", "replies", "bytes"]);
    for one in items(value, "servers") {
        let traffic = &one["traffic"];
        servers.row(vec![
            text(&one["pool"]),
            text(&one["name"]),
            text(&one["mode"]),
            if one["reached"] == true { "yes".into() } else { "NO".into() },
            text(&traffic["flows_total"]),
            text(&traffic["packets"]),
            bytes(&traffic["bytes"]),
            text(&traffic["reply_packets"]),
            bytes(&traffic["reply_bytes"]),
        ]);
    }
    let mut reasons = Table::new(&["outcome", "reason", "packets"]);
    for one in items(value, "reasons").filter(|one| one["packets"] != 0) {
        reasons.row(vec![text(&one["outcome"]), text(&one["reason"]), text(&one["packets"])]);
    }
    [listeners.text(), servers.text(), reasons.text()].join("\n\n")
}

/// `GET /api/v1/flows`
pub(super) fn flows(value: &Value) -> String {
    let mut table = Table::new(&["protocol", "client", "address", "server"]);
    for one in items(value, "flows") {
        let server = match (one["pool"].as_str(), one["server"].as_str()) {
            (Some(pool), Some(server)) => format!("{pool}/{server}"),
            _ => "no longer configured".to_owned(),
        };
        table.row(vec![text(&one["protocol"]), text(&one["client"]), text(&one["address"]), server]);
    }
    table.text()
}

/// `GET /api/v1/pools`
pub(super) fn pools(value: &Value) -> String {
    let mut table =
        Table::new(&["pool", "balance", "usable", "up", "of", "now", "waiting", "chosen", "stuck"]);
    for one in items(value, "pools") {
        let servers = one["servers"].as_array().map_or(0, Vec::len);
        table.row(vec![
            text(&one["name"]),
            text(&one["balance"]),
            if one["usable"] == true { "yes".into() } else { "NO".into() },
            text(&one["servers_up"]),
            servers.to_string(),
            text(&one["connections"]),
            text(&one["queue"]),
            text(&one["chosen_total"]),
            text(&one["stuck_total"]),
        ]);
    }
    table.text()
}

/// `GET /api/v1/servers`
pub(super) fn servers(value: &Value) -> String {
    let mut table = Table::new(SERVER);
    for one in items(value, "servers") {
        table.row(server_cells(one));
    }
    table.text()
}

/// One server, after a change.
pub(super) fn server(value: &Value) -> String {
    let mut table = Table::new(SERVER);
    table.row(server_cells(value));
    table.text()
}

const SERVER: &[&str] =
    &["server", "address", "condition", "for", "admin", "weight", "now", "total", "failures", "last check"];

fn server_cells(one: &Value) -> Vec<String> {
    let configured = text(&one["address"]);
    let address = match one["resolved"].as_str() {
        Some(resolved) if resolved != configured => format!("{configured} ({resolved})"),
        Some(_) => configured,
        None => format!("{configured} (not resolved)"),
    };
    vec![
        format!("{}/{}", text(&one["pool"]), text(&one["name"])),
        address,
        text(&one["condition"]),
        age(&one["since_seconds"]),
        text(&one["admin"]),
        text(&one["weight"]),
        text(&one["connections"]),
        text(&one["connections_total"]),
        text(&one["failures_total"]),
        probe(&one["probe"]),
    ]
}

/// The last health check in a few words.
fn probe(probe: &Value) -> String {
    if probe.is_null() {
        return String::new();
    }
    let took = probe["took_seconds"].as_f64().unwrap_or_default() * 1000.0;
    if probe["passed"] == true {
        return format!("passed in {took:.1} ms");
    }
    let detail = text(&probe["detail"]);
    let fault = text(&probe["fault"]);
    if detail.is_empty() { fault } else { format!("{fault}: {detail}") }
}

/// `GET /api/v1/stick-tables`
fn stick_tables(value: &Value) -> String {
    let mut table = Table::new(&["stick table", "entries", "of", "pushed out", "expired"]);
    for one in items(value, "stick_tables") {
        let count = |key: &str| text(&one[key]);
        table.row(vec![
            count("name"),
            count("entries"),
            count("entries_max"),
            count("evicted_total"),
            count("expired_total"),
        ]);
    }
    table.text()
}

/// Entries of a stick table.
pub(super) fn entries(value: &Value) -> String {
    let mut table = Table::new(&["client", "server", "expires in"]);
    for one in items(value, "entries") {
        table.row(vec![text(&one["key"]), text(&one["server"]), age(&one["expires_seconds"])]);
    }
    table.text()
}

/// After a clear.
pub(super) fn cleared(value: &Value) -> String {
    format!("stick table {}: {} forgotten", text(&value["table"]), text(&value["cleared"]))
}

/// Fault codes, with what to do.
pub(super) fn faults(value: &Value) -> String {
    let mut table = Table::new(&["fault", "count", "blame", "meaning"]);
    let mut remedies = Vec::new();
    for one in items(value, "faults") {
        let code = text(&one["code"]);
        table.row(vec![code.clone(), text(&one["count"]), text(&one["blame"]), text(&one["meaning"])]);
        remedies.push(format!("{code}: {}", text(&one["remedy"])));
    }
    if remedies.is_empty() {
        return "no fault was counted".to_owned();
    }
    format!("{}\n\n{}", table.text(), remedies.join("\n"))
}

/// A reload that came into force.
pub(super) fn reloaded(value: &Value) -> String {
    let report = text(&value["report"]);
    format!("reloaded, generation {}\n{report}", text(&value["generation"])).trim_end().to_owned()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Words without quotes; what is not there is empty.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn joined(value: &Value) -> String {
    let each: Vec<String> = value.as_array().into_iter().flatten().map(text).collect();
    each.join(", ")
}

/// Seconds as people say them.
fn age(value: &Value) -> String {
    let seconds = value.as_f64().unwrap_or_default() as u64;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

/// Bytes as people say them.
fn bytes(value: &Value) -> String {
    let exact = value.as_u64().unwrap_or_default();
    let mut amount = exact as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if amount < 1024.0 {
            return if unit == "B" { format!("{exact} B") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1024.0;
    }
    format!("{amount:.1} TiB")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_told_as_people_say_them() {
        let sizes =
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1_u64 << 30, "1.0 GiB"), (1 << 41, "2.0 TiB")];
        for (amount, expected) in sizes {
            assert_eq!(bytes(&json!(amount)), expected);
        }
        let ages = [(0.4, "0 s"), (119.0, "119 s"), (120.0, "2 min"), (7200.0, "2 h"), (1e6, "11 d")];
        for (seconds, expected) in ages {
            assert_eq!(age(&json!(seconds)), expected);
        }
    }

    #[test]
    fn a_server_is_one_line_with_its_last_check() {
        let value = json!({
            "pool": "mail", "name": "ex1", "address": "10.0.0.1:443", "resolved": "10.0.0.1:443",
            "condition": "down", "since_seconds": 5.2, "admin": "ready", "weight": 10, "connections": 0,
            "connections_total": 7, "failures_total": 1,
            "probe": { "passed": false, "fault": "server-refused", "detail": "", "took_seconds": 0.001 },
        });
        let text = server(&value);
        let line = text.lines().nth(1).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected =
            ["mail/ex1", "10.0.0.1:443", "down", "5", "s", "ready", "10", "0", "7", "1", "server-refused"];
        assert_eq!(words, expected);
    }

    /// What the admin API's own reference shows is what we print.
    #[test]
    fn the_examples_of_the_reference_are_shown_whole() {
        let examples: [(&str, View, &str); 6] = [
            (include_str!("../../crates/control/src/admin/examples/listeners.json"), listeners, "name"),
            (include_str!("../../crates/control/src/admin/examples/pools.json"), pools, "name"),
            (include_str!("../../crates/control/src/admin/examples/servers.json"), servers, "name"),
            (include_str!("../../crates/control/src/admin/examples/stick-tables.json"), stick_tables, "name"),
            (include_str!("../../crates/control/src/admin/examples/stick-entries.json"), entries, "key"),
            (include_str!("../../crates/control/src/admin/examples/faults.json"), faults, "code"),
        ];
        for (example, view, naming) in examples {
            let value: Value = serde_json::from_str(example).unwrap();
            let list = value.as_object().unwrap().values().find_map(Value::as_array).unwrap();
            let (shown, first) = (view(&value), text(&list[0][naming]));
            assert!(!first.is_empty() && shown.contains(&first), "{first} in {shown}");
        }
    }

    #[test]
    fn the_status_begins_with_what_is_wrong() {
        let value = json!({
            "readiness": "ready",
            "generation": 4,
            "listeners": [{ "name": "https", "connections": 5, "connections_max": 5 }],
            "servers": [
                { "pool": "mail", "name": "ex1", "condition": "down", "admin": "ready", "since_seconds": 8.0,
                  "probe": { "passed": false, "fault": "server-refused", "detail": "10.0.0.1:443 refuses" } },
                { "pool": "mail", "name": "ex2", "condition": "up", "admin": "maint" },
                { "pool": "mail", "name": "ex3", "condition": "up", "admin": "ready" },
            ],
        });
        let text = status(&value);
        let first: Vec<&str> = text.lines().take(5).collect();
        let expected = [
            "ready (generation 4)",
            "",
            "listener https is at its limit of connections",
            "server mail/ex1 has been down for 8 s: server-refused: 10.0.0.1:443 refuses",
            "server mail/ex2 is in maintenance",
        ];
        assert_eq!(first, expected);
    }

    #[test]
    fn an_answer_without_the_expected_parts_is_no_reason_to_fail() {
        for view in [status, listeners, pools, servers, server, entries, faults, reloaded, cleared] {
            view(&json!({}));
            view(&json!({ "servers": [{}], "listeners": [1], "faults": "x" }));
        }
    }
}
