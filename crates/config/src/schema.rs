//! The JSON Schema of the file, for editors that complete and check TOML.

use serde_json::{Map, Value, json};

use crate::model::root::ROOT;
use crate::model::{Key, Kind, Need, Table};
use crate::text::name::NAME_CHARS_MAX;

/// The schema of the whole file (JSON Schema 2020-12). What later releases own is in it as what may not be given, with
/// the sentence that says so.
pub fn json_schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Transom",
    });
    if let (Value::Object(whole), Value::Object(root)) = (&mut schema, table(&ROOT)) {
        whole.extend(root);
    }
    schema
}

fn table(table: &Table) -> Value {
    let properties: Map<String, Value> =
        table.keys.iter().map(|one| (one.name.to_owned(), key(one))).collect();
    let required: Vec<&str> =
        table.keys.iter().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "description": table.doc, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["properties"] = Value::Object(properties);
    schema
}

fn key(key: &Key) -> Value {
    if let Some(later) = key.later {
        return json!({ "not": {}, "description": format!("Not in this release: {}.", later.what) });
    }
    let mut schema = kind(&key.kind);
    schema["description"] = json!(key.doc);
    if let Need::Default(text) = key.need {
        schema["default"] = plain(text);
    }
    if key.filled {
        schema["minItems"] = json!(1);
    }
    schema
}

fn kind(kind: &Kind) -> Value {
    let string = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match kind {
        Kind::Name => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": NAME_CHARS_MAX })
        }
        Kind::Path | Kind::UrlPath | Kind::RoutePath => string("^/"),
        Kind::Bytes { .. } => string("^[0-9]+(B|KiB|MiB|GiB|TiB)$"),
        Kind::RequestKey => string("^(source|path|uri|(header|cookie|query):.+)$"),
        Kind::Statuses => string("^[1-5]([0-9][0-9](-[1-5][0-9][0-9])?|xx)$"),
        Kind::Rate => string("^[0-9]+/(s|m|h)$"),
        Kind::Hex => string("^[0-9A-Fa-f ]+$"),
        Kind::Url => string("^https?://"),
        Kind::Token | Kind::Header => string("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
        Kind::Template | Kind::Payload => json!({ "type": "string" }),
        Kind::Headers(value) => json!({
            "type": "object",
            "propertyNames": self::kind(&Kind::Header),
            "additionalProperties": self::kind(value),
        }),
        Kind::Duration { .. } => string("^[0-9]+(ms|s|m|h|d)$"),
        Kind::Sink => string("^(stdout|stderr|off|/.*)$"),
        Kind::Bind | Kind::Server => string(":[0-9]+$"),
        Kind::Listen => string(":[0-9]+(/(tcp|udp))?$"),
        Kind::PasswordHash => string("^\\$argon2id\\$"),
        Kind::PacketRate => string("^[0-9]+[kM]?/[smh]$"),
        Kind::Allow => string("^(tcp|udp|icmp|ip)/"),
        Kind::Text
        | Kind::Interface
        | Kind::Host
        | Kind::Glob
        | Kind::Ip
        | Kind::Machine
        | Kind::Network
        | Kind::ServerName
        | Kind::RequestHost
        | Kind::Regex
        | Kind::PathTemplate
        | Kind::QueryTemplate
        | Kind::UrlTemplate
        | Kind::Authority => {
            json!({ "type": "string", "minLength": 1 })
        }
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Choice(words) => {
            let here: Vec<&str> = words.iter().map(|word| word.word).collect();
            json!({ "type": "string", "enum": here })
        }
        Kind::List(entry) => json!({ "type": "array", "items": self::kind(entry) }),
        Kind::Table(one) => table(one),
        Kind::Tables(entry) => json!({ "type": "array", "items": table(entry) }),
        Kind::Named(entry) => json!({
            "type": "object",
            "propertyNames": self::kind(&Kind::Name),
            "additionalProperties": table(entry),
        }),
        Kind::Later => json!({ "not": {} }),
    }
}

/// A default as JSON: defaults are strings, whole numbers, `true` and `false`, which both languages write alike.
fn plain(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
