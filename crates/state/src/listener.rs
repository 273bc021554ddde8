//! A listener, live: its gate, its counters, and which pool a server name leads to.

use std::sync::Arc;

use transom_config::{self as config, ListenerMode, Name, ServerName};

use crate::by_name::ByName;
use crate::requests::Requests;
use crate::route::HttpListener;
use crate::{Counter, Gate, Pool};

/// One generation of a listener. What outlives a reload is in its `ListenerLife`.
#[derive(Debug)]
pub struct Listener {
    /// As it was asked for.
    pub config: Arc<config::Listener>,
    life: Arc<ListenerLife>,
    routes: Routes,
    http: Option<HttpListener>,
}

/// What is true of a listener whatever the generation: shared by all of its name.
#[derive(Debug)]
pub(crate) struct ListenerLife {
    gate: Arc<Gate>,
    counters: ListenerCounters,
    requests: Requests,
}

/// Moved by the data plane.
#[derive(Debug)]
pub struct ListenerCounters {
    /// Connections accepted.
    pub connections: Counter,
    /// Of those, the ones turned away: source lists, a PROXY header that was wrong.
    pub refused: Counter,
    /// Times that accepting stopped because a limit was reached.
    pub limited: Counter,
    /// Bytes from clients.
    pub bytes_in: Counter,
    /// Bytes to clients.
    pub bytes_out: Counter,
}

impl ListenerLife {
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        let counter = || Counter::new(workers);
        let counters = ListenerCounters {
            connections: counter(),
            refused: counter(),
            limited: counter(),
            bytes_in: counter(),
            bytes_out: counter(),
        };
        Arc::new(Self { gate: Gate::new(None), counters, requests: Requests::new(workers) })
    }
}

impl Listener {
    /// A generation of a listener; its limit holds from now on.
    pub(crate) fn new(
        config: &Arc<config::Listener>,
        life: Arc<ListenerLife>,
        pool: impl Fn(&Name) -> Option<Arc<Pool>>,
    ) -> Arc<Self> {
        life.gate.set_limit(config.limits.connections);
        let http = match &config.mode {
            ListenerMode::Http(http) => Some(HttpListener::new(http, &config.name, &life.requests, &pool)),
            _ => None,
        };
        let routes = Routes::new(&config.mode, pool);
        Arc::new(Self { config: Arc::clone(config), life, routes, http })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.config.name
    }

    /// Counts its client connections and keeps them under its limit.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.life.gate
    }

    /// What it has done since the program first saw it.
    pub fn counters(&self) -> &ListenerCounters {
        &self.life.counters
    }

    /// Where a client goes that asks for this name (lower case, without a final dot). The first route in the file that
    /// lists the name wins; else, and without a name, the default pool; a tcp listener has only that. `None`:
    /// `no-sni-match`.
    pub fn route(&self, server_name: Option<&str>) -> Option<&Arc<Pool>> {
        self.routes.find(server_name)
    }

    /// Its routes, where its mode is `http`.
    pub fn http(&self) -> Option<&HttpListener> {
        self.http.as_ref()
    }

    /// What requests came to since the program first saw it; empty unless its mode is `http`.
    pub fn requests(&self) -> &Requests {
        &self.life.requests
    }

    pub(crate) fn life(&self) -> &Arc<ListenerLife> {
        &self.life
    }
}

/// What the routes of a listener say, in an order that a name is found in as many steps as it has labels, at most.
#[derive(Debug, Default)]
struct Routes {
    /// In the order of the file.
    pools: Vec<Arc<Pool>>,
    /// Places in `pools`, the first for each name.
    exact: ByName<Box<str>, usize>,
    /// The same for `*.example.com`, as `.example.com`.
    below: ByName<Box<str>, usize>,
    /// Dots in the longest key of `below`: no client makes us look further.
    dots: usize,
    default: Option<Arc<Pool>>,
}

impl Routes {
    fn new(mode: &ListenerMode, pool: impl Fn(&Name) -> Option<Arc<Pool>>) -> Self {
        let mut routes = Self::default();
        match mode {
            ListenerMode::Tcp { pool: name } => routes.default = pool(name),
            ListenerMode::Tls(terminate) => routes.default = pool(&terminate.pool),
            // Each request is routed by itself.
            ListenerMode::Http(_) => {}
            ListenerMode::Passthrough(passthrough) => {
                routes.default = passthrough.pool.as_ref().and_then(&pool);
                for route in &passthrough.routes {
                    if let Some(pool) = pool(&route.pool) {
                        routes.add(&route.names, pool);
                    }
                }
            }
        }
        routes
    }

    fn add(&mut self, names: &[ServerName], pool: Arc<Pool>) {
        let place = self.pools.len();
        self.pools.push(pool);
        for name in names {
            match name {
                ServerName::Exact(name) => self.exact.entry(name.clone()).or_insert(place),
                ServerName::Below(suffix) => {
                    self.dots = self.dots.max(dots(suffix));
                    self.below.entry(suffix.clone()).or_insert(place)
                }
            };
        }
    }

