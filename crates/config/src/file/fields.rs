//! A table that was read: the values of its keys, or their defaults.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::read;
use crate::model::{Key, Need, Table};
use crate::source::Span;
use crate::{
    Address, LogSink, Name, PasswordHash, Rate, RequestKey, ServerName, StatusRange, Template, Transport,
};

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
    /// Where a listener listens, or what it balances.
    Listen(SocketAddr, Transport),
    /// Where a server is.
    Server(Address),
    /// A bare address.
    Ip(IpAddr),
    /// A network.
    Network(IpNet),
    /// A server name of TLS.
    ServerName(ServerName),
    /// A password's hash.
    PasswordHash(PasswordHash),
    /// The value of a header.
    Template(Template),
    /// What requests are told apart by.
    RequestKey(RequestKey),
    /// Statuses of answers.
    Statuses(StatusRange),
    /// So many in so long.
    Rate(Rate),
    /// Bytes.
    Octets(Box<[u8]>),
    /// Headers by name.
    Headers(Vec<Header>),
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

/// One of a table of headers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Header {
    /// Its name, in the letter case it was written in.
    pub(crate) name: Box<str>,
    /// Its value.
    pub(crate) item: Item,
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

impl Entry {
    /// Whether leaving it out would be the same.
    pub(crate) fn is_default(&self) -> bool {
        match self.item.as_ref().map(|item| &item.value) {
            Some(Value::Table(fields)) => fields.entries.iter().all(Self::is_default),
            Some(value) => default(self.key).as_ref() == Some(value),
            None => false,
        }
    }
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

    /// Gives a key another value, where it stands; a new one stands where the table does.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        let Some(key) = self.table.key(name) else { return };
        let span = self.place(name);
        self.remove(name);
        self.add(Entry { key, span, item: Some(Item { span, value }) });
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.entries.retain(|entry| entry.key.name != name);
    }

    /// Takes over a key of another table that has one of the same name and kind.
    pub(crate) fn copy(&mut self, name: &str, from: &Self) {
        let (Some(key), Some(entry)) = (self.table.key(name), from.written(name)) else { return };
        self.remove(name);
        self.add(Entry { key, ..entry.clone() });
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
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
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

    /// A truth value, given or by default.
    pub(crate) fn bool(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    /// The meaning of a word, given or by default.
    pub(crate) fn word<T: Copy>(&self, name: &str, meanings: &[(&'static str, T)]) -> Option<T> {
        let Some(Value::Word(word)) = self.value(name) else { return None };
        meanings.iter().find(|(own, _)| *own == word).map(|(_, meaning)| *meaning)
    }

    /// What requests are told apart by, given or by default.
    pub(crate) fn request_key(&self, name: &str) -> RequestKey {
        match self.value(name) {
            Some(Value::RequestKey(key)) => key,
            _ => RequestKey::Source,
        }
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

    /// The sound texts of a list.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.list(name).iter().filter_map(|item| match &item.value {
            Value::Text(text) => Some(&**text),
            _ => None,
        })
    }

    /// The sound headers of a table of headers.
    pub(crate) fn headers(&self, name: &str) -> &[Header] {
        match self.given(name).map(|item| &item.value) {
            Some(Value::Headers(headers)) => headers,
            _ => &[],
        }
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
