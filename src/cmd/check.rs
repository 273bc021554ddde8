//! `transom check`: everything `run` does with a configuration, except bind and connect.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use serde_json::{Value, json};
use transom_config::{Config, Loaded, Options};
use transom_import::Imported;
use transom_state::stick;

use super::file::Named;
use super::table::Table;
use crate::files::Disk;
use crate::gather::{Request, workers};
use crate::packet::wish;
use crate::supply::Note;
use crate::tls::{self, Acceptors, Built, Expiry, expiry};
use crate::{exit, foreign, limits, named, sources, terminal, users, waf};

/// Exit code 0: it can be served; 1: it has errors; 2: it cannot be read.
#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    file: Named,
    /// Where this node stands, whatever the file says
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Print the whole configuration with every default written out
    #[arg(long)]
    expanded: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Checks and prints.
    pub(crate) fn run(self) -> ExitCode {
        let options = Options { zone: self.zone.clone() };
        let request = self.file.request(self.zone.clone(), None);
        let imported = match request.foreign.then(|| foreign::read(&request.path, None)).transpose() {
            Ok(imported) => imported,
            Err(why) => {
                terminal::err(&format!("error: {}: {why}", request.path.display()));
                return exit::could_not_run();
            }
        };
        let (disk, path) = match &imported {
            Some(imported) => (foreign::disk(&request.path, imported), foreign::called(&request.path)),
            None => (Disk::default(), request.path.clone()),
        };
        let loaded = transom_config::load(&path, &disk, &options);
        let summary = loaded.config.as_ref().map(|config| Summary::of(config, &request, &disk));
        if self.json {
            let value = self.as_json(&loaded, summary.as_ref(), &request, imported.as_ref());
            terminal::out(&format!("{value:#}"));
        } else {
            if let Some(imported) = &imported {
                terminal::err(imported.account.render().trim_end());
            }
            self.print(&loaded, summary.as_ref(), &request.path);
        }
        if let Some(imported) = imported.as_ref().filter(|imported| !imported.account.is_whole()) {
            terminal::err(&format!("error: {}", foreign::not_whole(&request.path, imported)));
            return exit::found_something();
        }
        if loaded.sources.is_empty() {
            // Not even the first file could be read.
            return exit::could_not_run();
        }
        let fine = loaded.report.errors() == 0 && summary.is_some_and(|summary| summary.starts());
        if fine { ExitCode::SUCCESS } else { exit::found_something() }
    }

    /// What is wrong goes to the standard error output, the rest to the standard output.
    fn print(&self, loaded: &Loaded, summary: Option<&Summary>, path: &Path) {
        let (errors, warnings) = (loaded.report.errors(), loaded.report.warnings());
        if errors + warnings > 0 {
            terminal::err(&loaded.report.render(terminal::colour()));
        }
        let Some((config, summary)) = loaded.config.as_ref().zip(summary) else { return };
        for sentence in summary.obstacles() {
            terminal::err(&format!("error: {sentence}"));
        }
        for note in &summary.notes {
            terminal::err(&format!("{}: {}", severity(note), note.text()));
        }
        let warnings =
            warnings + summary.notes.iter().filter(|note| matches!(note, Note::Warning(_))).count();
        if self.expanded {
            terminal::out(transom_config::expanded(config).trim_end());
        } else {
            let verdict = if summary.starts() { "it can be served" } else { "it cannot start here" };
            terminal::out(&format!("{}: {verdict}{}", path.display(), counted(warnings, ", ", "warning")));
            terminal::out(&summary.text());
        }
    }

    fn as_json(
        &self,
        loaded: &Loaded,
        summary: Option<&Summary>,
        request: &Request,
        imported: Option<&Imported>,
    ) -> Value {
        let expanded = loaded.config.as_ref().filter(|_| self.expanded).map(transom_config::expanded);
        let mut value = json!({
            "file": request.path.display().to_string(),
            "errors": loaded.report.errors(),
            "warnings": loaded.report.warnings(),
            "report": loaded.report.to_json(),
            "summary": summary.map(Summary::json),
        });
        if let (Some(expanded), Some(members)) = (expanded, value.as_object_mut()) {
            members.insert("expanded".into(), expanded.into());
        }
        if let (Some(imported), Some(members)) = (imported, value.as_object_mut()) {
            members.insert("account".into(), imported.account.to_json());
        }
        value
    }
}

/// ` and 2 warnings`, or nothing.
fn counted(number: usize, before: &str, noun: &str) -> String {
    match number {
        0 => String::new(),
        1 => format!("{before}1 {noun}"),
        _ => format!("{before}{number} {noun}s"),
    }
}

fn severity(note: &Note) -> &'static str {
    match note {
        Note::Warning(_) => "warning",
        Note::Remark(_) => "note",
    }
}

