//! `cache_peer`: origin servers.

use super::port::certificate;
use super::rows::PEER;
use crate::account::Account;
use crate::block::{Block, Draft, Item, Table, Value, plain_name};
use crate::haproxy::rule::{Change, always};
use crate::units;

/// A peer, with those that share its work.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) line: u32,
    pub(super) name: String,
    pub(super) servers: Vec<Item>,
    /// How work is shared with other peers, if it is.
    pub(super) balance: Option<&'static str>,
    /// Keys of the pool.
    pub(super) pool: Table,
    /// Files of the certificate shown to it.
    certificate: Option<(String, Option<String>)>,
    front_end_https: Option<bool>,
    host: Option<String>,
}

impl Peer {
    /// Reads a line: `cache_peer HOST parent PORT ICP options…`
    pub(super) fn read(line: u32, words: &[String], account: &mut Account) -> Option<Self> {
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        let (host, port) = (word(1), word(3).parse::<u16>().ok().filter(|port| *port > 0));
        if word(2) != "parent" || port.is_none() || host.is_empty() {
            account.unsupported(
                line,
                "only origin servers are imported: `cache_peer HOST parent PORT 0 originserver`",
            );
            return None;
        }
        let host =
            if host.contains(':') { format!("[{}]", host.trim_matches(['[', ']'])) } else { host.to_owned() };
        let address = format!("{host}:{}", port.unwrap_or(80));
        let mut peer = Self {
            line,
            name: host,
            servers: Vec::new(),
            balance: None,
            pool: Table::default(),
            certificate: None,
            front_end_https: None,
            host: None,
        };
        let mut server = Table::default().with("name", "").with("address", address);
        let mut key = None;
        let mut verify = true;
        for option in words.iter().skip(5) {
            let (name, value) =
                option.split_once('=').map_or((option.as_str(), ""), |(name, value)| (name, value));
            if PEER.mark(&[name], line, account).is_none() {
                continue;
            }
            match name {
                "name" => value.clone_into(&mut peer.name),
                "ssl" | "tls" => {
                    peer.pool.table(line, "connect").table(line, "tls");
                }
                "sslflags" | "tls-flags" => verify &= !value.contains("DONT_VERIFY_PEER"),
                "cert" | "sslcert" | "tls-cert" => peer.certificate = Some((value.to_owned(), None)),
                "key" | "sslkey" | "tls-key" => key = Some(value.to_owned()),
                "sslcafile" | "tls-cafile" => {
                    peer.pool.table(line, "connect").table(line, "tls").set(line, "ca", value);
                }
                "ssldomain" | "tls-domain" => {
                    peer.pool.table(line, "connect").table(line, "tls").set(line, "name", value);
                }
                "front-end-https" => peer.front_end_https = Some(value != "auto"),
                "forceddomain" => peer.host = Some(value.to_owned()),
                "round-robin" | "weighted-round-robin" | "carp" => peer.balance = Some("round-robin"),
                "sourcehash" => peer.balance = Some("hash"),
                "weight" | "max-conn" | "connect-timeout" | "connect-fail-limit" | "monitorurl"
                | "monitorinterval" => {
                    peer.load(name, value, &mut server);
                }
                _ => {}
            }
        }
        if let Some((_, own)) = &mut peer.certificate {
            *own = key;
        }
        peer.verification(verify);
        server.set(0, "name", plain_name(&peer.name));
        peer.servers.push(Item::new(line, server));
        Some(peer)
    }

    /// How much it gets, and how it is found to be up.
    fn load(&mut self, name: &str, value: &str, server: &mut Table) {
        let line = self.line;
        let (number, time) = (value.parse::<u64>().ok(), units::time(value, 1000).map(Value::time));
        match (name, number, time) {
            ("weight", Some(weight), _) => server.set(line, "weight", weight.min(256)),
            ("max-conn", Some(most), _) => server.set(line, "connections", most.max(1)),
            ("connect-fail-limit", Some(fall), _) => self.pool.table(line, "passive").set(line, "fall", fall),
            ("connect-timeout", _, Some(time)) => {
                self.pool.table(line, "timeouts").set(line, "connect", time);
            }
            ("monitorurl", ..) => self.pool.table(line, "health-check").set(line, "http", path(value)),
            ("monitorinterval", _, Some(time)) => {
                self.pool.table(line, "health-check").set(line, "every", time);
            }
            _ => {}
        }
    }

    fn verification(&mut self, verify: bool) {
        let has_tls =
            matches!(self.pool.get("connect"), Some(Value::Table(connect)) if connect.get("tls").is_some());
        if has_tls && !verify {
            let tls = self.pool.table(self.line, "connect").table(self.line, "tls");
            tls.set(self.line, "verify", "none");
            tls.remove("ca");
        }
    }

    /// The name of its pool.
    pub(super) fn pool_name(&self) -> String {
        plain_name(&self.name)
    }

    /// What is changed on requests that it gets.
    pub(super) fn changes(&self, over_tls: bool) -> Vec<Change> {
        let mut headers = Table::default();
        if self.front_end_https.is_some_and(|always| always || over_tls) {
            headers.set(self.line, "Front-End-Https", "On");
        }
        if let Some(host) = &self.host {
            headers.set(self.line, "Host", host.as_str());
        }
        if headers.is_empty() {
            return Vec::new();
        }
        let keys = Table::default().with("set-request-headers", headers);
        vec![Change { condition: always(), keys, line: self.line }]
    }

    /// Its pool.
    pub(super) fn block(&self, account: &mut Account, draft: &mut Draft) -> Block {
        let name = self.pool_name();
        let mut block = Block::new(&["pool", &name], self.line, self.line);
        if name != self.name {
            account.changed(self.line, format!("named `{name}`"));
        }
        if let Some(balance) = self.balance {
            block.keys.set(self.line, "balance", balance);
        }
        block.keys.entries.extend(self.pool.entries.clone());
        if let Some((cert, key)) = &self.certificate {
            let certificate = certificate(cert, key.as_deref(), self.line, draft);
            block.keys.table(self.line, "connect").table(self.line, "tls").set(
                self.line,
                "certificate",
                certificate,
            );
        }
        *block.list("servers") = self.servers.clone();
        block
    }
}

/// The path of a URL.
fn path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or_else(|| "/".to_owned(), |at| rest.get(at..).unwrap_or("/").to_owned())
}
