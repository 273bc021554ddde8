//! Names that point at pools and stick tables.

use super::{Checker, References};
use crate::Name;
use crate::file::Fields;
use crate::report::{Code, Fault};
use crate::source::Span;

impl Checker<'_> {
    /// The pool that a key names; reports one that does not exist.
    pub(super) fn pool_named(&mut self, fields: &Fields, key: &str) -> Option<Name> {
        let (name, span) = (fields.text(key)?.to_owned(), fields.place(key));
        self.pools.used.insert(name.as_str().into());
        if !self.pools.all.contains_key(name.as_str()) {
            self.dangling("pool", &name, span);
        }
        Some(name.into())
    }

    /// The stick table that a key names; reports one that does not exist.
    pub(super) fn stick_table_named(&mut self, fields: &Fields, key: &str) -> Option<Name> {
        let (name, span) = (fields.text(key)?.to_owned(), fields.place(key));
        self.stick_tables.used.insert(name.as_str().into());
        if !self.stick_tables.all.contains_key(name.as_str()) {
            self.dangling("stick-table", &name, span);
        }
        Some(name.into())
    }

    fn dangling(&mut self, kind: &str, name: &str, span: Span) {
        if !self.whole {
            return;
        }
        let all = if kind == "pool" { &self.pools.all } else { &self.stick_tables.all };
        let nearest = self.report.nearest(name, all.keys().map(|name| &**name)).map(str::to_owned);
        let place = nearest.as_deref().and_then(|nearest| all.get(nearest)).copied();
        let mut fault = Fault::new(Code::DanglingReference, span, format!("there is no {kind} `{name}`"));
        if let Some(place) = place {
            fault = fault.also(place, "this one is there");
        }
        let remedy = match nearest {
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None if all.is_empty() => format!("write a table `[{kind}.{name}]`; there is no {kind} yet"),
            None => format!("write a table `[{kind}.{name}]`, or name one that is there"),
        };
        self.report.push(fault.remedy(remedy));
    }

    /// Warns of pools and stick tables that nobody names.
    pub(super) fn unused(&mut self) {
        if !self.whole {
            return;
        }
        for (name, span) in unused(&self.pools) {
            let message = format!("no listener leads to the pool `{name}`");
            let remedy = format!("name it in a listener or a route (`pool = \"{name}\"`), or take it out");
            self.fault(Code::UnusedPool, span, message, remedy);
        }
        for (name, span) in unused(&self.stick_tables) {
            let message = format!("no pool sticks by the table `{name}`");
            let remedy = format!("name it in a pool (`stick = {{ table = \"{name}\" }}`), or take it out");
            self.fault(Code::UnusedStickTable, span, message, remedy);
        }
    }
}

fn unused(references: &References) -> Vec<(Name, Span)> {
    let all = references.all.iter().filter(|(name, _)| !references.used.contains(*name));
    let mut unused: Vec<(Name, Span)> = all.map(|(name, span)| (name.clone(), *span)).collect();
    unused.sort_by_key(|(_, span)| (span.file, span.start));
    unused
}
