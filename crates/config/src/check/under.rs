//! Pools against the modes of the listeners that lead to them: some keys are for requests, and a mode may read none.

use std::collections::HashMap;
use std::sync::Arc;

use super::Checker;
use crate::file::{Fields, Named};
use crate::model::pool::{STICK, TIMEOUTS};
use crate::report::{Code, Fault};
use crate::source::Span;
use crate::{Balance, Listener, ListenerMode, Name, Pool, RequestKey, StickTable, StickTableKey};

/// Keys of a pool that say something of requests.
const OF_REQUESTS: [&str; 2] = ["cookie", "reuse"];

impl Checker<'_> {
    /// Warns of keys that the modes of a pool's listeners do nothing with, and compares what pools stick on with their
    /// tables.
    pub(super) fn pools_under(
        &mut self,
        root: &Fields,
        listeners: &[Arc<Listener>],
        pools: &[Arc<Pool>],
        tables: &[Arc<StickTable>],
    ) {
        let mut by_pool: HashMap<&Name, Vec<&Listener>> = HashMap::new();
        for listener in listeners {
            for pool in listener.mode.pools() {
                by_pool.entry(pool).or_default().push(listener);
            }
        }
        for (named, pool) in root.named("pool").iter().zip(pools) {
            self.sticks_to_fitting(named, pool, tables);
            let Some(led) = by_pool.get(&pool.name) else { continue };
            let Some(first) = led.first() else { continue };
            let reads = |listener: &&&Listener| matches!(listener.mode, ListenerMode::Http(_));
            if !led.iter().any(|listener| reads(&listener)) {
                self.of_requests(named, first);
            }
            if let Some(blind) = led.iter().find(|listener| !reads(listener)) {
                self.unseen_keys(named, pool, blind);
            }
        }
    }

    /// Keys that only an `http` listener could honour, where none leads here.
    fn of_requests(&mut self, named: &Named, listener: &Listener) {
        let timeouts = named.fields.table("timeouts", &TIMEOUTS);
        let written = OF_REQUESTS.iter().filter_map(|key| named.fields.written(key));
        for entry in written.chain(timeouts.written("response")) {
            let (key, mode, name) = (entry.key.name, listener.mode.word(), &listener.name);
            let message = format!(
                "nothing is done with `{key}`: `listener.{name}` leads here with `mode = \"{mode}\"`"
            );
            let remedy = "take it out, or write `mode = \"http\"` for a listener of this pool";
            self.fault(Code::KeyNotHonoured, entry.span, message, remedy);
        }
    }

    /// Parts of requests that a pool looks at, though one of its listeners reads none.
    fn unseen_keys(&mut self, named: &Named, pool: &Pool, listener: &Listener) {
        let stick = named.fields.table("stick", &STICK);
        let hash = (pool.balance == Balance::Hash && pool.hash_on != RequestKey::Source)
            .then(|| named.fields.place("hash-on"));
        let on =
            pool.stick.as_ref().filter(|stick| stick.on != RequestKey::Source).map(|_| stick.place("on"));
        for span in [hash, on].into_iter().flatten() {
            let message = format!(
                "`listener.{}` leads here with `mode = \"{}\"`, which reads no requests: its clients are told apart by \
                 their addresses",
                listener.name,
                listener.mode.word()
            );
            self.fault(
                Code::KeyNotHonoured,
                span,
                message,
                "write `mode = \"http\"` there, or \"source\" here",
            );
        }
    }

    /// A table holds addresses or texts, and a pool sticks by one or the other.
    fn sticks_to_fitting(&mut self, named: &Named, pool: &Pool, tables: &[Arc<StickTable>]) {
        let Some(stick) = &pool.stick else { return };
        let Some(table) = tables.iter().find(|table| table.name == stick.table) else { return };
        let fits = if stick.on == RequestKey::Source { StickTableKey::Ip } else { StickTableKey::Text };
        if table.key == fits {
            return;
        }
        let (holds, needs, write) = match table.key {
            StickTableKey::Ip => ("addresses", "a text", "text"),
            StickTableKey::Text => ("texts", "an address", "ip"),
        };
        let message = format!(
            "the pool `{}` sticks by {needs}, but the table `{}` holds {holds}",
            pool.name, table.name
        );
        let span: Span = named.fields.table("stick", &STICK).place("table");
        let remedy =
            format!("write `key = \"{write}\"` in `[stick-table.{}]`, or name another table", table.name);
        self.report.push(Fault::new(Code::ContradictoryKeys, span, message).remedy(remedy));
    }
}
