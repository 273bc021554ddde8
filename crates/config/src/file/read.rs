//! Walks the tree that TOML gives, next to the model: unknown keys, types, ranges, forms.

use std::collections::HashMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeString, DeTable, DeValue};

use super::fields::{Entry, Fields, Header, Item, Named, Value};
use super::scalar::{scalar, takes_string};
use crate::model::{Key, Kind, Later, Need, Table, Word};
use crate::report::{Code, Fault, Report};
use crate::source::{SourceFile, Span};
use crate::text;
use crate::text::number::grouped;

/// Reads one file's tree by the model.
pub(crate) struct Reader<'a> {
    /// Where faults go.
    report: &'a mut Report,
    /// Index of the file among those read.
    file: u32,
    /// Where everything stands, of a text that is in no file.
    fixed: Option<Span>,
}

/// Reads a value that stands in no file, such as a default. `None` if it is faulty.
pub(crate) fn read_alone(kind: &'static Kind, text: &str) -> Option<Value> {
    let (value, faults) = DeValue::parse_recoverable(text);
    let mut report = Report::new(Arc::new([SourceFile::new(std::path::Path::new("model"), text)]));
    let item = Reader::new(&mut report, 0).item(kind, &value, "");
    item.filter(|_| faults.is_empty() && report.errors() == 0).map(|item| item.value)
}

impl<'a> Reader<'a> {
    /// Reads one of the files of the report.
    pub(super) fn new(report: &'a mut Report, file: u32) -> Self {
        Self { report, file, fixed: None }
    }

    /// Reads a text that is in no file; what is wrong with it stands at `span`.
    pub(crate) fn at(report: &'a mut Report, span: Span) -> Self {
        Self { report, file: span.file, fixed: Some(span) }
    }
}