/// What a configuration comes to.
struct Summary {
    listeners: Vec<Listener>,
    shown: Vec<Shown>,
    pools: usize,
    servers: usize,
    tables: Vec<Memory>,
    /// What servers of packet listeners must be set up with.
    needs: Vec<Needs>,
    workers: usize,
    /// Descriptors the process may have.
    files: u64,
    /// Connections that fit, or why those asked for do not.
    room: Result<limits::Room, limits::TooMany>,
    /// The limit of connections is ours, not the file's.
    derived: bool,
    user: Result<String, String>,
    /// What is wrong with files it names.
    named: Vec<String>,
    /// What is worth saying of its certificates.
    notes: Vec<Note>,
}

/// One line about a listener.
struct Listener {
    name: String,
    mode: &'static str,
    bind: Vec<String>,
    pools: Vec<String>,
}

/// One line about a certificate that a listener shows.
struct Shown {
    listener: String,
    certificate: String,
    /// Host names it is for.
    names: Vec<String>,
    ends: Expiry,
}

/// What the servers behind one packet listener's address need.
struct Needs {
    listener: String,
    mode: &'static str,
    address: String,
    sentences: Vec<String>,
}

/// One line about a stick table.
struct Memory {
    name: String,
    entries: u32,
    bytes: u64,
}

impl Summary {
    fn of(config: &Config, request: &Request, disk: &Disk) -> Self {
        let workers = workers(request, config);
        let now = SystemTime::now();
        let mut named = named::look_into(config);
        let (shown, mut notes) = match tls::build(config, &Acceptors::new(), now) {
            Ok(built) => (Shown::of(config, &built, now), built.notes),
            Err(faults) => {
                named.extend(faults);
                (Vec::new(), Vec::new())
            }
        };
        match waf::build(config, disk) {
            Ok(built) => notes.extend(built.notes),
            Err(faults) => named.extend(faults),
        }
        notes.extend(config.remarks().into_iter().map(Note::Remark));
        // Whoever checks may have fewer rights than whoever runs.
        notes.extend(sources::possible(config).err().map(Note::Warning));
        let standing = limits::standing(config, workers);
        // What the process may raise its limit to; only `run` does.
        let files = limits::files().hard;
        let tables = config.stick_tables.iter().map(|table| Memory {
            name: table.name.to_string(),
            entries: table.size,
            bytes: stick::memory(table.size),
        });
        Self {
            listeners: Listener::all(config),
            needs: Needs::of(config),
            shown,
            notes,
            pools: config.pools.len(),
            servers: config.pools.iter().map(|pool| pool.servers.len()).sum(),
            tables: tables.collect(),
            workers,
            files,
            room: limits::room(config, standing, files),
            derived: config.limits.connections.is_none(),
            named,
            user: users::identity(config.process.user.as_deref()).map(|identity| identity.name),
        }
    }

    /// What on this machine keeps it from starting: a sentence each.
    fn obstacles(&self) -> Vec<String> {
        let room = self.room.as_ref().err().map(ToString::to_string);
        let unbuilt = (!self.needs.is_empty() && transom_packet::object::DOOR.is_none())
            .then(|| transom_packet::Fault::NotBuilt.to_string());
        room.into_iter().chain(self.user.clone().err()).chain(self.named.clone()).chain(unbuilt).collect()
    }

    fn starts(&self) -> bool {
        self.obstacles().is_empty()
    }

