//! Sections that accept connections become listeners.

use std::collections::HashMap;

use super::acl::{Acls, Reading, condition_at};
use super::bind::Bind;
use super::condition::{Condition, Known, Subject, Test, always, looks_at};
use super::routes::{Behind, Compiler, merged};
use super::rules::{Change, Outcome, Periods, Reader, Rule, Rules};
use super::settings::Proxy;
use super::text::Directive;
use super::{Base, Context, matching, pool_name};
use crate::account::Account;
use crate::block::{Block, Item, Table, Value, plain_name};
use crate::units;

/// Writes the listeners of a section.
pub(crate) fn write(
    proxy: &Proxy,
    proxies: &[Proxy],
    periods: &Periods,
    base: &Base,
    context: &mut Context<'_>,
) {
    let mut rules = rules(proxy, periods, context);
    let behind: HashMap<String, Behind> = proxy
        .targets(proxies)
        .into_iter()
        .chain([proxy.name.clone()])
        .filter_map(|name| {
            let backend = proxies.iter().find(|own| own.name == name && own.kind != "frontend")?;
            Some((name, behind(proxy, backend, periods, context)))
        })
        .collect();
    choices(proxy, proxies, &mut rules, context);
    let groups = groups(proxy, &rules, base, context);
    let many = groups.len() > 1;
    for (index, group) in groups.into_iter().enumerate() {
        let name = listener_name(proxy, &group, index, many);
        let name = context.draft.free_name("listener", &name);
        listener(proxy, &name, &group, &rules, &behind, context);
    }
}

/// ACLs and variables of a section.
fn acls<'a>(proxy: &Proxy, outside: &'a dyn crate::Outside) -> Acls<'a> {
    let mut named: HashMap<String, Vec<Directive>> = HashMap::new();
    for directive in proxy.settings.all("acl") {
        named.entry(directive.word(1).to_owned()).or_default().push(directive.clone());
    }
    let mut variables = HashMap::new();
    for directive in proxy.settings.all("http-request").chain(proxy.settings.all("tcp-request")) {
        let at = if directive.word(0) == "tcp-request" { 2 } else { 1 };
        if let Some(name) = directive.word(at).strip_prefix("set-var(")
            && condition_at(&directive.words) == directive.words.len()
        {
            let name = name.trim_end_matches(')').split(',').next().unwrap_or_default();
            variables.insert(name.to_owned(), directive.word(at + 1).to_owned());
        }
    }
    Acls { named, variables, outside }
}

/// Everything that rules of a section say, in the order in which HAProxy asks them.
fn rules(proxy: &Proxy, periods: &Periods, context: &mut Context<'_>) -> Rules {
    let acls = acls(proxy, context.outside);
    let mut reader = Reader {
        acls: &acls,
        account: context.account,
        periods,
        section: &proxy.name,
        rules: Rules::default(),
    };
    const ORDER: &[&[&str]] = &[
        &["tcp-request"],
        &["monitor-uri"],
        &["http-request", "http-response", "http-after-response"],
        &["block", "reqadd", "rspadd", "reqidel", "reqdel", "rspidel", "rspdel"],
        &["redirect"],
    ];
    for words in ORDER {
        for directive in proxy.settings.many.iter().filter(|directive| words.contains(&directive.word(0))) {
            reader.read(directive);
        }
    }
    let mut rules = reader.rules;
    if let Some(directive) = proxy.settings.all("unique-id-header").last() {
        let headers = Table::default().with(directive.word(1), "{id}");
        let keys = Table::default().with("set-request-headers", headers);
        rules.changes.push(Change { condition: always(), keys, line: directive.line });
    }
    // ACLs that no rule asks are looked at all the same, so that each line has its verdict.
    for directive in proxy.settings.all("acl") {
        let words = vec!["if".to_owned(), directive.word(1).to_owned()];
        let _ = Reading { acls: &acls, account: context.account, line: directive.line }.condition(&words);
    }
    rules
}

