//! Ready-made settings become ordinary ones: `[application.NAME]` becomes certificates, listeners and pools, and a pool
//! with `application = "exchange"` one pool for each virtual directory. What comes out is checked like any other file,
//! and faults in it point at what stands for it.

mod application;
mod directories;

use toml::de::DeTable;

use crate::file::{Entry, Fields, Item, Named, Reader, Value};
use crate::model::root::ROOT;
use crate::report::Report;
use crate::source::Span;
use crate::text::address;

/// Puts what applications stand for in their place.
pub(crate) fn expand(root: &mut Fields, report: &mut Report) {
    application::expand(root, report);
    directories::expand(root);
}

/// A text of ours as the fields of a file, all of which stand at `span`.
fn read(text: &str, span: Span, report: &mut Report) -> Fields {
    let (tree, faults) = DeTable::parse_recoverable(text);
    debug_assert!(faults.is_empty(), "what we write is TOML: {faults:?}\n{text}");
    Reader::at(report, span).table(&ROOT, tree.get_ref(), span, "")
}

/// As [`read`], of a text that has no faults.
fn read_sound(text: &str, span: Span) -> Fields {
    let mut report = Report::new(std::sync::Arc::from([]));
    let fields = read(text, span, &mut report);
    debug_assert_eq!(report.errors(), 0, "{text}");
    fields
}

/// The tables by name of a key, for changing them.
fn named_mut<'a>(root: &'a mut Fields, key: &str) -> Option<&'a mut Vec<Named>> {
    match root.entry_mut(key) {
        Some(Entry { item: Some(Item { value: Value::Named(all), .. }), .. }) => Some(all),
        _ => None,
    }
}

/// The routes of a listener, for changing them; makes an empty list where there are none.
fn routes_mut(listener: &mut Fields) -> Option<&mut Vec<Item>> {
    if listener.written("routes").is_none() {
        listener.set("routes", Value::List(Vec::new()));
    }
    match listener.entry_mut("routes") {
        Some(Entry { item: Some(Item { value: Value::List(items), .. }), .. }) => Some(items),
        _ => None,
    }
}

/// Address and port of a server whose port may be left out.
fn with_port(text: &str, port: u16) -> String {
    if address::server(text).is_ok() {
        return text.to_owned();
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        format!("[{text}]:{port}")
    } else {
        format!("{text}:{port}")
    }
}
