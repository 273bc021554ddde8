//! Sections with servers become pools.

use super::server::{Server, source};
use super::settings::Proxy;
use super::text::{Directive, time};
use super::{Base, Context, Use, check, pool_name, stick};
use crate::block::{Block, Item, Table, Value};

/// Writes the pool of a section.
pub(crate) fn write(proxy: &Proxy, users: Use, base: &Base, context: &mut Context<'_>) {
    let name = pool_name(&proxy.name);
    if name != proxy.name {
        context.account.changed(proxy.line, format!("named `{name}`"));
    }
    let servers = servers(proxy, &users, base, context);
    if servers.is_empty() {
        context.account.unsupported(proxy.line, "none of its servers can be reached from here");
        return;
    }
    let mut block = Block::new(&["pool", &name], proxy.line, proxy.end);
    balance(proxy, &mut block.keys, context);
    stick::write(proxy, &mut block, context);
    cookie(proxy, &mut block.keys, context.account);
    connect(proxy, &servers, base, &mut block.keys, context);
    timeouts(proxy, &users, &mut block.keys, context);
    if let Some((line, probe)) = check::write(proxy, &servers, context) {
        block.keys.set(line, "health-check", probe);
    }
    for mut server in servers {
        // The server's own name is what a cookie holds where nothing else is said.
        if server.entry.text("cookie") == server.entry.text("name") || block.keys.get("cookie").is_none() {
            server.entry.remove("cookie");
        }
        block.list("servers").push(Item::new(server.line, server.entry));
    }
    if block.keys.get("stick").is_some() || shared(proxy, context) {
        stick::tables(proxy, context);
    }
    context.draft.blocks.push(block);
}

/// Whether another section sticks in this one's table.
fn shared(proxy: &Proxy, context: &Context<'_>) -> bool {
    let name = pool_name(&proxy.name);
    context.draft.blocks.iter().any(|block| {
        matches!(block.keys.get("stick"), Some(Value::Table(stick)) if stick.text("table") == Some(&name))
    })
}

fn servers(proxy: &Proxy, users: &Use, base: &Base, context: &mut Context<'_>) -> Vec<Server> {
    let defaults: Vec<Directive> = proxy.settings.all("default-server").cloned().collect();
    let mut servers: Vec<Server> = Vec::new();
    let lines: Vec<&Directive> = proxy
        .settings
        .many
        .iter()
        .filter(|directive| matches!(directive.word(0), "server" | "server-template" | "dispatch"))
        .collect();
    for directive in lines {
        let directive = match directive.word(0) {
            "dispatch" => &Directive {
                line: directive.line,
                words: vec!["server".to_owned(), "dispatch".to_owned(), directive.word(1).to_owned()],
            },
            _ => directive,
        };
        let Some(mut server) = Server::read(directive, &defaults, base, context) else { continue };
        if server.port_of_client {
            let mut ports = users.ports.clone();
            ports.dedup();
            match ports.as_slice() {
                [port] => {
                    let address = server.entry.text("address").unwrap_or_default();
                    let host = address.strip_suffix(":0").unwrap_or(address);
                    let address = format!("{host}:{port}");
                    server.entry.set(server.line, "address", address);
                    context.account.changed(server.line, "with the port that clients connect to");
                }
                _ => {
                    context
                        .account
                        .unsupported(server.line, "its port is the one that the client connected to");
                    continue;
                }
            }
        }
        let name = server.entry.text("name").unwrap_or_default().to_owned();
        if servers.iter().any(|own| own.entry.text("name") == Some(&name)) {
            context.account.unsupported(server.line, format!("there is another server `{name}`"));
            continue;
        }
        servers.push(server);
    }
    servers
}