/// What a backend asks for on its own.
fn behind(frontend: &Proxy, backend: &Proxy, periods: &Periods, context: &mut Context<'_>) -> Behind {
    let pool = backend.is_pool().then(|| pool_name(&backend.name));
    if backend.name == frontend.name && backend.kind == "listen" {
        return Behind { pool, ..Behind::default() };
    }
    let rules = rules(backend, periods, context);
    if !rules.limits.is_empty() || !rules.allow.is_empty() || !rules.refuse.is_empty() {
        let line = rules.limits.first().map_or(rules.sources_line, |limit| limit.line);
        context.account.unsupported(line, "who may connect, and how often, is asked in the frontend");
    }
    Behind { pool, answers: rules.answers, changes: rules.changes }
}

/// `use_backend` and `default_backend`, and the pool of a `listen`.
fn choices(proxy: &Proxy, proxies: &[Proxy], rules: &mut Rules, context: &mut Context<'_>) {
    let acls = acls(proxy, context.outside);
    for directive in proxy.settings.all("use_backend") {
        let line = directive.line;
        if directive.words.iter().any(|word| word.contains("ssl_sni")) && !proxy.is_http() {
            rules.hello = true;
        }
        let words = directive.from(condition_at(&directive.words));
        let condition = match (Reading { acls: &acls, account: context.account, line }).condition(words) {
            Ok(condition) => condition,
            Err(why) => {
                context.account.unsupported(line, why);
                continue;
            }
        };
        let name = directive.word(1);
        if name.contains("%[") {
            dynamic(name, proxies, &condition, rules, line, context);
        } else {
            rules.answers.push(Rule { condition, outcome: Outcome::Backend(name.to_owned()), line });
        }
    }
    let default = proxy.settings.get("default_backend");
    let own = proxy.is_pool().then(|| (proxy.name.clone(), proxy.line));
    if let Some((name, line)) =
        default.map(|directive| (directive.word(1).to_owned(), directive.line)).or(own)
    {
        rules.answers.push(Rule { condition: always(), outcome: Outcome::Backend(name), line });
    }
    for directive in proxy.settings.all("use-server") {
        let words = directive.from(condition_at(&directive.words));
        let condition =
            (Reading { acls: &acls, account: context.account, line: directive.line }).condition(words);
        match condition {
            Ok(condition) => {
                let keys = Table::default().with("server", plain_name(directive.word(1)));
                rules.changes.push(Change { condition, keys, line: directive.line });
            }
            Err(why) => context.account.unsupported(directive.line, why),
        }
    }
}

