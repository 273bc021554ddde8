//! squid.conf in accelerator mode: one or more addresses in front of origin servers.

mod acl;
mod peer;
mod port;
mod rows;

use std::collections::HashMap;

use self::acl::Acl;
use self::peer::Peer;
use self::port::Port;
use self::rows::{DIRECTIVES, PEER, PORT};
use crate::account::Account;
use crate::block::{Block, Draft, Table, Value};
use crate::comments::Note;
use crate::haproxy::rule::{Behind, Compiler, Condition, Known, Outcome, Rule, always, and, not};
use crate::import::Read;
use crate::outside::Outside;
use crate::table::Rows;
use crate::units;

/// The tables of what is known of squid.
pub(crate) const TABLES: &[&Rows] = &[&DIRECTIVES, &PORT, &PEER, &acl::TYPES];

/// A line with its words.
struct Line {
    number: u32,
    words: Vec<String>,
}

/// `http_access` and `cache_peer_access`: who is let in, in order.
#[derive(Debug, Clone, PartialEq)]
struct Access {
    line: u32,
    allow: bool,
    acls: Vec<String>,
}

/// What the file says.
#[derive(Default)]
struct Said {
    ports: Vec<Port>,
    peers: Vec<Peer>,
    acls: HashMap<String, Acl>,
    access: Vec<Access>,
    peer_access: Vec<(String, Access)>,
    /// ACLs whose refusals reset the connection, or redirect.
    deny_info: Vec<(String, String, u32)>,
}

/// Reads a file.
pub(crate) fn read(text: &str, outside: &dyn Outside, account: &mut Account) -> Read {
    let (lines, notes) = lines(text, account);
    let mut said = Said::default();
    let mut draft = Draft::default();
    for line in &lines {
        directive(line, &mut said, &mut draft, outside, account);
    }
    merge(&mut said.peers, &said.peer_access);
    for peer in &said.peers {
        let block = peer.block(account, &mut draft);
        draft.blocks.push(block);
    }
    let rules = rules(&mut said, account);
    for port in &said.ports {
        listener(port, &rules, &said, &mut draft, account);
    }
    crate::haproxy::sort(&mut draft);
    Ok((draft, notes))
}

/// Lines put together where they end with a backslash, and comments.
fn lines(text: &str, account: &mut Account) -> (Vec<Line>, Vec<Note>) {
    let mut lines: Vec<Line> = Vec::new();
    let mut notes = Vec::new();
    let mut pending: Vec<String> = Vec::new();
    let mut goes_on = false;
    for (line, number) in text.lines().zip(1u32..) {
        let trimmed = line.trim();
        if trimmed.starts_with('#') {
            pending.push(trimmed.to_owned());
            continue;
        }
        let (said, more) = trimmed.strip_suffix('\\').map_or((trimmed, false), |said| (said, true));
        let words: Vec<String> = said
            .split_whitespace()
            .take_while(|word| !word.starts_with('#'))
            .map(|word| word.trim_matches('"').to_owned())
            .collect();
        if goes_on && let Some(last) = lines.last_mut() {
            account.mark(number, crate::Verdict::Exact, "goes on with the line above");
            last.words.extend(words);
        } else if !words.is_empty() {
            notes.extend(pending.drain(..).filter_map(|comment| Note::comment(&comment, number)));
            lines.push(Line { number, words });
        }
        goes_on = more;
    }
    let last = lines.last().map_or(0, |line| line.number);
    notes.extend(pending.iter().filter_map(|comment| Note::comment(comment, last)));
    (lines, notes)
}

