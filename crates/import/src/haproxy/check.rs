//! Health checks: `option httpchk`, `http-check`, `tcp-check` and their relatives.

use super::Context;
use super::server::Server;
use super::settings::Proxy;
use super::text::Directive;
use crate::block::{Table, Value};

/// `health-check` of a pool, where its servers are checked.
pub(crate) fn write(proxy: &Proxy, servers: &[Server], context: &mut Context<'_>) -> Option<(u32, Table)> {
    let checked: Vec<&Server> = servers.iter().filter(|server| server.check).collect();
    let tracked = servers.iter().find(|server| server.probe.get("track").is_some());
    if let Some(server) = tracked.filter(|_| checked.is_empty()) {
        return Some((server.line, server.probe.clone()));
    }
    let first = checked.first()?;
    if checked.len() < servers.len() {
        for server in servers.iter().filter(|server| !server.check) {
            context.account.changed(server.line, "checked like the others of its pool");
        }
    }
    for server in &checked {
        if plain(&server.probe) != plain(&first.probe) {
            context.account.changed(server.line, "checked like the first of its pool");
        }
    }
    let over_tls = first.check_tls.unwrap_or(first.tls && first.probe.get("port").is_none());
    let mut table = Table::default();
    let line = probe(proxy, over_tls, &mut table, context).unwrap_or(first.line);
    for entry in &first.probe.entries {
        table.set(entry.line, &entry.key, entry.value.clone());
    }
    name_as_host(&mut table, line, context);
    if let Some((limit, line)) = proxy.settings.time("timeout check") {
        table.set(line, "timeout", Value::time(limit));
    }
    Some((line, table))
}

fn plain(table: &Table) -> Vec<(&str, &Value)> {
    table.entries.iter().map(|entry| (entry.key.as_str(), &entry.value)).collect()
}

/// What is asked; returns the line that says so.
fn probe(proxy: &Proxy, over_tls: bool, table: &mut Table, context: &mut Context<'_>) -> Option<u32> {
    let option = |name: &str| proxy.settings.get(name);
    if let Some(directive) = option("option httpchk") {
        http(proxy, directive, over_tls, table, context);
        return Some(directive.line);
    }
    if let Some(directive) = option("option smtpchk") {
        table.set(directive.line, "smtp", "EHLO");
        table.set(directive.line, "expect", 250u64);
        return Some(directive.line);
    }
    if let Some(directive) = option("option ssl-hello-chk") {
        table.set(directive.line, "tls", true);
        return Some(directive.line);
    }
    if let Some(directive) = option("option redis-check") {
        table.set(directive.line, "tcp", true);
        table.push(
            directive.line,
            "sequence",
            Table::default().with("send", "PING\r\n").with("expect", "+PONG"),
        );
        return Some(directive.line);
    }
    let mut conversation = Table::default();
    let steps = steps(proxy, &mut conversation, context);
    if !steps.is_empty() || !conversation.is_empty() {
        let line = option("option tcp-check").map(|directive| directive.line);
        let tls = conversation.remove("tls").is_some() || over_tls;
        table.set(line.unwrap_or(0), if tls { "tls" } else { "tcp" }, true);
        table.entries.append(&mut conversation.entries);
        for step in steps {
            table.push(line.unwrap_or(0), "sequence", step);
        }
        return line;
    }
    table.set(0, if over_tls { "tls" } else { "tcp" }, true);
    ["option tcp-check", "option mysql-check", "option pgsql-check", "option ldap-check"]
        .iter()
        .find_map(|name| option(name).map(|directive| directive.line))
}

/// `option httpchk [METHOD] URI [VERSION]` and `http-check`.
fn http(proxy: &Proxy, directive: &Directive, over_tls: bool, table: &mut Table, context: &mut Context<'_>) {
    let words = directive.from(2);
    let (mut method, mut uri, version) = match words {
        [] => ("OPTIONS", "/", ""),
        [uri] => ("OPTIONS", uri.as_str(), ""),
        [method, uri] => (method.as_str(), uri.as_str(), ""),
        [method, uri, version, ..] => (method.as_str(), uri.as_str(), version.as_str()),
    };
    let mut headers = Table::default();
    let mut rest = version.split("\r\n");
    let _ = rest.next();
    for header in rest.filter_map(|header| header.split_once(':')) {
        headers.set(directive.line, header.0.trim(), header.1.trim());
    }
    let mut over_tls = over_tls;
    for rule in proxy.settings.all("http-check") {
        match rule.word(1) {
            "send" => send(rule, &mut method, &mut uri, &mut headers, context),
            "connect" => over_tls = connect(rule, over_tls, table, context),
            _ => {}
        }
    }
    let host = headers.entries.iter().position(|entry| entry.key.eq_ignore_ascii_case("host"));
    let host = host.map(|at| headers.entries.remove(at).value);
    let mut whole = Table::default();
    whole.set(directive.line, if over_tls { "https" } else { "http" }, uri);
    if method != "GET" {
        whole.set(directive.line, "method", method);
    }
    if let Some(host) = host {
        whole.set(directive.line, "host", host);
    }
    if !headers.is_empty() {
        whole.set(directive.line, "headers", headers);
    }
    for rule in proxy.settings.all("http-check").filter(|rule| rule.word(1) == "expect") {
        if let Err(why) = expect(rule, &mut whole) {
            context.account.unsupported(rule.line, why);
        }
    }
    whole.entries.append(&mut table.entries);
    *table = whole;
    name_as_host(table, directive.line, context);
}

