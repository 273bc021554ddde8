//! Routes of a passthrough listener: which names can still be reached.

use std::collections::HashMap;

use super::Checker;
use crate::file::{Fields, Value};
use crate::report::{Code, Fault};
use crate::source::Span;
use crate::{Name, ServerName, SniRoute};

/// Names that earlier routes take: where, and which pool they lead to.
#[derive(Default)]
struct Taken {
    exact: HashMap<Box<str>, (Span, Name)>,
    /// By what follows the `*`, with its dot.
    below: HashMap<Box<str>, (Span, Name)>,
}

impl Checker<'_> {
    /// `routes` of a listener.
    pub(super) fn routes(&mut self, listener: &Fields) -> Vec<SniRoute> {
        let mut taken = Taken::default();
        let mut routes = Vec::new();
        for fields in listener.tables("routes") {
            self.route_keys_under(fields, "passthrough");
            for (key, add) in [("sni", "`sni = [\"mail.example.com\"]`"), ("pool", "`pool = \"…\"`")] {
                if fields.written(key).is_none() {
                    let message = format!("a route of a passthrough listener needs `{key}`");
                    self.fault(Code::MissingKey, fields.span, message, format!("add {add}"));
                }
            }
            let Some(pool) = self.pool_named(fields, "pool") else { continue };
            let mut names = Vec::new();
            for item in fields.list("sni") {
                if let Value::ServerName(name) = &item.value {
                    self.name_of_route(name, item.span, &pool, &mut taken);
                    names.push(name.clone());
                }
            }
            routes.push(SniRoute { names, pool, place: self.place(fields.span) });
        }
        routes
    }

    /// Keys of a route that its listener's mode knows nothing of: the route would take what it is not meant to.
    pub(super) fn route_keys_under(&mut self, route: &Fields, mode: &str) {
        for entry in route.entries() {
            let key = entry.key.name;
            let Some(modes) = entry.key.only.filter(|modes| !modes.contains(&mode)) else { continue };
            let why = match mode {
                "http" => "`hosts` names the hosts of requests there",
                _ => "requests are encrypted there, and not read",
            };
            let message = format!("`{key}` of a route and `mode = \"{mode}\"` contradict: {why}");
            let remedy = format!("take it out, or write `mode = \"{}\"`", modes.first().unwrap_or(&""));
            self.fault(Code::ContradictoryKeys, entry.span, message, remedy);
        }
    }

    fn name_of_route(&mut self, name: &ServerName, span: Span, pool: &Name, taken: &mut Taken) {
        if let Some((earlier, first, leads)) = taken.by(name) {
            let (code, remedy) = if leads == *pool {
                (Code::RepeatedRoute, "take it out here")
            } else {
                (
                    Code::UnreachableRoute,
                    "take it out here, or put this route before the other: the first match wins",
                )
            };
            let name = shown(name);
            let message = if earlier == name {
                format!("`{name}` is listed before, for the pool `{leads}`")
            } else {
                format!("`{name}` never comes here: `{earlier}` takes it, for the pool `{leads}`")
            };
            self.report.push(Fault::new(code, span, message).remedy(remedy).also(first, "taken here"));
        }
        let own = || (span, pool.clone());
        match name {
            ServerName::Exact(name) => taken.exact.entry(name.clone()).or_insert_with(own),
            ServerName::Below(suffix) => taken.below.entry(suffix.clone()).or_insert_with(own),
        };
    }
}

impl Taken {
    /// The earlier name that takes this one, where it stands, and where it leads.
    fn by(&self, name: &ServerName) -> Option<(String, Span, Name)> {
        let (exact, below) = match name {
            ServerName::Exact(name) => (self.exact.get(name), suffixes(name)),
            ServerName::Below(suffix) => (None, suffixes(suffix)),
        };
        if let Some((span, pool)) = exact {
            return Some((shown(name), *span, pool.clone()));
        }
        let itself = match name {
            ServerName::Below(suffix) => Some(&**suffix),
            ServerName::Exact(_) => None,
        };
        itself.into_iter().chain(below).find_map(|suffix| {
            self.below.get(suffix).map(|(span, pool)| (format!("*{suffix}"), *span, pool.clone()))
        })
    }
}

/// `.b.c` and `.c` of `a.b.c`; of `.a.b.c` as well.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    name.char_indices().skip(1).filter(|(_, c)| *c == '.').map(|(at, _)| &name[at..])
}

/// A name as it is written in a file.
pub(crate) fn shown(name: &ServerName) -> String {
    match name {
        ServerName::Exact(name) => name.to_string(),
        ServerName::Below(suffix) => format!("*{suffix}"),
    }
}
