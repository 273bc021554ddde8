//! The one description of the configuration file, as plain data: every table, every key, what it may hold, what it is
//! when left out, and what to tell an administrator about it. From it come the checks of keys and types, the defaults,
//! the JSON Schema and the reference page, so that they cannot differ.

pub(crate) mod application;
pub(crate) mod certificate;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod later;
pub(crate) mod listener;
pub(crate) mod packet;
pub(crate) mod pool;
pub(crate) mod rewriting;
pub(crate) mod root;
pub(crate) mod shield;
pub(crate) mod waf;

use std::time::Duration;

/// A table: `[listener.NAME]`, `[log]`, `health-check = { … }`, an entry of `servers`.
#[derive(Debug)]
pub(crate) struct Table {
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Its keys, in the order of the reference page.
    pub(crate) keys: &'static [Key],
}

impl Table {
    /// The key of that name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// As it is written.
    pub(crate) name: &'static str,
    /// What it may hold.
    pub(crate) kind: Kind,
    /// A value as it may stand in a file; the reference shows it, and remedies do.
    pub(crate) example: &'static str,
    /// What it does, for an administrator.
    pub(crate) doc: &'static str,
    /// Whether it must be given, and what holds when it is not.
    pub(crate) need: Need,
    /// The modes or probes that honour it; `None` is every one.
    pub(crate) only: Option<&'static [&'static str]>,
    /// Whether its list must have an entry.
    pub(crate) filled: bool,
    /// Set when a later release owns it.
    pub(crate) later: Option<Later>,
}

/// Whether a key must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must.
    Required,
    /// Left out, it is this, as TOML.
    Default(&'static str),
    /// Left out, it is as these words say.
    Optional(&'static str),
}

impl Key {
    /// A key that may be left out; `without` says what holds then.
    pub(crate) const fn optional(
        name: &'static str,
        kind: Kind,
        example: &'static str,
        without: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            example,
            doc,
            need: Need::Optional(without),
            only: None,
            filled: false,
            later: None,
        }
    }

    /// A key that must be given.
    pub(crate) const fn required(
        name: &'static str,
        kind: Kind,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, kind, example, doc, need: Need::Required, only: None, filled: false, later: None }
    }

    /// A key with a default, which is its example as well.
    pub(crate) const fn default(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            example: default,
            doc,
            need: Need::Default(default),
            only: None,
            filled: false,
            later: None,
        }
    }

    /// A key that a later release owns.
    pub(crate) const fn later(name: &'static str, later: Later) -> Self {
        let need = Need::Optional("");
        Self {
            name,
            kind: Kind::Later,
            example: "",
            doc: later.what,
            need,
            only: None,
            filled: false,
            later: Some(later),
        }
    }

    /// With a list that must have an entry.
    pub(crate) const fn filled(self) -> Self {
        Self { filled: true, ..self }
    }

    /// Honoured by these modes or probes only.
    pub(crate) const fn only(self, which: &'static [&'static str]) -> Self {
        Self { only: Some(which), ..self }
    }
}

/// Something a later release owns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Later {
    /// What it will do, as the rest of a sentence: "`mode = "http"` is not in this release: …".
    pub(crate) what: &'static str,
    /// What to do until then.
    pub(crate) instead: &'static str,
}

/// A word of a choice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    /// As it is written.
    pub(crate) word: &'static str,
    /// What it means.
    pub(crate) doc: &'static str,
}

impl Word {
    pub(crate) const fn new(word: &'static str, doc: &'static str) -> Self {
        Self { word, doc }
    }
}