/// A name that is only asked for by SNI, as nothing is verified, is the probe's host.
fn name_as_host(table: &mut Table, line: u32, context: &mut Context<'_>) {
    let Some(name) = table.remove("name") else { return };
    if table.get("host").is_none() && (table.get("http").is_some() || table.get("https").is_some()) {
        context.account.changed(line, "the name asked for by SNI is the Host header as well");
        table.set(line, "host", name);
    }
}

/// `http-check send meth GET uri /x ver HTTP/1.1 hdr Host x`
fn send<'a>(
    rule: &'a Directive,
    method: &mut &'a str,
    uri: &mut &'a str,
    headers: &mut Table,
    context: &mut Context<'_>,
) {
    let mut words = rule.from(2).iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "meth" => *method = words.next().unwrap_or("GET"),
            "uri" | "uri-lf" => *uri = words.next().unwrap_or("/"),
            "ver" => drop(words.next()),
            "hdr" => {
                let name = words.next().unwrap_or_default();
                headers.set(rule.line, name, words.next().unwrap_or_default());
            }
            "body" => {
                words.next();
                context.account.changed(rule.line, "without a body");
            }
            _ => {}
        }
    }
}

/// `http-check connect port 8080 ssl sni x`
fn connect(rule: &Directive, over_tls: bool, table: &mut Table, context: &mut Context<'_>) -> bool {
    let mut words = rule.from(2).iter().map(String::as_str);
    let mut tls = false;
    while let Some(word) = words.next() {
        match word {
            "ssl" => tls = true,
            "port" => {
                if let Some(port) = words.next().and_then(|port| port.parse::<u64>().ok()) {
                    table.set(rule.line, "port", port);
                }
            }
            "sni" => {
                if let Some(name) = words.next() {
                    table.set(rule.line, "name", name);
                }
            }
            "default" => tls = over_tls,
            "alpn" | "proto" | "addr" => {
                words.next();
                context.account.changed(rule.line, format!("without `{word}`"));
            }
            _ => {}
        }
    }
    tls
}

/// `http-check expect [!] status 200`, `string`, `rstatus`, `rstring`
fn expect(rule: &Directive, table: &mut Table) -> Result<(), String> {
    let mut words = rule.from(2).iter().map(String::as_str).peekable();
    let mut not = false;
    while let Some(word) = words.next() {
        match word {
            "!" => not = true,
            "min-recv" | "ok-status" | "error-status" | "tout-status" | "on-success" | "on-error"
            | "status-code" => {
                words.next();
            }
            "comment" => {
                words.next();
            }
            "status" | "rstatus" => {
                let value = words.next().unwrap_or_default();
                let value = if word == "status" { status(value)? } else { status_regex(value)? };
                let key = if not { "not-statuses" } else { "statuses" };
                match value {
                    Value::Number(status) if !not => table.set(rule.line, "expect", status),
                    Value::Number(status) => table.set(rule.line, key, Value::texts([status.to_string()])),
                    Value::List(list) => table.set(rule.line, key, Value::List(list)),
                    one => table.set(rule.line, key, Value::List(vec![one])),
                }
            }
            "string" | "rstring" => {
                let value = words.next().unwrap_or_default();
                let key = match (word, not) {
                    ("string", false) => "body",
                    ("string", true) => "body-lacks",
                    (_, false) => "body-regex",
                    (_, true) => return Err("a body must fit an expression, not miss one".to_owned()),
                };
                table.set(rule.line, key, value);
            }
            other => return Err(format!("`expect {other}` has no counterpart")),
        }
    }
    Ok(())
}

/// `200`, `200,301-302`
fn status(text: &str) -> Result<Value, String> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let (low, high): (u64, u64) =
            low.parse().ok().zip(high.parse().ok()).ok_or("the status is no number")?;
        if !(100..=599).contains(&low) || !(low..=599).contains(&high) {
            return Err("a status is from 100 to 599".to_owned());
        }
        if low % 100 == 0 && high == low + 99 {
            all.push(Value::Text(format!("{}xx", low / 100)));
        } else {
            all.push(if low == high { Value::Number(low) } else { Value::Text(format!("{low}-{high}")) });
        }
    }
    if all.len() == 1 {
        return Ok(all.swap_remove(0));
    }
    let word = |value: Value| {
        if let Value::Number(number) = value { Value::Text(number.to_string()) } else { value }
    };
    Ok(Value::List(all.into_iter().map(word).collect()))
}

