//! `servers` of a pool.

use std::collections::HashMap;

use super::Checker;
use crate::file::{Fields, Named, Value};
use crate::report::{Code, Fault};
use crate::source::Span;
use crate::{Address, Name, Server, StartState, Zones, words};

impl Checker<'_> {
    /// The servers of a pool.
    pub(super) fn servers(&mut self, pool: &Named) -> Vec<Server> {
        let mut names: HashMap<Name, Span> = HashMap::new();
        let mut addresses: HashMap<Address, Span> = HashMap::new();
        let mut servers = Vec::new();
        for fields in pool.fields.tables("servers") {
            let span = fields.place("name");
            let Some(name) = fields.text("name").map(Name::from) else { continue };
            if let Some(first) = names.get(&name) {
                let message = format!("the pool `{}` has two servers `{name}`", pool.name);
                let fault = Fault::new(Code::DuplicateName, span, message).also(*first, "first here");
                self.report.push(fault.remedy("rename one of them"));
            }
            names.entry(name.clone()).or_insert(span);
            let Some(Value::Server(address)) = fields.given("address").map(|item| &item.value) else {
                continue;
            };
            let span = fields.place("address");
            if let Some(first) = addresses.get(address) {
                let message = format!("{address} is in the pool `{}` twice", pool.name);
                let fault = Fault::new(Code::SameServerTwice, span, message).also(*first, "first here");
                self.report.push(fault.remedy("take one out; `weight` gives a server a larger share"));
            }
            addresses.entry(address.clone()).or_insert(span);
            servers.push(self.server(fields, name, address.clone()));
        }
        if !servers.is_empty() {
            self.all_servers(pool, &servers);
        }
        servers
    }

    fn server(&self, fields: &Fields, name: Name, address: Address) -> Server {
        Server {
            name,
            address,
            weight: fields.number("weight"),
            zone: fields.text("zone").map(Name::from),
            cookie: fields.text("cookie").map(Into::into),
            backup: fields.bool("backup"),
            connections: fields.integer("connections").and_then(|n| u32::try_from(n).ok()),
            start: fields.word("admin", words::ADMIN_STATES).unwrap_or(StartState::Ready),
            place: self.place(fields.span),
        }
    }

    /// What the servers of a pool come to together.
    fn all_servers(&mut self, pool: &Named, servers: &[Server]) {
        let span = pool.fields.written("servers").map_or(pool.span, |entry| entry.span);
        let name = &pool.name;
        // Some were left out for faults of their own: judging the rest would only repeat those.
        if servers.len() < pool.fields.list("servers").len() {
            return;
        }
        let whole = |key: &str| {
            pool.fields.tables("servers").all(|f| f.written(key).is_none_or(|e| e.item.is_some()))
        };
        if whole("weight") && servers.iter().all(|server| server.weight == 0) {
            let message =
                format!("every server of the pool `{name}` has the weight 0: no new client gets one");
            let remedy =
                "give one a weight from 1 to 256; to take servers out of service, write `admin = \"drain\"`";
            self.fault(Code::NoWeight, span, message, remedy);
        }
        if servers.iter().all(|server| server.backup) {
            let message = format!("every server of the pool `{name}` is a backup, with nothing to back up");
            self.fault(
                Code::OnlyBackups,
                span,
                message,
                "take `backup` away from those that should serve first",
            );
        }
        if servers.iter().all(|server| server.start != StartState::Ready) {
            let message = format!("every server of the pool `{name}` starts out of service");
            self.fault(Code::NoneInService, span, message, "write `admin = \"ready\"` for one of them");
        }
    }

    /// `zones` of a pool against the zones of its servers and of this node.
    pub(super) fn zones(&mut self, pool: &Named, servers: &[Server]) -> Zones {
        let zones = pool.fields.word("zones", words::ZONES).unwrap_or(Zones::Even);
        if zones == Zones::Even || !self.whole {
            return zones;
        }
        let span = pool.fields.place("zones");
        let word = words::word(words::ZONES, &zones);
        let Some(own) = self.zone.clone() else {
            if zones == Zones::Strict {
                let message = "`zones = \"strict\"` needs this node's zone, which is not said";
                let remedy = "write `zone = \"…\"` at the top of the file, or start with --zone";
                self.fault(Code::MissingZone, span, message, remedy);
            } else {
                let message = format!("`zones = \"{word}\"` does nothing: this node's zone is not said");
                let remedy =
                    "write `zone = \"…\"` at the top of the file, start with --zone, or take `zones` out";
                self.fault(Code::KeyNotHonoured, span, message, remedy);
            }
            return zones;
        };
        for (server, fields) in servers.iter().zip(pool.fields.tables("servers")) {
            if server.zone.is_none() && fields.written("zone").is_none() {
                let message = format!(
                    "`{}` stands in no zone, so that `zones = \"{word}\"` never counts it as near",
                    server.name
                );
                self.fault(
                    Code::ServerWithoutZone,
                    fields.place("name"),
                    message,
                    "add `zone = \"…\"` to it",
                );
            }
        }
        if zones == Zones::Strict
            && !servers.is_empty()
            && servers.iter().all(|s| s.zone.as_ref() != Some(&own))
        {
            let message = format!("no server of the pool `{}` is in this node's zone `{own}`", pool.name);
            let remedy =
                "add one, or write `zones = \"local-first\"`: the others then serve while there is none";
            self.fault(Code::NoServerInZone, span, message, remedy);
        }
        zones
    }
}