/// One line.
fn directive(line: &Line, said: &mut Said, draft: &mut Draft, outside: &dyn Outside, account: &mut Account) {
    let number = line.number;
    if DIRECTIVES.mark(&line.words, number, account).is_none() {
        return;
    }
    let word = |index: usize| line.words.get(index).map_or("", String::as_str);
    let from = |index: usize| line.words.get(index..).unwrap_or_default();
    match word(0) {
        "https_port" | "http_port" => {
            if let Some(port) = Port::read(number, &line.words, draft, account) {
                said.ports.push(port);
            }
        }
        "cache_peer" => {
            if let Some(peer) = Peer::read(number, &line.words, account) {
                said.peers.push(peer);
            }
        }
        "acl" => Acl::read(number, &line.words, &mut said.acls, outside, account),
        "http_access" => {
            said.access.push(Access { line: number, allow: word(1) == "allow", acls: from(2).to_vec() });
        }
        "cache_peer_access" => {
            let access = Access { line: number, allow: word(2) == "allow", acls: from(3).to_vec() };
            said.peer_access.push((word(1).to_owned(), access));
        }
        "cache_peer_domain" => {
            let name = format!("domains-of-{}-{number}", word(1));
            let words: Vec<String> = ["acl", &name, "dstdomain"]
                .iter()
                .map(|word| (*word).to_owned())
                .chain(from(2).iter().cloned())
                .collect();
            Acl::read(number, &words, &mut said.acls, outside, account);
            let access = Access { line: number, allow: true, acls: vec![name] };
            said.peer_access.push((word(1).to_owned(), access));
        }
        "deny_info" => {
            for acl in from(2) {
                said.deny_info.push((acl.clone(), word(1).to_owned(), number));
            }
        }
        "access_log" => {
            if word(1) == "none" {
                draft.block(&["log"], number).keys.set(number, "access", "off");
            } else if let Some(path) = word(1).split(':').next_back().filter(|path| path.starts_with('/')) {
                draft.block(&["log"], number).keys.set(number, "access", path);
            }
        }
        "workers" => {
            if let Some(workers) = units::count(word(1)).filter(|workers| *workers > 0) {
                draft.block(&[], number).keys.set(number, "workers", workers);
            }
        }
        "shutdown_lifetime" => {
            if let Some(time) = seconds(from(1)) {
                draft.block(&["process"], number).keys.set(number, "drain", Value::time(time));
            }
        }
        _ => {}
    }
}

/// `30 seconds`, `5 minutes`
fn seconds(words: &[String]) -> Option<u64> {
    let number = words.first()?.parse::<u64>().ok()?;
    let unit = match words.get(1).map_or("second", String::as_str).trim_end_matches('s') {
        "minute" => 60_000,
        "hour" => 3_600_000,
        "millisecond" => 1,
        _ => 1000,
    };
    number.checked_mul(unit).filter(|time| *time < 1 << 40)
}

/// Peers that share their work become one pool: those that say so and are let in alike.
fn merge(peers: &mut Vec<Peer>, access: &[(String, Access)]) {
    let of = |name: &str| -> Vec<(bool, Vec<String>)> {
        access
            .iter()
            .filter(|(own, _)| own == name)
            .map(|(_, access)| (access.allow, access.acls.clone()))
            .collect()
    };
    let mut kept: Vec<Peer> = Vec::new();
    for peer in peers.drain(..) {
        let same = kept.iter_mut().find(|own| {
            own.balance.is_some()
                && own.balance == peer.balance
                && own.pool == peer.pool
                && of(&own.name) == of(&peer.name)
        });
        match same {
            Some(own) => own.servers.extend(peer.servers),
            None => kept.push(peer),
        }
    }
    *peers = kept;
}

/// What happens to requests, in order.
fn rules(said: &mut Said, account: &mut Account) -> Vec<Rule> {
    let mut rules = Vec::new();
    refusals(said, &mut rules, account);
    let mut open: Vec<Rule> = Vec::new();
    let positive: Vec<Vec<String>> = said
        .peer_access
        .iter()
        .filter(|(_, access)| access.allow)
        .map(|(_, access)| access.acls.clone())
        .collect();
    for peer in &said.peers {
        let own: Vec<&Access> = said
            .peer_access
            .iter()
            .filter(|(name, _)| *name == peer.name)
            .map(|(_, access)| access)
            .collect();
        // What is denied here and allowed to another peer goes there first; the rest may come here.
        let rest_only = own.iter().all(|access| !access.allow && positive.contains(&access.acls));
        let outcome = Outcome::Backend(peer.name.clone());
        if rest_only {
            open.push(Rule { condition: always(), outcome, line: peer.line });
            continue;
        }
        let condition = admitted(&own, &said.acls, account);
        let line = own.first().map_or(peer.line, |access| access.line);
        rules.push(Rule { condition, outcome, line });
    }
    rules.extend(open);
    rules
}

