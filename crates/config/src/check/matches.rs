//! Which requests a route takes.

use ipnet::IpNet;

use super::Checker;
use crate::file::{Fields, Value};
use crate::model::http::VALUE_FORMS;
use crate::report::{Code, Fault};
use crate::text::field;
use crate::{FieldMatch, Matches, PathMatch, ServerName, ValueMatch};

impl Checker<'_> {
    /// What a route of an `http` listener looks at.
    pub(super) fn matches(&mut self, route: &Fields) -> Matches {
        let texts = |key: &str| -> Vec<Box<str>> { route.texts(key).map(Into::into).collect() };
        Matches {
            hosts: hosts(route),
            paths: paths(route),
            uri: texts("uri-regex"),
            methods: texts("methods"),
            sources: networks(route, "sources"),
            not_sources: networks(route, "not-sources"),
            headers: self.field_matches(route, "headers"),
            query: self.field_matches(route, "query"),
            cookies: self.field_matches(route, "cookies"),
            client_certificate: route.given("client-certificate").map(|_| route.bool("client-certificate")),
            servers_up: self.servers_up(route),
        }
    }

    fn field_matches(&mut self, route: &Fields, key: &str) -> Vec<FieldMatch> {
        let all: Vec<Fields> = route.tables(key).cloned().collect();
        all.iter().filter_map(|fields| self.field_match(fields, key)).collect()
    }

    fn field_match(&mut self, fields: &Fields, key: &str) -> Option<FieldMatch> {
        let name = fields.text("name")?;
        if key != "query"
            && let Err(problem) = field::token(name)
        {
            self.report.push(Fault::from_problem(problem, fields.place("name")));
        }
        let given: Vec<&str> =
            VALUE_FORMS.iter().copied().filter(|form| fields.written(form).is_some()).collect();
        let [form] = given.as_slice() else {
            let (code, message) = match given.as_slice() {
                [] => (Code::MissingKey, format!("nothing says what the value of `{name}` must be")),
                [first, second, ..] => (
                    Code::ContradictoryKeys,
                    format!("a value is compared in one way, but `{first}` and `{second}` are both given"),
                ),
                [_] => return None,
            };
            let remedy = "write one of `present = true`, `value`, `prefix`, `suffix`, `contains`, `regex`; a second entry asks for \
                 more";
            self.fault(code, fields.span, message, remedy);
            return None;
        };
        if *form == "present" && !fields.bool("present") && fields.given("present").is_some() {
            let message = "`present = false` is written the other way round";
            self.fault(
                Code::ContradictoryKeys,
                fields.place("present"),
                message,
                "write `present = true, not = true`",
            );
        }
        let text = || fields.text(form).map(Box::<str>::from);
        let value = match *form {
            "present" => ValueMatch::Present,
            "value" => ValueMatch::Exact(text()?),
            "prefix" => ValueMatch::Prefix(text()?),
            "suffix" => ValueMatch::Suffix(text()?),
            "contains" => ValueMatch::Contains(text()?),
            _ => ValueMatch::Regex(text()?),
        };
        Some(FieldMatch { name: name.into(), value, not: fields.bool("not") })
    }
}

fn hosts(route: &Fields) -> Vec<ServerName> {
    let names = route.list("hosts").iter().filter_map(|item| match &item.value {
        Value::ServerName(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

fn networks(route: &Fields, key: &str) -> Vec<IpNet> {
    let networks = route.list(key).iter().filter_map(|item| match &item.value {
        Value::Network(network) => Some(*network),
        _ => None,
    });
    networks.collect()
}

/// A path without the `/` at its end, unless it is `/` itself.
pub(super) fn below(path: &str) -> Box<str> {
    match path.trim_end_matches('/') {
        "" => "/".into(),
        path => path.into(),
    }
}

fn paths(route: &Fields) -> Vec<PathMatch> {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect();
    let prefixes = route.texts("paths").map(|path| PathMatch::Below(below(path)));
    let exact = route.texts("path-exact").map(|path| PathMatch::Exact(path.into()));
    let suffixes = route.texts("path-suffix").map(|end| PathMatch::Suffix(lower(end)));
    let found = route.texts("path-regex").map(|regex| PathMatch::Regex(regex.into()));
    prefixes.chain(exact).chain(suffixes).chain(found).collect()
}
