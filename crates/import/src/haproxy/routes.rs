//! Rules in order become routes of which the first that fits takes the request.

use super::condition::{All, Condition, Known, Test, on};
use super::matching::{NoRoute, PATHS, is_hard, keys};
use super::rules::{Change, Outcome, Rule};
use crate::account::Account;
use crate::block::{Item, Table, Value};

/// Routes that rules may become at most: more are no help to the person who reads them.
const ROUTES_MAX: usize = 256;

/// Combinations of rules and changes that are looked at, at most.
const LOOKS_MAX: usize = 20_000;

/// How deep requests that a rule leaves out may nest.
const DEPTH_MAX: usize = 8;

/// What a backend asks for on its own.
#[derive(Debug, Default, Clone)]
pub(crate) struct Behind {
    /// The pool; `None` where the section has no servers.
    pub(crate) pool: Option<String>,
    pub(crate) answers: Vec<Rule>,
    pub(crate) changes: Vec<Change>,
}

/// Makes routes of the rules of one listener.
pub(crate) struct Compiler<'a> {
    pub(crate) known: Known,
    /// The backend of a name.
    pub(crate) behind: &'a dyn Fn(&str) -> Option<Behind>,
    /// What the frontend changes, whatever the route.
    pub(crate) changes: Vec<Change>,
    pub(crate) account: &'a mut Account,
    pub(crate) routes: Vec<Item>,
    /// Combinations that were looked at.
    pub(crate) looked: usize,
}

impl Compiler<'_> {
    /// The routes for these rules.
    pub(crate) fn compile(mut self, rules: &[Rule]) -> Vec<Item> {
        let flat: Vec<Rule> = rules
            .iter()
            .flat_map(|rule| {
                on(&rule.condition, &self.known)
                    .into_iter()
                    .map(|all| Rule { condition: vec![all], ..rule.clone() })
            })
            .collect();
        self.rules(&flat, &All::new(), 0);
        tidy(self.routes)
    }

    /// Routes for the requests `within`, by the first rule that takes them.
    fn rules(&mut self, rules: &[Rule], within: &All, depth: usize) {
        for (index, rule) in rules.iter().enumerate() {
            if self.is_too_much(rule.line) {
                return;
            }
            let all = rule.condition.first().cloned().unwrap_or_default();
            let (hard, soft): (All, All) = all.into_iter().partition(is_hard);
            let inside: All = within.iter().cloned().chain(soft).collect();
            for test in &hard {
                if depth >= DEPTH_MAX {
                    self.account.unsupported(rule.line, "it leaves out too much to be written as routes");
                    return;
                }
                let left_out: All =
                    inside.iter().cloned().chain([Test { not: false, ..test.clone() }]).collect();
                if keys(&left_out) != Err(NoRoute::Never) {
                    self.rules(rules.get(index + 1..).unwrap_or_default(), &left_out, depth + 1);
                }
            }
            match keys(&inside) {
                Ok(table) => {
                    let everything = table.is_empty() || keys(within).as_ref() == Ok(&table);
                    self.rule(rule, &inside);
                    if everything {
                        return;
                    }
                }
                Err(NoRoute::Never) => {}
                Err(NoRoute::Unsayable(why)) => self.account.unsupported(rule.line, why),
            }
        }
    }

    /// The routes of one rule.
    fn rule(&mut self, rule: &Rule, all: &All) {
        match &rule.outcome {
            Outcome::Answer(answer) => self.push(rule.line, all, answer),
            Outcome::Backend(name) => {
                let Some(behind) = (self.behind)(name) else {
                    self.account.unsupported(rule.line, format!("there is no backend `{name}`"));
                    return;
                };
                for own in &behind.answers {
                    for alternative in on(&own.condition, &self.known) {
                        if alternative.iter().any(is_hard)
                            && alternative.iter().all(is_hard)
                            && !behind.answers.is_empty()
                        {
                            self.leaving_out(own, all, &alternative, &behind);
                            continue;
                        }
                        let both: All = all.iter().cloned().chain(alternative).collect();
                        if let Outcome::Answer(answer) = &own.outcome {
                            self.push(own.line, &both, answer);
                        }
                    }
                }
                self.lead_to_pool(rule.line, all, &behind);
            }
        }
    }

    /// A backend's rule that takes all but some: those go to the pool first.
    fn leaving_out(&mut self, own: &Rule, all: &All, alternative: &All, behind: &Behind) {
        for test in alternative {
            let left_out: All = all.iter().cloned().chain([Test { not: false, ..test.clone() }]).collect();
            self.lead_to_pool(own.line, &left_out, behind);
        }
        if let Outcome::Answer(answer) = &own.outcome {
            self.push(own.line, all, answer);
        }
    }

    /// Routes to a pool, with what is changed on the way.
    fn lead_to_pool(&mut self, line: u32, all: &All, behind: &Behind) {
        let Some(pool) = &behind.pool else {
            // A section without servers: whoever gets this far is told that there is none.
            if !behind.answers.iter().any(|rule| rule.condition == super::condition::always()) {
                self.push(line, all, &Table::default().with("refuse", 503u64));
            }
            return;
        };
        let outcome = Table::default().with("pool", pool.as_str());
        let changes: Vec<Change> = self.changes.iter().chain(&behind.changes).cloned().collect();
        self.changed(line, all, &changes, &outcome);
    }

    /// Whether so many combinations were looked at that the rest is left out, which the line is told.
    fn is_too_much(&mut self, line: u32) -> bool {
        self.looked += 1;
        if self.looked > LOOKS_MAX {
            self.account.unsupported(line, "the rules would become too many routes");
        }
        self.looked > LOOKS_MAX
    }

    /// A route for each combination of changes that hold.
    fn changed(&mut self, line: u32, all: &All, changes: &[Change], outcome: &Table) {
        if self.is_too_much(line) {
            return;
        }
        let Some((change, rest)) = changes.split_first() else {
            self.push(line, all, outcome);
            return;
        };
        let condition: Condition = on(&change.condition, &self.known);
        for alternative in &condition {
            let with = merged(outcome, &change.keys);
            let (hard, soft): (All, All) = alternative.iter().cloned().partition(is_hard);
            let inside: All = all.iter().cloned().chain(soft).collect();
            for test in &hard {
                let left_out: All =
                    inside.iter().cloned().chain([Test { not: false, ..test.clone() }]).collect();
                self.changed(line, &left_out, rest, outcome);
            }
            match keys(&inside) {
                Ok(narrower) => {
                    self.changed(line, &inside, rest, &with);
                    if keys(all).as_ref() == Ok(&narrower) {
                        return;
                    }
                }
                Err(NoRoute::Never) => {}
                Err(NoRoute::Unsayable(why)) => self.account.unsupported(change.line, why),
            }
        }
        self.changed(line, all, rest, outcome);
    }

    fn push(&mut self, line: u32, all: &All, outcome: &Table) {
        if self.routes.len() >= ROUTES_MAX {
            self.account.unsupported(line, "the rules would become too many routes");
            return;
        }
        match keys(all) {
            Ok(mut table) => {
                table.entries.extend(outcome.entries.iter().cloned());
                self.routes.push(Item::new(line, table));
            }
            Err(NoRoute::Never) => {}
            Err(NoRoute::Unsayable(why)) => self.account.unsupported(line, why),
        }
    }
}

