//! Tests that must all hold, as the keys of a route.

use ipnet::IpNet;

use super::acl::escape;
use super::condition::{All, Match, Subject, Test};
use crate::block::{Table, Value, plain_name};

/// Why tests make no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// No request can pass all of them.
    Never,
    /// A route cannot say it.
    Unsayable(String),
}

/// The keys of a route for tests that must all hold.
pub(crate) fn keys(all: &All) -> Result<Table, NoRoute> {
    let mut table = Table::default();
    for test in all {
        add(&mut table, test)?;
    }
    one_path_list(&mut table)?;
    Ok(table)
}

/// The keys that say which paths are meant; of these, one entry of any is enough.
pub(crate) const PATHS: [&str; 4] = ["paths", "path-exact", "path-suffix", "path-regex"];

/// Tests of several kinds must all hold, but lists of several kinds are alternatives: one list has to say it all.
fn one_path_list(table: &mut Table) -> Result<(), NoRoute> {
    let values = |table: &Table, key: &str| match table.get(key) {
        Some(Value::List(list)) => Some(list.iter().filter_map(text).collect::<Vec<String>>()),
        _ => None,
    };
    if PATHS.iter().filter(|key| table.get(key).is_some()).count() < 2 {
        return Ok(());
    }
    if table.get("path-regex").is_some() {
        return Err(NoRoute::Unsayable("an expression and another test of the same path".to_owned()));
    }
    let (below, exact, suffix) =
        (values(table, "paths"), values(table, "path-exact"), values(table, "path-suffix"));
    for key in PATHS {
        table.remove(key);
    }
    if let Some(exact) = exact {
        let fits = |path: &String| {
            let lower = path.to_lowercase();
            let under = below
                .as_ref()
                .is_none_or(|all| all.iter().any(|one| path_meet(one, path).as_ref() == Some(path)));
            under
                && suffix
                    .as_ref()
                    .is_none_or(|all| all.iter().any(|one| lower.ends_with(&one.to_lowercase())))
        };
        let left: Vec<String> = exact.into_iter().filter(fits).collect();
        if left.is_empty() {
            return Err(NoRoute::Never);
        }
        table.set(0, "path-exact", Value::texts(left));
        return Ok(());
    }
    let (below, suffix) = (below.unwrap_or_default(), suffix.unwrap_or_default());
    let pairs = below.iter().flat_map(|path| suffix.iter().map(move |end| (path, end)));
    table.set(
        0,
        "path-regex",
        Value::texts(pairs.map(|(path, end)| format!("^{}/.*{}$", escape(path), escape(end)))),
    );
    Ok(())
}

fn add(table: &mut Table, test: &Test) -> Result<(), NoRoute> {
    let not = test.not;
    if is_hard(test) {
        return Err(NoRoute::Unsayable(
            "what a route leaves out has to be taken by an earlier one".to_owned(),
        ));
    }
    match &test.subject {
        Subject::Host if not => {
            for name in &test.values {
                let (form, value) =
                    name.strip_prefix('*').map_or(("value", name.as_str()), |below| ("suffix", below));
                table.push(
                    0,
                    "headers",
                    Table::default().with("name", "Host").with(form, value).with("not", true),
                );
            }
            Ok(())
        }
        Subject::Host => list(table, "hosts", test, host_meet),
        Subject::Sni if test.values == ["*"] => Ok(()),
        Subject::Sni => list(table, "sni", test, host_meet),
        Subject::Path => list(table, "paths", test, path_meet),
        Subject::PathExact => list(table, "path-exact", test, same),
        Subject::PathSuffix => list(table, "path-suffix", test, suffix_meet),
        Subject::PathRegex => list(table, "path-regex", test, same),
        Subject::Method => list(table, "methods", test, same),
        Subject::Source => list(table, if not { "not-sources" } else { "sources" }, test, net_meet),
        Subject::Header(name, how) => named(table, "headers", name, *how, test),
        Subject::Cookie(name, how) => named(table, "cookies", name, *how, test),
        Subject::Query(name, how) => named(table, "query", name, *how, test),
        Subject::ClientCertificate => {
            table.set(0, "client-certificate", !not);
            Ok(())
        }
        Subject::ServersBelow(pool, number) => {
            let key = if not { "at-least" } else { "below" };
            let (pool, server) =
                pool.split_once('/').map_or((pool.as_str(), None), |(pool, one)| (pool, Some(one)));
            let mut entry = Table::default().with("pool", plain_name(pool));
            if let Some(server) = server {
                entry.set(0, "server", plain_name(server));
            }
            entry.set(0, key, *number);
            table.push(0, "servers-up", entry);
            Ok(())
        }
        Subject::Rate(..) => Err(NoRoute::Unsayable("a rate is for rules that refuse".to_owned())),
        Subject::Tls | Subject::Port | Subject::Destination | Subject::BindId => {
            Err(NoRoute::Unsayable("it is only known of a listener, and this is on none".to_owned()))
        }
    }
}

