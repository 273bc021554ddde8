//! `server` lines.

use super::bind::{minimum, options};
use super::options::{SERVER, SERVER_FLAGS};
use super::text::{Directive, time};
use super::{Base, Context};
use crate::block::{Table, Value, plain_name};
use crate::units;

/// A `server` line, with what `default-server` gave it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    pub(crate) line: u32,
    /// Keys of its entry in `servers`.
    pub(crate) entry: Table,
    /// Keys of the pool.
    pub(crate) pool: Table,
    pub(crate) check: bool,
    pub(crate) tls: bool,
    /// Checked over TLS, whatever the connections are.
    pub(crate) check_tls: Option<bool>,
    /// Keys of the health check.
    pub(crate) probe: Table,
    /// `tls` of `connect`.
    pub(crate) connect_tls: Table,
    /// No port was given: it is the one the client connected to.
    pub(crate) port_of_client: bool,
}

impl Server {
    /// Reads a line. `None`: its address is of no use here.
    pub(crate) fn read(
        directive: &Directive,
        defaults: &[Directive],
        base: &Base,
        context: &mut Context<'_>,
    ) -> Option<Self> {
        let mut server = Self { line: directive.line, ..Self::default() };
        let template = directive.word(0) == "server-template";
        let (name, address, from) = match template {
            true => (format!("{}1", directive.word(1)), directive.word(3), 4),
            false => (directive.word(1).to_owned(), directive.word(2), 3),
        };
        let address = match server.address(address) {
            Ok(address) => address,
            Err(why) => {
                context.account.unsupported(directive.line, why);
                return None;
            }
        };
        server.entry.set(directive.line, "name", plain_name(&name));
        server.entry.set(directive.line, "address", address);
        for default in defaults {
            server.options(default.from(1), default.line, base, context);
        }
        server.options(directive.from(from), directive.line, base, context);
        Some(server)
    }

    fn address(&mut self, text: &str) -> Result<String, String> {
        for prefix in ["unix@", "abns@", "fd@", "sockpair@", "/"] {
            if text.starts_with(prefix) {
                return Err(format!("`{text}` is no TCP address"));
            }
        }
        let text = text.split_once('@').map_or(text, |(_, rest)| rest);
        let bare = text.parse::<std::net::Ipv6Addr>().is_ok();
        match text.rsplit_once(':') {
            Some((host, port)) if !bare => {
                if port.starts_with(['+', '-']) {
                    return Err("the port moves with the client's".to_owned());
                }
                let number = port.parse::<u16>().map_err(|_| "the port is no number")?;
                let host = host.trim_start_matches('[').trim_end_matches(']');
                self.port_of_client = number == 0;
                Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
            }
            _ if text.is_empty() => Err("the server has no address".to_owned()),
            _ => {
                self.port_of_client = true;
                Ok(if bare { format!("[{text}]") } else { text.to_owned() })
            }
        }
    }

    fn options(&mut self, words: &[String], line: u32, base: &Base, context: &mut Context<'_>) {
        for (name, values) in options(words, SERVER_FLAGS) {
            if SERVER.mark(&[name.as_str()], line, context.account).is_none() {
                continue;
            }
            let value = values.first().map_or("", String::as_str);
            let known = self.health(&name, value, line)
                || self.load(&name, value, line, context)
                || self.connection(&name, &values, line, context)
                || self.tls(&name, value, line, base, context);
            // Options that need nothing are known to the table alone.
            let _ = known;
        }
    }

    fn health(&mut self, name: &str, value: &str, line: u32) -> bool {
        let number = value.parse::<u64>().ok();
        match (name, number) {
            ("check", _) => self.check = true,
            ("no-check", _) => self.check = false,
            ("inter", _) => {
                if let Some(every) = time(value) {
                    self.probe.set(line, "every", Value::time(every));
                }
            }
            ("rise" | "fall" | "port", Some(number)) => self.probe.set(line, name, number),
            ("check-ssl", _) => self.check_tls = Some(true),
            ("no-check-ssl", _) => self.check_tls = Some(false),
            ("check-sni", _) => self.probe.set(line, "name", value),
            ("observe", _) => {
                self.pool.table(line, "passive");
                if self.pool.table(line, "passive").get("fall").is_none() {
                    self.pool.table(line, "passive").set(line, "fall", 10u64);
                }
            }
            ("error-limit", Some(number)) => self.pool.table(line, "passive").set(line, "fall", number),
            ("track", _) => {
                let (pool, server) = value.split_once('/').unwrap_or(("", value));
                let mut track = Table::default();
                if !pool.is_empty() {
                    track.set(line, "pool", plain_name(pool));
                }
                track.set(line, "server", plain_name(server));
                self.probe.set(line, "track", track);
            }
            ("on-marked-down", _) if value == "shutdown-sessions" => self.pool.set(line, "on-down", "close"),
            ("on-marked-up", _) if value == "shutdown-backup-sessions" => {
                self.pool.set(line, "on-up", "close-backup");
            }
            _ => return false,
        }
        true
    }

