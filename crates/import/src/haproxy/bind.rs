//! `bind` lines: addresses, and how TLS is spoken there.

use super::options::{BIND, BIND_FLAGS};
use super::text::Directive;
use super::{Base, Context};
use crate::block::{Block, Table, Value, plain_name};
use crate::units;

/// A `bind` line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bind {
    pub(crate) line: u32,
    pub(crate) addresses: Vec<String>,
    pub(crate) ports: Vec<u16>,
    /// `tls`, where it is spoken.
    pub(crate) tls: Option<Table>,
    pub(crate) accept_proxy: bool,
    pub(crate) connections: Option<u64>,
    pub(crate) backlog: Option<u64>,
    pub(crate) id: Option<String>,
}

/// Ports of one range at most.
const PORTS_MAX: u16 = 64;

impl Bind {
    /// Reads a line; certificates go into the draft.
    pub(crate) fn read(directive: &Directive, base: &Base, context: &mut Context<'_>) -> Self {
        let line = directive.line;
        let mut bind = Self { line, ..Self::default() };
        for address in directive.word(1).split(',') {
            if let Err(why) = bind.address(address) {
                context.account.unsupported(line, why);
            }
        }
        let options = options(directive.from(2), BIND_FLAGS);
        let mut tls = Table::default();
        let mut certificates: Vec<String> = Vec::new();
        let mut is_tls = false;
        for (name, values) in &options {
            let value = values.first().map_or("", String::as_str);
            if BIND.mark(&[name.as_str()], line, context.account).is_none() {
                continue;
            }
            match name.as_str() {
                "ssl" => is_tls = true,
                "crt" => certificates.extend(context.certificates(value, base, line)),
                "crt-list" => certificates.extend(context.certificate_list(value, base, line)),
                "ca-file" => tls.table(line, "client-certificates").set(line, "ca", base.authority(value)),
                "crl-file" => tls.table(line, "client-certificates").set(line, "crl", base.authority(value)),
                "verify" if value == "none" => {
                    tls.remove("client-certificates");
                }
                "verify" if value == "optional" => {
                    tls.table(line, "client-certificates").set(line, "required", false);
                }
                "alpn" | "npn" => tls.set(line, "alpn", Value::texts(value.split(',').map(str::trim))),
                "proto" if value == "h2" => tls.set(line, "alpn", Value::texts(["h2"])),
                "ssl-min-ver" => minimum(&mut tls, value, line),
                "force-tlsv13" | "no-tlsv12" => minimum(&mut tls, "TLSv1.3", line),
                "no-tls-tickets" => tls.set(line, "tickets", false),
                "strict-sni" => tls.set(line, "strict-sni", true),
                "accept-proxy" => bind.accept_proxy = true,
                "maxconn" => bind.connections = units::count(value),
                "backlog" => bind.backlog = units::count(value),
                "id" => bind.id = Some(value.to_owned()),
                _ => {}
            }
        }
        if is_tls {
            bind.tls = Some(bind.finish(tls, &certificates, base, context));
        }
        bind
    }

