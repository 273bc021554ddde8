//! Several files as one: names are unique over all of them, a key of the top level stands in one.

use std::collections::HashMap;

use toml::de::DeTable;

use super::fields::{Entry, Fields, Item, Named, Value};
use super::{read::Reader, syntax};
use crate::Name;
use crate::expand::expand;
use crate::model::root::ROOT;
use crate::report::{Code, Fault, Report};
use crate::source::Span;

/// What all files together say.
pub(crate) struct Merged {
    /// The top level.
    pub(crate) root: Fields,
    /// Whether every file could be read well enough for references to be checked.
    pub(crate) whole: bool,
}

/// Reads every source of the report by the model and puts them together, in their order.
pub(crate) fn merge(report: &mut Report) -> Merged {
    let sources = report.sources().clone();
    let mut root = Fields::new(&ROOT, Span::new(0, 0..0));
    let mut whole = true;
    for (file, source) in (0..).zip(sources.iter()) {
        let (tree, errors) = DeTable::parse_recoverable(&source.text);
        let syntax = syntax::report(&errors, source, file, report);
        whole &= errors.is_empty();
        if !syntax.trusted {
            continue;
        }
        report.mute(file, syntax.lines);
        let start = Span::new(file, 0..0);
        let fields = Reader::new(report, file).table(&ROOT, tree.get_ref(), start, "");
        for entry in fields.into_entries() {
            add(&mut root, entry, report);
        }
    }
    expand(&mut root, report);
    for key in ["application", "certificate", "listener", "pool", "stick-table", "waf"] {
        unique(&mut root, key, report);
    }
    Merged { root, whole }
}

/// Adds a key of one file to those of the files before.
pub(crate) fn add(root: &mut Fields, entry: Entry, report: &mut Report) {
    let Some(first) = root.entry_mut(entry.key.name) else {
        root.add(entry);
        return;
    };
    match (&mut first.item, entry.item) {
        (Some(Item { value: Value::Named(all), .. }), Some(Item { value: Value::Named(more), .. })) => {
            all.extend(more);
        }
        (_, _) if entry.key.name == "include" => {}
        _ => {
            let message = format!("`{}` is given in two files", entry.key.name);
            report.push(
                Fault::new(Code::DuplicateKey, entry.span, message)
                    .remedy("keep it in one of them")
                    .also(first.span, "first here"),
            );
        }
    }
}

/// Keeps the first of each name and reports the others.
fn unique(root: &mut Fields, key: &str, report: &mut Report) {
    let Some(Entry { item: Some(Item { value: Value::Named(all), .. }), .. }) = root.entry_mut(key) else {
        return;
    };
    let mut seen: HashMap<Name, Span> = HashMap::new();
    all.retain(|Named { name, span, .. }| {
        let Some(first) = seen.get(name) else {
            seen.insert(name.clone(), *span);
            return true;
        };
        let message = format!("there are two of the name `{name}`");
        report.push(
            Fault::new(Code::DuplicateName, *span, message)
                .remedy("rename one of them")
                .also(*first, "first here"),
        );
        false
    });
}
