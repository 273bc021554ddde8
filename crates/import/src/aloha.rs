//! HAProxy ALOHA: directors of layer 4 and contexts of the packet shield. Files may hold sections of haproxy.cfg too.

use crate::account::Account;
use crate::block::{Block, Draft, Item, Table, Value, plain_name};
use crate::comments::Note;
use crate::format::SECTIONS;
use crate::import::Read;
use crate::outside::Outside;
use crate::table::{Rows, changed, exact, not_needed};
use crate::{haproxy, units};

/// Directors
const DIRECTOR: Rows = Rows {
    title: "Directors (LB Layer 4)",
    kind: "director",
    rows: &[
        exact("director", "[listener.NAME] bind = [\"10.0.1.9:443/tcp\"]"),
        exact("balance roundrobin", "balance = \"round-robin\""),
        exact("balance leastconn", "balance = \"least-connections\""),
        changed(
            "balance leastconn localitybased",
            "balance = \"hash\", hash-on = \"destination\"",
            "by address, consistently",
        ),
        changed(
            "balance source",
            "balance = \"hash\", hash-on = \"source\"",
            "consistent; another server for a given client",
        ),
        changed(
            "balance srcdst",
            "balance = \"hash\", hash-on = \"source\"",
            "consistent; one address is balanced",
        ),
        changed("balance dest", "balance = \"hash\", hash-on = \"destination\"", "consistent"),
        changed("balance shortestexpected", "balance = \"least-connections\"", "by weight as well"),
        changed("balance neverqueue", "balance = \"least-connections\"", "by weight as well"),
        exact("mode gateway", "mode = \"dsr\""),
        exact("mode nat", "mode = \"nat\""),
        exact("mode tunnel", "mode = \"tunnel\""),
        exact("check", "health-check = { every = \"10s\", timeout = \"2s\" }"),
        exact("option tcpcheck", "health-check = { tcp = true }"),
        exact("option httpcheck", "health-check = { http = \"/up\", expect = 200 }"),
        exact("option icmpcheck", "health-check = { icmp = true }"),
        changed("option arpcheck", "health-check = { icmp = true }", "by an echo request"),
        exact("option persistence", "persistence = { idle = \"5m\", prefix = 24 }"),
        exact("server", "servers = [{ name = \"a\", address = \"10.0.0.13:443\", weight = 10 }]"),
        exact("server sorry", "backup = true"),
    ],
};

/// Packet shield
const SHIELD: Rows = Rows {
    title: "PacketShield",
    kind: "shield",
    rows: &[
        exact("interfaces", "[shield] interfaces = [\"eth0\"]"),
        exact("contexts", "[[shield.contexts]] destination = [\"10.0.0.9\"]"),
        exact("mode", "tracking = \"stateful\""),
        exact("w_sources", "trust = [\"10.0.2.3\"]"),
        exact("b_sources", "block = [\"192.0.2.0/24\"]"),
        exact("w_protocols", "allow = [\"icmp\"]"),
        exact("w_tcp_ports", "allow = [\"tcp/443\"]"),
        exact("w_udp_ports", "allow = [\"udp/53\"]"),
        exact("p_tcp_ports", "allow = [\"tcp/443\"], syn-cookies = { above = \"0/s\" }"),
        not_needed("stats", "`/metrics` counts by context"),
    ],
};

/// The tables of what is known of the ALOHA.
pub(crate) const TABLES: &[&Rows] = &[&DIRECTOR, &SHIELD];

/// Whether the second part of `instance/key` is one of the packet shield's.
pub(crate) fn is_shield(key: &str) -> bool {
    let last = key.rsplit('/').next().unwrap_or_default();
    SHIELD.find(&[last]).is_some()
}

/// What a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Haproxy,
    Director,
    Shield,
}

