//! `[listener.NAME]`

use std::sync::Arc;

use super::Checker;
use super::packet::packet_mode;
use super::waf::per_source;
use crate::file::{Fields, Named, Value};
use crate::model::listener::LISTENER_LIMITS;
use crate::report::{Code, Fault};
use crate::source::Span;
use crate::words::{self, Mode};
use crate::{
    Limits, Listener, ListenerLimits, ListenerMode, Name, NotTls, Passthrough, PlainHttp, Terminate,
    Transport,
};

impl Checker<'_> {
    /// Every listener.
    pub(super) fn listeners(&mut self, root: &Fields, global: &Limits) -> Vec<Arc<Listener>> {
        let all = root.named("listener");
        let later = root.entries().iter().any(|entry| entry.key.later.is_some());
        if !later
            && all.is_empty()
            && self.whole
            && root.written("listener").is_none_or(|entry| entry.item.is_some())
        {
            let remedy = "write one: `[listener.https]` with `bind`, `mode` and `pool`";
            self.fault(
                Code::NoListener,
                Span::new(0, 0..0),
                "there is no listener, so nothing would be served",
                remedy,
            );
        }
        let accepting = all.iter().filter(|named| packet_mode(named).is_none());
        accepting.filter_map(|named| self.listener(named, global)).map(Arc::new).collect()
    }

    fn listener(&mut self, named: &Named, global: &Limits) -> Option<Listener> {
        let fields = &named.fields;
        let bind = fields.list("bind").iter().filter_map(|item| match &item.value {
            Value::Listen(address, Transport::Tcp) => Some(*address),
            _ => None,
        });
        let bind: Vec<_> = bind.collect();
        self.no_udp(named);
        let sources = self.sources(fields);
        let accept_proxy = self.accept_proxy(fields);
        let limits = self.listener_limits(named, global);
        let mode = self.mode(named)?;
        let place = self.place(named.span);
        Some(Listener { name: named.name.clone(), bind, mode, sources, accept_proxy, limits, place })
    }

    fn mode(&mut self, named: &Named) -> Option<ListenerMode> {
        let fields = &named.fields;
        let mode = fields.word("mode", words::MODES);
        let pool = self.pool_named(fields, "pool");
        let routes = if mode == Some(Mode::Http) { Vec::new() } else { self.routes(fields) };
        let tls = self.listener_tls(fields);
        self.not_under(named, words::word(words::MODES, &mode?));
        match mode? {
            Mode::Http => Some(ListenerMode::Http(Box::new(self.http(named, pool, tls)))),
            Mode::Tcp => {
                self.needs(
                    named,
                    "pool",
                    "all connections go to one",
                    "`pool = \"…\"` with the name of a pool",
                );
                Some(ListenerMode::Tcp { pool: pool.unwrap_or_else(|| Name::from("")) })
            }
            Mode::Tls => {
                self.needs(
                    named,
                    "pool",
                    "all connections go to one",
                    "`pool = \"…\"` with the name of a pool",
                );
                let why = "a client is shown a certificate";
                self.needs(named, "tls", why, "`tls = { certificates = [\"…\"] }` with the name of one");
                Some(ListenerMode::Tls(Terminate {
                    pool: pool.unwrap_or_else(|| Name::from("")),
                    tls: tls?,
                    handshake_timeout: fields.duration("inspect-timeout"),
                    plain_http: fields.word("plain-http", words::PLAIN_HTTP).unwrap_or(PlainHttp::Refuse),
                }))
            }
            // Those have a type of their own.
            Mode::Packet(_) => None,
            Mode::Passthrough => {
                let passthrough = Passthrough {
                    inspect_timeout: fields.duration("inspect-timeout"),
                    routes,
                    pool,
                    plain_http: fields.word("plain-http", words::PLAIN_HTTP).unwrap_or(PlainHttp::Refuse),
                    not_tls: fields.word("not-tls", words::NOT_TLS).unwrap_or(NotTls::Refuse),
                };
                self.passthrough(named, &passthrough);
                Some(ListenerMode::Passthrough(passthrough))
            }
        }
    }

    /// Reports that `key` is missing under this listener's mode.
    pub(super) fn needs(&mut self, named: &Named, key: &str, why: &str, add: &str) {
        if named.fields.written(key).is_none() {
            let mode =
                named.fields.word("mode", words::MODES).map_or("", |mode| words::word(words::MODES, &mode));
            let message = format!("`listener.{}` needs `{key}`: under `mode = \"{mode}\"` {why}", named.name);
            self.fault(Code::MissingKey, named.span, message, format!("add {add}"));
        }
    }

    /// Keys that this mode does nothing with. Some are an error: connections would go where nobody meant them to, or
    /// as nobody meant them to.
    pub(super) fn not_under(&mut self, named: &Named, mode: &str) {
        let limits = named.fields.table("limits", &LISTENER_LIMITS);
        for entry in named.fields.entries().iter().chain(limits.entries()) {
            let key = entry.key.name;
            let Some(modes) = entry.key.only.filter(|modes| !modes.contains(&mode)) else { continue };
            let others: Vec<String> = modes.iter().map(|mode| format!("`mode = \"{mode}\"`")).collect();
            let others = others.join(" or ");
            let contradiction = match key {
                "routes" => Some("no server name chooses the pool there"),
                "tls" => Some("nothing is decrypted there"),
                "redirect" | "waf" => Some("no request is read there"),
                _ => None,
            };
            if let Some(why) = contradiction {
                let message = format!("`{key}` and `mode = \"{mode}\"` contradict: {why}");
                let place = named.fields.place("mode");
                let fault = Fault::new(Code::ContradictoryKeys, entry.span, message).also(place, "the mode");
                self.report.push(fault.remedy(format!("write {others}, or take `{key}` out")));
            } else {
                let message = format!("`mode = \"{mode}\"` does nothing with `{key}`");
                self.fault(
                    Code::KeyNotHonoured,
                    entry.span,
                    message,
                    format!("take it out, or write {others}"),
                );
            }
        }
    }

    fn passthrough(&mut self, named: &Named, passthrough: &Passthrough) {
        let fields = &named.fields;
        if fields.written("pool").is_some() {
            return;
        }
        let routes = fields.given("routes").is_some_and(|_| !fields.list("routes").is_empty());
        if !routes && fields.written("routes").is_none_or(|entry| entry.item.is_some()) {
            let message = format!(
                "`listener.{}` has neither `routes` nor `pool`: every client would be refused",
                named.name
            );
            let remedy = "add `routes = [{ sni = [\"mail.example.com\"], pool = \"…\" }]`, or `pool = \"…\"`";
            self.fault(Code::MissingKey, named.span, message, remedy);
        }
        if passthrough.not_tls == NotTls::Pool {
            self.fault(
                Code::ContradictoryKeys,
                fields.place("not-tls"),
                "`not-tls = \"pool\"` sends clients to the listener's `pool`, and there is none",
                "add `pool = \"…\"`, or write `not-tls = \"refuse\"`",
            );
        }
    }

    fn listener_limits(&mut self, named: &Named, global: &Limits) -> ListenerLimits {
        let fields = named.fields.table("limits", &LISTENER_LIMITS);
        let connections = fields.integer("connections").and_then(|n| u32::try_from(n).ok());
        if let (Some(own), Some(all)) = (connections, global.connections)
            && own > all
        {
            let message = format!(
                "`listener.{}` may have {own} connections, but all listeners together only {all}",
                named.name
            );
            let remedy = "raise `connections` in `[limits]`, or lower it here";
            self.fault(Code::LimitAboveGlobal, fields.place("connections"), message, remedy);
        }
        ListenerLimits {
            connections,
            backlog: fields.number("backlog"),
            per_source: per_source(&named.fields),
        }
    }
}
