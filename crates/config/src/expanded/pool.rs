//! Pools, their health checks and stick tables, written out whole.

use super::{Line, file, inline, list, quote, rows, server_tls, string, time};
use crate::model::health;
use crate::text::key;
use crate::words::{self, Verified, word};
use crate::{
    Balance, CookieMode, HealthCheck, Pool, PoolCookie, Probe, ProbeExpect, ProbeStep, Server, Source,
    StatusRange, StickTable, Verify,
};

/// The keys of a pool; those about requests where its listeners read `requests`.
pub(super) fn pool_lines(pool: &Pool, requests: bool) -> Vec<Line> {
    let servers: Vec<String> = pool.servers.iter().map(server).collect();
    let mut lines = vec![
        ("servers", Some(rows(&servers))),
        ("balance", Some(quote(word(words::BALANCES, &pool.balance)))),
        ("zones", Some(quote(word(words::ZONES, &pool.zones)))),
        (
            "stick",
            pool.stick.as_ref().map(|stick| {
                inline(&[("on", Some(quote(&key::written(&stick.on)))), ("table", Some(quote(&stick.table)))])
            }),
        ),
        ("cookie", pool.cookie.as_ref().map(cookie)),
        (
            "reuse",
            Some(inline(&[
                ("idle", Some(pool.reuse.idle.to_string())),
                ("idle-for", time(pool.reuse.idle_for)),
            ])),
        ),
        ("health-check", pool.health_check.as_ref().map(health_check)),
        ("slow-start", time(pool.slow_start)),
        ("on-down", Some(quote(word(words::ON_DOWN, &pool.on_down)))),
        (
            "connect",
            (pool.proxy_protocol.is_some() || pool.tls.is_some()).then(|| {
                let version = |version| quote(word(words::PROXY_PROTOCOLS, version));
                inline(&[
                    ("proxy-protocol", pool.proxy_protocol.as_ref().map(version)),
                    ("tls", pool.tls.as_ref().map(server_tls)),
                ])
            }),
        ),
        (
            "source",
            match &pool.source {
                Source::Any => None,
                Source::Client => Some(inline(&[("client", Some("true".to_owned()))])),
                Source::Addresses(addresses) => Some(inline(&[("addresses", Some(list(addresses)))])),
            },
        ),
    ];
    lines.extend(times(pool, requests));
    if pool.balance == Balance::Hash {
        lines.push(("hash-on", Some(quote(&key::written(&pool.hash_on)))));
    }
    if !requests {
        lines.retain(|(key, _)| !matches!(*key, "reuse" | "cookie"));
    }
    lines
}

/// What may fail, how long things may take, and what happens then.
fn times(pool: &Pool, requests: bool) -> [Line; 4] {
    [
        (
            "passive",
            Some(inline(&[
                ("fall", Some(pool.passive.fall.unwrap_or(0).to_string())),
                ("hold", time(pool.passive.hold)),
            ])),
        ),
        (
            "timeouts",
            Some(inline(&[
                ("connect", time(pool.timeouts.connect)),
                ("idle", time(pool.timeouts.idle)),
                ("response", time(pool.timeouts.response).filter(|_| requests)),
            ])),
        ),
        (
            "retry",
            Some(inline(&[
                ("times", Some(pool.retry.times.to_string())),
                ("other-server", Some(pool.retry.other_server.to_string())),
            ])),
        ),
        (
            "queue",
            Some(inline(&[
                ("size", Some(pool.queue.size.to_string())),
                ("timeout", time(pool.queue.timeout)),
            ])),
        ),
    ]
}

fn server(server: &Server) -> String {
    inline(&[
        ("name", Some(quote(&server.name))),
        ("address", Some(quote(&server.address.to_string()))),
        ("weight", Some(server.weight.to_string())),
        ("cookie", server.cookie.as_deref().map(quote)),
        ("zone", server.zone.as_deref().map(quote)),
        ("backup", Some(server.backup.to_string())),
        ("connections", server.connections.map(|n| n.to_string())),
        ("admin", Some(quote(word(words::ADMIN_STATES, &server.start)))),
    ])
}

