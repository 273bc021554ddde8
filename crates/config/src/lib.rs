//! What was asked for: the one TOML file, checked into one valid, immutable type a noun.
//!
//! The stages of a noun are `file` (as written, with spans), then the types here (valid, shared by `Arc`), then
//! `transom_state` (live). Converting is the only validation. This crate does no I/O and reads no clock: the text of
//! the file, of its includes and of the files it names comes in as arguments.

mod abuse;
mod certificate;
mod check;
mod expand;
mod expanded;
mod file;
mod health;
mod http;
mod listener;
mod load;
mod model;
mod named;
mod packet;
mod pattern;
mod place;
mod pool;
mod process;
mod reference;
mod remarks;
mod report;
mod schema;
mod shield;
mod source;
mod stick;
mod text;
mod waf;
mod words;

use std::sync::Arc;

pub use abuse::{Abuse, AbuseRule, PerSource, Rate};
pub use certificate::{
    Certificate, CertificateSource, ClientCertificates, ListenerTls, SYSTEM_AUTHORITIES, ServerTls,
    ServerVerify, TlsVersion,
};
pub use expanded::{expanded, expanded_for_viewers};
pub use health::{Expect, HealthCheck, Probe, ProbeExpect, ProbeStep, StatusRange, Verify};
pub use http::{
    Action, ClientTimeouts, Content, CookieMode, Edits, ErrorBody, ErrorPage, FieldEdits, FieldMatch,
    FieldReplace, Fixed, Forwarded, Http, HttpRoute, HttpTls, Matches, PathMatch, PoolCookie, Redirect,
    ReplaceHost, RequestKey, RequestLimits, Reuse, Rewrite, ServersUp, Template, TemplatePart, UpBound,
    ValueMatch,
};
pub use listener::{
    Listener, ListenerLimits, ListenerMode, NotTls, Passthrough, PlainHttp, ServerName, SniRoute, Sources,
    Terminate,
};
pub use load::{FILE_BYTES_MAX, FILES_MAX, Files, Loaded, Options, load, load_bytes, load_text};
pub use named::NamedFile;
pub use packet::{Driver, HashOn, Odd, OnStop, Packet, PacketBind, PacketListener, PacketMode, Transport};
pub use pattern::Pattern;
pub use place::Place;
pub use pool::{
    Address, Balance, OnDown, Passive, Pool, ProxyProtocol, Queue, Retry, Server, Source, StartState, Stick,
    Timeouts, Zones,
};
pub use process::{
    AccessFormat, AccessLog, Admin, Level, Limits, Log, LogSink, PasswordHash, Process, Role, User,
};
pub use reference::reference;
pub use report::{Code, FAULTS_MAX, Fault, Location, Report, Severity};
pub use schema::json_schema;
pub use shield::{
    Allow, AllowWhat, PacketBudgets, PacketPolicy, PacketRate, Per, Shield, ShieldContext, TotalRates,
    Tracking,
};
pub use source::SourceFile;
pub use stick::{StickTable, StickTableKey};
pub use waf::{
    Waf, WafAuditFormat, WafAuditLog, WafExclude, WafLimits, WafMode, WafRules, WafThresholds, WafWhenBroken,
};

/// A name given in the file: of a listener, pool, server, table, zone. Cheap to clone.
pub type Name = Arc<str>;

/// A whole valid configuration: every reference resolves, every value is in its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where this node stands, if it was said (`zone`, or `transom run --zone`).
    pub zone: Option<Name>,
    /// Worker threads; `None` is one for each CPU the process may run on.
    pub workers: Option<u16>,
    /// The process: user, drain time.
    pub process: Process,
    /// Limits over all listeners together.
    pub limits: Limits,
    /// Access and program log.
    pub log: Log,
    /// Admin socket, address and users.
    pub admin: Admin,
    /// Certificates in the order of the file.
    pub certificates: Vec<Arc<Certificate>>,
    /// Listeners that accept connections, in the order of the file.
    pub listeners: Vec<Arc<Listener>>,
    /// Listeners that balance packets, in the order of the file.
    pub packet_listeners: Vec<Arc<PacketListener>>,
    /// The packet data plane.
    pub packet: Packet,
    /// Pools in the order of the file.
    pub pools: Vec<Arc<Pool>>,
    /// `[abuse]`: budgets of requests and failed logins; `None`: nothing is counted.
    pub abuse: Option<Abuse>,
    /// Firewalls in the order of the file.
    pub wafs: Vec<Arc<Waf>>,
    /// Stick tables in the order of the file.
    pub stick_tables: Vec<Arc<StickTable>>,
    /// The packet shield, if there is one.
    pub shield: Option<Arc<Shield>>,
}

impl Config {
    /// The pool of that name.
    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.iter().find(|pool| &*pool.name == name)
    }

    /// The listener of that name, if it accepts connections.
    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| &*listener.name == name)
    }

    /// The listener of that name, if it balances packets.
    pub fn packet_listener(&self, name: &str) -> Option<&Arc<PacketListener>> {
        self.packet_listeners.iter().find(|listener| &*listener.name == name)
    }

    /// The firewall of that name.
    pub fn waf(&self, name: &str) -> Option<&Arc<Waf>> {
        self.wafs.iter().find(|waf| &*waf.name == name)
    }

    /// The stick table of that name.
    pub fn stick_table(&self, name: &str) -> Option<&Arc<StickTable>> {
        self.stick_tables.iter().find(|table| &*table.name == name)
    }
}