/// What a key may hold. One shape a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A name of ours.
    Name,
    /// Free text, not empty, on one line.
    Text,
    /// The path of a file, absolute.
    Path,
    /// Path and query of a URL.
    UrlPath,
    /// A host name.
    Host,
    /// A pattern of paths, relative to the file it stands in.
    Glob,
    /// A whole number in a range.
    Integer {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A duration in a range.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// `true` or `false`.
    Bool,
    /// One of some words.
    Choice(&'static [Word]),
    /// `stdout`, `stderr`, `off` or an absolute path.
    Sink,
    /// Address and port to accept on.
    Bind,
    /// Address and port of a listener, perhaps with a protocol.
    Listen,
    /// Address or name, and port, of a server.
    Server,
    /// Address or name of a machine, perhaps with a port.
    Machine,
    /// An address alone.
    Ip,
    /// A network or an address.
    Network,
    /// How many in which time.
    PacketRate,
    /// Protocol and port, perhaps of one source.
    Allow,
    /// The name of an interface.
    Interface,
    /// A server name of TLS, or a wildcard.
    ServerName,
    /// A host that requests are for: a server name of TLS, or an IPv4 address.
    RequestHost,
    /// An argon2id hash.
    PasswordHash,
    /// A path that requests are compared with.
    RoutePath,
    /// A method or another word of HTTP.
    Token,
    /// The name of a header that may be edited.
    Header,
    /// A regular expression.
    Regex,
    /// The value of a header, with places to fill in.
    Template,
    /// Path, and query, with places to fill in.
    PathTemplate,
    /// A query with places to fill in.
    QueryTemplate,
    /// A whole URL with places to fill in.
    UrlTemplate,
    /// A host, perhaps with a port.
    Authority,
    /// A whole URL.
    Url,
    /// What clients or requests are told apart by.
    RequestKey,
    /// A status, a class or a range of statuses.
    Statuses,
    /// Bytes in hexadecimal digits.
    Hex,
    /// So many in so long.
    Rate,
    /// Text that may have several lines and control characters.
    Payload,
    /// A number of bytes with a unit, in a range.
    Bytes {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A table of header names, each with a value of this kind.
    Headers(&'static Kind),
    /// Any number of these.
    List(&'static Kind),
    /// A table of its own.
    Table(&'static Table),
    /// Any number of tables.
    Tables(&'static Table),
    /// Tables by name: `[pool.NAME]`.
    Named(&'static Table),
    /// Of a later release; not looked at.
    Later,
}

impl Kind {
    /// What it is, in words, with an article where it has one.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Name => "a name",
            Self::Text => "text",
            Self::Path => "an absolute path",
            Self::UrlPath => "a path that begins with `/`",
            Self::Host => "a host name",
            Self::Glob => "a path, perhaps with `*`",
            Self::Integer { .. } => "a whole number",
            Self::Duration { .. } => "a duration",
            Self::Bool => "`true` or `false`",
            Self::Choice(_) => "a word in quotation marks",
            Self::Sink => "`stdout`, `stderr`, `off` or an absolute path",
            Self::Bind => "an address and port to accept on",
            Self::Listen => "an address and port, for packets perhaps with `/tcp` or `/udp`",
            Self::Server => "an address or name, and a port",
            Self::Machine => "an address or name, perhaps with a port",
            Self::Ip => "an address",
            Self::Network => "a network or an address",
            Self::PacketRate => "a rate such as `100/s`, `20k/s` or `30/m`",
            Self::Allow => "a protocol and port such as `tcp/443`",
            Self::Interface => "the name of an interface",
            Self::ServerName => "a server name, perhaps with `*.` in front",
            Self::RequestHost => "a host name, perhaps with `*.` in front",
            Self::PasswordHash => "an argon2id hash",
            Self::RoutePath => "a path that begins with `/`, not encoded",
            Self::Token => "a word of HTTP",
            Self::Header => "the name of a header",
            Self::Regex => "a regular expression",
            Self::Template => "the value of a header",
            Self::PathTemplate => "a path that begins with `/`",
            Self::QueryTemplate => "a query",
            Self::UrlTemplate => "a URL with `http://` or `https://`",
            Self::Authority => "a host, perhaps with a port",
            Self::Url => "a URL with `http://` or `https://`",
            Self::RequestKey => "a part of the request",
            Self::Statuses => "a status such as `200`, or a class such as `2xx`, in quotation marks",
            Self::Rate => "a rate such as `50/s`, in quotation marks",
            Self::Hex => "bytes in hexadecimal digits",
            Self::Payload => "text, of several lines perhaps",
            Self::Bytes { .. } => "a number of bytes",
            Self::Headers(_) => "a table of headers",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Tables(_) => "a list of tables",
            Self::Named(_) => "a table for each name",
            Self::Later => "of a later release",
        }
    }
}

/// Seconds as a constant.
pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds as a constant.
pub(crate) const fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::root::ROOT;
    use super::*;
    use crate::file::read_alone;

    /// Every table, with the path to it.
    fn tables(path: &str, table: &'static Table, all: &mut Vec<(String, &'static Table)>) {
        all.push((path.to_owned(), table));
        for key in table.keys {
            if let Kind::Table(below) | Kind::Tables(below) | Kind::Named(below) = key.kind {
                tables(&format!("{path}.{}", key.name), below, all);
            }
        }
    }

    fn all() -> Vec<(String, &'static Table)> {
        let mut all = Vec::new();
        tables("", &ROOT, &mut all);
        all
    }

    #[test]
    fn defaults_and_examples_are_what_their_keys_take() {
        for (path, table) in all() {
            for key in table.keys {
                if let Need::Default(default) = key.need {
                    assert!(read_alone(&key.kind, default).is_some(), "{path}.{} = {default}", key.name);
                }
                let named = matches!(key.kind, Kind::Named(_));
                if key.later.is_none() && !named {
                    assert!(
                        read_alone(&key.kind, key.example).is_some(),
                        "{path}.{} = {}",
                        key.name,
                        key.example
                    );
                }
            }
        }
    }

    #[test]
    fn every_key_is_explained_in_sentences_and_named_once() {
        for (path, table) in all() {
            let names: HashSet<&str> = table.keys.iter().map(|key| key.name).collect();
            assert_eq!(names.len(), table.keys.len(), "{path}");
            assert!(table.doc.ends_with('.'), "{path}");
            for key in table.keys.iter().filter(|key| key.later.is_none()) {
                assert!(key.doc.ends_with('.') && key.doc.len() > 5, "{path}.{}: {}", key.name, key.doc);
                if let Kind::Choice(words) = key.kind {
                    assert!(words.iter().all(|word| word.doc.ends_with('.')), "{path}.{}", key.name);
                }
            }
        }
    }

    #[test]
    fn what_comes_later_says_what_and_what_to_do_until_then() {
        for (path, table) in all() {
            for key in table.keys {
                let Some(later) = key.later else { continue };
                let sentence = !later.what.ends_with('.') && later.what.contains(" come");
                assert!(sentence || later.what.contains("packet"), "{path}.{}: {}", key.name, later.what);
                let instead = !later.instead.is_empty() && !later.instead.ends_with('.');
                assert!(instead, "{path}.{}", key.name);
            }
        }
    }
}