/// Reads a file.
pub(crate) fn read(text: &str, outside: &dyn Outside, account: &mut Account) -> Read {
    let mut part = Part::Nothing;
    let mut of_haproxy = String::new();
    let mut own: Vec<(u32, Part, Vec<String>)> = Vec::new();
    let mut notes = Vec::new();
    let mut pending: Vec<String> = Vec::new();
    let mut any = false;
    for (line, number) in text.lines().zip(1u32..) {
        let (said, comment) =
            line.split_once('#').map_or((line, None), |(said, comment)| (said, Some(comment)));
        let words: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
        let first = words.first().map_or("", String::as_str);
        if first == "director" {
            part = Part::Director;
        } else if first.split_once('/').is_some_and(|(_, key)| is_shield(key)) {
            part = Part::Shield;
        } else if SECTIONS.contains(&first) {
            part = Part::Haproxy;
        }
        if part == Part::Haproxy && !(words.is_empty()) {
            any = true;
            of_haproxy.push_str(line);
            of_haproxy.push('\n');
            continue;
        }
        of_haproxy.push('\n');
        pending.extend(comment.map(str::to_owned));
        if words.is_empty() {
            continue;
        }
        notes.extend(pending.drain(..).filter_map(|comment| Note::comment(&comment, number)));
        own.push((number, part, words));
    }
    let mut draft = Draft::default();
    if any {
        let (of_sections, more) = haproxy::read(&of_haproxy, outside, account)?;
        draft = of_sections;
        notes.extend(more);
    }
    let last = own.last().map_or(0, |(line, ..)| *line);
    notes.extend(pending.iter().filter_map(|comment| Note::comment(comment, last)));
    directors(&own, &mut draft, account);
    shield(&own, &mut draft, account);
    for (line, _, words) in own.iter().filter(|(_, part, _)| *part == Part::Nothing) {
        account.unsupported(
            *line,
            format!("`{}` stands in no director", words.first().map_or("", String::as_str)),
        );
    }
    haproxy::sort(&mut draft);
    Ok((draft, notes))
}

/// Lines of directors, each put together with those below it.
fn directors(lines: &[(u32, Part, Vec<String>)], draft: &mut Draft, account: &mut Account) {
    let mut open: Option<Director> = None;
    for (line, part, words) in lines {
        if *part != Part::Director {
            continue;
        }
        if words.first().is_some_and(|word| word == "director") {
            if let Some(director) = open.take() {
                director.write(draft, account);
            }
            open = Director::open(*line, words, account);
        } else if let Some(director) = &mut open {
            director.end = *line;
            director.read(*line, words, account);
        } else {
            account.unsupported(*line, "the director above it could not be read");
        }
    }
    if let Some(director) = open {
        director.write(draft, account);
    }
}

/// A director.
struct Director {
    name: String,
    line: u32,
    end: u32,
    address: String,
    mode: (&'static str, u32),
    listener: Table,
    pool: Table,
    probe: Table,
    /// What is asked by the probe, with its line.
    asked: Option<(u32, Table)>,
    servers: Vec<Item>,
    checked: bool,
}

impl Director {
    fn open(line: u32, words: &[String], account: &mut Account) -> Option<Self> {
        DIRECTOR.mark(words, line, account);
        let name = plain_name(words.get(1).map_or("director", String::as_str));
        let Some(address) = words.get(2) else {
            account.unsupported(line, "it has no address to balance");
            return None;
        };
        let protocol = words.get(3).map_or("tcp".to_owned(), |word| word.to_lowercase());
        if protocol != "tcp" && protocol != "udp" {
            account.unsupported(line, format!("`{protocol}` is neither TCP nor UDP"));
            return None;
        }
        if address.parse::<std::net::SocketAddr>().is_err() {
            account.unsupported(line, "every port of an address cannot be balanced: name the port");
            return None;
        }
        Some(Self {
            name,
            line,
            end: line,
            address: format!("{address}/{protocol}"),
            mode: ("nat", 0),
            listener: Table::default(),
            pool: Table::default(),
            probe: Table::default(),
            asked: None,
            servers: Vec::new(),
            checked: false,
        })
    }