    /// What is common to all listeners, and what makes no sense without its other half.
    fn finish(
        &self,
        mut tls: Table,
        certificates: &[String],
        base: &Base,
        context: &mut Context<'_>,
    ) -> Table {
        for entry in &base.bind_tls.entries {
            if tls.get(&entry.key).is_none() {
                tls.set(0, &entry.key, entry.value.clone());
            }
        }
        if let Some(Value::Table(clients)) = tls.get("client-certificates")
            && clients.get("ca").is_none()
        {
            context
                .account
                .unsupported(self.line, "certificates of clients are asked for, but no `ca-file` is named");
            tls.remove("client-certificates");
        }
        if certificates.is_empty() {
            context.account.unsupported(self.line, "TLS without a certificate that could be found");
        }
        let mut once: Vec<&String> = Vec::new();
        for name in certificates {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        let mut whole =
            Table::default().with("certificates", Value::texts(once.into_iter().map(String::as_str)));
        whole.entries.extend(tls.entries);
        whole
    }

    /// `*:443`, `:80`, `10.0.0.1:80-82`, `[::]:443`, `ipv6@:::443`
    fn address(&mut self, text: &str) -> Result<(), String> {
        for prefix in ["unix@", "abns@", "fd@", "sockpair@", "quic4@", "quic6@", "/"] {
            if text.starts_with(prefix) {
                return Err(format!("`{text}` is no TCP address"));
            }
        }
        let (text, six) = match text.split_once('@') {
            Some(("ipv6", rest)) => (rest, true),
            Some((_, rest)) => (rest, false),
            None => (text, false),
        };
        let (host, ports) = text.rsplit_once(':').ok_or("the address has no port")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
        let (low, high): (u16, u16) =
            low.parse().ok().zip(high.parse().ok()).ok_or("the port is no number")?;
        if high.saturating_sub(low) >= PORTS_MAX {
            return Err(format!("more than {PORTS_MAX} ports"));
        }
        for port in low..=high {
            let address = match host {
                "" | "*" if six => format!("[::]:{port}"),
                "" | "*" => format!("0.0.0.0:{port}"),
                host if host.contains(':') => format!("[{host}]:{port}"),
                host if host.parse::<std::net::Ipv4Addr>().is_ok() => format!("{host}:{port}"),
                host => {
                    return Err(format!(
                        "`{host}` is a name; what to accept on is an address of this machine"
                    ));
                }
            };
            self.ports.push(port);
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
        Ok(())
    }
}

/// `ssl-min-ver TLSv1.2`: older ones than 1.2 are not spoken anyway.
pub(crate) fn minimum(tls: &mut Table, version: &str, line: u32) {
    match version {
        "TLSv1.3" => tls.set(line, "min", "1.3"),
        _ => tls.set(line, "min", "1.2"),
    }
}

/// Options of a line with their values: those that are known to have none, all others with one.
pub(crate) fn options(words: &[String], flags: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut options = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let count = match word.as_str() {
            flag if flags.contains(&flag) => 0,
            "source" => {
                // `source ADDRESS [usesrc ADDRESS] [interface NAME]`
                let mut values: Vec<String> = rest.next().cloned().into_iter().collect();
                while rest.clone().next().is_some_and(|next| next == "usesrc" || next == "interface") {
                    values.extend(rest.by_ref().take(2).cloned());
                }
                options.push((word.clone(), values));
                continue;
            }
            _ => 1,
        };
        options.push((word.clone(), rest.by_ref().take(count).cloned().collect()));
    }
    options
}

impl Context<'_> {
    /// The names of the certificates of `crt`: a file, or every file of a folder.
    pub(crate) fn certificates(&mut self, path: &str, base: &Base, line: u32) -> Vec<String> {
        let path = base.certificate(path);
        if self.outside.read(&path).is_none()
            && let Some(mut files) = self.outside.folder(&path)
        {
            files.retain(|file| {
                let file = file.rsplit('/').next().unwrap_or_default();
                let extra = [".issuer", ".ocsp", ".sctl", ".key", ".md", ".txt"]
                    .iter()
                    .any(|end| file.ends_with(end));
                !file.starts_with('.') && !extra
            });
            files.sort();
            return files.iter().take(1000).map(|file| self.certificate(file, line)).collect();
        }
        if path.ends_with('/') {
            self.account
                .unsupported(line, format!("the folder {path} cannot be read; name the certificates"));
            return Vec::new();
        }
        vec![self.certificate(&path, line)]
    }

    /// The names of the certificates that a `crt-list` names.
    pub(crate) fn certificate_list(&mut self, path: &str, base: &Base, line: u32) -> Vec<String> {
        let path = base.certificate(path);
        let Some(text) = self.outside.read(&path) else {
            self.account.unsupported(line, format!("the file {path} cannot be read; name the certificates"));
            return Vec::new();
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let files: Vec<String> =
            lines.take(1000).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
        files.iter().flat_map(|file| self.certificates(file, base, line)).collect()
    }

    /// The name of a certificate in a file, which becomes a table of its own.
    pub(crate) fn certificate(&mut self, path: &str, line: u32) -> String {
        let known = self.draft.blocks.iter().find(|block| {
            block.kind() == "certificate"
                && block.keys.text("chain") == Some(path)
                && block.keys.get("key").is_none()
        });
        if let Some(block) = known {
            return block.name().to_owned();
        }
        let file = path.rsplit('/').next().unwrap_or_default();
        let stem =
            [".pem", ".crt", ".cer", ".cert"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
        let name = self.draft.free_name("certificate", &plain_name(stem));
        let mut block = Block::new(&["certificate", &name], 0, 0);
        block.keys.set(line, "chain", path);
        self.draft.blocks.push(block);
        name
    }
}