/// A backend whose name is put together: a route for each that there is, or a map.
fn dynamic(
    name: &str,
    proxies: &[Proxy],
    condition: &Condition,
    rules: &mut Rules,
    line: u32,
    context: &mut Context<'_>,
) {
    let Some((before, rest)) = name.split_once("%[") else { return };
    let Some((expression, after)) = rest.rsplit_once(']') else {
        context.account.unsupported(line, "a `%[` has no `]`");
        return;
    };
    let parts: Vec<&str> = expression.split(",map").collect();
    if let [sample, map] = parts.as_slice()
        && let Some((kind, arguments)) = map.split_once('(')
    {
        let mut arguments = arguments.trim_end_matches(')').split(',');
        let file = arguments.next().unwrap_or_default().trim().to_owned();
        let default = arguments.next().map(str::trim).filter(|name| !name.is_empty());
        let Some(on) = map_key(sample) else {
            context.account.unsupported(line, format!("`{sample}` is nothing that a map is asked with"));
            return;
        };
        let match_ = match kind {
            "_beg" => "prefix",
            "_end" => "suffix",
            "_dom" => "domain",
            "_sub" => "contains",
            "_reg" => "regex",
            _ => "exact",
        };
        super::options::FETCHES.mark(&["map"], line, context.account);
        let stem = file.rsplit('/').next().unwrap_or_default();
        let map_name = plain_name(stem.split('.').next().unwrap_or(stem));
        let block = context.draft.block(&["map", &map_name], line);
        block.keys.set(line, "file", file.as_str());
        block.keys.set(line, "match", match_);
        let mut keys = Table::default().with("on", on).with("map", map_name);
        if let Some(default) = default {
            keys.set(line, "else", pool_name(default));
        }
        let answer = Table::default().with("pool-map", keys);
        rules.answers.push(Rule { condition: condition.clone(), outcome: Outcome::Answer(answer), line });
        return;
    }
    let subject = match map_key(expression) {
        Some("host") => Subject::Host,
        Some("sni") => Subject::Sni,
        Some("method") => Subject::Method,
        _ => {
            context.account.unsupported(line, format!("`{expression}` does not name a backend here"));
            return;
        }
    };
    rules.hello |= subject == Subject::Sni;
    for backend in proxies.iter().filter(|own| own.kind != "frontend") {
        let Some(value) = backend.name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else {
            continue;
        };
        if value.is_empty() || !value.contains('.') && subject != Subject::Method {
            continue;
        }
        let test = vec![vec![Test::new(subject.clone(), vec![value.to_lowercase()])]];
        if let Ok(both) = super::condition::and(condition, &test) {
            rules.answers.push(Rule {
                condition: both,
                outcome: Outcome::Backend(backend.name.clone()),
                line,
            });
        }
    }
}

/// What a map is asked with.
fn map_key(sample: &str) -> Option<&'static str> {
    let sample = sample.trim().strip_suffix(",lower").unwrap_or(sample.trim());
    let sample = sample.strip_prefix("req.").unwrap_or(sample).to_lowercase();
    match sample.as_str() {
        "hdr(host)" | "hdr(host),field(1,:)" => Some("host"),
        "path" | "base" => Some(if sample == "path" { "path" } else { "base" }),
        "ssl_fc_sni" => Some("host"),
        "req_ssl_sni" | "ssl_sni" => Some("sni"),
        "src" => Some("source"),
        "method" => Some("method"),
        _ => None,
    }
}

/// Binds that are one listener.
struct Group {
    binds: Vec<Bind>,
    known: Known,
    tls: Option<Table>,
    accept_proxy: bool,
}

/// The binds of a section, by what its rules tell apart.
fn groups(proxy: &Proxy, rules: &Rules, base: &Base, context: &mut Context<'_>) -> Vec<Group> {
    let conditions: Vec<&Condition> = rules
        .answers
        .iter()
        .map(|rule| &rule.condition)
        .chain(rules.changes.iter().chain(&rules.limits).map(|change| &change.condition))
        .collect();
    let asked = |subject: &Subject| conditions.iter().any(|condition| looks_at(condition, subject));
    let (by_port, by_address, by_id) =
        (asked(&Subject::Port), asked(&Subject::Destination), asked(&Subject::BindId));
    let mut groups: Vec<Group> = Vec::new();
    for directive in proxy.settings.all("bind") {
        let bind = Bind::read(directive, base, context);
        for (at, address) in bind.addresses.iter().enumerate() {
            let port = bind.ports.get(at).copied();
            let host = address.rsplit_once(':').map(|(host, _)| host.to_owned());
            let known = Known {
                tls: Some(bind.tls.is_some()),
                port: port.filter(|_| by_port),
                address: host.filter(|_| by_address),
                id: bind.id.clone().filter(|_| by_id),
            };
            let one =
                Bind { addresses: vec![address.clone()], ports: port.into_iter().collect(), ..bind.clone() };
            let same = |group: &&mut Group| {
                group.tls == bind.tls
                    && group.accept_proxy == bind.accept_proxy
                    && group.known.port == known.port
                    && group.known.address == known.address
                    && group.known.id == known.id
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.binds.push(one),
                None => groups.push(Group {
                    tls: bind.tls.clone(),
                    accept_proxy: bind.accept_proxy,
                    binds: vec![one],
                    known,
                }),
            }
        }
    }
    groups
}