    fn read(&mut self, line: u32, words: &[String], account: &mut Account) {
        if DIRECTOR.mark(words, line, account).is_none() {
            return;
        }
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        match (word(0), word(1)) {
            ("balance", kind) => self.balance(line, kind, word(2)),
            ("mode", "gateway") => self.mode = ("dsr", line),
            ("mode", "tunnel") => self.mode = ("tunnel", line),
            ("mode", _) => self.mode = ("nat", line),
            ("check", _) => self.check(line, words.get(1..).unwrap_or_default(), account),
            ("option", "persistence") => self.persistence(line, words.get(2..).unwrap_or_default(), account),
            ("option", kind) => self.option(line, kind, words.get(2..).unwrap_or_default(), account),
            ("server", _) => self.server(line, words, account),
            _ => {}
        }
    }

    fn balance(&mut self, line: u32, kind: &str, more: &str) {
        let mut hash = |on: &str| {
            self.pool.set(line, "balance", "hash");
            self.pool.set(line, "hash-on", on);
        };
        match kind {
            "roundrobin" => self.pool.set(line, "balance", "round-robin"),
            "source" | "srcdst" => hash("source"),
            "dest" => hash("destination"),
            "leastconn" if more == "localitybased" => hash("destination"),
            _ => self.pool.set(line, "balance", "least-connections"),
        }
    }

    /// `check interval 10 timeout 2 port 443`
    fn check(&mut self, line: u32, words: &[String], account: &mut Account) {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words.next().map_or("", String::as_str);
            match word.as_str() {
                "interval" | "timeout" => {
                    let key = if word == "interval" { "every" } else { "timeout" };
                    match units::time(value, 1000).filter(|time| *time > 0) {
                        Some(time) => self.probe.set(line, key, Value::time(time)),
                        None => account.unsupported(line, format!("`{value}` is no time")),
                    }
                }
                "port" => match value.parse::<u16>() {
                    Ok(port) if port > 0 => self.probe.set(line, "port", u64::from(port)),
                    _ => account.unsupported(line, format!("`{value}` is no port")),
                },
                "source" => account.changed(line, "probes come from the address that the kernel chooses"),
                other => account.unsupported(line, format!("`{other}` is not known of a check")),
            }
        }
    }