impl Reader<'_> {
    fn span(&self, range: std::ops::Range<usize>) -> Span {
        self.fixed.unwrap_or_else(|| Span::new(self.file, range))
    }

    /// Reads a table. `path` is how it is called in messages, `""` for the top level.
    pub(crate) fn table(
        &mut self,
        table: &'static Table,
        tree: &DeTable<'_>,
        span: Span,
        path: &str,
    ) -> Fields {
        let mut fields = Fields::new(table, span);
        let mut entries: Vec<_> = tree.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let Some(key) = table.key(name.get_ref()) else {
                self.unknown_key(table, name, value, path);
                continue;
            };
            let key_span = self.span(name.span());
            let item = match key.later {
                Some(later) => {
                    self.later(&format!("`{}`", key.name), later, key_span);
                    None
                }
                None => self
                    .item(&key.kind, value, &join(path, key.name))
                    .filter(|item| self.filled(key, item, value, path)),
            };
            fields.add(Entry { key, span: key_span, item });
        }
        // What a later release reads may stand in for a key that this one needs.
        if fields.entries().iter().all(|entry| entry.key.later.is_none()) {
            let required = table.keys.iter().filter(|key| key.need == Need::Required);
            let clear = tree.keys().any(|name| in_clear(table, name.get_ref()));
            let stands_in = |key: &Key| clear && matches!(key.kind, Kind::PasswordHash);
            for key in required.filter(|key| fields.written(key.name).is_none() && !stands_in(key)) {
                self.missing(key, span, path);
            }
        }
        fields
    }

    /// Reads a value of the kind.
    fn item(&mut self, kind: &'static Kind, value: &Spanned<DeValue<'_>>, path: &str) -> Option<Item> {
        let span = self.span(value.span());
        let value = match (kind, value.get_ref()) {
            (Kind::List(kind), DeValue::Array(array)) => Some(self.list(kind, array, path)),
            (Kind::Tables(table), DeValue::Array(array)) => Some(self.tables(table, array, path)),
            (Kind::Table(table), DeValue::Table(tree)) => {
                Some(Value::Table(self.table(table, tree, span, path)))
            }
            (Kind::Headers(kind), DeValue::Table(tree)) => Some(self.headers(kind, tree, path)),
            (Kind::Named(table), DeValue::Table(tree)) => Some(self.named(table, tree, path)),
            (Kind::Integer { min, max }, DeValue::Integer(integer)) => {
                self.integer(*min, *max, integer, span, path)
            }
            (Kind::Bool, DeValue::Boolean(truth)) => Some(Value::Bool(*truth)),
            (Kind::Choice(words), DeValue::String(text)) => self.choice(words, text, span, path),
            (kind, DeValue::String(text)) if takes_string(kind) => match scalar(kind, text) {
                Ok(value) => Some(value),
                Err(problem) => {
                    self.report.push(Fault::from_problem(problem, span));
                    None
                }
            },
            (kind, value) => {
                self.wrong_type(kind, value, span, path);
                None
            }
        };
        value.map(|value| Item { span, value })
    }

    fn list(&mut self, kind: &'static Kind, array: &DeArray<'_>, path: &str) -> Value {
        Value::List(array.iter().filter_map(|entry| self.item(kind, entry, path)).collect())
    }

    fn tables(&mut self, table: &'static Table, array: &DeArray<'_>, path: &str) -> Value {
        let mut items = Vec::with_capacity(array.len());
        for entry in array {
            let span = self.span(entry.span());
            match entry.get_ref() {
                DeValue::Table(tree) => {
                    let value = Value::Table(self.table(table, tree, span, path));
                    items.push(Item { span, value });
                }
                value => self.wrong_entry(table, value, span, path),
            }
        }
        Value::List(items)
    }

    fn named(&mut self, table: &'static Table, tree: &DeTable<'_>, path: &str) -> Value {
        let mut entries: Vec<_> = tree.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut all = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let span = self.span(name.span());
            if let Err(problem) = text::name::name(name.get_ref()) {
                self.report.push(Fault::from_problem(problem, span));
            }
            let path = join(path, name.get_ref());
            match value.get_ref() {
                DeValue::Table(tree) => {
                    let fields = self.table(table, tree, span, &path);
                    all.push(Named { name: name.get_ref().as_ref().into(), span, fields });
                }
                other => {
                    let kind = path.split('.').next().unwrap_or_default();
                    let message = format!("`{path}` is {}, but a table is meant", type_noun(other));
                    let remedy = format!("each {kind} has a table with its name: `[{kind}.NAME]`");
                    self.report.push(Fault::new(Code::WrongType, span, message).remedy(remedy));
                }
            }
        }
        Value::Named(all)
    }

    fn headers(&mut self, kind: &'static Kind, tree: &DeTable<'_>, path: &str) -> Value {
        let mut entries: Vec<_> = tree.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut all = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let span = self.span(name.span());
            if let Err(problem) = text::field::header(name.get_ref()) {
                self.report.push(Fault::from_problem(problem, span));
            }
            if let Some(first) = seen.insert(name.get_ref().to_ascii_lowercase(), span) {
                let message =
                    format!("`{}` is given twice: letter case does not tell headers apart", name.get_ref());
                let fault = Fault::new(Code::DuplicateKey, span, message).also(first, "first here");
                self.report.push(fault.remedy("keep one of the two"));
            }
            if let Some(item) = self.item(kind, value, &join(path, name.get_ref())) {
                all.push(Header { name: name.get_ref().as_ref().into(), item });
            }
        }
        Value::Headers(all)
    }

    fn integer(
        &mut self,
        min: u64,
        max: u64,
        integer: &DeInteger<'_>,
        span: Span,
        path: &str,
    ) -> Option<Value> {
        let digits = integer.as_str().replace('_', "");
        let number = i128::from_str_radix(&digits, integer.radix()).ok();
        if let Some(number) = number.and_then(|number| u64::try_from(number).ok())
            && (min..=max).contains(&number)
        {
            return Some(Value::Integer(number));
        }
        let which = if number.is_some_and(|number| number < i128::from(min)) { "small" } else { "large" };
        let message = format!("`{}` is too {which}", last(path));
        let remedy = format!("write a number from {} to {}", grouped(min), grouped(max));
        self.report.push(Fault::new(Code::OutOfRange, span, message).remedy(remedy));
        None
    }

    fn choice(&mut self, words: &'static [Word], text: &str, span: Span, path: &str) -> Option<Value> {
        let Some(word) = words.iter().find(|word| word.word == text) else {
            let here = || words.iter().map(|word| word.word);
            let nearest = self.report.nearest(text, here());
            let all = quoted(here());
            let remedy = match nearest {
                Some(nearest) => format!("did you mean \"{nearest}\"? It may be {all}"),
                None => format!("it may be {all}"),
            };
            let message = format!("`{}` cannot be \"{text}\"", last(path));
            self.report.push(Fault::new(Code::UnknownWord, span, message).remedy(remedy));
            return None;
        };
        Some(Value::Word(word.word))
    }

    fn later(&mut self, what: &str, later: Later, span: Span) {
        let message = format!("{what} is not in this release: {}", later.what);
        self.report.push(Fault::new(Code::NotInThisRelease, span, message).remedy(later.instead));
    }

    /// Whether a list has an entry where it must, sound or not; reports one that has none.
    fn filled(&mut self, key: &Key, item: &Item, written: &Spanned<DeValue<'_>>, path: &str) -> bool {
        let empty = written.get_ref().as_array().is_some_and(|entries| entries.is_empty());
        if key.filled && empty {
            let message = format!("{} has an empty list `{}`", called(path), key.name);
            let remedy = format!("write an entry: `{} = {}`", key.name, key.example);
            self.report.push(Fault::new(Code::EmptyList, item.span, message).remedy(remedy));
        }
        !(key.filled && empty)
    }

    fn missing(&mut self, key: &Key, span: Span, path: &str) {
        let message = format!("{} needs `{}`", called(path), key.name);
        let remedy = format!("add `{} = {}`", key.name, key.example);
        self.report.push(Fault::new(Code::MissingKey, span, message).remedy(remedy));
    }

    fn unknown_key(
        &mut self,
        table: &Table,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        path: &str,
    ) {
        let span = self.span(name.span());
        let written = name.get_ref();
        if in_clear(table, written) {
            let value = self.span(value.span());
            let message = "a password stands here in clear";
            let remedy = format!("write its hash as `password-hash`; {}", text::hash::MAKE);
            self.report.push(Fault::new(Code::PasswordInClear, value, message).remedy(remedy));
            return;
        }
        let nearest = self.report.nearest(written, table.keys.iter().map(|key| key.name));
        let remedy = match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => {
                let here = table.keys.iter().filter(|key| key.later.is_none());
                format!(
                    "the keys here are {}",
                    here.map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ")
                )
            }
        };
        let message = format!("{} has no key `{written}`", called(path));
        self.report.push(Fault::new(Code::UnknownKey, span, message).remedy(remedy));
    }

    fn wrong_type(&mut self, kind: &Kind, value: &DeValue<'_>, span: Span, path: &str) {
        let name = last(path);
        let code = match (kind, value) {
            (Kind::Duration { .. } | Kind::Bytes { .. }, DeValue::Integer(_)) => Code::MissingUnit,
            _ => Code::WrongType,
        };
        let message = match code {
            Code::MissingUnit => format!("`{name}` has no unit"),
            _ => format!("`{name}` is {}, but {} is meant", type_noun(value), kind.noun()),
        };
        self.report.push(Fault::new(code, span, message).remedy(retyped(kind, value, name)));
    }

    fn wrong_entry(&mut self, table: &Table, value: &DeValue<'_>, span: Span, path: &str) {
        let message = format!("an entry of `{}` is {}, but a table is meant", last(path), type_noun(value));
        let keys = table.keys.iter().filter(|key| key.need == Need::Required);
        let entry = keys.map(|key| format!("{} = {}", key.name, key.example)).collect::<Vec<_>>().join(", ");
        self.report.push(Fault::new(Code::WrongType, span, message).remedy(format!("write {{ {entry} }}")));
    }
}