fn balance(proxy: &Proxy, keys: &mut Table, context: &mut Context<'_>) {
    let Some(directive) = proxy.settings.get("balance") else { return };
    let line = directive.line;
    let word = directive.word(1);
    let (name, argument) =
        word.split_once('(').map_or((word, ""), |(name, rest)| (name, rest.trim_end_matches(')')));
    let mut hash = |on: Value| {
        keys.set(line, "balance", "hash");
        keys.set(line, "hash-on", on);
    };
    let named = |key: &str, name: &str| Value::from(format!("{key}:{name}"));
    match name {
        "roundrobin" | "static-rr" => keys.set(line, "balance", "round-robin"),
        "leastconn" => keys.set(line, "balance", "least-connections"),
        "first" => keys.set(line, "balance", "first"),
        "random" => keys.set(line, "balance", "random"),
        "source" => hash("source".into()),
        "uri" if directive.words.iter().any(|word| word == "whole") => hash("uri".into()),
        "uri" => hash("path".into()),
        "url_param" => hash(named("query", directive.word(2))),
        "hdr" => hash(named("header", argument)),
        "rdp-cookie" => hash(named("rdp-cookie", if argument.is_empty() { "mstshash" } else { argument })),
        "hash" => match directive.word(2) {
            "src" => hash("source".into()),
            "path" | "pathq" => hash("path".into()),
            other => match super::format::sample(other, &std::collections::HashMap::new()) {
                Ok(ours) if ours.starts_with("{header:") => {
                    hash(named("header", ours.trim_start_matches("{header:").trim_end_matches('}')));
                }
                Ok(ours) if ours.starts_with("{cookie:") => {
                    hash(named("cookie", ours.trim_start_matches("{cookie:").trim_end_matches('}')));
                }
                Ok(ours) if ours.starts_with("{query:") => {
                    hash(named("query", ours.trim_start_matches("{query:").trim_end_matches('}')));
                }
                _ => context.account.unsupported(line, format!("`{other}` cannot be hashed")),
            },
        },
        other => context.account.unsupported(line, format!("`balance {other}` is not known here")),
    }
}

/// `cookie SRV insert indirect nocache`
fn cookie(proxy: &Proxy, keys: &mut Table, account: &mut crate::account::Account) {
    let Some(directive) = proxy.settings.get("cookie") else { return };
    let line = directive.line;
    let mut table = Table::default();
    table.set(line, "name", directive.word(1));
    let mut words = directive.from(2).iter().map(String::as_str);
    let mut mode = "rewrite";
    if !directive.words.iter().any(|word| word == "httponly") {
        account.changed(line, "scripts do not see it (`HttpOnly`)");
    }
    let mut rest = Table::default();
    while let Some(word) = words.next() {
        match word {
            "insert" | "prefix" | "rewrite" => mode = word,
            "httponly" => {}
            "secure" => rest.set(line, "secure", true),
            "domain" => rest.set(line, "domain", words.next().unwrap_or_default().trim_start_matches('.')),
            "maxlife" | "maxidle" => {
                if let Some(time) = words.next().and_then(|text| crate::units::time(text, 1000)) {
                    rest.set(line, if word == "maxlife" { "max-age" } else { "idle" }, Value::time(time));
                }
            }
            "attr" => {
                let attribute = words.next().unwrap_or_default();
                if let Some(site) = attribute.strip_prefix("SameSite=") {
                    rest.set(line, "same-site", site);
                }
            }
            "dynamic" => rest.set(line, "dynamic", true),
            "preserve" => rest.set(line, "preserve", true),
            _ => {}
        }
    }
    table.set(line, "mode", mode);
    table.entries.extend(rest.entries);
    if let Some(key) = proxy.settings.get("dynamic-cookie-key") {
        table.set(key.line, "key", key.word(1));
    }
    keys.set(line, "cookie", table);
}

/// How servers are reached: what differs among them is taken from the first.
fn connect(proxy: &Proxy, servers: &[Server], base: &Base, keys: &mut Table, context: &mut Context<'_>) {
    let Some(first) = servers.first() else { return };
    for server in servers.iter().skip(1) {
        if server.tls != first.tls
            || plain(&server.pool) != plain(&first.pool)
            || plain(&server.connect_tls) != plain(&first.connect_tls)
        {
            context.account.changed(server.line, "reached like the first of its pool");
        }
    }
    for entry in &first.pool.entries {
        keys.set(entry.line, &entry.key, entry.value.clone());
    }
    if first.tls {
        let mut tls = first.connect_tls.clone();
        for entry in &base.server_tls.entries {
            if tls.get(&entry.key).is_none() {
                tls.set(entry.line, &entry.key, entry.value.clone());
            }
        }
        // HAProxy verifies nothing where no authority is named (and says so when it starts).
        if tls.get("verify").is_none() && tls.get("ca").is_none() {
            context
                .account
                .changed(first.line, "verified by the system's authorities, as no `ca-file` is named");
        }
        if tls.text("verify") == Some("none") {
            tls.remove("ca");
            tls.remove("crl");
        }
        if tls.text("verify").is_none() && tls.get("name").is_none() && tls.get("name-from").is_none() {
            nameless(proxy, first, &mut tls, context);
        }
        keys.table(first.line, "connect").set(first.line, "tls", tls);
    }
    if let Some(directive) = proxy.settings.get("source")
        && keys.get("source").is_none()
    {
        match source(directive.from(1)) {
            Some(table) => keys.set(directive.line, "source", table),
            None => context.account.not_needed(directive.line, "the kernel's choice"),
        }
    }
    if let Some(directive) =
        ["option http-server-close", "option httpclose", "option forceclose", "http-reuse"]
            .iter()
            .find_map(|name| proxy.settings.get(name))
        && proxy.is_http()
        && (directive.word(0) == "option" || directive.word(1) == "never")
    {
        keys.set(directive.line, "reuse", Table::default().with("idle", 0u64));
    }
}