    /// `option httpcheck uri /x statuscode 200 vhost y`, `option tcpcheck`
    fn option(&mut self, line: u32, kind: &str, words: &[String], account: &mut Account) {
        let mut table = Table::default();
        let mut rest: Vec<String> = Vec::new();
        match kind {
            "httpcheck" => {
                let mut words = words.iter();
                table.set(line, "http", "/");
                while let Some(word) = words.next() {
                    let value = words.next().map_or("", String::as_str);
                    match word.as_str() {
                        "uri" => table.set(line, "http", value),
                        "vhost" => table.set(line, "host", value),
                        "statuscode" => match value.parse::<u64>() {
                            Ok(status) => table.set(line, "expect", status),
                            Err(_) => account.unsupported(line, "the status is no number"),
                        },
                        other => rest.extend([other.to_owned(), value.to_owned()]),
                    }
                }
            }
            "tcpcheck" => {
                table.set(line, "tcp", true);
                rest = words.to_vec();
            }
            _ => {
                table.set(line, "icmp", true);
                let iface = words.iter().position(|word| word == "iface");
                let named = |at: usize| iface.is_some_and(|iface| at == iface || at == iface + 1);
                rest = words
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| !named(*at))
                    .map(|(_, word)| word.clone())
                    .collect();
            }
        }
        self.check(line, &rest, account);
        self.asked = Some((line, table));
    }

    /// `option persistence timeout 300 netmask 255.255.255.0`
    fn persistence(&mut self, line: u32, words: &[String], account: &mut Account) {
        let mut table = Table::default();
        table.set(line, "idle", Value::time(300_000));
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words.next().map_or("", String::as_str);
            match word.as_str() {
                "timeout" => match units::time(value, 1000) {
                    Some(time) => table.set(line, "idle", Value::time(time)),
                    None => account.unsupported(line, format!("`{value}` is no time")),
                },
                "netmask" => {
                    let mask = value.parse::<std::net::IpAddr>().ok();
                    match mask.and_then(|mask| ipnet::ip_mask_to_prefix(mask).ok()) {
                        Some(prefix) => table.set(line, "prefix", u64::from(prefix)),
                        None => account.unsupported(line, format!("`{value}` is no mask")),
                    }
                }
                other => account.unsupported(line, format!("`{other}` is not known of persistence")),
            }
        }
        self.listener.set(line, "persistence", table);
    }

    /// `server NAME IP[:PORT] [weight N] [check] [sorry]`
    fn server(&mut self, line: u32, words: &[String], account: &mut Account) {
        let address = words.get(2).map_or("", String::as_str);
        let bare = address.parse::<std::net::IpAddr>().is_ok();
        let port =
            self.address.rsplit(':').next().and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let address = if bare { format!("{address}:{port}") } else { address.to_owned() };
        if address.parse::<std::net::SocketAddr>().is_err() {
            account.unsupported(line, "the server's address is none");
            return;
        }
        let name = plain_name(words.get(1).map_or("server", String::as_str));
        let mut table = Table::default().with("name", name).with("address", address);
        let mut rest = words.iter().skip(3);
        while let Some(word) = rest.next() {
            match word.as_str() {
                "weight" => match rest.next().and_then(|weight| weight.parse::<u64>().ok()) {
                    Some(weight) => table.set(line, "weight", weight.min(256)),
                    None => account.unsupported(line, "the weight is no number"),
                },
                "check" => self.checked = true,
                "sorry" => {
                    account.uses("director: server sorry".to_owned());
                    table.set(line, "backup", true);
                }
                other => account.unsupported(line, format!("`{other}` is not known of a server")),
            }
        }
        self.servers.push(Item::new(line, table));
    }

    fn write(self, draft: &mut Draft, account: &mut Account) {
        if self.servers.is_empty() {
            account.unsupported(self.line, "it has no server");
            return;
        }
        let pool_name = draft.free_name("pool", &self.name);
        let name = draft.free_name("listener", &self.name);
        let mut listener = Block::new(&["listener", &name], self.line, self.end);
        listener.keys.set(self.line, "bind", Value::texts([self.address]));
        listener.keys.set(self.mode.1, "mode", self.mode.0);
        listener.keys.set(0, "pool", pool_name.as_str());
        listener.keys.entries.extend(self.listener.entries);
        draft.blocks.push(listener);
        let mut pool = Block::new(&["pool", &pool_name], self.line, self.end);
        pool.keys = self.pool;
        if self.checked {
            let (line, mut probe) = self.asked.unwrap_or((0, Table::default().with("tcp", true)));
            let first = self.probe.entries.first().map_or(line, |entry| entry.line);
            probe.entries.extend(self.probe.entries);
            pool.keys.set(if line == 0 { first } else { line }, "health-check", probe);
        }
        *pool.list("servers") = self.servers;
        draft.blocks.push(pool);
    }
}

/// `instance/contexts 10.0.0.9`, `instance/10.0.0.9/w_tcp_ports 443`
fn shield(lines: &[(u32, Part, Vec<String>)], draft: &mut Draft, account: &mut Account) {
    for (line, _, words) in lines.iter().filter(|(_, part, _)| *part == Part::Shield) {
        let line = *line;
        let path: Vec<&str> = words.first().map_or("", String::as_str).split('/').collect();
        let (context, key) = match path.as_slice() {
            [_, key] => (None, *key),
            [_, context, key] => (Some(*context), *key),
            _ => {
                account.unsupported(line, "it is neither `instance/key` nor `instance/context/key`");
                continue;
            }
        };
        if SHIELD.mark(&[key], line, account).is_none() {
            continue;
        }
        let values: Vec<&str> = words.iter().skip(1).map(|word| word.trim_start_matches('+')).collect();
        let block = draft.block(&["shield"], line);
        block.end = line;
        for value in values {
            if let Err(why) = setting(block, line, context, key, value) {
                account.unsupported(line, why);
            }
        }
    }
}

