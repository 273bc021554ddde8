//! The doors that are compared: each one's configuration for the same task, and how it is started.

mod haproxy;
mod nginx;
mod transom;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

pub(crate) use crate::message::SERVER_NAME;
use crate::row::{Mode, Row, Web, Work};
use crate::speech::Text;

/// The file that access lines go to, for every peer.
pub(crate) const ACCESS_LOG: &str = "access.log";

/// What a door is to do.
#[derive(Debug, Clone)]
pub(crate) struct Task<'a> {
    /// What it does with a connection.
    pub(crate) mode: Mode,
    /// Where it listens.
    pub(crate) addresses: &'a [SocketAddr],
    /// Where its servers are.
    pub(crate) servers: &'a [SocketAddr],
    /// Connections it must be able to hold.
    pub(crate) connections: usize,
    /// Its worker threads.
    pub(crate) workers: usize,
    /// Whether it writes an access log.
    pub(crate) log: bool,
    /// A directory of its own.
    pub(crate) dir: &'a Path,
}

/// A door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Debian's haproxy.
    Haproxy,
    /// Debian's nginx with its stream module.
    Nginx,
    /// Ours, with access lines as JSON.
    Transom(PathBuf),
    /// Ours, with access lines as haproxy writes them: a note beside short connections.
    TransomHaproxyLines(PathBuf),
}

impl Peer {
    /// Its name in the table and on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Transom(_) => "transom",
            Self::TransomHaproxyLines(_) => "transom, haproxy's lines",
        }
    }

    /// Whether it takes part where `row` is measured with or without an access log.
    pub(crate) fn takes_part(&self, row: &Row, log: bool) -> bool {
        match self {
            Self::TransomHaproxyLines(_) => {
                log && matches!(row.work, Work::Short { request: Text::Bytes(_), .. })
            }
            Self::Transom(_) => row.waits.is_none(),
            Self::Nginx => !matches!(row.mode, Mode::Http(Web { stick: true, .. })),
            Self::Haproxy => true,
        }
    }

    /// Its version, as it says itself.
    ///
    /// # Errors
    /// A sentence that says how to get it, when it is not there.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        match self {
            Self::Haproxy => said(Path::new("haproxy"), "-v", "apt-get install haproxy"),
            Self::Nginx => {
                nginx::check_module()?;
                said(Path::new("nginx"), "-v", "apt-get install nginx libnginx-mod-stream")
            }
            Self::Transom(program) | Self::TransomHaproxyLines(program) => {
                said(program, "--version", "cargo build --release, or give --bin PATH")
            }
        }
    }

    /// Its configuration for `task`.
    pub(crate) fn config(&self, task: &Task<'_>) -> String {
        match self {
            Self::Haproxy => haproxy::config(task),
            Self::Nginx => nginx::config(task),
            Self::Transom(_) => transom::config(task, "json"),
            Self::TransomHaproxyLines(_) => transom::config(task, "haproxy"),
        }
    }

    /// Files that its configuration names, by their names in the door's folder.
    pub(crate) fn files(&self, task: &Task<'_>) -> Vec<(&'static str, String)> {
        match (self, task.mode) {
            (Self::Haproxy, Mode::Http(web)) => haproxy::files(task, &web),
            _ => Vec::new(),
        }
    }

    /// The same with its program in `dir`, where every user may run it; those of the system may be run anyway.
    ///
    /// # Errors
    /// A sentence when it cannot be copied.
    pub(crate) fn copied_to(&self, dir: &Path) -> anyhow::Result<Peer> {
        let Self::Transom(program) = self else { return Ok(self.clone()) };
        let copy = dir.join("transom");
        fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
        Ok(Self::Transom(copy))
    }

    /// The command that runs it in the foreground with the configuration in `file`.
    pub(crate) fn command(&self, file: &Path) -> Vec<String> {
        let file = file.display().to_string();
        match self {
            Self::Haproxy => vec!["haproxy".into(), "-db".into(), "-f".into(), file],
            Self::Nginx => vec!["nginx".into(), "-e".into(), "stderr".into(), "-c".into(), file],
            Self::Transom(program) | Self::TransomHaproxyLines(program) => {
                vec![program.display().to_string(), "run".into(), "-c".into(), file]
            }
        }
    }
}

/// The first line that `program` says of its version.
fn said(program: &Path, argument: &str, remedy: &str) -> anyhow::Result<String> {
    let output = Command::new(program).arg(argument).output();
    let output = output.with_context(|| format!("cannot run {}: {remedy}", program.display()))?;
    let text = [output.stdout, output.stderr].concat();
    let Some(line) = String::from_utf8_lossy(&text).lines().next().map(str::to_owned) else {
        bail!("{} {argument} says nothing", program.display());
    };
    let line = line.trim_start_matches("nginx version: ").replace("HAProxy version ", "haproxy ");
    Ok(line.split(" - http").next().unwrap_or_default().to_owned())
}

/// `addresses` in one line, made by `show` and parted by `separator`.
fn joined(addresses: &[SocketAddr], separator: &str, show: impl Fn(usize, &SocketAddr) -> String) -> String {
    let shown: Vec<_> =
        addresses.iter().enumerate().map(|(index, address)| show(index + 1, address)).collect();
    shown.join(separator)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::row::{door_addresses, server_addresses};
    use crate::rows::ROWS;

    /// HTTP in clear to one pool.
    pub(crate) const WEB: Web = Web { tls: None, resume: false, streams: 0, sites: 1, stick: false };

    /// The configuration that `peer` gets for a mode.
    pub(crate) fn config_of(peer: &Peer, mode: Mode, log: bool) -> String {
        let (addresses, servers) = (&door_addresses()[..2], &server_addresses()[..2]);
        let dir = Path::new("/tmp/cell");
        peer.config(&Task { mode, addresses, servers, connections: 300, workers: 1, log, dir })
    }

    #[test]
    fn a_missing_program_is_named_with_its_remedy() {
        let missing = Peer::Transom("/nowhere/transom".into()).version().unwrap_err().to_string();
        assert_eq!(missing, "cannot run /nowhere/transom: cargo build --release, or give --bin PATH");
        let haproxy = said(Path::new("/nowhere/haproxy"), "-v", "apt-get install haproxy").unwrap_err();
        assert!(haproxy.to_string().ends_with("apt-get install haproxy"));
    }

    #[test]
    fn haproxys_lines_are_a_note_beside_short_connections() {
        let note = Peer::TransomHaproxyLines("transom".into());
        let rows: Vec<_> = ROWS.iter().filter(|row| note.takes_part(row, true)).map(|row| row.name).collect();
        assert_eq!(rows, ["tcp-short"]);
        assert!(ROWS.iter().all(|row| !note.takes_part(row, false)));
    }
}
