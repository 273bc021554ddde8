//! Routes against a search from the top, and every condition once.

use std::net::IpAddr;

use transom_config::{
    Action, Balance, ClientTimeouts, Edits, FieldMatch, Forwarded, Http, HttpRoute, ListenerMode, Matches,
    Name, PathMatch, RequestLimits, ServerName, ValueMatch,
};

use super::*;
use crate::World;
use crate::fixture::{Chance, config, listener, pool, seconds, seeds, servers, start, world};
use crate::route::matches::is_below;

struct Request {
    host: &'static str,
    path: String,
    method: &'static str,
    source: IpAddr,
    query: Option<&'static str>,
    fields: Vec<(&'static str, &'static str)>,
}

fn get(host: &'static str, path: &str) -> Request {
    let source = "192.0.2.7".parse().unwrap();
    Request { host, path: path.into(), method: "GET", source, query: None, fields: vec![] }
}

impl Facts for Request {
    fn source(&self) -> IpAddr {
        self.source
    }
    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }
    fn host(&self) -> Option<&[u8]> {
        Some(self.host.as_bytes()).filter(|host| !host.is_empty())
    }
    fn path(&self) -> &str {
        &self.path
    }
    fn uri(&self) -> &[u8] {
        self.path.as_bytes()
    }
    fn query(&self) -> Option<&[u8]> {
        self.query.map(str::as_bytes)
    }
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |(own, _): &&(&str, &str)| own.eq_ignore_ascii_case(name);
        self.fields.iter().filter(named).map(|(_, value)| value.as_bytes())
    }
}

fn host(name: &str) -> ServerName {
    match name.strip_prefix('*') {
        Some(suffix) => ServerName::Below(suffix.into()),
        None => ServerName::Exact(name.into()),
    }
}

fn route(name: &str, matches: Matches) -> HttpRoute {
    HttpRoute {
        name: name.into(),
        matches,
        action: Action::Pool("p".into()),
        edits: Edits::default(),
        rewrite: None,
        method: None,
        response_timeout: None,
        body_max: None,
        waf: None,
        attack: false,
        place: crate::fixture::place(),
    }
}

fn http(routes: Vec<HttpRoute>) -> Http {
    Http {
        tls: None,
        routes,
        otherwise: None,
        edits: Edits::default(),
        forwarded: Forwarded { trust: vec![], client: true, proto: true, host: true },
        timeouts: ClientTimeouts {
            head: seconds(10),
            body: seconds(60),
            keep_alive: seconds(60),
            send: seconds(60),
        },
        limits: RequestLimits { head_bytes: 65_536, fields: 200, body: None, requests: None },
        error_pages: vec![],
        h2c: false,
        ready: false,
        waf: None,
    }
}

fn routed(routes: Vec<HttpRoute>) -> World {
    let mut config = config(vec![pool(Balance::First, servers(&["a"]))], vec![]);
    config.listeners = vec![Arc::new(listener(ListenerMode::Http(Box::new(http(routes)))))];
    world(config, start())
}

fn found(world: &World, request: &Request) -> String {
    world.listeners()[0].http().expect("an http listener").find(request).name.to_string()
}

fn below(path: &str) -> Matches {
    Matches { paths: vec![PathMatch::Below(path.into())], ..Matches::default() }
}

#[test]
fn the_first_route_whose_conditions_all_hold_wins() {
    let exchange = Matches { hosts: vec![host("mail.test"), host("*.mail.test")], ..below("/owa") };
    let world = routed(vec![
        route("auth", Matches { ..below("/owa/auth") }),
        route("owa", exchange),
        route("mail", Matches { hosts: vec![host("mail.test")], ..Matches::default() }),
        route("late", below("/owa")),
    ]);
    for (host, path, name) in [
        ("mail.test", "/owa", "owa"),
        ("MAIL.TEST:443", "/owa/x", "owa"),
        ("a.mail.test", "/owa/x/y", "owa"),
        ("mail.test", "/owa/auth/logon.aspx", "auth"),
        ("mail.test", "/owaa", "mail"),
        ("mail.test", "/", "mail"),
        ("other.test", "/owa", "late"),
        ("other.test", "/", "-"),
        ("", "/owa", "late"),
        ("", "/", "-"),
    ] {
        assert_eq!(found(&world, &get(host, path)), name, "{host} {path}");
    }
}

