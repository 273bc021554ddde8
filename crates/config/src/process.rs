//! The process itself: user, limits, logs, administration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Name;

/// `[process]`
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// The user the worker becomes when started as root; `None`: `transom` if it exists, else `nobody`.
    pub user: Option<String>,
    /// How long a stop waits for connections before it cuts them.
    pub drain: Duration,
}

/// `[limits]`: over all listeners together.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Client connections at a time; `None`: as many as the process's file descriptors allow.
    pub connections: Option<u32>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// One line a connection or request.
    pub access: AccessLog,
    /// What the program itself says.
    pub program: LogSink,
    /// The least severe level written to the program log.
    pub level: Level,
}

/// Where access lines go and in which form.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    /// Where lines go.
    pub sink: LogSink,
    /// How a line looks.
    pub format: AccessFormat,
}

/// Where a log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSink {
    /// Nowhere.
    Off,
    /// The standard output.
    Stdout,
    /// The standard error output.
    Stderr,
    /// Appended to a file; opened again at each reload, so that log rotation works.
    File(PathBuf),
}

/// How an access line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object a line.
    Json,
    /// HAProxy's tcplog and httplog, for parsers that exist.
    Haproxy,
}

/// Severity in the program log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Needs a person.
    Error,
    /// Will need one.
    Warn,
    /// Worth knowing.
    Info,
    /// Worth knowing while searching.
    Debug,
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// The unix socket; `None`: the default of the user that runs the program.
    pub socket: Option<PathBuf>,
    /// An address as well: loopback, or with users.
    pub bind: Option<SocketAddr>,
    /// Who may ask over the address. Over the unix socket file permissions decide.
    pub users: Vec<User>,
}

/// Somebody who may use the admin address.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The name typed at the prompt.
    pub name: Name,
    /// Hash of the password in PHC form.
    pub password_hash: PasswordHash,
    /// What this user may do.
    pub role: Role,
}

/// An argon2id hash in PHC string form; never printed.
#[derive(Clone, PartialEq)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What a user may do; each may do all that the ones before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Drain servers, change weights.
    Operator,
    /// Reload.
    Admin,
}