/// One value of the packet shield.
fn setting(
    block: &mut Block,
    line: u32,
    context: Option<&str>,
    key: &str,
    value: &str,
) -> Result<(), String> {
    match key {
        "interfaces" => {
            block.keys.add(line, "interfaces", value);
            return Ok(());
        }
        "contexts" => {
            let (address, vlan) =
                value.split_once('@').map_or((value, None), |(address, vlan)| (address, Some(vlan)));
            let address = units::network(address).ok_or("the context is no address")?;
            let mut table = Table::default().with("destination", Value::texts([address]));
            if let Some(vlan) = vlan {
                table.set(line, "vlan", vlan.parse::<u64>().map_err(|_| "the VLAN is no number")?);
            }
            block.list("contexts").push(Item::new(line, table));
            return Ok(());
        }
        _ => {}
    }
    let address = context.filter(|context| *context != "Other").map(|context| {
        let (address, vlan) =
            context.split_once('@').map_or((context, None), |(address, vlan)| (address, Some(vlan)));
        (units::network(address), vlan.and_then(|vlan| vlan.parse::<u64>().ok()))
    });
    let table = match address {
        None => &mut block.keys,
        Some((address, vlan)) => {
            let wanted = Value::texts([address.ok_or("the context is no address")?]);
            let fits = |item: &&mut Item| {
                item.table.get("destination") == Some(&wanted)
                    && item.table.get("vlan") == vlan.map(Value::Number).as_ref()
            };
            &mut block.list("contexts").iter_mut().find(fits).ok_or("there is no such context above")?.table
        }
    };
    let net = || sources(value).ok_or_else(|| format!("`{value}` is no range of addresses"));
    match key {
        "mode" => table.set(line, "tracking", if value.contains("less") { "stateless" } else { "stateful" }),
        "w_sources" => net()?.into_iter().for_each(|net| table.add(line, "trust", net)),
        "b_sources" => net()?.into_iter().for_each(|net| table.add(line, "block", net)),
        "w_protocols" => table.add(line, "allow", value.to_lowercase()),
        "w_tcp_ports" => table.add(line, "allow", format!("tcp/{value}")),
        "w_udp_ports" => table.add(line, "allow", format!("udp/{value}")),
        "p_tcp_ports" => {
            table.add(line, "allow", format!("tcp/{value}"));
            table.table(line, "syn-cookies").set(line, "above", "0/s");
        }
        _ => {}
    }
    Ok(())
}

/// `10.0.0.1`, `10.0.0.0-255`, `10.0.0.10-20`, as networks.
fn sources(text: &str) -> Option<Vec<String>> {
    let Some((low, high)) = text.split_once('-') else { return units::network(text).map(|net| vec![net]) };
    let low: std::net::Ipv4Addr = low.parse().ok()?;
    let high: u8 = high.parse().ok()?;
    let [a, b, c, _] = low.octets();
    let high = std::net::Ipv4Addr::new(a, b, c, high);
    let subnets =
        ipnet::Ipv4Subnets::new(low, high, 0).map(|net| net.to_string().trim_end_matches("/32").to_owned());
    Some(subnets.take(64).collect()).filter(|_| low <= high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_networks() {
        for (text, nets) in [
            ("10.0.0.1", Some(vec!["10.0.0.1"])),
            ("10.0.0.0-255", Some(vec!["10.0.0.0/24"])),
            ("10.0.0.10-12", Some(vec!["10.0.0.10/31", "10.0.0.12"])),
            ("10.0.0.9-1", None),
            ("x", None),
        ] {
            let nets = nets.map(|nets| nets.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(sources(text), nets, "{text}");
        }
    }
}