/// Whether a route cannot say that a test must not hold: an earlier route has to take those requests.
pub(crate) fn is_hard(test: &Test) -> bool {
    use Subject::{Method, Path, PathExact, PathRegex, PathSuffix, Sni};
    test.not && matches!(test.subject, Path | PathExact | PathSuffix | PathRegex | Method | Sni)
}

/// What two values have in common, if anything.
type Meet = fn(&str, &str) -> Option<String>;

/// Adds values to the list of a key. Positive tests of one key narrow each other, negative ones add up.
fn list(table: &mut Table, key: &str, test: &Test, meet: Meet) -> Result<(), NoRoute> {
    let known: Option<Vec<String>> = match table.get(key) {
        Some(Value::List(list)) => Some(list.iter().filter_map(text).collect()),
        _ => None,
    };
    let mut values: Vec<String> = Vec::new();
    match known {
        Some(known) if test.not => values.extend(known.into_iter().chain(test.values.iter().cloned())),
        Some(known) => {
            let pairs = known.iter().flat_map(|own| test.values.iter().map(move |other| (own, other)));
            values.extend(pairs.filter_map(|(own, other)| meet(own, other)));
            if values.is_empty() && key == "path-regex" {
                return Err(NoRoute::Unsayable("a path cannot fit two regular expressions".to_owned()));
            }
        }
        None => values.extend(test.values.iter().cloned()),
    }
    let mut once: Vec<String> = Vec::new();
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    if once.is_empty() {
        return if test.not { Ok(()) } else { Err(NoRoute::Never) };
    }
    table.set(0, key, Value::texts(once));
    Ok(())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn same(a: &str, b: &str) -> Option<String> {
    a.eq_ignore_ascii_case(b).then(|| a.to_owned())
}

/// The longer of two prefixes of one path.
fn path_meet(a: &str, b: &str) -> Option<String> {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let head = long.get(..short.len())?;
    let boundary = long.len() == short.len() || long.as_bytes().get(short.len()) == Some(&b'/');
    (head.eq_ignore_ascii_case(short) && boundary).then(|| long.to_owned())
}

fn suffix_meet(a: &str, b: &str) -> Option<String> {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.ends_with(short).then(|| long.to_owned())
}

fn host_meet(a: &str, b: &str) -> Option<String> {
    let inside = |name: &str, pattern: &str| {
        name == pattern || pattern.strip_prefix('*').is_some_and(|below| name.ends_with(below))
    };
    if inside(a, b) { Some(a.to_owned()) } else { inside(b, a).then(|| b.to_owned()) }
}

fn net_meet(a: &str, b: &str) -> Option<String> {
    let net = |text: &str| {
        text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
    };
    let (left, right) = (net(a)?, net(b)?);
    if right.contains(&left) { Some(a.to_owned()) } else { left.contains(&right).then(|| b.to_owned()) }
}

/// An entry of `headers`, `cookies` or `query`.
fn named(table: &mut Table, key: &str, name: &str, how: Match, test: &Test) -> Result<(), NoRoute> {
    let mut entry = Table::default().with("name", name);
    match (how, test.values.as_slice()) {
        (Match::Present, _) | (_, []) => entry.set(0, "present", true),
        (how, [one]) => entry.set(0, how.key(), one.as_str()),
        (how, many) => entry.set(0, "regex", alternatives(how, many)),
    }
    if test.not {
        entry.set(0, "not", true);
    }
    table.push(0, key, entry);
    Ok(())
}

/// Several values as one regular expression.
fn alternatives(how: Match, values: &[String]) -> String {
    let escaped: Vec<String> = match how {
        Match::Regex => values.iter().map(|value| format!("(?:{value})")).collect(),
        _ => values.iter().map(|value| escape(value)).collect(),
    };
    let any = escaped.join("|");
    match how {
        Match::Value | Match::Present => format!("^({any})$"),
        Match::Prefix => format!("^({any})"),
        Match::Suffix => format!("({any})$"),
        Match::Contains | Match::Regex => any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(subject: Subject, values: &[&str], not: bool) -> Test {
        Test { subject, values: values.iter().map(|value| (*value).to_owned()).collect(), not }
    }

    #[test]
    fn tests_of_one_kind_narrow_each_other() {
        let both = |a: Test, b: Test| keys(&vec![a, b]);
        let paths =
            both(test(Subject::Path, &["/owa", "/ecp"], false), test(Subject::Path, &["/owa/auth"], false));
        assert_eq!(paths.unwrap().get("paths"), Some(&Value::texts(["/owa/auth"])));
        let hosts = both(
            test(Subject::Host, &["*.a.test"], false),
            test(Subject::Host, &["x.a.test", "b.test"], false),
        );
        assert_eq!(hosts.unwrap().get("hosts"), Some(&Value::texts(["x.a.test"])));
        let none = both(test(Subject::Method, &["GET"], false), test(Subject::Method, &["POST"], false));
        assert_eq!(none, Err(NoRoute::Never));
        let nets = both(
            test(Subject::Source, &["10.0.0.0/8"], false),
            test(Subject::Source, &["10.1.0.0/16"], false),
        );
        assert_eq!(nets.unwrap().get("sources"), Some(&Value::texts(["10.1.0.0/16"])));
    }

    #[test]
    fn what_must_not_be_adds_up() {
        let table = keys(&vec![
            test(Subject::Source, &["10.0.0.1"], true),
            test(Subject::Source, &["10.0.0.2"], true),
        ]);
        assert_eq!(table.unwrap().get("not-sources"), Some(&Value::texts(["10.0.0.1", "10.0.0.2"])));
        assert!(keys(&vec![test(Subject::Path, &["/a"], true)]).is_err());
    }

    #[test]
    fn tests_of_several_kinds_of_one_path_become_one_list() {
        let both = |a: Test, b: Test| keys(&vec![a, b]);
        let below = || test(Subject::Path, &["/img"], false);
        let table = both(below(), test(Subject::PathSuffix, &[".png"], false)).unwrap();
        assert_eq!(table.get("path-regex"), Some(&Value::texts([r"^/img/.*\.png$"])));
        let table = both(below(), test(Subject::PathExact, &["/img/a", "/b"], false)).unwrap();
        assert_eq!(table.get("path-exact"), Some(&Value::texts(["/img/a"])));
        assert!(both(below(), test(Subject::PathRegex, &["x"], false)).is_err());
    }

    #[test]
    fn several_values_of_a_header_are_one_expression() {
        let subject = Subject::Header("x".to_owned(), Match::Prefix);
        let table = keys(&vec![test(subject, &["a.b", "c"], false)]).unwrap();
        let Some(Value::List(list)) = table.get("headers") else { panic!("{table:?}") };
        let Value::Table(entry) = &list[0] else { panic!("{list:?}") };
        assert_eq!(entry.text("regex"), Some(r"^(a\.b|c)"));
    }
}