fn health_check(check: &HealthCheck) -> String {
    let mut lines: Vec<Line> = Vec::new();
    let verify = match &check.probe {
        Probe::Tcp => {
            lines.push(("tcp", Some("true".to_owned())));
            None
        }
        Probe::Tls { verify } => {
            lines.push(("tls", Some("true".to_owned())));
            Some(verify)
        }
        Probe::Sequence { tls, steps } => {
            lines.push((if tls.is_some() { "tls" } else { "tcp" }, Some("true".to_owned())));
            let steps: Vec<String> = steps.iter().map(step).collect();
            lines.push(("sequence", Some(format!("[{}]", steps.join(", ")))));
            tls.as_ref()
        }
        Probe::Http { tls, method, path, headers, host, expect } => {
            lines.push((if tls.is_some() { "https" } else { "http" }, Some(quote(path))));
            lines.push(("host", host.as_deref().map(quote)));
            lines.push(("method", Some(quote(method))));
            let headers: Vec<String> = headers
                .iter()
                .map(|(name, value)| format!("{} = {}", super::http::key(name), string(value)))
                .collect();
            lines.push(("headers", (!headers.is_empty()).then(|| format!("{{ {} }}", headers.join(", ")))));
            lines.extend(statuses(&expect.statuses));
            lines.push(("body", expect.body.as_deref().map(quote)));
            let not = &expect.not_statuses;
            lines.push(("not-statuses", (!not.is_empty()).then(|| list(not))));
            lines.push(("body-lacks", expect.lacks.as_deref().map(quote)));
            lines.push(("body-regex", expect.regex.as_ref().map(|regex| quote(regex.text()))));
            tls.as_ref()
        }
        Probe::Smtp { expect } => {
            lines.push(("smtp", Some(quote("EHLO"))));
            lines.push(("expect", Some(expect.to_string())));
            None
        }
    };
    match verify {
        None => {}
        Some(Verify::None) => lines.push(("verify", Some(quote(word(words::VERIFY, &Verified::None))))),
        Some(Verify::Pool) => lines.push(("verify", Some(quote(word(words::VERIFY, &Verified::Pool))))),
        Some(Verify::Full { ca, name }) => lines.extend([
            ("verify", Some(quote(word(words::VERIFY, &Verified::Full)))),
            ("ca", Some(file(ca))),
            ("name", Some(quote(name))),
        ]),
    }
    lines.extend([
        ("every", time(check.every)),
        ("timeout", time(check.timeout)),
        ("rise", Some(check.rise.to_string())),
        ("fall", Some(check.fall.to_string())),
        ("port", check.port.map(|port| port.to_string())),
    ]);
    debug_assert!(lines.iter().all(|(name, _)| health::HEALTH_CHECK.key(name).is_some()), "not in the model");
    inline(&lines)
}

fn statuses(statuses: &[StatusRange]) -> Option<Line> {
    match statuses {
        [] => None,
        [one] if one.first == one.last => Some(("expect", Some(one.to_string()))),
        more => Some(("statuses", Some(list(more)))),
    }
}

fn step(step: &ProbeStep) -> String {
    let bytes = |text: &'static str, hex: &'static str, bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(plain) => (text, Some(string(plain))),
        Err(_) => (hex, Some(quote(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))),
    };
    let mut lines: Vec<Line> = Vec::new();
    if !step.send.is_empty() {
        lines.push(bytes("send", "send-hex", &step.send));
    }
    match &step.expect {
        None => {}
        Some(ProbeExpect::Bytes(expected)) => lines.push(bytes("expect", "expect-hex", expected)),
        Some(ProbeExpect::Regex(regex)) => lines.push(("expect-regex", Some(quote(regex)))),
    }
    inline(&lines)
}

fn cookie(cookie: &PoolCookie) -> String {
    let ours = cookie.mode == CookieMode::Insert;
    inline(&[
        ("name", Some(quote(&cookie.name))),
        ("mode", Some(quote(word(words::COOKIE_MODES, &cookie.mode)))),
        ("key", cookie.key.as_deref().map(quote)),
        ("preserve", cookie.preserve.then(|| "true".to_owned())),
        ("secure", cookie.secure.map(|secure| secure.to_string())),
        ("http-only", ours.then(|| cookie.http_only.to_string())),
        ("same-site", cookie.same_site.as_deref().map(quote)),
        ("max-age", cookie.max_age.and_then(time)),
        ("domain", cookie.domain.as_deref().map(quote)),
    ])
}

pub(super) fn stick_table(table: &StickTable) -> Vec<Line> {
    vec![
        ("key", Some(quote(word(words::STICK_KEYS, &table.key)))),
        ("size", Some(table.size.to_string())),
        ("expire", time(table.expire)),
    ]
}
