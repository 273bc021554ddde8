//! The reference page: every key, from the model.

use std::fmt::Write as _;

use crate::model::root::ROOT;
use crate::model::{Key, Kind, Need, Table, Word};
use crate::report::{Code, Severity};
use crate::text::duration::written;
use crate::text::number::grouped;
use crate::text::size;

/// The reference page of the configuration file, as Markdown.
pub fn reference() -> String {
    let mut page = INTRODUCTION.trim_start().to_owned();
    let _ = writeln!(page, "\n## Top level\n\n{}\n", ROOT.doc);
    keys(&mut page, &ROOT);
    for key in ROOT.keys {
        match key.kind {
            Kind::Table(table) => section(&mut page, &format!("[{}]", key.name), table),
            Kind::Named(table) => section(&mut page, &format!("[{}.NAME]", key.name), table),
            _ => {}
        }
    }
    codes(&mut page);
    page
}

const INTRODUCTION: &str = r#"
# The configuration file

This page is generated from the model that the program checks the file by; `docs/transom.schema.json` is the same for
editors. `transom check -c FILE` tells all that is wrong with a file at once, `transom check -c FILE --expanded` prints
it with every default written out.

The file is [TOML](https://toml.io). What holds everywhere:

- **One shape a key.** A list is a list even with one entry; nothing is now a string and now a table.
- **Units are written.** Durations are a whole number and one of `ms`, `s`, `m`, `h`, `d`: `"250ms"`, `"5s"`, `"1h"`. What
  is counted is a bare number, with `_` between digits if you like: `50_000`. Bytes have one of `B`, `KiB`, `MiB`, `GiB`,
  `TiB`: `"150MiB"`.
- **Nothing is ignored.** A key that is unknown, or that a later release owns, is an error that says so. A key that the
  mode does nothing with is a warning.
- **Names** of listeners, pools, servers, tables and zones are up to 64 letters, digits, `-`, `_` and `.`.
- **Addresses** are `192.0.2.1:443`, `[2001:db8::1]:443`, for servers also `mail.internal:443`.
"#;

/// A table with a header of its own, and those that its keys hold.
fn section(page: &mut String, header: &str, table: &Table) {
    let _ = writeln!(page, "\n## `{header}`\n\n{}\n", table.doc);
    keys(page, table);
    inner(page, &format!("`{header}`"), table);
}

/// The tables that the keys of one hold, and those in them.
fn inner(page: &mut String, of: &str, table: &Table) {
    for key in table.keys {
        let (title, table) = match key.kind {
            Kind::Table(table) => (format!("`{}` of {of}", key.name), table),
            Kind::Tables(table) => (format!("Entries of `{}` of {of}", key.name), table),
            _ => continue,
        };
        let _ = writeln!(page, "\n### {title}\n\n{}\n", table.doc);
        keys(page, table);
        inner(page, &title, table);
    }
}

/// Every key of a table: what it is, what it holds, what holds without it; then those of later releases.
fn keys(page: &mut String, table: &Table) {
    for key in table.keys.iter().filter(|key| key.later.is_none()) {
        let _ =
            writeln!(page, "- **`{}`** — {}; {}.{}", key.name, value(&key.kind), left_out(key), only(key));
        let _ = writeln!(page, "  {}", key.doc);
        match key.kind {
            Kind::Choice(words) => choice(page, words),
            _ if !key.example.is_empty() && key.need != Need::Default(key.example) => {
                let _ = writeln!(page, "  Example: `{} = {}`", key.name, key.example);
            }
            _ => {}
        }
    }
    let later =
        table.keys.iter().filter(|key| key.later.is_some()).map(|key| (format!("`{}`", key.name), key.doc));
    let later = by_sentence(later);
    if !later.is_empty() {
        let _ = writeln!(page, "\nNot in this release:\n");
    }
    for (names, what) in later {
        let _ = writeln!(page, "- {names}: {what}.");
    }
}

/// Those of the same sentence together, in the order of the first of each.
fn by_sentence(all: impl Iterator<Item = (String, &'static str)>) -> Vec<(String, &'static str)> {
    let mut groups: Vec<(String, &'static str)> = Vec::new();
    for (name, what) in all {
        match groups.iter_mut().find(|(_, own)| *own == what) {
            Some((names, _)) => {
                names.push_str(", ");
                names.push_str(&name);
            }
            None => groups.push((name, what)),
        }
    }
    groups
}

fn choice(page: &mut String, words: &[Word]) {
    for word in words {
        let _ = writeln!(page, "  - `\"{}\"`: {}", word.word, word.doc);
    }
}

/// What a key may hold.
fn value(kind: &Kind) -> String {
    match kind {
        Kind::Integer { min, max } => format!("a whole number from {} to {}", grouped(*min), grouped(*max)),
        Kind::Duration { min, max } => {
            format!("a duration from `\"{}\"` to `\"{}\"`", written(*min), written(*max))
        }
        Kind::Bytes { min, max } => {
            format!("bytes from `\"{}\"` to `\"{}\"`", size::written(*min), size::written(*max))
        }
        Kind::List(entry) => format!("a list, each entry {}", value(entry)),
        Kind::Named(_) => "tables by name".to_owned(),
        kind => kind.noun().to_owned(),
    }
}

fn left_out(key: &Key) -> String {
    match key.need {
        Need::Required => "required".to_owned(),
        Need::Default(default) => format!("default `{default}`"),
        Need::Optional(without) => format!("left out: {without}"),
    }
}

fn only(key: &Key) -> String {
    let Some(only) = key.only else { return String::new() };
    let only: Vec<String> = only.iter().map(|one| format!("`{one}`")).collect();
    format!(" Only for {}.", only.join(", "))
}

/// What `check` may say.
fn codes(page: &mut String) {
    let tables = [
        (
            Severity::Error,
            "Errors",
            "A file with one of these is not used; a reload leaves the old one running.",
        ),
        (Severity::Warning, "Warnings", "A file with these is used, but somebody should look."),
    ];
    let _ = writeln!(page, "\n## What `check` says\n\nEach fault has a code, which never changes.");
    for (severity, title, text) in tables {
        let _ = writeln!(page, "\n### {title}\n\n{text}\n\n| code | meaning |\n|---|---|");
        for code in Code::ALL.iter().filter(|code| code.severity() == severity) {
            let _ = writeln!(page, "| `{}` | {} |", code.word(), code.meaning());
        }
    }
}
