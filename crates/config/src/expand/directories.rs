//! A pool with `application = "exchange"`: each virtual directory gets a copy of the pool with a health check of its
//! own, so that a server whose MAPI is out keeps serving OWA.
//!
//! The copies share nothing but their settings: a server is up or down, drained and counted in each by itself.

use std::collections::BTreeSet;

use super::{named_mut, read_sound, routes_mut};
use crate::Name;
use crate::file::{Fields, Item, Named, Value};
use crate::source::Span;

/// A virtual directory.
pub(super) struct Directory {
    /// What its pool's and route's names end in.
    pub(super) word: &'static str,
    /// Its path, as routes compare it.
    pub(super) path: &'static str,
    /// Whether its requests are held for long: ActiveSync up to 59 minutes, MAPI, RPC and EWS nearly as long.
    pub(super) long: bool,
}

const fn directory(word: &'static str, path: &'static str, long: bool) -> Directory {
    Directory { word, path, long }
}

/// Exchange's virtual directories that clients use; each has a page that says whether it works.
pub(super) const DIRECTORIES: &[Directory] = &[
    directory("owa", "/owa", false),
    directory("ecp", "/ecp", false),
    directory("ews", "/ews", true),
    directory("oab", "/oab", false),
    directory("mapi", "/mapi", true),
    directory("rpc", "/rpc", true),
    directory("autodiscover", "/autodiscover", false),
    directory("activesync", "/microsoft-server-activesync", true),
    directory("powershell", "/powershell", true),
];

/// Parts every pool that says it is Exchange's.
pub(super) fn expand(root: &mut Fields) {
    let parted: Vec<Named> =
        root.named("pool").iter().filter(|pool| is_parted(&pool.fields)).cloned().collect();
    for pool in parted {
        let mut used = BTreeSet::new();
        let mut still = false;
        for listener in named_mut(root, "listener").into_iter().flatten() {
            still |= part_routes(&mut listener.fields, &pool.name, pool.span, &mut used);
        }
        let tls = matches!(pool.fields.given("connect").map(|item| &item.value), Some(Value::Table(connect)) if connect.written("tls").is_some());
        let Some(pools) = named_mut(root, "pool") else { continue };
        let place = pools.iter().position(|one| one.name == pool.name).unwrap_or_default();
        let mut parts: Vec<Named> = used
            .iter()
            .map(|at| part(&pool, &DIRECTORIES[*at], &named(&pool.name, &DIRECTORIES[*at]), tls))
            .collect();
        if still || parts.is_empty() {
            // The rest: whether it works is asked of OWA, as `/` answers with a redirect whatever is wrong.
            parts.insert(0, part(&pool, &DIRECTORIES[0], &pool.name, tls));
        }
        pools.splice(place..=place, parts);
    }
}

fn is_parted(pool: &Fields) -> bool {
    pool.given("application").is_some() && pool.written("health-check").is_none()
}

fn named(base: &str, directory: &Directory) -> String {
    format!("{base}-{}", directory.word)
}

/// A copy of a pool for one directory.
fn part(pool: &Named, directory: &Directory, name: &str, tls: bool) -> Named {
    let scheme = if tls { "https" } else { "http" };
    let check = format!(
        "[pool.x]\nhealth-check = {{ {scheme} = \"{}/healthcheck.htm\", expect = 200, body = \"200 OK\", every = \"5s\", \
         timeout = \"5s\" }}\nbalance = \"hash\"\n",
        directory.path
    );
    let made = read_sound_pool(&check, pool.span);
    let mut fields = pool.fields.clone();
    fields.remove("application");
    fields.copy("health-check", &made);
    // Both channels of RPC over HTTP go to one server (MS-RPCH section 3.2.1.5).
    if directory.word == "rpc" && name != &*pool.name && pool.fields.written("stick").is_none() {
        fields.remove("balance");
        fields.copy("balance", &made);
    }
    Named { name: name.into(), span: pool.span, fields }
}

/// The one pool of a text of ours.
fn read_sound_pool(text: &str, span: Span) -> Fields {
    let complete = format!("{text}servers = [{{ name = \"x\", address = \"192.0.2.1:443\" }}]\n");
    let root = read_sound(&complete, span);
    root.named("pool").first().map_or(root.clone(), |pool| pool.fields.clone())
}