fn plain(table: &Table) -> Vec<(&str, &Value)> {
    table.entries.iter().map(|entry| (entry.key.as_str(), &entry.value)).collect()
}

fn timeouts(proxy: &Proxy, users: &Use, keys: &mut Table, context: &mut Context<'_>) {
    let settings = &proxy.settings;
    let own = settings.time("timeout client");
    let (client, server) = (users.client.or(own), settings.time("timeout server"));
    let tunnel = settings.time("timeout tunnel");
    let mut table = Table::default();
    let mut line = 0;
    let mut set = |key: &str, (limit, own): (u64, u32), table: &mut Table| {
        table.set(own, key, Value::time(limit.clamp(1, 604_800_000)));
        if line == 0 {
            line = own;
        }
    };
    if let Some(connect) = settings.time("timeout connect") {
        set("connect", connect, &mut table);
    }
    let http = proxy.is_http() && !users.tcp;
    if http {
        if let Some(server) = server {
            set("response", server, &mut table);
        }
        if let Some(tunnel) = tunnel {
            set("idle", tunnel, &mut table);
        }
    } else if let Some(longest) = tunnel.or(server.max(client)) {
        set("idle", longest, &mut table);
        for (limit, line) in [client, server].into_iter().flatten() {
            if limit != longest.0 {
                context.account.changed(
                    line,
                    "one limit counts both directions: the longest of client, server and tunnel",
                );
            }
        }
    }
    if !table.is_empty() {
        keys.set(line, "timeouts", table);
    }
    retry(proxy, keys);
    if let Some(directive) = settings.get("timeout queue")
        && let Some(limit) = time(directive.word(2))
    {
        keys.table(directive.line, "queue").set(directive.line, "timeout", Value::time(limit.max(10)));
    }
}

/// `retries`, `option redispatch`
fn retry(proxy: &Proxy, keys: &mut Table) {
    let retries = proxy.settings.get("retries");
    let times = retries.and_then(|directive| directive.word(1).parse::<u64>().ok());
    let redispatch = proxy.settings.get("option redispatch");
    if let Some((times, directive)) = times.zip(retries) {
        keys.table(directive.line, "retry").set(directive.line, "times", times.min(10));
        keys.table(directive.line, "retry").set(directive.line, "other-server", redispatch.is_some());
    } else if let Some(directive) = redispatch {
        keys.table(directive.line, "retry").set(directive.line, "other-server", true);
    }
}

/// HAProxy believes any certificate that the authority signed where no name is given; ours are for a name: the one that
/// the health check asks for, or none at all.
fn nameless(proxy: &Proxy, first: &Server, tls: &mut Table, context: &mut Context<'_>) {
    let address = first.entry.text("address").unwrap_or_default();
    if address.parse::<std::net::SocketAddr>().is_err() {
        return;
    }
    let asked = proxy.settings.all("http-check").find_map(|rule| {
        let at = rule.words.iter().position(|word| word.eq_ignore_ascii_case("host"))?;
        rule.words.get(at + 1).cloned()
    });
    match asked {
        Some(name) => {
            tls.set(first.line, "name", name.as_str());
            context.account.changed(first.line, format!("their certificates must be for `{name}`"));
        }
        None => {
            tls.set(first.line, "verify", "chain");
            context.account.finding(
                first.line,
                "no-name-verified",
                "any certificate of that authority is believed, whoever shows it: say with `name` whose it must be, and \
                 take `verify = \"chain\"` out",
            );
        }
    }
}
