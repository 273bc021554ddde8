//! What is generated from the model: the schema and the reference page are fresh, and the schema says what the checks
//! say.

#![expect(clippy::disallowed_methods, reason = "the tests read the examples")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::de::{DeTable, DeValue};
use transom_testkit::golden::assert_golden;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_reference_page_is_fresh() {
    assert_golden(root().join("docs/reference.md"), &transom_config::reference());
}

#[test]
fn the_schema_is_fresh() {
    let text = serde_json::to_string_pretty(&transom_config::json_schema()).unwrap();
    assert_golden(root().join("docs/transom.schema.json"), &(text + "\n"));
}

#[test]
fn the_schema_takes_every_example() {
    let schema = transom_config::json_schema();
    for file in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(complaint(&schema, &json(&text)), None, "{}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_the_checks_refuse() {
    let schema = transom_config::json_schema();
    let pool = "[pool.a]\nservers = [{ name = \"a\", address = \"192.0.2.1:443\" }]\n";
    for (text, why) in [
        ("polo = 1", "polo: not allowed"),
        ("workers = 0", "workers: too small"),
        ("workers = \"4\"", "workers: not of type integer"),
        ("[shield]\ninterfaces = []", "shield: not allowed"),
        ("[listener.a]\nbind = [\"[::]:443\"]", "listener.a.mode: missing"),
        ("[listener.a]\nbind = []\nmode = \"tcp\"", "listener.a.bind: empty"),
        ("[listener.a]\nbind = [\"[::]:443\"]\nmode = \"ftp\"", "listener.a.mode: none of the words"),
        (&format!("{pool}balance = \"fastest\""), "pool.a.balance: none of the words"),
        ("[cluster]\nnode = \"a\"", "cluster: not allowed"),
    ] {
        assert_eq!(complaint(&schema, &json(text)).as_deref(), Some(why), "{text}");
        assert!(transom_config::load_text("x", text).report.errors() > 0, "{text}");
    }
}

/// A TOML text as JSON.
fn json(text: &str) -> Value {
    fn value(one: &DeValue<'_>) -> Value {
        match one {
            DeValue::String(text) => text.to_string().into(),
            DeValue::Integer(number) => {
                number.as_str().replace('_', "").parse::<i64>().expect("a number").into()
            }
            DeValue::Boolean(truth) => (*truth).into(),
            DeValue::Array(entries) => entries.iter().map(|entry| value(entry.get_ref())).collect(),
            DeValue::Table(entries) => table(entries),
            other => panic!("{} is not in any file of ours", other.type_str()),
        }
    }
    fn table(entries: &DeTable<'_>) -> Value {
        entries.iter().map(|(key, entry)| (key.get_ref().to_string(), value(entry.get_ref()))).collect()
    }
    table(DeTable::parse(text).expect("TOML").get_ref())
}

/// What a schema has against a value: as much of JSON Schema as ours uses, but for patterns.
fn complaint(schema: &Value, value: &Value) -> Option<String> {
    if schema.get("not").is_some() {
        return Some(": not allowed".to_owned());
    }
    let is = match value {
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
    };
    if schema["type"] != is {
        return Some(format!(": not of type {}", schema["type"].as_str().unwrap_or_default()));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return Some(": none of the words".to_owned());
    }
    if value.as_i64() < schema["minimum"].as_i64() {
        return Some(": too small".to_owned());
    }
    if let Value::Array(entries) = value {
        if entries.is_empty() && schema["minItems"] == 1 {
            return Some(": empty".to_owned());
        }
        return entries.iter().find_map(|entry| complaint(&schema["items"], entry));
    }
    let entries = value.as_object()?;
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !entries.contains_key(key) {
            return Some(format!(".{key}: missing")).map(|text| text[1..].to_owned());
        }
    }
    entries.iter().find_map(|(key, value)| {
        let own = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"))?;
        let what = if own == false { ": not allowed".to_owned() } else { complaint(own, value)? };
        let dot = if what.starts_with(':') { "" } else { "." };
        Some(format!("{key}{dot}{what}"))
    })
}