/// Parts the routes of a listener that lead to a pool. Notes which directories were found; true: some of them still lead
/// to the pool itself.
fn part_routes(listener: &mut Fields, pool: &Name, span: Span, used: &mut BTreeSet<usize>) -> bool {
    let http = matches!(listener.given("mode").map(|item| &item.value), Some(Value::Word("http")));
    let otherwise = listener.text("pool") == Some(&**pool);
    let leads = listener.tables("routes").any(|route| route.text("pool") == Some(&**pool));
    if !http || !(otherwise || leads) {
        return otherwise || leads;
    }
    let mut still = otherwise;
    let Some(routes) = routes_mut(listener) else { return true };
    let mut parted = Vec::with_capacity(routes.len() + DIRECTORIES.len());
    for (number, item) in (1..).zip(std::mem::take(routes)) {
        let Value::Table(mut route) = item.value else { continue };
        if route.written("name").is_none() {
            route.set("name", Value::Text(format!("route-{number}").into()));
        }
        if route.text("pool") == Some(&**pool) {
            still |= part_route(route, item.span, pool, used, &mut parted);
        } else {
            parted.push(Item { span: item.span, value: Value::Table(route) });
        }
    }
    if otherwise {
        let text = format!(
            "[listener.x]\nbind = [\"[::]:0\"]\nmode = \"http\"\nroutes = [{{ name = \"{pool}\", pool = \"{pool}\" }}]\n"
        );
        let made = read_sound(&text, span);
        let rest = made.named("listener").first().and_then(|one| one.fields.tables("routes").next().cloned());
        if let Some(rest) = rest {
            part_route(rest, span, pool, used, &mut parted);
            // What is left is the listener's own `pool`.
            parted.pop();
        }
    }
    *routes = parted;
    still
}

/// Parts one route; true: something is left of it that leads to the pool itself.
fn part_route(
    route: Fields,
    span: Span,
    pool: &Name,
    used: &mut BTreeSet<usize>,
    parted: &mut Vec<Item>,
) -> bool {
    let other = ["path-exact", "path-suffix", "path-regex"].iter().any(|key| route.written(key).is_some());
    let paths: Vec<Item> = route.list("paths").to_vec();
    if other {
        parted.push(Item { span, value: Value::Table(route) });
        return true;
    }
    let base = route.text("name").unwrap_or(pool).to_owned();
    for (at, directory) in DIRECTORIES.iter().enumerate() {
        let own: Vec<Item> = if route.written("paths").is_none() {
            vec![Item { span, value: Value::Text(directory.path.into()) }]
        } else {
            paths.iter().filter(|item| directory.of(item)).cloned().collect()
        };
        if own.is_empty() {
            continue;
        }
        used.insert(at);
        let mut copy = route.clone();
        copy.set("name", Value::Text(named(&base, directory).into()));
        copy.set("paths", Value::List(own));
        copy.set("pool", Value::Text(named(pool, directory).into()));
        if directory.long && copy.written("timeouts").is_none() {
            copy.copy("timeouts", &long(span));
        }
        parted.push(Item { span, value: Value::Table(copy) });
    }
    let rest: Vec<Item> =
        paths.into_iter().filter(|item| !DIRECTORIES.iter().any(|directory| directory.of(item))).collect();
    if route.written("paths").is_some() && rest.is_empty() {
        return false;
    }
    let mut route = route;
    if !rest.is_empty() {
        route.set("paths", Value::List(rest));
    }
    parted.push(Item { span, value: Value::Table(route) });
    true
}

impl Directory {
    /// Whether a path is this directory or lies below it.
    fn of(&self, item: &Item) -> bool {
        let Value::Text(path) = &item.value else { return false };
        path.strip_prefix(self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A route with the time of long polls.
fn long(span: Span) -> Fields {
    let text = "[listener.x]\nbind = [\"[::]:0\"]\nmode = \"http\"\nroutes = [{ timeouts = { response = \"65m\" } }]\n";
    let made = read_sound(text, span);
    let route = made.named("listener").first().and_then(|one| one.fields.tables("routes").next().cloned());
    route.unwrap_or(made)
}
