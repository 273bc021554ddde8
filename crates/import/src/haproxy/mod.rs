//! haproxy.cfg.

mod acl;
mod admin;
mod bind;
mod check;
mod condition;
mod format;
mod frontend;
mod global;
mod matching;
mod options;
mod pool;
mod routes;
mod rows;
mod rules;
mod server;
mod settings;
mod stick;
mod text;

use std::collections::HashMap;

pub(crate) use self::frontend::put_routes;

/// Conditions and routes, for other importers as well.
pub(crate) mod rule {
    pub(crate) use super::condition::{Condition, Known, Match, Subject, Test, always, and, not};
    pub(crate) use super::routes::{Behind, Compiler};
    pub(crate) use super::rules::{Change, Outcome, Rule};
}

use self::settings::{Proxy, Settings};
use self::text::{Section, Source};
use crate::account::Account;
use crate::block::{Draft, Table, plain_name};
use crate::import::Read;
use crate::outside::Outside;
use crate::table::Rows;

/// The tables of what is known of HAProxy.
pub(crate) const TABLES: &[&Rows] = &[
    &rows::GLOBAL,
    &rows::PROXY,
    &options::ACTIONS,
    &options::FETCHES,
    &options::BIND,
    &options::SERVER,
    &options::SECTIONS,
];

/// What is being put together.
pub(crate) struct Context<'a> {
    pub(crate) draft: Draft,
    pub(crate) account: &'a mut Account,
    pub(crate) outside: &'a dyn Outside,
}

/// What `global` says for all.
#[derive(Debug, Default)]
pub(crate) struct Base {
    certificates: String,
    authorities: String,
    /// `tls` of every listener.
    pub(crate) bind_tls: Table,
    /// `connect.tls` of every pool.
    pub(crate) server_tls: Table,
    /// The name of this node among peers.
    pub(crate) node: Option<String>,
}

impl Base {
    /// The whole path of a certificate.
    pub(crate) fn certificate(&self, path: &str) -> String {
        whole(&self.certificates, path)
    }

    /// The whole path of a file of authorities.
    pub(crate) fn authority(&self, path: &str) -> String {
        whole(&self.authorities, path)
    }
}

/// A path that begins at the root: relative ones are looked for where HAProxy is usually started.
fn whole(base: &str, path: &str) -> String {
    match (path.starts_with('/'), base.trim_end_matches('/')) {
        (true, _) => path.to_owned(),
        (false, "") => format!("/etc/haproxy/{path}"),
        (false, base) => format!("{base}/{path}"),
    }
}

/// What the frontends of a pool have to say to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Use {
    /// The longest `timeout client`, with its line.
    pub(crate) client: Option<(u64, u32)>,
    pub(crate) http: bool,
    pub(crate) tcp: bool,
    /// The only port that clients connect to.
    pub(crate) ports: Vec<u16>,
}

/// Reads a file.
pub(crate) fn read(text: &str, outside: &dyn Outside, account: &mut Account) -> Read {
    let Source { sections, notes } = text::parse(text, outside, account);
    let mut context = Context { draft: Draft::default(), account, outside };
    let base = global::read(&sections, &mut context);
    let proxies = proxies(&sections, &mut context);
    others(&sections, &base, &mut context);
    let periods = stick::periods(&proxies);
    let uses = uses(&proxies);
    for proxy in proxies.iter().filter(|proxy| proxy.is_pool()) {
        pool::write(proxy, uses.get(&proxy.name).cloned().unwrap_or_default(), &base, &mut context);
    }
    for proxy in proxies.iter().filter(|proxy| proxy.is_listener()) {
        if admin::is_statistics(proxy) {
            admin::write(proxy, &base, &mut context);
        } else {
            frontend::write(proxy, &proxies, &periods, &base, &mut context);
        }
    }
    for proxy in &proxies {
        leftovers(proxy, &mut context);
    }
    sort(&mut context.draft);
    Ok((context.draft, notes))
}

