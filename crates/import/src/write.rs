//! Blocks to text: TOML as a person would have written it.

use toml_edit::{Array, DocumentMut, Formatted, InlineTable, Key, Value as TomlValue};

use crate::block::{Block, Draft, Item, Table, Value};

/// Columns a line should keep to.
const WIDTH: usize = 110;

/// The text of the result.
pub(crate) fn write(draft: &Draft) -> String {
    let mut text = String::new();
    for comment in &draft.head {
        push_comment(&mut text, comment);
    }
    for block in &draft.blocks {
        if !text.is_empty() {
            text.push('\n');
        }
        write_block(&mut text, block);
    }
    // What was put together is a document, and is printed by the library that reads them.
    match text.parse::<DocumentMut>() {
        Ok(document) => document.to_string(),
        Err(_) => text,
    }
}

fn write_block(text: &mut String, block: &Block) {
    for comment in &block.comments {
        push_comment(text, comment);
    }
    if !block.path.is_empty() {
        text.push_str(&format!("[{}]\n", header(&block.path)));
    }
    let width = block.keys.entries.iter().map(|entry| written_key(&entry.key).len()).max().unwrap_or(0);
    for entry in &block.keys.entries {
        for comment in &entry.comments {
            push_comment(text, comment);
        }
        let key = written_key(&entry.key);
        text.push_str(&key_value(&key, width, &entry.value));
    }
    let (headed, short): (Vec<_>, Vec<_>) =
        block.lists.iter().filter(|(_, items)| !items.is_empty()).partition(|(_, items)| is_long(items));
    for (name, items) in short {
        write_list(text, name, items);
    }
    for (name, items) in headed {
        for item in items {
            text.push('\n');
            for comment in &item.comments {
                push_comment(text, comment);
            }
            let mut path = block.path.clone();
            path.push(name.clone());
            text.push_str(&format!("[[{}]]\n", header(&path)));
            let width =
                item.table.entries.iter().map(|entry| written_key(&entry.key).len()).max().unwrap_or(0);
            for entry in &item.table.entries {
                text.push_str(&key_value(&written_key(&entry.key), width, &entry.value));
            }
        }
    }
}

/// Whether entries of a list are too long to stand in a line each.
fn is_long(items: &[Item]) -> bool {
    items.iter().any(|item| inline(&Value::Table(item.table.clone())).len() + 3 > WIDTH)
}

/// `servers = [` and a line for each entry.
fn write_list(text: &mut String, name: &str, items: &[Item]) {
    text.push_str(&format!("{} = [\n", written_key(name)));
    for item in items {
        for comment in &item.comments {
            text.push_str("  ");
            push_comment(text, comment);
        }
        text.push_str(&format!("  {},\n", inline(&Value::Table(item.table.clone()))));
    }
    text.push_str("]\n");
}

/// `key = value`, over several lines where it is a long list.
fn key_value(key: &str, width: usize, value: &Value) -> String {
    let line = format!("{key:width$} = {}", inline(value));
    match value {
        Value::List(entries) if line.len() > WIDTH => {
            format!("{key:width$} = [\n{}]\n", filled(entries))
        }
        _ => line + "\n",
    }
}

/// Entries of a list, as many on a line as fit.
fn filled(entries: &[Value]) -> String {
    let mut text = String::new();
    let mut line = String::new();
    for entry in entries {
        let entry = format!("{},", inline(entry));
        if !line.is_empty() && line.len() + entry.len() + 1 > WIDTH {
            text.push_str(&format!("{line}\n"));
            line.clear();
        }
        line.push_str(if line.is_empty() { "  " } else { " " });
        line.push_str(&entry);
    }
    format!("{text}{line}\n")
}

/// A value on one line.
fn inline(value: &Value) -> String {
    to_toml(value).to_string().trim().to_owned()
}

fn to_toml(value: &Value) -> TomlValue {
    match value {
        Value::Text(text) => text_value(text),
        Value::Number(number) => number_value(*number),
        Value::Bool(truth) => TomlValue::from(*truth),
        Value::List(entries) => TomlValue::Array(entries.iter().map(to_toml).collect::<Array>()),
        Value::Table(table) => TomlValue::InlineTable(inline_table(table)),
    }
}

fn inline_table(table: &Table) -> InlineTable {
    let mut inline = InlineTable::new();
    for entry in &table.entries {
        inline.insert_formatted(&Key::new(entry.key.as_str()), to_toml(&entry.value));
    }
    inline
}

/// Text with a backslash reads better in the quotation marks that leave it alone.
fn text_value(text: &str) -> TomlValue {
    let literal = text.contains(['\\', '"']) && !text.contains('\'') && !text.contains(char::is_control);
    if literal && let Ok(value) = format!("'{text}'").parse::<TomlValue>() {
        return value;
    }
    let basic = text.chars().map(escaped).collect::<String>();
    format!("\"{basic}\"").parse().unwrap_or_else(|_| TomlValue::from(text))
}

/// A character inside `"…"`.
fn escaped(c: char) -> String {
    match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    }
}

/// Numbers that count, with `_` between thousands.
fn number_value(number: u64) -> TomlValue {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let digits = number.to_string();
    if digits.len() > 4 {
        let from_end = |index: usize| digits.len() - index;
        let grouped: String = digits
            .char_indices()
            .flat_map(|(index, digit)| {
                let mark = index > 0 && from_end(index).is_multiple_of(3);
                mark.then_some('_').into_iter().chain([digit])
            })
            .collect();
        if let Ok(value) = grouped.parse::<TomlValue>() {
            return value;
        }
    }
    TomlValue::Integer(Formatted::new(number))
}

fn header(path: &[String]) -> String {
    path.iter().map(|part| written_key(part)).collect::<Vec<_>>().join(".")
}

/// A key as it is written: in quotation marks where it has to be.
fn written_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { key.to_owned() } else { text_value(key).to_string() }
}

/// A comment on lines of its own; control characters would end the document.
fn push_comment(text: &mut String, comment: &str) {
    let plain: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.push_str(format!("# {}", plain.trim()).trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_a_person_would() {
        let list = Value::texts(["a", "b"]);
        let table = Table::default().with("connect", Value::time(5000)).with("idle", Value::time(3_900_000));
        for (value, text) in [
            (Value::from("plain"), r#""plain""#),
            (Value::from(r"\.php$"), r"'\.php$'"),
            (Value::from("it's \\"), r#""it's \\""#),
            (Value::from("a\nb"), r#""a\nb""#),
            (Value::from(443u64), "443"),
            (Value::from(50_000u64), "50_000"),
            (Value::from(1_000_000u64), "1_000_000"),
            (list, r#"["a", "b"]"#),
            (Value::Table(table), r#"{ connect = "5s", idle = "65m" }"#),
        ] {
            assert_eq!(inline(&value), text);
        }
    }

    #[test]
    fn keys_are_quoted_where_they_must_be() {
        assert_eq!(written_key("set-request-headers"), "set-request-headers");
        assert_eq!(header(&["pool".to_owned(), "web.a".to_owned()]), r#"pool."web.a""#);
    }

    #[test]
    fn whatever_a_comment_holds_it_stays_one() {
        let mut text = String::new();
        push_comment(&mut text, "a\nb = 1\u{0}");
        assert_eq!(text, "# a b = 1\n");
        assert!(text.parse::<DocumentMut>().is_ok());
    }
}
