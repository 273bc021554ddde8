//! Entries of a stick table, a page at a time.

use std::time::Instant;

use serde_json::json;
use transom_state::{StickCursor, World};

use super::answer::Answer;
use super::routes::decoded;

/// Entries on a page unless told.
const LIMIT_DEFAULT: usize = 100;
/// Entries on a page at most.
const LIMIT_MAX: usize = 1000;

/// Which page.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    limit: usize,
    from: StickCursor,
}

impl Page {
    fn parse(query: &str) -> Result<Self, String> {
        let mut page = Self { limit: LIMIT_DEFAULT, from: StickCursor::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value).unwrap_or_default();
            match key {
                "limit" => page.limit = limit(&value)?,
                "after" => page.from = cursor(&value)?,
                other => return Err(format!("unknown parameter {other:?}; known are limit and after")),
            }
        }
        Ok(page)
    }
}

fn limit(value: &str) -> Result<usize, String> {
    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("limit is {value:?}, but must be a number from 1 to {LIMIT_MAX}"))
}

fn cursor(value: &str) -> Result<StickCursor, String> {
    let parts =
        value.split_once('.').and_then(|(shard, slot)| Some((shard.parse().ok()?, slot.parse().ok()?)));
    let (shard, slot) =
        parts.ok_or_else(|| format!("after is {value:?}, but must be `next` of the page before"))?;
    Ok(StickCursor { shard, slot })
}

/// The page that `query` asks for.
pub(super) fn entries(world: &World, table: &str, query: &str, now: Instant) -> Answer {
    let Some(table) = world.stick_table(table) else {
        return Answer::not_found(format!("there is no stick table {table}"));
    };
    let Page { limit, from } = match Page::parse(query) {
        Ok(page) => page,
        Err(sentence) => return Answer::bad_request(sentence),
    };
    let (entries, next) = table.entries(from, limit, now);
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| {
            json!({
                "key": entry.key.to_string(),
                "server": &*entry.server,
                "expires_seconds": entry.expires_in.as_secs_f64(),
            })
        })
        .collect();
    let next = next.map(|StickCursor { shard, slot }| format!("{shard}.{slot}"));
    Answer::json(&json!({ "table": &**table.name(), "entries": entries, "next": next }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_by_limit_and_cursor() {
        let table = [
            ("", "100 from 0.0"),
            ("limit=5", "5 from 0.0"),
            ("limit=5&after=3.17", "5 from 3.17"),
            ("after=3%2E17&", "100 from 3.17"),
            ("limit=0", "limit is \"0\""),
            ("limit=1001", "limit is \"1001\""),
            ("limit", "limit is \"\""),
            ("after=x", "after is \"x\""),
            ("page=2", "unknown parameter \"page\""),
        ];
        for (query, want) in table {
            let got = match Page::parse(query) {
                Ok(page) => format!("{} from {}.{}", page.limit, page.from.shard, page.from.slot),
                Err(sentence) => sentence,
            };
            assert!(got.starts_with(want), "{query}: {got}");
        }
    }
}