fn listener_name(proxy: &Proxy, group: &Group, index: usize, many: bool) -> String {
    let base = plain_name(&proxy.name);
    if !many || index == 0 && group.tls.is_some() {
        return base;
    }
    if group.tls.is_none() && group.known.port.is_none() && index > 0 {
        return format!("{base}-plain");
    }
    match group.binds.first().and_then(|bind| bind.ports.first()) {
        Some(port) => format!("{base}-{port}"),
        None => base,
    }
}

fn listener(
    proxy: &Proxy,
    name: &str,
    group: &Group,
    rules: &Rules,
    behind: &HashMap<String, Behind>,
    context: &mut Context<'_>,
) {
    let mut block = Block::new(&["listener", name], proxy.line, proxy.end);
    let line = group.binds.first().map_or(proxy.line, |bind| bind.line);
    let keys = &mut block.keys;
    keys.set(line, "bind", Value::texts(addresses(group)));
    let http = proxy.is_http();
    let mode = match (http, &group.tls, rules.hello) {
        (true, ..) => "http",
        (false, Some(_), _) => "tls",
        (false, None, true) => "passthrough",
        (false, None, false) => "tcp",
    };
    let mode_line = proxy.settings.get("mode").map_or(0, |directive| directive.line);
    keys.set(mode_line, "mode", mode);
    if let Some(tls) = &group.tls {
        keys.set(line, "tls", tls.clone());
    }
    admission(rules, group, keys);
    limits(proxy, group, keys);
    if mode == "passthrough" {
        hello(rules, keys);
    }
    if http {
        http_keys(proxy, keys, context);
    } else if let Some((delay, line)) = rules.inspect
        && mode == "tcp"
    {
        context.account.not_needed(line, format!("nothing is waited for ({delay} ms there)"));
    }
    for entry in &rules.listener.entries {
        keys.set(entry.line, &entry.key, entry.value.clone());
    }
    // What every request is changed by stands on the listener itself.
    let (everywhere, some): (Vec<&Change>, Vec<&Change>) = rules.changes.iter().partition(|change| {
        let edits = change.keys.entries.iter().all(|entry| entry.key.ends_with("-headers"));
        edits && super::condition::on(&change.condition, &group.known) == always()
    });
    for change in everywhere {
        let merged = merged(keys, &change.keys);
        *keys = merged;
    }
    let lookup = |name: &str| behind.get(name).cloned();
    let compiler = Compiler {
        known: group.known.clone(),
        behind: &lookup,
        changes: some.into_iter().cloned().collect(),
        account: context.account,
        routes: Vec::new(),
        looked: 0,
    };
    let routes = compiler.compile(&rules.answers);
    put_routes(&mut block, routes, mode, context.account);
    rate_limits(&mut block, rules, group, context);
    context.draft.blocks.push(block);
}

/// Every address once; both families of `*` as one.
fn addresses(group: &Group) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for bind in &group.binds {
        for address in &bind.addresses {
            if !all.contains(address) {
                all.push(address.clone());
            }
        }
    }
    let both: Vec<String> =
        all.iter().filter_map(|address| address.strip_prefix("[::]:").map(str::to_owned)).collect();
    all.retain(|address| {
        address.strip_prefix("0.0.0.0:").is_none_or(|port| !both.iter().any(|own| own == port))
    });
    all
}

/// Who may connect, and who speaks for others.
fn admission(rules: &Rules, group: &Group, keys: &mut Table) {
    if !rules.allow.is_empty() {
        keys.set(rules.sources_line, "allow", Value::texts(rules.allow.clone()));
    }
    if !rules.refuse.is_empty() {
        keys.set(rules.sources_line, "refuse", Value::texts(rules.refuse.clone()));
    }
    if group.accept_proxy {
        let line = group.binds.first().map_or(0, |bind| bind.line);
        keys.set(line, "accept-proxy", Value::texts(["0.0.0.0/0", "::/0"]));
    }
}

