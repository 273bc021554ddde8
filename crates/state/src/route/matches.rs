//! The conditions of a route, ready to be asked.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use regex::RegexBuilder;
use regex::bytes::{Regex as BytesRegex, RegexBuilder as BytesRegexBuilder};
use transom_config::{FieldMatch, Matches, Name, PathMatch, ServersUp, UpBound, ValueMatch};

use super::facts::{self, Facts};
use crate::Pool;

/// The conditions of a route beside its hosts, which lead to it.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    paths: Vec<Path>,
    uri: Vec<BytesRegex>,
    methods: Vec<Box<str>>,
    sources: Vec<IpNet>,
    not_sources: Vec<IpNet>,
    headers: Vec<Field>,
    query: Vec<Field>,
    cookies: Vec<Field>,
    certified: Option<bool>,
    up: Vec<Up>,
}

/// How many of these servers must take clients. A pool or server that is not there has none.
#[derive(Debug)]
struct Up {
    pool: Option<Arc<Pool>>,
    server: Option<Name>,
    bound: UpBound,
}

#[derive(Debug)]
enum Path {
    Below(Box<str>),
    Exact(Box<str>),
    Suffix(Box<str>),
    Regex(regex::Regex),
}

#[derive(Debug)]
struct Field {
    name: Box<str>,
    value: Value,
    not: bool,
}

#[derive(Debug)]
enum Value {
    Present,
    Exact(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<str>),
    Regex(BytesRegex),
    /// An expression that does not compile: `check` refuses it, so none is here; it holds for nothing.
    Never,
}

impl Compiled {
    pub(super) fn new(matches: &Matches, pool: &impl Fn(&Name) -> Option<Arc<Pool>>) -> Self {
        let up = |one: &ServersUp| Up { pool: pool(&one.pool), server: one.server.clone(), bound: one.bound };
        let fields = |fields: &[FieldMatch]| fields.iter().map(Field::new).collect();
        Self {
            paths: matches.paths.iter().filter_map(Path::new).collect(),
            uri: matches.uri.iter().filter_map(|regex| anycase(regex)).collect(),
            methods: matches.methods.clone(),
            sources: matches.sources.clone(),
            not_sources: matches.not_sources.clone(),
            headers: fields(&matches.headers),
            query: fields(&matches.query),
            cookies: fields(&matches.cookies),
            certified: matches.client_certificate,
            up: matches.servers_up.iter().map(up).collect(),
        }
    }

    /// Whether everything holds. What costs least is asked first.
    pub(super) fn holds(&self, request: &impl Facts) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| method.as_bytes() == request.method()))
            && self.certified.is_none_or(|wanted| wanted == request.certified())
            && self.sources_hold(request.source())
            && self.up.iter().all(Up::holds)
            && (self.paths.is_empty() || self.paths.iter().any(|path| path.holds(request.path())))
            && self.uri_holds(request)
            && self.headers.iter().all(|field| field.holds(request.values(&field.name)))
            && self.cookies.iter().all(|field| field.holds(facts::cookie(request, &field.name)))
            && self.query.iter().all(|field| {
                field.holds(facts::query(request, &field.name).map(|value| value.into_owned().into_bytes()))
            })
    }

    /// Rules against attacks look at what the server will make of the bytes: decoded once.
    fn uri_holds(&self, request: &impl Facts) -> bool {
        if self.uri.is_empty() {
            return true;
        }
        let decoded: Cow<'_, [u8]> = percent_encoding::percent_decode(request.uri()).into();
        self.uri.iter().any(|regex| regex.is_match(&decoded))
    }

    fn sources_hold(&self, source: IpAddr) -> bool {
        let among = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&source));
        (self.sources.is_empty() || among(&self.sources)) && !among(&self.not_sources)
    }
}

impl Up {
    fn holds(&self) -> bool {
        let servers = self.pool.iter().flat_map(|pool| pool.servers());
        let meant = servers.filter(|server| self.server.as_ref().is_none_or(|name| name == server.name()));
        let up = meant.filter(|server| server.takes_clients()).count() as u64;
        match self.bound {
            UpBound::Below(number) => up < number.into(),
            UpBound::AtLeast(number) => up >= number.into(),
        }
    }
}

/// `check` has refused what does not compile.
fn anycase(regex: &str) -> Option<BytesRegex> {
    BytesRegexBuilder::new(regex).case_insensitive(true).build().ok()
}

impl Path {
    fn new(path: &PathMatch) -> Option<Self> {
        Some(match path {
            PathMatch::Below(path) => Self::Below(path.clone()),
            PathMatch::Exact(path) => Self::Exact(path.clone()),
            PathMatch::Suffix(path) => Self::Suffix(path.clone()),
            PathMatch::Regex(regex) => {
                Self::Regex(RegexBuilder::new(regex).case_insensitive(true).build().ok()?)
            }
        })
    }

    fn holds(&self, path: &str) -> bool {
        match self {
            Self::Below(own) => is_below(path, own),
            Self::Exact(own) => **own == *path,
            Self::Suffix(own) => path.ends_with(&**own),
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// Whether `path` is `prefix` or lies below it, on a segment boundary.
pub(super) fn is_below(path: &str, prefix: &str) -> bool {
    prefix == "/" || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Field {
    fn new(field: &FieldMatch) -> Self {
        let value = match &field.value {
            ValueMatch::Present => Value::Present,
            ValueMatch::Exact(text) => Value::Exact(text.clone()),
            ValueMatch::Prefix(text) => Value::Prefix(text.clone()),
            ValueMatch::Suffix(text) => Value::Suffix(text.clone()),
            ValueMatch::Contains(text) => Value::Contains(text.clone()),
            ValueMatch::Regex(regex) => BytesRegex::new(regex).map_or(Value::Never, Value::Regex),
        };
        Self { name: field.name.clone(), value, not: field.not }
    }

    fn holds(&self, mut values: impl Iterator<Item = impl AsRef<[u8]>>) -> bool {
        values.any(|value| self.value.holds(value.as_ref())) != self.not
    }
}

impl Value {
    fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(text) => value.eq_ignore_ascii_case(text.as_bytes()),
            Self::Prefix(text) => {
                value.get(..text.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(text.as_bytes()))
            }
            Self::Suffix(text) => {
                let start = value.len().checked_sub(text.len());
                let end = start.and_then(|start| value.get(start..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(text.as_bytes()))
            }
            Self::Contains(text) => {
                text.is_empty()
                    || value.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
            }
            Self::Regex(regex) => regex.is_match(value),
            Self::Never => false,
        }
    }
}
