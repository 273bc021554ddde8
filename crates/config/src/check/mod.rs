//! From what was written to what is valid: everything that takes more than one key to judge.

mod binds;
mod certificate;
mod edits;
mod health;
mod http;
mod listener;
mod matches;
mod packet;
mod pool;
mod program;
mod references;
mod routes;
mod servers;
mod shadow;
mod shield;
mod sources;
mod tls;
mod under;
mod up;
mod waf;

pub(crate) use routes::shown;

use std::path::Path;
use std::sync::Arc;

use self::references::References;
use crate::file::Fields;
use crate::report::{Code, Fault, Report};
use crate::source::Span;
use crate::{Config, Files, Name, NamedFile, Place, StickTable, StickTableKey, words};

/// What the checks of all nouns share.
pub(crate) struct Checker<'a> {
    pub(crate) report: &'a mut Report,
    /// How files that keys name are read.
    files: &'a dyn Files,
    /// Whether every file could be read, so that what is missing is missing.
    pub(crate) whole: bool,
    /// This node's zone.
    pub(crate) zone: Option<Name>,
    certificates: References,
    pools: References,
    stick_tables: References,
    wafs: References,
}

/// Checks the top level and gives the configuration, which counts only if the report has no errors after it.
pub(crate) fn check(
    root: &Fields,
    whole: bool,
    zone: Option<&str>,
    files: &dyn Files,
    report: &mut Report,
) -> Config {
    let zone = zone.or_else(|| root.text("zone")).map(Name::from);
    let certificates = References::new("certificate", root.named("certificate"));
    let pools = References::new("pool", root.named("pool"));
    let stick_tables = References::new("stick-table", root.named("stick-table"));
    let wafs = References::new("waf", root.named("waf"));
    let faulty = |key: &&str| root.written(key).is_some_and(|entry| entry.item.is_none());
    let whole = whole && !["certificate", "listener", "pool", "stick-table", "waf"].iter().any(faulty);
    let mut checker =
        Checker { report, files, whole, zone: zone.clone(), certificates, pools, stick_tables, wafs };
    let limits = checker.limits(root);
    let admin = checker.admin(root);
    let abuse = checker.abuse(root);
    let wafs = checker.wafs(root);
    let certificates = checker.certificates(root);
    let listeners = checker.listeners(root, &limits);
    checker.binds(root);
    let pools = checker.pools(root);
    let packet_listeners = checker.packet_listeners(root, &pools);
    let packet = checker.packet(root, &packet_listeners);
    checker.under_packets(root, &listeners, &packet_listeners);
    checker.encrypted_twice(root, &listeners, &pools);
    let stick_tables = root.named("stick-table").iter().map(|one| {
        Arc::new(StickTable {
            name: one.name.clone(),
            key: one.fields.word("key", words::STICK_KEYS).unwrap_or(StickTableKey::Ip),
            size: one.fields.number("size"),
            expire: one.fields.duration("expire"),
            place: checker.place(one.span),
        })
    });
    let stick_tables: Vec<_> = stick_tables.collect();
    checker.pools_under(root, &listeners, &pools, &stick_tables);
    let shield = checker.shield(root).map(Arc::new);
    checker.unused();
    Config {
        zone,
        workers: root.integer("workers").and_then(|workers| u16::try_from(workers).ok()),
        process: program::process(root),
        limits,
        log: program::log(root),
        admin,
        certificates,
        listeners,
        packet_listeners,
        packet,
        pools,
        abuse,
        wafs,
        stick_tables,
        shield,
    }
}

impl Checker<'_> {
    /// Reports a fault at a place with its remedy.
    fn fault(&mut self, code: Code, span: Span, message: impl Into<String>, remedy: impl Into<String>) {
        self.report.push(Fault::new(code, span, message).remedy(remedy));
    }

    /// The file that `key` names, with what it holds.
    fn named_file(&mut self, fields: &Fields, key: &str) -> Option<NamedFile> {
        self.file_at(Path::new(fields.text(key)?), fields.place(key))
    }

    /// The file at `path`, named at `span`, with what it holds.
    fn file_at(&mut self, path: &Path, span: Span) -> Option<NamedFile> {
        match self.files.named(path) {
            Ok(contents) => Some(NamedFile { path: path.into(), contents: contents.into() }),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                let remedy = "name a file that is there and that the user who starts the program may read";
                self.fault(Code::FileUnreadable, span, message, remedy);
                None
            }
        }
    }

    /// File and line of a place.
    fn place(&self, span: Span) -> Place {
        span.place(self.report.sources())
    }
}