    fn text(&self) -> String {
        let mut listeners = Table::new(&["listener", "mode", "addresses", "pools"]);
        for listener in &self.listeners {
            let Listener { name, mode, bind, pools } = listener;
            listeners.row(vec![name.clone(), (*mode).to_owned(), bind.join(", "), pools.join(", ")]);
        }
        let mut text = format!("\n{}\n\n", listeners.text());
        if !self.shown.is_empty() {
            let mut shown = Table::new(&["listener", "certificate", "ends", "names"]);
            for Shown { listener, certificate, names, ends } in &self.shown {
                shown.row(vec![listener.clone(), certificate.clone(), in_words(*ends), names.join(", ")]);
            }
            let _ = writeln!(text, "{}\n", shown.text());
        }
        for Needs { listener, mode, address, sentences } in &self.needs {
            let _ = writeln!(text, "servers of {listener} ({mode}, {address}) need:");
            for sentence in sentences {
                let _ = writeln!(text, "  - {sentence}");
            }
            text.push('\n');
        }
        let _ = writeln!(text, "pools         {}{}", self.pools, counted(self.servers, ", ", "server"));
        for Memory { name, entries, bytes } in &self.tables {
            let _ =
                writeln!(text, "stick table   {name}: {entries} entries, {} when full", mebibytes(*bytes));
        }
        let _ = writeln!(text, "workers       {}", self.workers);
        if let Ok(limits::Room { admitted, .. }) = self.room {
            let why = if self.derived { "as many as the descriptors allow" } else { "as written" };
            let _ = writeln!(text, "connections   up to {admitted} ({why})");
        }
        let _ = writeln!(text, "descriptors   {}", self.files);
        if let Ok(user) = &self.user {
            let _ = writeln!(text, "runs as       {user}");
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn json(&self) -> Value {
        let listeners = self.listeners.iter().map(|listener| {
            let Listener { name, mode, bind, pools } = listener;
            json!({ "name": name, "mode": mode, "bind": bind, "pools": pools })
        });
        let shown = self.shown.iter().map(|shown| {
            let Shown { listener, certificate, names, ends } = shown;
            json!({ "listener": listener, "certificate": certificate, "names": names, "days": days(*ends) })
        });
        let needs = self.needs.iter().map(|needs| {
            let Needs { listener, mode, address, sentences } = needs;
            json!({ "listener": listener, "mode": mode, "address": address, "servers_need": sentences })
        });
        let notes = self.notes.iter().map(|note| json!({ "severity": severity(note), "text": note.text() }));
        let tables = self
            .tables
            .iter()
            .map(|table| json!({ "name": table.name, "entries": table.entries, "bytes": table.bytes }));
        json!({
            "listeners": listeners.collect::<Vec<_>>(),
            "certificates": shown.collect::<Vec<_>>(),
            "notes": notes.collect::<Vec<_>>(),
            "needs": needs.collect::<Vec<_>>(),
            "pools": self.pools,
            "servers": self.servers,
            "stick_tables": tables.collect::<Vec<_>>(),
            "workers": self.workers,
            "connections": self.room.as_ref().ok().map(|room| room.admitted),
            "obstacles": self.obstacles(),
            "descriptors": self.files,
            "user": self.user.as_ref().ok(),
        })
    }
}

impl Listener {
    fn of(listener: &transom_config::Listener) -> Self {
        let bind = listener.bind.iter().map(ToString::to_string).collect();
        let pools = listener.mode.pools().into_iter().map(ToString::to_string).collect();
        Self { name: listener.name.to_string(), mode: listener.mode.word(), bind, pools }
    }
}

impl Listener {
    /// Those that accept connections, then those that balance packets.
    fn all(config: &Config) -> Vec<Self> {
        let packets = config.packet_listeners.iter().map(|listener| Self {
            name: listener.name.to_string(),
            mode: listener.mode.word(),
            bind: listener.bind.iter().map(ToString::to_string).collect(),
            pools: vec![listener.pool.to_string()],
        });
        config.listeners.iter().map(|listener| Self::of(listener)).chain(packets).collect()
    }
}

impl Needs {
    fn of(config: &Config) -> Vec<Self> {
        let needs = wish::asked(config).into_iter().map(|(listener, vip)| Self {
            listener: listener.to_string(),
            mode: config.packet_listener(&listener).map_or("", |own| own.mode.word()),
            address: format!("{}", SocketAddr::new(vip.address, vip.port)),
            sentences: transom_packet::needs::needs(&vip),
        });
        let mut needs: Vec<Self> = needs.collect();
        // One address over TCP and UDP.
        needs.dedup_by(|next, one| next.listener == one.listener && next.address == one.address);
        needs
    }
}

impl Shown {
    /// Every certificate of every listener, in the order of the file.
    fn of(config: &Config, built: &Built, now: SystemTime) -> Vec<Self> {
        let mut all = Vec::new();
        for listener in &config.listeners {
            let Some(tls) = listener.mode.tls() else { continue };
            for name in &tls.certificates {
                let Some(certificate) = built.certificate(name) else { continue };
                all.push(Self {
                    listener: listener.name.to_string(),
                    certificate: name.to_string(),
                    names: certificate.facts().host_names().map(str::to_owned).collect(),
                    ends: expiry(certificate, now),
                });
            }
        }
        all
    }
}

fn in_words(ends: Expiry) -> String {
    match ends {
        Expiry::In(0) => "within a day".to_owned(),
        Expiry::In(1) => "in 1 day".to_owned(),
        Expiry::In(days) => format!("in {days} days"),
        Expiry::Ago(0) => "today: over".to_owned(),
        Expiry::Ago(1) => "1 day ago".to_owned(),
        Expiry::Ago(days) => format!("{days} days ago"),
    }
}

/// Days left; negative when it is over.
fn days(ends: Expiry) -> i64 {
    match ends {
        Expiry::In(days) => i64::try_from(days).unwrap_or(i64::MAX),
        Expiry::Ago(days) => -i64::try_from(days).unwrap_or(i64::MAX) - 1,
    }
}

/// Two digits are enough to see whether it fits.
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_not_counted_and_one_is_not_many() {
        let cases = [(0, ""), (1, ", 1 warning"), (12, ", 12 warnings")];
        for (number, expected) in cases {
            assert_eq!(counted(number, ", ", "warning"), expected);
        }
    }

    #[test]
    fn memory_is_told_in_mebibytes() {
        assert_eq!(mebibytes(1_000_000 * 40), "38.1 MiB");
        assert_eq!(mebibytes(0), "0.0 MiB");
    }
}