/// Frontends, backends and what is both, with the defaults that hold for each.
fn proxies(sections: &[Section], context: &mut Context<'_>) -> Vec<Proxy> {
    let mut defaults: HashMap<String, Settings> = HashMap::new();
    let mut current = Settings::default();
    let mut proxies: Vec<Proxy> = Vec::new();
    for section in sections {
        let from = match section.rest.as_slice() {
            [word, name, ..] if word == "from" => Some(name),
            _ if section.kind == "defaults" && section.name == "from" => section.rest.first(),
            _ => None,
        };
        let inherited = match from.map(|name| (name, defaults.get(name))) {
            Some((_, Some(named))) => named.clone(),
            Some((name, None)) => {
                context.account.unsupported(section.line, format!("there are no defaults `{name}`"));
                current.clone()
            }
            None if section.kind == "defaults" => Settings::default(),
            None => current.clone(),
        };
        match section.kind.as_str() {
            "defaults" => {
                context.account.exact(section.line);
                let settings = Settings::read(section, inherited, context.account);
                if !section.name.is_empty() {
                    defaults.insert(section.name.clone(), settings.clone());
                }
                current = settings;
            }
            "frontend" | "backend" | "listen" => {
                context.account.exact(section.line);
                let settings = Settings::read(section, inherited, context.account);
                let known = proxies.iter().any(|own| own.name == section.name && own.kind == section.kind);
                if known {
                    context.account.unsupported(section.line, "there is another section of this name");
                    continue;
                }
                let mut proxy = Proxy::new(section, settings);
                old_listen(section, &mut proxy);
                proxies.push(proxy);
            }
            _ => {}
        }
    }
    proxies
}

/// `listen NAME ADDRESS:PORT`, as files of HAProxy 1.x have it.
fn old_listen(section: &Section, proxy: &mut Proxy) {
    if let Some(address) = section.rest.first().filter(|word| *word != "from" && word.contains(':')) {
        let words = vec!["bind".to_owned(), address.clone()];
        proxy.settings.many.insert(0, text::Directive { line: section.line, words });
    }
}

/// Sections that are no proxies.
fn others(sections: &[Section], base: &Base, context: &mut Context<'_>) {
    for section in sections {
        match section.kind.as_str() {
            "global" | "defaults" | "frontend" | "backend" | "listen" => {}
            "peers" => stick::peers(section, base, context),
            kind => {
                options::SECTIONS.mark(&[kind], section.line, context.account);
                for directive in &section.directives {
                    let known = options::SECTIONS.find(&directive.words).is_some();
                    let whole = options::SECTIONS.find(&[kind]).is_some_and(|row| !row.ours.is_empty());
                    let inside = matches!(kind, "resolvers" | "userlist" | "mailers");
                    if inside && known {
                        options::SECTIONS.mark(&directive.words, directive.line, context.account);
                    } else if !whole {
                        context
                            .account
                            .unsupported(directive.line, format!("it belongs to the section `{kind}`"));
                    }
                }
            }
        }
    }
}

/// Who uses which backend, and how.
fn uses(proxies: &[Proxy]) -> HashMap<String, Use> {
    let mut uses: HashMap<String, Use> = HashMap::new();
    for proxy in proxies.iter().filter(|proxy| proxy.is_listener()) {
        let mut names = proxy.targets(proxies);
        if proxy.kind == "listen" {
            names.push(proxy.name.clone());
        }
        let client = proxy.settings.time("timeout client");
        for name in names {
            let entry = uses.entry(name).or_default();
            entry.client = entry.client.max(client);
            entry.http |= proxy.is_http();
            entry.tcp |= !proxy.is_http();
            entry.ports.extend(proxy.ports());
        }
    }
    uses
}

/// Lines that only make sense in another kind of section.
fn leftovers(proxy: &Proxy, context: &mut Context<'_>) {
    let (line, end) = (proxy.line, proxy.end);
    for directive in proxy.settings.many.iter().filter(|directive| (line..=end).contains(&directive.line)) {
        let lost = match directive.word(0) {
            "server" | "server-template" => !proxy.is_pool(),
            "bind" | "use_backend" => !proxy.is_listener(),
            _ => false,
        };
        if lost {
            context.account.unsupported(directive.line, format!("it does nothing in a `{}`", proxy.kind));
        }
    }
    if !proxy.is_pool() && !proxy.is_listener() && proxy.kind != "backend" {
        context.account.unsupported(line, "there is nothing to listen on, and no server");
    }
}

/// The order in which a person writes: what holds for all, then certificates, listeners, pools, tables.
pub(crate) fn sort(draft: &mut Draft) {
    const ORDER: [&str; 13] = [
        "",
        "process",
        "limits",
        "log",
        "admin",
        "certificate",
        "listener",
        "pool",
        "stick-table",
        "map",
        "cluster",
        "shield",
        "node",
    ];
    draft
        .blocks
        .sort_by_key(|block| ORDER.iter().position(|kind| *kind == block.kind()).unwrap_or(ORDER.len()));
    draft
        .blocks
        .retain(|block| !block.keys.is_empty() || block.lists.iter().any(|(_, items)| !items.is_empty()));
}

/// The pool that a section becomes.
pub(crate) fn pool_name(section: &str) -> String {
    plain_name(section)
}