/// Who is admitted by rules of which the first that fits decides; without one, the last one's opposite.
fn admitted(access: &[&Access], acls: &HashMap<String, Acl>, account: &mut Account) -> Condition {
    let mut admitted = Condition::new();
    let mut before = Condition::new();
    for one in access {
        let own = match condition(&one.acls, acls, account) {
            Ok(own) => own,
            Err(why) => {
                account.unsupported(one.line, why);
                continue;
            }
        };
        if one.allow {
            match not(&before).and_then(|rest| and(&own, &rest)) {
                Ok(both) => admitted.extend(both),
                Err(why) => account.unsupported(one.line, why),
            }
        } else {
            before.extend(own);
        }
    }
    if access.last().is_some_and(|last| !last.allow) {
        match not(&before) {
            Ok(rest) => admitted.extend(rest),
            Err(why) => account.unsupported(access.last().map_or(0, |last| last.line), why),
        }
    }
    admitted
}

/// All of these ACLs.
fn condition(
    names: &[String],
    acls: &HashMap<String, Acl>,
    account: &mut Account,
) -> Result<Condition, String> {
    let mut result = always();
    for name in names {
        let (bare, negated) = name.strip_prefix('!').map_or((name.as_str(), false), |bare| (bare, true));
        let own = match acls.get(bare) {
            Some(acl) => acl.condition(account)?,
            None if bare == "all" => always(),
            None if matches!(bare, "localhost" | "manager" | "to_localhost" | "CONNECT" | "purge") => {
                predefined(bare)
            }
            None => return Err(format!("there is no ACL `{bare}`")),
        };
        result = and(&result, &if negated { not(&own)? } else { own })?;
    }
    Ok(result)
}

/// ACLs that are there without being defined.
fn predefined(name: &str) -> Condition {
    use crate::haproxy::rule::{Subject, Test};
    match name {
        "localhost" => {
            vec![vec![Test::new(Subject::Source, vec!["127.0.0.0/8".to_owned(), "::1".to_owned()])]]
        }
        // Requests to the cache itself: there is none here.
        _ => Condition::new(),
    }
}

/// `http_access` as rules that refuse.
fn refusals(said: &Said, rules: &mut Vec<Rule>, account: &mut Account) {
    let mut admitted = Condition::new();
    for access in &said.access {
        let own = match condition(&access.acls, &said.acls, account) {
            Ok(own) => own,
            Err(why) => {
                account.unsupported(access.line, why);
                continue;
            }
        };
        if access.allow {
            if own == always() {
                return;
            }
            admitted.extend(own);
            continue;
        }
        let refused = match not(&admitted).and_then(|rest| and(&own, &rest)) {
            Ok(refused) => refused,
            Err(why) => {
                account.unsupported(access.line, why);
                continue;
            }
        };
        let last = access.acls.last().map_or("", |name| name.trim_start_matches('!'));
        let info = said.deny_info.iter().find(|(acl, ..)| acl == last).map(|(_, info, _)| info.as_str());
        let answer = match info {
            Some("TCP_RESET") => Table::default().with("reset", true),
            Some(url) if url.contains("://") => {
                let (status, to) =
                    url.split_once(':').filter(|(status, _)| status.len() == 3).unwrap_or(("302", url));
                let status = status.parse::<u64>().unwrap_or(302);
                Table::default().with("redirect", Table::default().with("to", to).with("status", status))
            }
            _ => Table::default().with("refuse", 403u64),
        };
        rules.push(Rule { condition: refused, outcome: Outcome::Answer(answer), line: access.line });
    }
}

/// A port becomes a listener.
fn listener(port: &Port, rules: &[Rule], said: &Said, draft: &mut Draft, account: &mut Account) {
    let name = draft.free_name("listener", if port.tls.is_some() { "https" } else { "http" });
    let mut block = Block::new(&["listener", &name], port.line, port.line);
    block.keys.set(port.line, "bind", Value::texts([port.address.as_str()]));
    block.keys.set(0, "mode", "http");
    if let Some(tls) = &port.tls {
        block.keys.set(port.line, "tls", tls.clone());
    }
    if let Some(site) = &port.only_site {
        block.keys.table(port.line, "set-request-headers").set(port.line, "Host", site.as_str());
    }
    let behind = |name: &str| {
        let peer = said.peers.iter().find(|peer| peer.name == name)?;
        Some(Behind {
            pool: Some(peer.pool_name()),
            answers: Vec::new(),
            changes: peer.changes(port.tls.is_some()),
        })
    };
    let known = Known { tls: Some(port.tls.is_some()), port: port.number(), ..Known::default() };
    let compiler =
        Compiler { known, behind: &behind, changes: Vec::new(), account, routes: Vec::new(), looked: 0 };
    let routes = compiler.compile(rules);
    crate::haproxy::put_routes(&mut block, routes, "http", account);
    draft.blocks.push(block);
}
