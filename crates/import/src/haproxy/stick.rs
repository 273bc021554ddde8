//! Stick tables, what sticks to what, and peers.

use super::format::sample;
use super::rules::Periods;
use super::settings::Proxy;
use super::text::{Directive, Section, time};
use super::{Base, Context, pool_name};
use crate::block::{Block, Item, Table, Value, plain_name};
use crate::units;

/// Over which time the counters of each table count.
pub(crate) fn periods(proxies: &[Proxy]) -> Periods {
    let table = |proxy: &Proxy| {
        let directive = proxy.settings.get("stick-table")?;
        let stores = after(&directive.words, "store").unwrap_or_default();
        let counter = |text: &str| {
            let (name, period) = text.split_once('(')?;
            Some((name.to_owned(), time(period.trim_end_matches(')'))?))
        };
        Some((proxy.name.clone(), stores.split(',').filter_map(counter).collect()))
    };
    proxies.iter().filter_map(table).collect()
}

/// The word behind a word.
fn after(words: &[String], word: &str) -> Option<String> {
    let at = words.iter().position(|own| own == word)?;
    words.get(at + 1).cloned()
}

/// `stick on …` with its table, for a pool.
pub(crate) fn write(proxy: &Proxy, block: &mut Block, context: &mut Context<'_>) {
    let mut stick = Table::default();
    let mut table = None;
    for directive in proxy.settings.all("stick") {
        match one(directive, &mut stick, context) {
            Ok(()) => table = after(&directive.words, "table").or(table),
            Err(why) => context.account.unsupported(directive.line, why),
        }
        block.keys.set(directive.line, "stick", Table::default());
    }
    if let Some(directive) = proxy.settings.get("appsession") {
        stick.set(directive.line, "on", format!("cookie:{}", directive.word(1)));
        stick.set(directive.line, "learn", "response");
        let expire = after(&directive.words, "timeout").and_then(|text| time(&text)).unwrap_or(1_800_000);
        block.keys.set(directive.line, "stick", Table::default());
        simple_table(proxy, directive.line, expire, context);
    }
    if let Some(directive) = proxy.settings.get("persist rdp-cookie") {
        stick.set(directive.line, "on", "rdp-cookie:mstshash");
        block.keys.set(directive.line, "stick", Table::default());
        if proxy.settings.get("stick-table").is_none() {
            simple_table(proxy, directive.line, 28_800_000, context);
        }
    }
    if stick.is_empty() {
        block.keys.remove("stick");
        if let Some(directive) = own_table(proxy) {
            context
                .account
                .changed(directive.line, "its counters are those of `rate-limits`, which need no table");
        }
        return;
    }
    let name = table.unwrap_or_else(|| proxy.name.clone());
    stick.set(0, "table", pool_name(&name));
    block.keys.set(0, "stick", stick);
}

fn own_table(proxy: &Proxy) -> Option<&Directive> {
    proxy.settings.get("stick-table").filter(|directive| (proxy.line..=proxy.end).contains(&directive.line))
}

/// One `stick` line.
fn one(directive: &Directive, stick: &mut Table, context: &mut Context<'_>) -> Result<(), String> {
    let line = directive.line;
    let what = directive.word(2);
    if directive.words.iter().any(|word| word == "if" || word == "unless") {
        context.account.changed(line, "whatever the condition");
    }
    let on = key(what)?;
    match (directive.word(1), stick.get("on").cloned()) {
        ("store-response", Some(known)) if known != on => return Err("a pool sticks to one thing".to_owned()),
        ("store-response", _) => {
            stick.set(line, "on", on);
            stick.set(line, "learn", "response");
        }
        (_, Some(known)) if known != on => return Err("a pool sticks to one thing".to_owned()),
        _ => stick.set(line, "on", on),
    }
    Ok(())
}