/// Whether a key of the table holds a password that should be a hash.
fn in_clear(table: &Table, key: &str) -> bool {
    table.key("password-hash").is_some() && matches!(key, "password" | "pass" | "passwd")
}

/// What to write where a value has the wrong type.
fn retyped(kind: &Kind, value: &DeValue<'_>, name: &str) -> String {
    match (kind, value) {
        (Kind::Bytes { .. }, DeValue::Integer(number)) => {
            format!("write `{name} = \"{}B\"`, or another unit: B, KiB, MiB, GiB, TiB", number.as_str())
        }
        (Kind::Headers(_), _) => format!("write `{name} = {{ Front-End-Https = \"On\" }}`"),
        (Kind::Duration { .. }, DeValue::Integer(number)) => {
            format!("write `{name} = \"{}s\"`, or another unit: ms, s, m, h, d", number.as_str())
        }
        (Kind::List(_), DeValue::String(text)) => format!("put it in brackets: `{name} = [\"{text}\"]`"),
        (Kind::Integer { .. }, DeValue::String(text))
            if text.bytes().all(|b| b.is_ascii_digit() || b == b'_') =>
        {
            format!("take the quotation marks away: `{name} = {text}`")
        }
        (Kind::Integer { min, max }, _) => {
            format!("write a number from {} to {}, without a unit", grouped(*min), grouped(*max))
        }
        (Kind::Bool, _) => format!("write `{name} = true` or `{name} = false`"),
        (Kind::Tables(_), DeValue::Table(_)) => {
            format!("write it in double brackets, `[[….{name}]]`, or as a list: `{name} = [{{ … }}]`")
        }
        (Kind::Table(table), _) => {
            let keys = table.keys.iter().filter(|key| key.later.is_none()).map(|key| key.name);
            format!("write `{name} = {{ … }}` with keys among {}", quoted(keys).replace('"', "`"))
        }
        (Kind::Named(_), _) => format!("write `[{name}.NAME]` on a line of its own, and the keys below it"),
        (Kind::Choice(words), _) => {
            format!("write {}", quoted(words.iter().map(|word| word.word)))
        }
        (kind, DeValue::Integer(number)) if takes_string(kind) => {
            format!("put it in quotation marks: `{name} = \"{}\"`", number.as_str())
        }
        (kind, _) => format!("write {}", kind.noun()),
    }
}

/// A TOML type with its article.
fn type_noun(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Words in quotation marks, with commas between them.
fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// How a table is called in a message.
fn called(path: &str) -> String {
    if path.is_empty() { "the top level of the file".to_owned() } else { format!("`{path}`") }
}

/// The key at the end of a path.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
