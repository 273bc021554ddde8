//! File descriptors: how many the configuration can come to need, and how many the process may have.
//!
//! A relayed connection is two descriptors. Whoever writes a limit gets that many connections or is told at the start
//! why not; whoever writes none gets as many as fit, so that running out of descriptors (`out-of-files`) is never
//! how the limit is found.

use std::fmt;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use transom_config::Config;

/// Descriptors each worker thread has besides connections: its epoll and eventfd, and up to 64 empty pipes of two.
const PER_WORKER: u64 = 2 + 2 * 64;
/// Logs, admin connections, resolver, standard streams, and what libraries open.
const RESERVE: u64 = 128;

/// Descriptors that many relayed connections come to: the client's and the server's, and for one in four a pipe
/// (two descriptors) through which bytes are spliced. Further connections copy where no pipe is to be had.
fn descriptors(connections: u64) -> u64 {
    connections.saturating_mul(2).saturating_add(connections.div_ceil(2))
}

/// The most connections whose descriptors fit in `room`.
fn connections_in(room: u64) -> u64 {
    (u128::from(room) * 2 / 5) as u64
}

/// Descriptors `config` needs with no client connected: listening sockets (four times: on a reload old and new are held
/// side by side, each by the data plane and by who made them), a probe for each server, workers, reserve.
pub(crate) fn standing(config: &Config, workers: usize) -> u64 {
    let sockets: usize = config.listeners.iter().map(|listener| listener.bind.len() * workers).sum();
    let probes: usize = config.pools.iter().map(|pool| pool.servers.len()).sum();
    4 * sockets as u64 + probes as u64 + PER_WORKER * workers as u64 + RESERVE
}

/// What the file asks for, in connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    /// A bound over all listeners: `[limits]`, or every listener has its own.
    total: Option<u64>,
    /// The most one listener asks for.
    most: u64,
}

fn asked(config: &Config) -> Asked {
    let limits = || config.listeners.iter().map(|listener| listener.limits.connections.map(u64::from));
    let together: Option<u64> = limits().sum();
    let together = together.filter(|_| !config.listeners.is_empty());
    let global = config.limits.connections.map(u64::from);
    let total = match (global, together) {
        (Some(global), Some(together)) => Some(global.min(together)),
        (global, together) => global.or(together),
    };
    Asked { total, most: limits().flatten().max().unwrap_or(0) }
}

/// More connections are asked for than the process may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TooMany {
    connections: u64,
    needed: u64,
    files: u64,
    fit: u64,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, needed, files, fit } = self;
        write!(
            f,
            "the limits allow {connections} connections, which need {needed} file descriptors, but the process may \
             open {files} (enough for {fit})\nhelp: raise it (`LimitNOFILE={needed}` in the systemd unit, \
             `ulimit -n {needed}` in a shell) or write smaller limits"
        )
    }
}

/// Client connections the process can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// As many as fit.
    pub(crate) fit: u32,
    /// As many as it admits: those asked for, else those that fit.
    pub(crate) admitted: u32,
}

/// What is asked for, compared with what fits in `files` descriptors beside the `standing` ones.
pub(crate) fn room(config: &Config, standing: u64, files: u64) -> Result<Room, TooMany> {
    fit(asked(config), standing, files)
}

/// Descriptors that what is asked for needs; `None` when nothing is asked for.
pub(crate) fn needed(config: &Config, standing: u64) -> Option<u64> {
    let asked = asked(config);
    let least = asked.total.unwrap_or(asked.most);
    (least > 0).then_some(standing + descriptors(least))
}

fn fit(asked: Asked, standing: u64, files: u64) -> Result<Room, TooMany> {
    let fit = connections_in(files.saturating_sub(standing));
    let least = asked.total.unwrap_or(asked.most.max(1));
    if least > fit {
        return Err(TooMany { connections: least, needed: standing + descriptors(least), files, fit });
    }
    let number = |connections: u64| u32::try_from(connections).unwrap_or(u32::MAX);
    Ok(Room { fit: number(fit), admitted: number(asked.total.unwrap_or(fit)) })
}

/// Descriptors the process may have: soft and hard limit. `u64::MAX` stands for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Files {
    /// In force now.
    pub(crate) soft: u64,
    /// What it may raise that to.
    pub(crate) hard: u64,
}

/// Reads the limit in force.
pub(crate) fn files() -> Files {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    Files { soft: current.unwrap_or(u64::MAX), hard: maximum.unwrap_or(u64::MAX) }
}

/// Raises the soft limit to the hard one, and with the privilege to do so the hard one to `needed`. Returns what is
/// in force afterwards.
pub(crate) fn raise(needed: Option<u64>) -> u64 {
    let before = files();
    if let Some(needed) = needed.filter(|needed| *needed > before.hard) {
        let more = Rlimit { current: Some(needed), maximum: Some(needed) };
        if setrlimit(Resource::Nofile, more).is_ok() {
            log::info!("raised the limit of file descriptors from {} to {needed}", before.hard);
            return needed;
        }
    }
    let hard = getrlimit(Resource::Nofile).maximum;
    if before.soft < before.hard
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })
    {
        log::warn!("the limit of file descriptors stays at {}: {error}", before.soft);
    }
    files().soft
}

/// Gives the limit in force here to another process of ours: the worker, which was started before it was raised.
pub(crate) fn share(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Err(error) = prlimit(pid, Resource::Nofile, getrlimit(Resource::Nofile)) {
        log::warn!("the worker keeps its limit of file descriptors: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(total: Option<u64>, most: u64) -> Asked {
        Asked { total, most }
    }

    #[test]
    fn a_limit_that_is_written_is_met_or_refused() {
        let cases = [
            (ask(Some(400), 0), 200, 1200, Ok(400)),
            (ask(Some(400), 0), 200, 1199, Err(1200)),
            (ask(Some(401), 0), 200, 1200, Err(1203)),
            (ask(None, 500), 200, 1000, Err(1450)),
            (ask(None, 300), 200, 1000, Ok(320)),
        ];
        for (asked, standing, files, expected) in cases {
            let found = fit(asked, standing, files).map(|room| room.admitted).map_err(|short| short.needed);
            assert_eq!(found, expected, "{asked:?} {standing} {files}");
        }
    }

    #[test]
    fn without_a_limit_as_many_as_fit() {
        assert_eq!(fit(ask(None, 0), 200, 1024), Ok(Room { fit: 329, admitted: 329 }));
        assert_eq!(fit(ask(Some(7), 0), 200, 1024), Ok(Room { fit: 329, admitted: 7 }));
        assert_eq!(fit(ask(None, 0), 200, u64::MAX), Ok(Room { fit: u32::MAX, admitted: u32::MAX }));
    }

    #[test]
    fn what_fits_needs_no_more_than_there_is() {
        for room in 0..5000 {
            let fit = connections_in(room);
            assert!(descriptors(fit) <= room && descriptors(fit + 1) > room, "{room}");
        }
    }

    #[test]
    fn a_process_without_room_for_one_connection_does_not_start() {
        assert!(fit(ask(None, 0), 200, 201).is_err());
        assert!(fit(ask(None, 0), 200, 10).is_err());
    }

    #[test]
    fn the_refusal_names_the_remedy() {
        let text = fit(ask(Some(5000), 0), 100, 1024).unwrap_err().to_string();
        assert!(text.contains("LimitNOFILE=12600"), "{text}");
        assert!(text.contains("enough for 369"), "{text}");
    }

    #[test]
    fn raising_reaches_the_hard_limit() {
        assert_eq!(raise(None), files().hard);
    }
}
