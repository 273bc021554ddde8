//! A table that was read: the values of its keys, or their defaults.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::read;
use crate::model::{Key, Need, Table};
use crate::source::Span;
use crate::{Address, Allow, LogSink, Name, PasswordHash, Rate, ServerName};

/// A value of the type its key asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Names, texts, paths, hosts.
    Text(Box<str>),
    /// A whole number within its range.
    Integer(u64),
    /// A duration within its range.
    Duration(Duration),
    /// True or false.
    Bool(bool),
    /// A word of a choice, as the model has it.
    Word(&'static str),
    /// Where a log goes.
    Sink(LogSink),
    /// Where to accept.
    Bind(SocketAddr),
    /// Where a server is.
    Server(Address),
    /// A bare address.
    Ip(IpAddr),
    /// A network.
    Network(IpNet),
    /// A rate.
    Rate(Rate),
    /// What a context allows.
    Allow(Allow),
    /// A server name of TLS.
    ServerName(ServerName),
    /// A password's hash.
    PasswordHash(PasswordHash),
    /// The sound entries of a list.
    List(Vec<Item>),
    /// A table.
    Table(Fields),
    /// Tables by name.
    Named(Vec<Named>),
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// One table of several by name, such as `[pool.web]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    pub(crate) name: Name,
    /// Where the name stands.
    pub(crate) span: Span,
    pub(crate) fields: Fields,
}

/// A table that was read.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    /// Its header, its braces, or its name.
    pub(crate) span: Span,
    table: &'static Table,
    entries: Vec<Entry>,
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

/// A key that was written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: &'static Key,
    /// Where the key stands.
    pub(crate) span: Span,
    /// Its value; `None` when that was faulty and has been reported.
    pub(crate) item: Option<Item>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key.name == other.key.name && self.item == other.item
    }
}

impl Fields {
    /// A table without keys yet.
    pub(crate) fn new(table: &'static Table, span: Span) -> Self {
        Self { span, table, entries: Vec::new() }
    }

    /// Adds a key.
    pub(crate) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// The keys that were written, sound or not.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The keys, to be taken over by another table.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// A key for changing its value.
    pub(crate) fn entry_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key.name == name)
    }

    /// The key if it was written, sound or not.
    pub(crate) fn written(&self, name: &str) -> Option<&Entry> {
        debug_assert!(self.table.key(name).is_some(), "`{name}` is not in the model");
        self.entries.iter().find(|entry| entry.key.name == name)
    }

    /// The value of a key if it was written and sound.
    pub(crate) fn given(&self, name: &str) -> Option<&Item> {
        self.written(name)?.item.as_ref()
    }

    /// Where to point for a key: its value, else the key, else the table.
    pub(crate) fn place(&self, name: &str) -> Span {
        match self.written(name) {
            Some(Entry { item: Some(item), .. }) => item.span,
            Some(entry) => entry.span,
            None => self.span,
        }
    }

    /// The value of a key, or its default. `None` where it has no default or is faulty.
    fn value(&self, name: &str) -> Option<Value> {
        match self.written(name) {
            Some(entry) => entry.item.as_ref().map(|item| item.value.clone()),
            None => self.table.key(name).and_then(default),
        }
    }

    /// A text that was written.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match &self.given(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, given or by default.
    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Integer(integer) => Some(integer),
            _ => None,
        }
    }

    /// A whole number of a narrower type. The ranges of the model fit; what was faulty counts as 0, and there is an
    /// error already.
    pub(crate) fn number<T: TryFrom<u64> + Default>(&self, name: &str) -> T {
        self.integer(name).and_then(|integer| T::try_from(integer).ok()).unwrap_or_default()
    }

    /// A duration, given or by default. What was faulty counts as zero, and there is an error already.
    pub(crate) fn duration(&self, name: &str) -> Duration {
        match self.value(name) {
            Some(Value::Duration(duration)) => duration,
            _ => Duration::ZERO,
        }
    }

    /// A rate, given or by default.
    pub(crate) fn rate(&self, name: &str) -> Option<Rate> {
        match self.value(name)? {
            Value::Rate(rate) => Some(rate),
            _ => None,
        }
    }

    /// A truth value, given or by default.
    pub(crate) fn bool(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    /// The meaning of a word, given or by default.
    pub(crate) fn word<T: Copy>(&self, name: &str, meanings: &[(&'static str, T)]) -> Option<T> {
        let Some(Value::Word(word)) = self.value(name) else { return None };
        meanings.iter().find(|(own, _)| *own == word).map(|(_, meaning)| *meaning)
    }

    /// Where a log goes.
    pub(crate) fn sink(&self, name: &str) -> LogSink {
        match self.value(name) {
            Some(Value::Sink(sink)) => sink,
            _ => LogSink::Off,
        }
    }

    /// The table of a key; an empty one where it was not written, so that its defaults can be asked for.
    pub(crate) fn table(&self, name: &str, table: &'static Table) -> Fields {
        match self.given(name).map(|item| &item.value) {
            Some(Value::Table(fields)) => fields.clone(),
            _ => Self::new(table, self.place(name)),
        }
    }

    /// The sound entries of a list; none where it was not written.
    pub(crate) fn list(&self, name: &str) -> &[Item] {
        match self.given(name).map(|item| &item.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// The tables of a list of tables.
    pub(crate) fn tables(&self, name: &str) -> impl Iterator<Item = &Fields> {
        self.list(name).iter().filter_map(|item| match &item.value {
            Value::Table(fields) => Some(fields),
            _ => None,
        })
    }

    /// Tables by name.
    pub(crate) fn named(&self, name: &str) -> &[Named] {
        match self.given(name).map(|item| &item.value) {
            Some(Value::Named(named)) => named,
            _ => &[],
        }
    }
}

/// The default of a key, read as if it stood in a file.
pub(crate) fn default(key: &'static Key) -> Option<Value> {
    match key.need {
        Need::Default(text) => read::read_alone(&key.kind, text),
        Need::Required | Need::Optional(_) => None,
    }
}
