//! `https_port` and `http_port`.

use super::rows::PORT;
use crate::account::Account;
use crate::block::{Block, Draft, Table, Value, plain_name};

/// A port that is accelerated.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) line: u32,
    pub(super) address: String,
    pub(super) tls: Option<Table>,
    /// The site that every request is for, whatever its Host says.
    pub(super) only_site: Option<String>,
}

impl Port {
    /// Reads a line; its certificate goes into the draft.
    pub(super) fn read(
        line: u32,
        words: &[String],
        draft: &mut Draft,
        account: &mut Account,
    ) -> Option<Self> {
        let secure = words.first().is_some_and(|word| word == "https_port");
        let address = match address(words.get(1).map_or("", String::as_str)) {
            Ok(address) => address,
            Err(why) => {
                account.unsupported(line, why);
                return None;
            }
        };
        let mut tls = Table::default();
        let (mut cert, mut key, mut site, mut vhost, mut accel) = (None, None, None, false, false);
        for word in words.iter().skip(2) {
            let (name, value) =
                word.split_once('=').map_or((word.as_str(), ""), |(name, value)| (name, value));
            if PORT.mark(&[name], line, account).is_none() {
                continue;
            }
            match name {
                "accel" | "reverse" => accel = true,
                "vhost" => vhost = true,
                "cert" | "tls-cert" => cert = Some(value.to_owned()),
                "key" | "tls-key" => key = Some(value.to_owned()),
                "defaultsite" => {
                    accel = true;
                    site = Some(value.split(':').next().unwrap_or_default().to_owned());
                }
                "clientca" => {
                    tls.table(line, "client-certificates").set(line, "ca", value);
                }
                "tls-min-version" if value == "1.3" => tls.set(line, "min", "1.3"),
                "tls-min-version" => tls.set(line, "min", "1.2"),
                _ => {}
            }
        }
        if !accel {
            account.unsupported(line, "only accelerators (`accel`) are imported: this is no forward proxy");
            return None;
        }
        let tls = secure.then(|| {
            let mut whole = Table::default();
            match cert {
                Some(cert) => {
                    let name = certificate(&cert, key.as_deref(), line, draft);
                    whole.set(line, "certificates", Value::texts([name]));
                }
                None => account.unsupported(line, "TLS without a certificate"),
            }
            whole.entries.extend(tls.entries);
            whole
        });
        Some(Self { line, address, tls, only_site: site.filter(|_| !vhost) })
    }

    /// The port's number.
    pub(super) fn number(&self) -> Option<u16> {
        self.address.rsplit(':').next()?.parse().ok()
    }
}

/// `443`, `10.0.0.1:443`, `[::1]:443`
fn address(text: &str) -> Result<String, String> {
    if text.parse::<u16>().is_ok_and(|port| port > 0) {
        return Ok(format!("[::]:{text}"));
    }
    match text.parse::<std::net::SocketAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("`{text}` is no address to accept on")),
    }
}

/// The name of a certificate, which becomes a table of its own.
pub(super) fn certificate(cert: &str, key: Option<&str>, line: u32, draft: &mut Draft) -> String {
    let known = draft.blocks.iter().find(|block| {
        block.kind() == "certificate"
            && block.keys.text("chain") == Some(cert)
            && block.keys.text("key") == key
    });
    if let Some(block) = known {
        return block.name().to_owned();
    }
    let file = cert.rsplit('/').next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let name = draft.free_name("certificate", &plain_name(stem));
    let mut block = Block::new(&["certificate", &name], 0, 0);
    block.keys.set(0, "chain", cert);
    if let Some(key) = key {
        block.keys.set(0, "key", key);
    }
    let _ = line;
    draft.blocks.push(block);
    name
}