#[test]
fn every_condition_is_asked() {
    let field = |name: &str, value, not| FieldMatch { name: name.into(), value, not };
    let one = |value| vec![field("X", value, false)];
    let any = Matches::default;
    let header = |value| Matches { headers: one(value), ..any() };
    let rows: Vec<(&str, Matches, Request, bool)> = vec![
        ("method", Matches { methods: vec!["GET".into()], ..any() }, get("a", "/"), true),
        ("method in another case", Matches { methods: vec!["get".into()], ..any() }, get("a", "/"), false),
        ("source", Matches { sources: vec!["192.0.2.0/24".parse().unwrap()], ..any() }, get("a", "/"), true),
        (
            "not source",
            Matches { not_sources: vec!["192.0.2.0/24".parse().unwrap()], ..any() },
            get("a", "/"),
            false,
        ),
        (
            "suffix",
            Matches { paths: vec![PathMatch::Suffix(".aspx".into())], ..any() },
            get("a", "/x.aspx"),
            true,
        ),
        ("exact", Matches { paths: vec![PathMatch::Exact("/x".into())], ..any() }, get("a", "/x/y"), false),
        (
            "regex",
            Matches { paths: vec![PathMatch::Regex("^/(A|b)/".into())], ..any() },
            get("a", "/a/c"),
            true,
        ),
        ("present", header(ValueMatch::Present), with("x", "1"), true),
        ("absent", header(ValueMatch::Present), with("y", "1"), false),
        ("exact value", header(ValueMatch::Exact("on".into())), with("x", "ON"), true),
        ("prefix", header(ValueMatch::Prefix("Micro".into())), with("x", "microsoft office"), true),
        ("suffix of a short value", header(ValueMatch::Suffix("office".into())), with("x", "ice"), false),
        ("contains", header(ValueMatch::Contains("OUTLOOK".into())), with("x", "ms outlook 16"), true),
        ("value regex", header(ValueMatch::Regex("^[0-9]+$".into())), with("x", "12a"), false),
        (
            "not",
            Matches { headers: vec![field("X", ValueMatch::Present, true)], ..any() },
            with("y", "1"),
            true,
        ),
        (
            "uri, decoded once",
            Matches { uri: vec!["autodiscover.*powershell".into()], ..any() },
            get("a", "/Autodiscover/x?@evil/%50owershell"),
            true,
        ),
        (
            "uri, not decoded twice",
            Matches { uri: vec!["powershell".into()], ..any() },
            get("a", "/%2550owershell"),
            false,
        ),
        (
            "cookie",
            Matches { cookies: vec![field("a", ValueMatch::Exact("2".into()), false)], ..any() },
            with("cookie", "b=1; a=\"2\""),
            true,
        ),
        (
            "query",
            Matches { query: vec![field("q", ValueMatch::Exact("a b".into()), false)], ..any() },
            Request { query: Some("x=1&q=a%20b"), ..get("a", "/") },
            true,
        ),
    ];
    for (what, matches, request, holds) in rows {
        let world = routed(vec![route("hit", matches)]);
        assert_eq!(found(&world, &request) == "hit", holds, "{what}");
    }
}

fn with(name: &'static str, value: &'static str) -> Request {
    Request { fields: vec![(name, value)], ..get("a", "/") }
}

/// Whatever the routes, the answer is that of asking them one after the other.
#[test]
fn finds_what_a_search_from_the_top_finds() {
    const HOSTS: [&str; 6] = ["a.test", "b.test", "c.a.test", "*.test", "*.a.test", "b.c.a.test"];
    for seed in seeds() {
        let mut chance = Chance::new(seed);
        let path = |chance: &mut Chance| {
            let segments = (0..chance.below(4)).map(|_| ["/a", "/b", "/ab"][chance.below(3)]);
            Some(segments.collect::<String>()).filter(|path| !path.is_empty()).unwrap_or_else(|| "/".into())
        };
        let routes: Vec<_> = (0..12)
            .map(|number| {
                let hosts = (0..chance.below(3)).map(|_| host(HOSTS[chance.below(6)])).collect();
                let paths = (0..chance.below(3)).map(|_| match chance.below(4) {
                    0 => PathMatch::Exact(path(&mut chance).into()),
                    1 => PathMatch::Suffix("b".into()),
                    _ => PathMatch::Below(path(&mut chance).into()),
                });
                let paths = paths.collect();
                route(&format!("r{number}"), Matches { hosts, paths, ..Matches::default() })
            })
            .collect();
        let world = routed(routes.clone());
        for _ in 0..20 {
            let request = get(
                ["a.test", "b.test", "c.a.test", "b.c.a.test", "test", ""][chance.below(6)],
                &path(&mut chance),
            );
            let first = routes.iter().find(|route| {
                let (hosts, paths) = (&route.matches.hosts, &route.matches.paths);
                (hosts.is_empty() || hosts.iter().any(|host| host.matches(request.host)))
                    && (paths.is_empty() || paths.iter().any(|path| takes(path, &request.path)))
            });
            let expected = first.map_or("-", |route| &*route.name);
            assert_eq!(found(&world, &request), expected, "SEED={seed} {} {}", request.host, request.path);
        }
    }
}

fn takes(path: &PathMatch, asked: &str) -> bool {
    match path {
        PathMatch::Below(own) => is_below(asked, own),
        PathMatch::Exact(own) => **own == *asked,
        PathMatch::Suffix(own) => asked.ends_with(&**own),
        PathMatch::Regex(_) => false,
    }
}

#[test]
fn counters_outlive_a_reload() {
    let before = routed(vec![route("owa", Matches::default())]);
    before.listeners()[0].http().unwrap().find(&get("a", "/")).counters.count(0, Some(200));
    let after = before.next(Arc::clone(&before.config), start());
    let seen = after.listeners()[0].requests().routes();
    assert!(seen.contains(&("owa".into(), Some(Name::from("p")), [0, 0, 1, 0, 0, 0])), "{seen:?}");
}
