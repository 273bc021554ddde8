//! The result before it is text: tables, keys, values, each with the line of the source it came from.

/// A value of a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(u64),
    Bool(bool),
    List(Vec<Value>),
    Table(Table),
}

impl Value {
    /// A list of texts.
    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::Text(text.into())).collect())
    }

    /// A duration in milliseconds, in the longest unit that leaves no rest.
    pub(crate) fn time(milliseconds: u64) -> Self {
        Self::Text(duration(milliseconds))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Table> for Value {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Value,
    /// The line of the source it came from; 0 for none.
    pub(crate) line: u32,
    /// Comments that stand before it.
    pub(crate) comments: Vec<String>,
}

/// Keys in order, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

impl Table {
    /// Sets a key; one that is there keeps its place.
    pub(crate) fn set(&mut self, line: u32, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.value = value,
            None => self.entries.push(Entry { key: key.to_owned(), value, line, comments: Vec::new() }),
        }
    }

    /// With a key set.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.set(0, key, value);
        self
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value of a key that holds text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The table under a key, made if it is not there.
    pub(crate) fn table(&mut self, line: u32, key: &str) -> &mut Table {
        if !matches!(self.get(key), Some(Value::Table(_))) {
            self.set(line, key, Table::default());
        }
        match self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value) {
            Some(Value::Table(table)) => table,
            _ => unreachable!("the key was just set to a table"),
        }
    }

    /// Adds texts to the list under a key, each once.
    pub(crate) fn add(&mut self, line: u32, key: &str, text: impl Into<String>) {
        let text = Value::Text(text.into());
        match self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value) {
            Some(Value::List(list)) if list.contains(&text) => {}
            Some(Value::List(list)) => list.push(text),
            _ => self.set(line, key, Value::List(vec![text])),
        }
    }

    /// Adds a table to the list under a key.
    pub(crate) fn push(&mut self, line: u32, key: &str, table: Table) {
        match self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value) {
            Some(Value::List(list)) => list.push(Value::Table(table)),
            _ => self.set(line, key, Value::List(vec![Value::Table(table)])),
        }
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at).value)
    }

    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// An entry of a list of tables, with its own line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Item {
    pub(crate) line: u32,
    pub(crate) table: Table,
    /// Comments that stand before it.
    pub(crate) comments: Vec<String>,
}

impl Item {
    /// An entry that came from this line.
    pub(crate) fn new(line: u32, table: Table) -> Self {
        Self { line, table, comments: Vec::new() }
    }
}

/// `[kind.name]` with its keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    /// `listener.https`, `log`; empty for the top level.
    pub(crate) path: Vec<String>,
    /// The line of the source that opened it.
    pub(crate) line: u32,
    /// The last line of the source that belongs to it.
    pub(crate) end: u32,
    pub(crate) keys: Table,
    /// Lists of tables, one entry a line or a header each: `servers`, `routes`.
    pub(crate) lists: Vec<(String, Vec<Item>)>,
    /// Comments that stand before it.
    pub(crate) comments: Vec<String>,
}

impl Block {
    /// A block that came from these lines.
    pub(crate) fn new(path: &[&str], line: u32, end: u32) -> Self {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Self { path, line, end, ..Self::default() }
    }

    /// The list of that name.
    pub(crate) fn list(&mut self, name: &str) -> &mut Vec<Item> {
        let at = self.lists.iter().position(|(own, _)| own == name).unwrap_or_else(|| {
            self.lists.push((name.to_owned(), Vec::new()));
            self.lists.len() - 1
        });
        &mut self.lists[at].1
    }

    /// Its name: the last part of its path.
    pub(crate) fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// `listener`, `pool`, …
    pub(crate) fn kind(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }
}

/// The whole result.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) blocks: Vec<Block>,
    /// Comments that belong to no table.
    pub(crate) head: Vec<String>,
}

impl Draft {
    /// The block of that path.
    pub(crate) fn find(&mut self, path: &[&str]) -> Option<&mut Block> {
        self.blocks.iter_mut().find(|block| block.path == path)
    }

    /// The block of that path, made if it is not there.
    pub(crate) fn block(&mut self, path: &[&str], line: u32) -> &mut Block {
        let at = self.blocks.iter().position(|block| block.path == path).unwrap_or_else(|| {
            self.blocks.push(Block::new(path, line, line));
            self.blocks.len() - 1
        });
        &mut self.blocks[at]
    }

    /// A name that no block of that kind has: plain characters, with a number where it is taken.
    pub(crate) fn free_name(&self, kind: &str, wanted: &str) -> String {
        let base = plain_name(wanted);
        let taken = |name: &str| self.blocks.iter().any(|block| block.kind() == kind && block.name() == name);
        if !taken(&base) {
            return base;
        }
        let numbered = (2u32..).map(|number| format!("{}-{number}", cut(&base, 58)));
        numbered.into_iter().find(|name| !taken(name)).unwrap_or(base)
    }
}

/// Characters of a name at most.
const NAME_MAX: usize = 64;

/// A name as ours have to be: letters, digits, `-`, `_` and `.`, beginning with a letter or a digit.
pub(crate) fn plain_name(wanted: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = wanted.chars().map(plain).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let name = cut(name.trim_end_matches('-'), NAME_MAX);
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

fn cut(name: &str, most: usize) -> &str {
    name.get(..most).unwrap_or(name)
}

/// `5s`, `65m`, `1500ms`.
pub(crate) fn duration(milliseconds: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let whole = UNITS.iter().find(|(_, unit)| milliseconds > 0 && milliseconds.is_multiple_of(*unit));
    match whole {
        _ if milliseconds == 0 => "0s".to_owned(),
        Some((word, unit)) => format!("{}{word}", milliseconds / unit),
        None => format!("{milliseconds}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_plain() {
        for (wanted, name) in [
            ("bk_x", "bk_x"),
            ("a:b", "a-b"),
            ("", "unnamed"),
            ("--", "unnamed"),
            ("_x", "x"),
            ("größe", "gr--e"),
        ] {
            assert_eq!(plain_name(wanted), name);
        }
        assert_eq!(plain_name(&"a".repeat(99)).len(), NAME_MAX);
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let mut draft = Draft::default();
        draft.blocks.push(Block::new(&["pool", "web"], 1, 1));
        assert_eq!(draft.free_name("pool", "web"), "web-2");
        assert_eq!(draft.free_name("listener", "web"), "web");
    }

    #[test]
    fn durations_are_written_in_their_longest_unit() {
        for (milliseconds, text) in [(0, "0s"), (1500, "1500ms"), (300_000, "5m"), (3_600_000, "1h")] {
            assert_eq!(duration(milliseconds), text);
        }
    }
}