    fn find(&self, name: Option<&str>) -> Option<&Arc<Pool>> {
        let Some(name) = name else { return self.default.as_ref() };
        let exact = self.exact.get(name).copied();
        let below = suffixes(name).take(self.dots).filter_map(|suffix| self.below.get(suffix).copied());
        match below.chain(exact).min() {
            Some(place) => self.pools.get(place),
            None => self.default.as_ref(),
        }
    }
}

pub(crate) fn dots(name: &str) -> usize {
    name.bytes().filter(|byte| *byte == b'.').count()
}

/// Of `a.b.c`: `.c`, `.b.c`. A wildcard stands for one label or more, so a suffix that is the whole name is none.
pub(crate) fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    name.bytes().enumerate().rev().filter(|(at, byte)| *byte == b'.' && *at > 0).map(|(at, _)| &name[at..])
}

#[cfg(test)]
mod tests {
    use transom_config::Balance;

    use super::*;
    use crate::World;
    use crate::fixture::{Chance, config, listener, passthrough, pool, seeds, servers, start, world};

    /// A world with a listener of these routes to pools of these names.
    fn routed(routes: &[(&[&str], &str)], default: Option<&str>) -> World {
        let names: Vec<_> = routes.iter().map(|(_, pool)| *pool).chain(default).collect();
        let named =
            |name: &&str| config::Pool { name: (*name).into(), ..pool(Balance::First, servers(&["a"])) };
        let mut config = config(names.iter().map(named).collect(), vec![]);
        config.listeners = vec![Arc::new(listener(passthrough(routes, default)))];
        world(config, start())
    }

    fn route<'w>(world: &'w World, name: &str) -> Option<&'w str> {
        let name = Some(name).filter(|name| !name.is_empty());
        world.listeners()[0].route(name).map(|pool| &**pool.name())
    }

    #[test]
    fn names_lead_to_pools() {
        let world = routed(
            &[
                (&["exchange.dyb.test", "autodiscover.dyb.test"], "exchange"),
                (&["*.dyb.test"], "web"),
                (&["late.dyb.test"], "late"),
                (&["*.eu.other.test", "other.test"], "other"),
            ],
            Some("rest"),
        );
        let table = [
            ("exchange.dyb.test", "exchange"),
            ("autodiscover.dyb.test", "exchange"),
            ("www.dyb.test", "web"),
            ("a.b.c.dyb.test", "web"),
            ("late.dyb.test", "web"),
            ("dyb.test", "rest"),
            ("notdyb.test", "rest"),
            ("x.eu.other.test", "other"),
            ("eu.other.test", "rest"),
            ("other.test", "other"),
            ("test", "rest"),
            (".dyb.test", "rest"),
            ("..dyb.test", "web"),
            ("...", "rest"),
            ("", "rest"),
        ];
        for (name, pool) in table {
            assert_eq!(route(&world, name), Some(pool), "{name}");
        }
    }

    #[test]
    fn without_a_default_an_unlisted_name_has_no_pool() {
        let world = routed(&[(&["a.test"], "a")], None);
        assert_eq!(
            (route(&world, "a.test"), route(&world, "b.test"), route(&world, "")),
            (Some("a"), None, None)
        );
    }

    #[test]
    fn a_tcp_listener_knows_one_pool() {
        let mut config = config(vec![pool(Balance::First, servers(&["a"]))], vec![]);
        config.listeners = vec![Arc::new(listener(ListenerMode::Tcp { pool: "p".into() }))];
        let world = world(config, start());
        assert_eq!((route(&world, ""), route(&world, "any.test")), (Some("p"), Some("p")));
    }

    /// Whatever the routes, the answer is that of asking them one after the other.
    #[test]
    fn finds_what_a_search_from_the_top_finds() {
        for seed in seeds() {
            let mut chance = Chance::new(seed);
            let mut word = |labels: usize| {
                let label = |_| ["a", "b", "c"][chance.below(3)];
                (0..labels).map(label).collect::<Vec<_>>().join(".")
            };
            let written: Vec<_> = (0..8)
                .map(|n| if n % 2 == 0 { word(1 + n / 3) } else { format!("*.{}", word(1 + n / 4)) })
                .collect();
            let pools: Vec<_> = (0..8).map(|n| format!("p{n}")).collect();
            let names: Vec<_> = written.iter().map(|name| [name.as_str()]).collect();
            let routes: Vec<_> =
                names.iter().zip(&pools).map(|(names, pool)| (&names[..], pool.as_str())).collect();
            let world = routed(&routes, None);
            let ListenerMode::Passthrough(passthrough) = &world.config.listeners[0].mode else {
                unreachable!()
            };
            for labels in 1..5 {
                let name = word(labels);
                let first =
                    passthrough.routes.iter().find(|route| route.names.iter().any(|own| own.matches(&name)));
                assert_eq!(
                    route(&world, &name),
                    first.map(|route| &*route.pool),
                    "SEED={seed} {name} in {written:?}"
                );
            }
        }
    }
}