/// What a client is known by.
fn key(sample_text: &str) -> Result<Value, String> {
    let text =
        sample_text.strip_prefix("req.").or_else(|| sample_text.strip_prefix("res.")).unwrap_or(sample_text);
    let call = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')').map(str::to_owned);
    if text == "src" {
        return Ok("source".into());
    }
    if text.starts_with("rdp_cookie") {
        return Ok("rdp-cookie:mstshash".into());
    }
    for name in ["cook", "cookie", "set-cookie", "scook"] {
        if let Some(cookie) = call(name) {
            return Ok(format!("cookie:{cookie}").into());
        }
    }
    for name in ["hdr", "fhdr", "shdr", "hdr_ip"] {
        if let Some(header) = call(name) {
            let header = header.split(',').next().unwrap_or_default();
            if header.eq_ignore_ascii_case("x-forwarded-for") {
                return Ok("source".into());
            }
            return Ok(format!("header:{header}").into());
        }
    }
    for name in ["url_param", "urlp"] {
        if let Some(parameter) = call(name) {
            return Ok(format!("query:{parameter}").into());
        }
    }
    if text.starts_with("payload_lv(43,1)") || text == "ssl_fc_session_id" {
        return Err("sessions of TLS 1.3 have no id that lasts; stick on `src`".to_owned());
    }
    sample(text, &std::collections::HashMap::new())?;
    Err(format!("`{sample_text}` is nothing that a client is known by"))
}

/// `[stick-table.NAME]` for the tables that something sticks to.
pub(crate) fn tables(proxy: &Proxy, context: &mut Context<'_>) {
    let name = pool_name(&proxy.name);
    let Some(directive) = own_table(proxy) else { return };
    let kind = after(&directive.words, "type").unwrap_or_default();
    let size = after(&directive.words, "size").and_then(|text| units::count(&text));
    let expire = after(&directive.words, "expire").and_then(|text| time(&text));
    let line = directive.line;
    let block = context.draft.block(&["stick-table", &name], line);
    block.end = line;
    let key = if kind == "ip" || kind == "ipv6" { "ip" } else { "text" };
    block.keys.set(line, "key", key);
    block.keys.set(line, "size", size.unwrap_or(100_000).max(1));
    block.keys.set(line, "expire", Value::time(expire.unwrap_or(1_800_000).max(1000)));
    if after(&directive.words, "peers").is_some() {
        block.keys.set(line, "share", true);
    }
    if expire.is_none() {
        context.account.changed(line, "entries expire after 30 minutes without use");
    }
    if directive.words.iter().any(|word| word == "nopurge") {
        context.account.changed(line, "a full table forgets the entry unused for longest");
    }
    if after(&directive.words, "store").is_some() {
        context.account.changed(line, "counters are those of `rate-limits`");
    }
}

fn simple_table(proxy: &Proxy, line: u32, expire: u64, context: &mut Context<'_>) {
    let name = pool_name(&proxy.name);
    let block = context.draft.block(&["stick-table", &name], line);
    block.keys.set(line, "key", "text");
    block.keys.set(line, "size", 100_000u64);
    block.keys.set(line, "expire", Value::time(expire.max(1000)));
}

/// `[cluster]`
pub(crate) fn peers(section: &Section, base: &Base, context: &mut Context<'_>) {
    super::options::SECTIONS.mark(&["peers"], section.line, context.account);
    let mut entries = Vec::new();
    for directive in &section.directives {
        let line = directive.line;
        match directive.word(0) {
            "peer" | "server" if directive.words.len() > 2 => {
                super::options::SECTIONS.mark(&["peer"], line, context.account);
                let peer = Table::default()
                    .with("name", plain_name(directive.word(1)))
                    .with("address", directive.word(2));
                entries.push(Item::new(line, peer));
            }
            "bind" | "log" | "table" | "default-bind" | "default-server" | "enabled" | "server" => {
                context.account.changed(line, "peers speak to each other at the addresses that are listed");
            }
            _ => context.account.unsupported(line, "it is not known of peers"),
        }
    }
    let first = entries.first().and_then(|item| item.table.text("name").map(str::to_owned));
    let Some(node) = base.node.clone().map(|node| plain_name(&node)).or(first) else { return };
    if base.node.is_none() {
        context.account.changed(section.line, "`node` names this machine: set it on each");
    }
    let block = context.draft.block(&["cluster"], section.line);
    block.end = section.end;
    block.keys.set(section.line, "node", node);
    block.list("peers").extend(entries);
}