    fn load(&mut self, name: &str, value: &str, line: u32, context: &mut Context<'_>) -> bool {
        match name {
            "weight" => {
                if let Ok(weight) = value.parse::<u64>() {
                    self.entry.set(line, "weight", weight);
                }
            }
            "backup" => self.entry.set(line, "backup", true),
            "no-backup" => drop(self.entry.remove("backup")),
            "disabled" => self.entry.set(line, "admin", "maint"),
            "enabled" => drop(self.entry.remove("admin")),
            "maxconn" => match value.parse::<u64>() {
                Ok(0) => drop(self.entry.remove("connections")),
                Ok(most) => self.entry.set(line, "connections", most),
                Err(_) => context.account.unsupported(line, "the number is none"),
            },
            "maxqueue" => {
                if let Ok(size) = value.parse::<u64>() {
                    self.pool.table(line, "queue").set(line, "size", size);
                }
            }
            "slowstart" => {
                if let Some(time) = time(value) {
                    self.pool.set(line, "slow-start", Value::time(time));
                }
            }
            "cookie" => self.entry.set(line, "cookie", value),
            "redir" => self.entry.set(line, "redirect", value),
            "non-stick" => self.entry.set(line, "stick", false),
            _ => return false,
        }
        true
    }

    fn connection(&mut self, name: &str, values: &[String], line: u32, context: &mut Context<'_>) -> bool {
        let value = values.first().map_or("", String::as_str);
        match name {
            "send-proxy" => self.pool.table(line, "connect").set(line, "proxy-protocol", "v1"),
            "send-proxy-v2" | "send-proxy-v2-ssl" | "send-proxy-v2-ssl-cn" => {
                self.pool.table(line, "connect").set(line, "proxy-protocol", "v2");
            }
            "source" => match source(values) {
                Some(source) => self.pool.set(line, "source", source),
                None => context
                    .account
                    .unsupported(line, format!("`source {value}` names no address of this machine")),
            },
            _ => return false,
        }
        true
    }

    fn tls(&mut self, name: &str, value: &str, line: u32, base: &Base, context: &mut Context<'_>) -> bool {
        let tls = &mut self.connect_tls;
        match name {
            "ssl" => self.tls = true,
            "no-ssl" => self.tls = false,
            "verify" if value == "none" => tls.set(line, "verify", "none"),
            "verify" => drop(tls.remove("verify")),
            "ca-file" if value == "@system-ca" => {}
            "ca-file" => tls.set(line, "ca", base.authority(value)),
            "crl-file" => tls.set(line, "crl", base.authority(value)),
            "crt" => {
                let certificate = context.certificate(&base.certificate(value), line);
                tls.set(line, "certificate", certificate);
            }
            "verifyhost" => tls.set(line, "name", value),
            "sni" => match value.strip_prefix("str(").and_then(|rest| rest.strip_suffix(')')) {
                Some(name) => {
                    if tls.get("name").is_none() {
                        tls.set(line, "name", name.trim_matches(['"', '\'']));
                    }
                }
                None => {
                    context.account.changed(line, "the name is asked for as the client asked for it");
                    tls.set(line, "name-from", if value.contains("sni") { "sni" } else { "host" });
                }
            },
            "ssl-min-ver" => minimum(tls, value, line),
            "force-tlsv13" | "no-tlsv12" => minimum(tls, "TLSv1.3", line),
            _ => return false,
        }
        true
    }
}

/// `source 10.0.0.9`, `source 0.0.0.0 usesrc clientip`
pub(crate) fn source(values: &[String]) -> Option<Table> {
    let address = values.first()?;
    if values.iter().any(|value| value == "clientip" || value == "client") {
        return Some(Table::default().with("client", true));
    }
    let (host, port) =
        address.rsplit_once(':').filter(|(host, _)| !host.contains(':')).unwrap_or((address, ""));
    let _ = port;
    let host = units::network(host)?;
    if host == "0.0.0.0" || host == "::" {
        return None;
    }
    Some(Table::default().with("addresses", Value::texts([host])))
}
