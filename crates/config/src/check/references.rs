//! Names that point at certificates, pools and stick tables.

use std::collections::{HashMap, HashSet};

use super::Checker;
use crate::Name;
use crate::file::{Fields, Named};
use crate::report::{Code, Fault, Report};
use crate::source::Span;

/// Things that are named elsewhere: all there are, and those that somebody named.
pub(super) struct References {
    /// `certificate`, `pool`, `stick-table` or `waf`.
    kind: &'static str,
    all: HashMap<Name, Span>,
    used: HashSet<Name>,
}

impl References {
    /// All of a kind, none of them named yet.
    pub(super) fn new(kind: &'static str, named: &[Named]) -> Self {
        let all = named.iter().map(|one| (one.name.clone(), one.span)).collect();
        Self { kind, all, used: HashSet::new() }
    }

    /// What is wrong with naming `name` at `span`, if it does not exist.
    pub(super) fn name(&mut self, name: &Name, span: Span, report: &Report) -> Option<Fault> {
        let kind = self.kind;
        self.used.insert(name.clone());
        if self.all.contains_key(name) {
            return None;
        }
        let fault = Fault::new(Code::DanglingReference, span, format!("there is no {kind} `{name}`"));
        let nearest = report.nearest(name, self.all.keys().map(|name| &**name)).map(Name::from);
        Some(match nearest.and_then(|nearest| Some((self.all.get(&nearest).copied()?, nearest))) {
            Some((place, nearest)) => {
                let remedy = format!("did you mean \"{nearest}\"?");
                // Saying that nobody names the one that was meant would only repeat the fault.
                self.used.insert(nearest);
                fault.remedy(remedy).also(place, "this one is there")
            }
            None if self.all.is_empty() => {
                fault.remedy(format!("write a table `[{kind}.{name}]`; there is no {kind} yet"))
            }
            None => fault.remedy(format!("write a table `[{kind}.{name}]`, or name one that is there")),
        })
    }

    /// Those that nobody named, in the order of the files.
    fn unused(&self) -> Vec<(Name, Span)> {
        let all = self.all.iter().filter(|(name, _)| !self.used.contains(*name));
        let mut unused: Vec<(Name, Span)> = all.map(|(name, span)| (name.clone(), *span)).collect();
        unused.sort_by_key(|(_, span)| (span.file, span.start));
        unused
    }
}

impl Checker<'_> {
    /// The pool that a key names; reports one that does not exist.
    pub(super) fn pool_named(&mut self, fields: &Fields, key: &str) -> Option<Name> {
        let name = Name::from(fields.text(key)?);
        let fault = self.pools.name(&name, fields.place(key), self.report);
        self.dangling(fault);
        Some(name)
    }

    /// The stick table that a key names; reports one that does not exist.
    pub(super) fn stick_table_named(&mut self, fields: &Fields, key: &str) -> Option<Name> {
        let name = Name::from(fields.text(key)?);
        let fault = self.stick_tables.name(&name, fields.place(key), self.report);
        self.dangling(fault);
        Some(name)
    }

    /// Takes note of a certificate that is named at `span`; reports one that does not exist.
    pub(super) fn certificate_named(&mut self, name: &Name, span: Span) {
        let fault = self.certificates.name(name, span, self.report);
        self.dangling(fault);
    }

    pub(super) fn dangling(&mut self, fault: Option<Fault>) {
        if let Some(fault) = fault.filter(|_| self.whole) {
            self.report.push(fault);
        }
    }

    /// Warns of certificates, pools and stick tables that nobody names.
    pub(super) fn unused(&mut self) {
        if !self.whole {
            return;
        }
        for (name, span) in self.certificates.unused() {
            let message = format!("neither a listener nor a pool uses the certificate `{name}`");
            let remedy =
                format!("name it in a listener (`tls = {{ certificates = [\"{name}\"] }}`), or take it out");
            self.fault(Code::UnusedCertificate, span, message, remedy);
        }
        for (name, span) in self.pools.unused() {
            let message = format!("no listener leads to the pool `{name}`");
            let remedy = format!("name it in a listener or a route (`pool = \"{name}\"`), or take it out");
            self.fault(Code::UnusedPool, span, message, remedy);
        }
        for (name, span) in self.wafs.unused() {
            let message = format!("no listener and no route uses the firewall `{name}`");
            self.fault(
                Code::UnusedWaf,
                span,
                message,
                format!("name it in one (`waf = \"{name}\"`), or take it out"),
            );
        }
        for (name, span) in self.stick_tables.unused() {
            let message = format!("no pool sticks by the table `{name}`");
            let remedy = format!("name it in a pool (`stick = {{ table = \"{name}\" }}`), or take it out");
            self.fault(Code::UnusedStickTable, span, message, remedy);
        }
    }
}