fn limits(proxy: &Proxy, group: &Group, keys: &mut Table) {
    let number = |words: &str| {
        let directive = proxy.settings.get(words)?;
        units::count(directive.word(1)).filter(|number| *number > 0).map(|number| (number, directive.line))
    };
    let of_bind =
        |pick: fn(&Bind) -> Option<u64>| group.binds.iter().find_map(|bind| Some((pick(bind)?, bind.line)));
    if let Some((most, line)) = of_bind(|bind| bind.connections).or(number("maxconn")) {
        keys.table(line, "limits").set(line, "connections", most);
    }
    if let Some((backlog, line)) = of_bind(|bind| bind.backlog).or(number("backlog")) {
        keys.table(line, "limits").set(line, "backlog", backlog.min(1_000_000));
    }
}

/// `passthrough`: HAProxy hands clients that speak no TLS on to the default backend, unless a rule refuses them.
fn hello(rules: &Rules, keys: &mut Table) {
    if let Some((delay, line)) = rules.inspect {
        keys.set(line, "inspect-timeout", Value::time(delay.clamp(100, 300_000)));
    }
    if !rules.tls_only {
        keys.set(0, "not-tls", "pool");
    }
}

fn http_keys(proxy: &Proxy, keys: &mut Table, context: &mut Context<'_>) {
    for (words, key) in [("timeout http-request", "head"), ("timeout http-keep-alive", "keep-alive")] {
        if let Some((limit, line)) = proxy.settings.time(words) {
            keys.table(line, "timeouts").set(line, key, Value::time(limit.max(100)));
        }
    }
    if let Some((limit, line)) = proxy.settings.time("timeout client") {
        let limit = limit.clamp(100, 86_400_000);
        keys.table(line, "timeouts").set(line, "body", Value::time(limit));
        keys.table(line, "timeouts").set(line, "send", Value::time(limit));
    }
    forwarded(proxy, keys, context);
    for word in ["errorfile", "errorloc", "errorloc302", "errorloc303"] {
        for directive in proxy.settings.all(word) {
            let Ok(status) = directive.word(1).parse::<u64>() else {
                context.account.unsupported(directive.line, "the status is no number");
                continue;
            };
            let mut page = Table::default().with("status", status);
            if word == "errorfile" {
                page.set(directive.line, "file", super::whole("", directive.word(2)));
            } else {
                page.set(directive.line, "redirect", directive.word(2));
            }
            keys.push(directive.line, "error-pages", page);
        }
    }
}

/// `option forwardfor [except NET] [header NAME] [if-none]`
fn forwarded(proxy: &Proxy, keys: &mut Table, context: &mut Context<'_>) {
    let Some(directive) = proxy.settings.get("option forwardfor") else { return };
    let line = directive.line;
    let mut words = directive.from(2).iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "except" => {
                let net = words.next().and_then(units::network);
                if let Some(net) = net {
                    keys.table(line, "forwarded").add(line, "trust", net);
                    context
                        .account
                        .changed(line, "proxies of that network are believed what they say of the client");
                }
            }
            "header" => {
                let name = words.next().unwrap_or_default();
                keys.table(line, "set-request-headers").set(line, name, "{client-ip}");
            }
            "if-none" => context
                .account
                .changed(line, "what a client says of itself is replaced, unless it is in `trust`"),
            _ => {}
        }
    }
}

