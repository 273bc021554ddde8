//! The few things that may be changed while the program runs.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use transom_state::{AdminState, StickKey, World};

use super::answer::Answer;
use super::view;
use crate::Command;
use crate::shared::Shared;

/// The largest weight.
const WEIGHT_MAX: u16 = 256;

/// What a change of a server says; an absent part stays as it is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    admin: Option<AdminState>,
    /// `Some(None)`: as configured again.
    weight: Option<Option<u16>>,
}

impl Change {
    fn parse(body: &[u8]) -> Result<Self, String> {
        let value: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| format!("the body is not a JSON object: {error}"))?;
        let mut change = Self::default();
        for (key, value) in &value {
            match key.as_str() {
                "admin" => change.admin = Some(admin_state(value)?),
                "weight" => change.weight = Some(weight(value)?),
                other => return Err(format!("unknown key {other:?}; known are \"admin\" and \"weight\"")),
            }
        }
        if change == Self::default() {
            return Err("nothing to change: give \"admin\", \"weight\" or both".to_owned());
        }
        Ok(change)
    }
}

fn admin_state(value: &Value) -> Result<AdminState, String> {
    value
        .as_str()
        .and_then(AdminState::from_word)
        .ok_or_else(|| format!("\"admin\" is {value}, but must be \"ready\", \"drain\" or \"maint\""))
}

fn weight(value: &Value) -> Result<Option<u16>, String> {
    if value.is_null() {
        return Ok(None);
    }
    value
        .as_u64()
        .and_then(|weight| u16::try_from(weight).ok())
        .filter(|weight| *weight <= WEIGHT_MAX)
        .map(Some)
        .ok_or_else(|| {
            format!("\"weight\" is {value}, but must be a whole number from 0 to {WEIGHT_MAX}, or null")
        })
}

/// Sets admin state and weight of a server; all of it or, where something is wrong, nothing.
pub(super) fn server(world: &World, pool: &str, server: &str, body: &[u8], now: Instant) -> Answer {
    let Some(pool) = world.pool(pool) else { return Answer::not_found(format!("there is no pool {pool}")) };
    let Some(server) = pool.server(server) else {
        return Answer::not_found(format!("pool {} has no server {server}", pool.name()));
    };
    let change = match Change::parse(body) {
        Ok(change) => change,
        Err(sentence) => return Answer::bad_request(sentence),
    };
    if let Some(weight) = change.weight {
        server.set_weight(weight, now);
        let (pool, server, weight) = (pool.name(), server.name(), server.weight());
        log::info!("admin: the weight of server {pool}/{server} is now {weight}");
    }
    if let Some(admin) = change.admin {
        let before = server.set_admin(admin, now);
        log::info!("admin: server {}/{} is now {admin} (was {before})", pool.name(), server.name());
    }
    Answer::json(&view::server(pool, server, now))
}

/// Forgets one entry of a stick table.
pub(super) fn delete_entry(world: &World, table: &str, key: &str) -> Answer {
    let Some(table) = world.stick_table(table) else {
        return Answer::not_found(format!("there is no stick table {table}"));
    };
    let (key, name) = (StickKey::written(key), table.name());
    if !table.clear(key) {
        return Answer::not_found(format!("stick table {name} has no entry {key}"));
    }
    log::info!("admin: entry {key} of stick table {name} was deleted");
    Answer::json(&json!({ "table": &**name, "key": key.to_string(), "deleted": true }))
}

/// Forgets all entries of a stick table.
pub(super) fn delete_entries(world: &World, table: &str) -> Answer {
    let Some(table) = world.stick_table(table) else {
        return Answer::not_found(format!("there is no stick table {table}"));
    };
    let (name, deleted) = (table.name(), table.clear_all());
    log::info!("admin: all {deleted} entries of stick table {name} were deleted");
    Answer::json(&json!({ "table": &**name, "deleted": deleted }))
}

/// Asks the program to read its configuration again, and waits for what comes of it.
pub(super) async fn reload(shared: &Arc<Shared>) -> Answer {
    let (answer, outcome) = oneshot::channel();
    if shared.commands.send(Command::Reload(answer)).await.is_err() {
        return stopping();
    }
    let Ok(outcome) = outcome.await else { return stopping() };
    let mut value = json!({
        "applied": outcome.applied,
        "generation": outcome.generation,
        "report": outcome.report,
    });
    if outcome.applied {
        return Answer::json(&value);
    }
    value["error"] = "the new configuration has errors; the old one stays in force".into();
    value["code"] = "reload-failed".into();
    Answer::json_with(StatusCode::UNPROCESSABLE_ENTITY, &value)
}

fn stopping() -> Answer {
    Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the program is about to stop")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_understood_whole_or_not_at_all() {
        let table = [
            (r#"{"admin":"drain"}"#, "drain -"),
            (r#"{"weight":5}"#, "- 5"),
            (r#"{"weight":null,"admin":"ready"}"#, "ready configured"),
            (r#"{"weight":256}"#, "- 256"),
            (r#"{"weight":257}"#, "\"weight\" is 257"),
            (r#"{"weight":-1}"#, "\"weight\" is -1"),
            (r#"{"weight":1.5}"#, "\"weight\" is 1.5"),
            (r#"{"admin":"off"}"#, "\"admin\" is \"off\""),
            (r#"{"admin":null}"#, "\"admin\" is null"),
            (r#"{"wieght":1}"#, "unknown key \"wieght\""),
            ("{}", "nothing to change"),
            ("[]", "the body is not a JSON object"),
            ("", "the body is not a JSON object"),
        ];
        for (body, want) in table {
            let got = match Change::parse(body.as_bytes()) {
                Ok(change) => {
                    let admin = change.admin.map_or("-".to_owned(), |admin| admin.to_string());
                    let weight = match change.weight {
                        None => "-".to_owned(),
                        Some(None) => "configured".to_owned(),
                        Some(Some(weight)) => weight.to_string(),
                    };
                    format!("{admin} {weight}")
                }
                Err(sentence) => sentence,
            };
            assert!(got.starts_with(want), "{body}: {got}");
        }
    }
}
