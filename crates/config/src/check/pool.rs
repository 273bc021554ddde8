//! `[pool.NAME]`

use std::sync::Arc;

use super::Checker;
use crate::file::{Fields, Named, Value};
use crate::model::pool::{CONNECT, COOKIE, PASSIVE, QUEUE, RETRY, REUSE, SOURCE, STICK, TIMEOUTS};
use crate::report::{Code, Fault};
use crate::{
    Address, Balance, CookieMode, OnDown, Passive, Pool, PoolCookie, Queue, Retry, Reuse, Server, Source,
    Stick, Timeouts, words,
};

impl Checker<'_> {
    /// Every pool.
    pub(super) fn pools(&mut self, root: &Fields) -> Vec<Arc<Pool>> {
        root.named("pool").iter().map(|named| Arc::new(self.pool(named))).collect()
    }

    fn pool(&mut self, named: &Named) -> Pool {
        let fields = &named.fields;
        let servers = self.servers(named);
        let zones = self.zones(named, &servers);
        let source = self.source(fields, &servers);
        let connect = fields.table("connect", &CONNECT);
        let tls = self.server_tls(&connect, &servers);
        let health_check = self.health_check(fields, connect.written("tls").is_some());
        Pool {
            name: named.name.clone(),
            balance: self.balance(fields),
            hash_on: fields.request_key("hash-on"),
            zones,
            stick: self.stick(fields),
            cookie: self.cookie(fields),
            reuse: reuse(fields),
            health_check,
            passive: passive(fields),
            timeouts: timeouts(fields),
            retry: retry(fields),
            queue: queue(fields),
            slow_start: fields.duration("slow-start"),
            on_down: fields.word("on-down", words::ON_DOWN).unwrap_or(OnDown::Keep),
            proxy_protocol: connect.word("proxy-protocol", words::PROXY_PROTOCOLS),
            tls,
            source,
            servers,
            place: self.place(named.span),
        }
    }

    fn balance(&mut self, fields: &Fields) -> Balance {
        let balance = fields.word("balance", words::BALANCES).unwrap_or(Balance::RoundRobin);
        if balance != Balance::Hash
            && let Some(entry) = fields.written("hash-on")
        {
            let message = format!(
                "`balance = \"{}\"` does nothing with `hash-on`",
                words::word(words::BALANCES, &balance)
            );
            self.fault(
                Code::KeyNotHonoured,
                entry.span,
                message,
                "take it out, or write `balance = \"hash\"`",
            );
        }
        balance
    }

    fn source(&mut self, pool: &Fields, servers: &[Server]) -> Source {
        let fields = pool.table("source", &SOURCE);
        let addresses = fields.list("addresses").iter().filter_map(|item| match item.value {
            Value::Ip(address) => Some(address),
            _ => None,
        });
        let addresses: Vec<_> = addresses.collect();
        if fields.bool("client") {
            if let Some(entry) = fields.written("addresses") {
                let message = "the source is the client's address or one of ours, not both";
                let fault = Fault::new(Code::ContradictoryKeys, entry.span, message);
                self.report.push(
                    fault.also(fields.place("client"), "the client's").remedy("take one of the two out"),
                );
            }
            return Source::Client;
        }
        if addresses.is_empty() {
            return Source::Any;
        }
        let unserved = servers.iter().find_map(|server| match &server.address {
            Address::Ip(to) if addresses.iter().all(|own| own.is_ipv4() != to.is_ipv4()) => {
                Some((server, *to))
            }
            _ => None,
        });
        if let Some((server, to)) = unserved {
            let family = if to.is_ipv4() { "IPv4" } else { "IPv6" };
            let message =
                format!("`source` has no {family} address for `{}` at {to}: the kernel chooses", server.name);
            let remedy = format!("add an {family} address of this machine, or take `source` out");
            self.fault(Code::KeyNotHonoured, fields.place("addresses"), message, remedy);
        }
        Source::Addresses(addresses)
    }

    fn stick(&mut self, pool: &Fields) -> Option<Stick> {
        pool.given("stick")?;
        let fields = pool.table("stick", &STICK);
        Some(Stick { on: fields.request_key("on"), table: self.stick_table_named(&fields, "table")? })
    }

    fn cookie(&mut self, pool: &Fields) -> Option<PoolCookie> {
        pool.given("cookie")?;
        let fields = pool.table("cookie", &COOKIE);
        let secure = fields.given("secure").map(|_| fields.bool("secure"));
        let same_site = fields.given("same-site").and_then(|_| fields.word("same-site", words::SAME_SITE));
        if same_site == Some("None") && secure == Some(false) {
            let message = "browsers drop a cookie with `SameSite=None` that is not `Secure`";
            self.fault(Code::ContradictoryKeys, fields.place("same-site"), message, "write `secure = true`");
        }
        let mode = fields.word("mode", words::COOKIE_MODES)?;
        if mode != CookieMode::Insert {
            for key in ["secure", "http-only", "same-site", "max-age", "domain"] {
                if let Some(entry) = fields.written(key) {
                    let message = format!(
                        "`{key}` is for `mode = \"insert\"`: the application sets this cookie itself"
                    );
                    self.fault(
                        Code::KeyNotHonoured,
                        entry.span,
                        message,
                        "take it out, or write `mode = \"insert\"`",
                    );
                }
            }
        }
        Some(PoolCookie {
            name: fields.text("name")?.into(),
            mode,
            key: fields.text("key").map(Into::into),
            preserve: fields.bool("preserve"),
            secure,
            http_only: fields.bool("http-only"),
            same_site: same_site.map(Into::into),
            max_age: fields.given("max-age").map(|_| fields.duration("max-age")),
            domain: fields.text("domain").map(Into::into),
        })
    }
}

fn reuse(pool: &Fields) -> Reuse {
    let fields = pool.table("reuse", &REUSE);
    Reuse { idle: fields.number("idle"), idle_for: fields.duration("idle-for") }
}

fn passive(pool: &Fields) -> Passive {
    let fields = pool.table("passive", &PASSIVE);
    let fall: u32 = fields.number("fall");
    Passive { fall: (fall > 0).then_some(fall), hold: fields.duration("hold") }
}

fn timeouts(pool: &Fields) -> Timeouts {
    let fields = pool.table("timeouts", &TIMEOUTS);
    Timeouts {
        connect: fields.duration("connect"),
        idle: fields.duration("idle"),
        response: fields.duration("response"),
    }
}

fn retry(pool: &Fields) -> Retry {
    let fields = pool.table("retry", &RETRY);
    Retry { times: fields.number("times"), other_server: fields.bool("other-server") }
}

fn queue(pool: &Fields) -> Queue {
    let fields = pool.table("queue", &QUEUE);
    Queue { size: fields.number("size"), timeout: fields.duration("timeout") }
}