/// Routes, the last of which may be the listener's own `pool` or `redirect`.
pub(crate) fn put_routes(block: &mut Block, mut routes: Vec<Item>, mode: &str, account: &mut Account) {
    let alone = |table: &Table, key: &str| table.entries.len() == 1 && table.get(key).is_some();
    if let Some(last) = routes.last()
        && alone(&last.table, "pool")
    {
        let last = routes.pop().expect("there is a last one");
        let pool = last.table.text("pool").unwrap_or_default().to_owned();
        // Routes right before the end that do the same say nothing.
        while routes.last().is_some_and(|route| {
            route.table.text("pool") == Some(&pool)
                && route.table.entries.last().is_some_and(|entry| entry.key == "pool")
        }) {
            routes.pop();
        }
        block.keys.set(last.line, "pool", pool);
    } else if let Some(last) = routes.last()
        && alone(&last.table, "redirect")
        && let Some(Value::Table(redirect)) = last.table.get("redirect")
        && redirect.text("scheme") == Some("https")
        && redirect.entries.iter().all(|entry| matches!(entry.key.as_str(), "scheme" | "status"))
    {
        let last = routes.pop().expect("there is a last one");
        account.changed(last.line, "with 308, which keeps the method");
        block.keys.set(last.line, "redirect", "https");
    }
    let mut names: Vec<String> = Vec::new();
    for mut route in routes {
        let about =
            route.table.get("redirect").map(|_| "redirect").or(route.table.get("fixed").map(|_| "answer"));
        let about = about.or(route.table.get("refuse").or(route.table.get("reset")).map(|_| "refuse"));
        let wanted =
            route.table.text("pool").map_or_else(|| about.unwrap_or("route").to_owned(), str::to_owned);
        if mode == "http" {
            let taken = names.iter().filter(|name| **name == wanted).count();
            names.push(wanted.clone());
            let name = if taken == 0 { wanted } else { format!("{wanted}-{}", taken + 1) };
            let mut table = Table::default().with("name", name);
            table.entries.append(&mut route.table.entries);
            route.table = table;
        }
        block.list("routes").push(route);
    }
}

/// Limits of connections alone, by source: `limits = { per-source = { … } }`. Whether it was that.
fn per_source(entry: &Table, line: u32, keys: &mut Table, context: &mut Context<'_>) -> bool {
    let known = |own: &crate::block::Entry| {
        matches!(own.key.as_str(), "by" | "connections" | "connection-rate" | "reset")
    };
    if !entry.entries.iter().all(known) || entry.text("by") != Some("source") || entry.get("reset").is_none()
    {
        return false;
    }
    let per_source = keys.table(line, "limits").table(line, "per-source");
    if let Some(most) = entry.get("connections") {
        per_source.set(line, "connections", most.clone());
    }
    if let Some((most, period)) = entry.text("connection-rate").and_then(|text| text.split_once('/')) {
        let milliseconds = units::time(period, 1).unwrap_or(1000).max(1);
        let a_minute = most.parse::<u64>().unwrap_or(0).saturating_mul(60_000) / milliseconds;
        per_source.set(line, "connections-rate", format!("{}/m", a_minute.max(1)));
        context.account.changed(line, "counted over a minute");
    }
    true
}

/// Refusals by rate.
fn rate_limits(block: &mut Block, rules: &Rules, group: &Group, context: &mut Context<'_>) {
    for limit in &rules.limits {
        for all in super::condition::on(&limit.condition, &group.known) {
            if all.is_empty() && per_source(&limit.keys, limit.line, &mut block.keys, context) {
                continue;
            }
            match matching::keys(&all) {
                Ok(mut table) => {
                    let mut entry = limit.keys.clone();
                    entry.entries.append(&mut table.entries);
                    block.list("rate-limits").push(Item::new(limit.line, entry));
                }
                Err(matching::NoRoute::Never) => {}
                Err(matching::NoRoute::Unsayable(why)) => context.account.unsupported(limit.line, why),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_asked_with_few_things() {
        for (sample, key) in [
            ("req.hdr(Host),lower", Some("host")),
            ("path", Some("path")),
            ("req.ssl_sni", Some("sni")),
            ("rand", None),
        ] {
            assert_eq!(map_key(sample), key, "{sample}");
        }
    }
}
