//! The famous mistakes: what keeps Exchange from working, or whoever listens from being kept out.

use crate::account::Account;
use crate::block::{Block, Draft, Item, Table, Value};

/// ActiveSync holds a request for up to 59 minutes.
const LONG_POLL: u64 = 3_600_000;

/// Directories of Exchange.
const DIRECTORIES: &[&str] = &[
    "/owa",
    "/ecp",
    "/ews",
    "/oab",
    "/mapi",
    "/rpc",
    "/autodiscover",
    "/microsoft-server-activesync",
    "/powershell",
    "/exchange",
];

/// Looks at the result, and names what is wrong with it.
pub(crate) fn look(draft: &Draft, account: &mut Account) {
    for block in &draft.blocks {
        match block.kind() {
            "pool" => pool(block, draft, account),
            "listener" => listener(block, draft, account),
            _ => {}
        }
    }
}

fn pool(block: &Block, draft: &Draft, account: &mut Account) {
    let exchange = is_exchange(block, draft);
    if let Some(Value::Table(connect)) = block.keys.get("connect")
        && let Some(Value::Table(tls)) = connect.get("tls")
        && tls.text("verify") == Some("none")
    {
        let line = line_of(block, "connect");
        account.finding(
            line,
            "verify-none",
            format!(
                "the certificates of the servers of `{}` are not verified: whoever stands in between can read and change \
                 everything; name their authority with `ca`",
                block.name()
            ),
        );
    }
    if !exchange {
        return;
    }
    if let Some(Value::Table(timeouts)) = block.keys.get("timeouts") {
        for key in ["idle", "response"] {
            let short = timeouts
                .text(key)
                .and_then(|text| crate::units::time(text, 1))
                .is_some_and(|time| time < LONG_POLL);
            if short {
                let line =
                    timeouts.entries.iter().find(|entry| entry.key == key).map_or(0, |entry| entry.line);
                account.finding(
                    line,
                    "short-timeout",
                    format!(
                        "`{key} = \"{}\"` towards Exchange: ActiveSync holds a request for up to 59 minutes, and Exchange \
                         warns of less than 15 (event 1040); write `\"65m\"`",
                        timeouts.text(key).unwrap_or_default()
                    ),
                );
            }
        }
    }
    probes(block, account);
}

/// Health checks that say something else than what they seem to.
fn probes(block: &Block, account: &mut Account) {
    let Some(Value::Table(check)) = block.keys.get("health-check") else { return };
    let path = check.text("http").or(check.text("https")).unwrap_or_default().to_lowercase();
    let directory = DIRECTORIES.iter().any(|directory| path.trim_end_matches('/') == *directory);
    if directory || path == "/" {
        account.finding(
            line_of(block, "health-check"),
            "check-without-healthcheck",
            format!(
                "`{path}` answers with a redirect or a login whether Exchange works or not; \
                 `{}/healthcheck.htm` answers 200 when it does",
                if path == "/" { "/owa" } else { path.trim_end_matches('/') }
            ),
        );
    }
}

fn listener(block: &Block, draft: &Draft, account: &mut Account) {
    let Some(Value::Table(tls)) = block.keys.get("tls") else { return };
    let h2 = matches!(tls.get("alpn"), Some(Value::List(all)) if all.contains(&Value::from("h2")));
    let pools = pools_of(block);
    let to_exchange: Vec<&Block> = draft
        .blocks
        .iter()
        .filter(|own| own.kind() == "pool" && pools.contains(&own.name()) && is_exchange(own, draft))
        .collect();
    let Some(pool) = to_exchange.first() else { return };
    let line = line_of(block, "bind");
    if h2 {
        account.finding(
            line,
            "http2-with-ntlm",
            "NTLM and Negotiate belong to a connection, which HTTP/2 shares among requests: here a client that uses them \
             is sent back to HTTP/1.1 by itself",
        );
    }
    if pool.keys.get("connect").is_none() && block.keys.text("mode") != Some("passthrough") {
        account.finding(
            line_of(pool, "servers").max(pool.line),
            "tls-offloading",
            format!(
                "TLS ends here and `{}` is spoken to in clear: with Extended Protection, the default since Exchange 2019 \
                 CU14, clients are asked for their password again and again; encrypt to the servers, with the same \
                 certificate",
                pool.name()
            ),
        );
    }
}

/// The pools that a listener leads to.
fn pools_of(block: &Block) -> Vec<&str> {
    let routes = block.lists.iter().filter(|(name, _)| name == "routes").flat_map(|(_, items)| items);
    block.keys.text("pool").into_iter().chain(routes.filter_map(|route| route.table.text("pool"))).collect()
}

/// Whether a pool is one of Exchange: by its name, what it is probed for, or the paths that lead to it.
fn is_exchange(pool: &Block, draft: &Draft) -> bool {
    let name = pool.name().to_lowercase();
    let words = ["exchange", "exch", "owa", "activesync", "mapi", "autodiscover", "cas"];
    let by_name = name
        .split(['-', '_', '.'])
        .any(|part| words.iter().any(|word| part == *word || part.starts_with("exch")));
    let by_check = matches!(pool.keys.get("health-check"), Some(Value::Table(check)) if {
        let path = check.text("https").or(check.text("http")).unwrap_or_default().to_lowercase();
        DIRECTORIES.iter().any(|directory| path.starts_with(directory))
    });
    let routes = draft.blocks.iter().flat_map(|block| {
        block.lists.iter().filter(|(name, _)| name == "routes").flat_map(|(_, items)| items)
    });
    by_name
        || by_check
        || routes.filter(|route| route.table.text("pool") == Some(pool.name())).any(leads_to_exchange)
}

fn leads_to_exchange(route: &Item) -> bool {
    let paths = |table: &Table| match table.get("paths") {
        Some(Value::List(list)) => list.clone(),
        _ => Vec::new(),
    };
    paths(&route.table).iter().any(|path| match path {
        Value::Text(path) => DIRECTORIES.contains(&path.to_lowercase().as_str()),
        _ => false,
    })
}

/// The line that a key came from.
fn line_of(block: &Block, key: &str) -> u32 {
    let own = block.keys.entries.iter().find(|entry| entry.key == key).map(|entry| entry.line);
    let listed = block
        .lists
        .iter()
        .find(|(name, _)| name == key)
        .and_then(|(_, items)| items.first())
        .map(|item| item.line);
    own.or(listed).filter(|line| *line > 0).unwrap_or(block.line)
}

/// Comments that name an address which the configuration does not: one of both is out of date.
pub(crate) fn comments(text: &str, account: &mut Account) {
    let said: String =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    for (line, number) in text.lines().zip(1u32..) {
        let Some(comment) = line.trim_start().strip_prefix('#') else { continue };
        if !comment.contains(" is ") && !comment.contains(" at ") {
            continue;
        }
        let words = comment.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        for address in
            words.map(|word| word.trim_matches('.')).filter(|word| word.parse::<std::net::Ipv4Addr>().is_ok())
        {
            if !has_address(&said, address) {
                account.finding(
                    number,
                    "comment-names-another-address",
                    format!("the comment says {address}, which nothing in the file does: one of them is out of date"),
                );
            }
        }
    }
}

/// Whether a text has the address, and not as a part of a longer one.
fn has_address(text: &str, address: &str) -> bool {
    text.match_indices(address).any(|(at, _)| {
        let number = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + address.len()..).and_then(|text| text.chars().next());
        !number(before) && !number(after)
    })
}