/// Keys that say what is done, with those of a change added.
pub(crate) fn merged(outcome: &Table, change: &Table) -> Table {
    let mut result = outcome.clone();
    for entry in &change.entries {
        match &entry.value {
            Value::Table(table) if entry.key != "replace-path" && entry.key != "replace-uri" => {
                for inner in &table.entries {
                    result.table(entry.line, &entry.key).set(inner.line, &inner.key, inner.value.clone());
                }
            }
            Value::List(list) => {
                for value in list {
                    match value {
                        Value::Text(text) => result.add(entry.line, &entry.key, text.as_str()),
                        Value::Table(table) => result.push(entry.line, &entry.key, table.clone()),
                        _ => {}
                    }
                }
            }
            value => result.set(entry.line, &entry.key, value.clone()),
        }
    }
    result
}

/// Keys of a route that say which requests are meant.
const MATCHES: [&str; 15] = [
    "hosts",
    "sni",
    "paths",
    "path-exact",
    "path-suffix",
    "path-regex",
    "methods",
    "sources",
    "not-sources",
    "headers",
    "cookies",
    "query",
    "client-certificate",
    "servers-up",
    "uri-regex",
];

fn matches(table: &Table) -> Table {
    let entries = table.entries.iter().filter(|entry| MATCHES.contains(&entry.key.as_str()));
    Table { entries: entries.cloned().collect() }
}

fn outcome(table: &Table) -> Table {
    let entries = table.entries.iter().filter(|entry| !MATCHES.contains(&entry.key.as_str()));
    Table { entries: entries.cloned().collect() }
}

/// Without routes that are never reached, and with neighbours put together that differ in one list only.
fn tidy(routes: Vec<Item>) -> Vec<Item> {
    let mut kept: Vec<Item> = Vec::new();
    for route in routes {
        let own = matches(&route.table);
        let hidden = kept.iter().any(|earlier| {
            let earlier = matches(&earlier.table);
            earlier.is_empty() || same(&earlier, &own)
        });
        if hidden {
            continue;
        }
        let joined = kept.last_mut().is_some_and(|last| join(&mut last.table, &route.table));
        if !joined {
            kept.push(route);
        }
    }
    kept
}

fn same(a: &Table, b: &Table) -> bool {
    let plain = |table: &Table| -> Vec<(String, Value)> {
        table.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    };
    plain(a) == plain(b)
}

/// Whether the second was put into the first: they do the same, and differ in one list of what is meant. The lists of
/// paths count as one.
fn join(first: &mut Table, second: &Table) -> bool {
    if !same(&outcome(first), &outcome(second)) {
        return false;
    }
    let (a, b) = (matches(first), matches(second));
    let path = |key: &str| PATHS.contains(&key);
    let rest = |table: &Table, key: &str| {
        let entries =
            table.entries.iter().filter(|entry| entry.key != key && !(path(key) && path(&entry.key)));
        Table { entries: entries.cloned().collect() }
    };
    let lists = ["hosts", "sni", "methods", "sources", "paths"];
    let Some(key) = lists.iter().find(|key| {
        let has = |table: &Table| {
            table.get(key).is_some() || path(key) && PATHS.iter().any(|path| table.get(path).is_some())
        };
        has(&a) && has(&b) && same(&rest(&a, key), &rest(&b, key))
    }) else {
        return false;
    };
    let keys: &[&str] = if path(key) { &PATHS } else { std::slice::from_ref(key) };
    for key in keys {
        if let Some(Value::List(values)) = b.get(key) {
            for value in values {
                if let Value::Text(text) = value {
                    first.add(0, key, text.as_str());
                }
            }
        }
    }
    // What is meant stands before what is done.
    let (meant, done) = (matches(first), outcome(first));
    first.entries = meant.entries.into_iter().chain(done.entries).collect();
    true
}