/// `2..`, `^2`, `(2|3)[0-9][0-9]`: classes of statuses, as far as they are that.
fn status_regex(text: &str) -> Result<Value, String> {
    let bare = text.trim_start_matches('^').trim_end_matches('$');
    let classes: Vec<char> = match bare.strip_prefix(['(', '[']) {
        Some(rest) => {
            rest.chars().take_while(|c| *c != ')' && *c != ']').filter(char::is_ascii_digit).collect()
        }
        None if bare.len() == 3 && bare.parse::<u64>().is_ok() => return status(bare),
        None => bare.chars().take(1).collect(),
    };
    let group = bare.starts_with(['(', '[']);
    let end = if group { bare.find([')', ']']).map_or(bare.len(), |at| at + 1) } else { 1 };
    let tail = bare.get(end..).unwrap_or_default();
    let any = ["", "..", "[0-9][0-9]", r"\d\d", "[0-9]{2}", r"\d{2}", ".*", "xx"].contains(&tail);
    let list: Vec<Value> = classes.iter().map(|class| Value::Text(format!("{class}xx"))).collect();
    match list.len() {
        _ if !any => Err("only classes of statuses can be told apart by an expression".to_owned()),
        0 => Err("the expression names no status".to_owned()),
        1 => Ok(list.into_iter().next().expect("there is one")),
        _ => Ok(Value::List(list)),
    }
}

/// `tcp-check` as steps; what the first `connect` says is of the whole probe.
fn steps(proxy: &Proxy, probe: &mut Table, context: &mut Context<'_>) -> Vec<Table> {
    let mut steps: Vec<Table> = Vec::new();
    for rule in proxy.settings.all("tcp-check") {
        match (rule.word(1), rule.from(2)) {
            ("connect", options) => {
                let connect = connection(rule.line, options);
                if steps.is_empty() {
                    probe.entries.extend(connect.entries);
                } else {
                    // A further connection is a step of its own.
                    steps.push(Table::default().with("connect", connect));
                }
            }
            ("send" | "send-lf", [text, ..]) => steps.push(Table::default().with("send", text.as_str())),
            ("send-binary" | "send-binary-lf", [hex, ..]) => {
                steps.push(Table::default().with("send-hex", hex.as_str()));
            }
            ("expect", words) => match expected(words) {
                Ok(step) => awaited(&mut steps, step),
                Err(why) => context.account.unsupported(rule.line, why),
            },
            _ => {}
        }
    }
    steps
}

/// What is awaited belongs to what was sent before it.
fn awaited(steps: &mut Vec<Table>, step: Table) {
    let sends = |last: &Table| matches!(last.entries.as_slice(), [entry] if entry.key.starts_with("send"));
    match steps.last_mut().filter(|last| sends(last)) {
        Some(last) => last.entries.extend(step.entries),
        None => steps.push(step),
    }
}

/// `connect port 8080 ssl sni x`
fn connection(line: u32, options: &[String]) -> Table {
    let mut connect = Table::default();
    let mut words = options.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "port" => {
                if let Some(port) = words.next().and_then(|port| port.parse::<u64>().ok()) {
                    connect.set(line, "port", port);
                }
            }
            "ssl" => connect.set(line, "tls", true),
            "sni" => connect.set(line, "name", words.next().unwrap_or_default()),
            "comment" | "alpn" | "proto" | "addr" => drop(words.next()),
            _ => {}
        }
    }
    connect
}

/// `expect [!] string X`, `rstring X`, `binary HEX`
fn expected(words: &[String]) -> Result<Table, String> {
    let mut words = words.iter().map(String::as_str);
    let mut not = false;
    while let Some(word) = words.next() {
        let key = match word {
            "!" => {
                not = true;
                continue;
            }
            "min-recv" | "comment" | "ok-status" | "error-status" | "tout-status" | "on-success"
            | "on-error" => {
                words.next();
                continue;
            }
            "string" => "expect",
            "rstring" => "expect-regex",
            "binary" => "expect-hex",
            other => return Err(format!("`expect {other}` has no counterpart")),
        };
        let mut step = Table::default().with(key, words.next().unwrap_or_default());
        if not {
            step.set(0, "not", true);
        }
        return Ok(step);
    }
    Err("nothing is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_numbers_lists_and_classes() {
        assert_eq!(status("200"), Ok(Value::Number(200)));
        assert_eq!(status("200,401"), Ok(Value::texts(["200", "401"])));
        assert_eq!(status("200-299"), Ok(Value::from("2xx")));
        assert_eq!(status("200-204"), Ok(Value::from("200-204")));
        assert!(status("200-99999").is_err() && status("x").is_err());
        assert_eq!(status_regex("(2|3)[0-9][0-9]"), Ok(Value::texts(["2xx", "3xx"])));
        assert_eq!(status_regex("^2"), Ok(Value::from("2xx")));
        assert_eq!(status_regex("200"), Ok(Value::Number(200)));
        assert!(status_regex("2[0-4].").is_err());
    }
}
