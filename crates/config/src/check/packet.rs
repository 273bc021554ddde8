//! Packet listeners, `[packet]`, and what packet modes cannot honour.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::Checker;
use crate::file::{Fields, Named, Value};
use crate::model::packet::PACKET;
use crate::report::{Code, Fault};
use crate::source::Span;
use crate::text::key::written;
use crate::words::{self, Mode};
use crate::{
    Address, Balance, Driver, HashOn, Listener, Name, Odd, OnStop, Packet, PacketBind, PacketListener,
    PacketMode, Pool, RequestKey, Transport,
};

/// Keys of a pool that shape connections: where only packets come by, nothing looks at them.
const OF_CONNECTIONS: &[&str] = &["passive", "timeouts", "retry", "queue", "on-down", "source", "reuse"];

/// Keys of a pool whose loss under a packet mode is worth a word even if connections use the pool as well.
const ALWAYS_MISSED: &[&str] = &["stick", "cookie", "connect"];

/// The packet mode of a listener, if it has one.
pub(super) fn packet_mode(listener: &Named) -> Option<PacketMode> {
    match listener.fields.word("mode", words::MODES)? {
        Mode::Packet(mode) => Some(mode),
        _ => None,
    }
}

impl Checker<'_> {
    /// Every packet listener.
    pub(super) fn packet_listeners(
        &mut self,
        root: &Fields,
        pools: &[Arc<Pool>],
    ) -> Vec<Arc<PacketListener>> {
        let all = root.named("listener").iter();
        let all = all.filter_map(|named| Some((packet_mode(named)?, named)));
        all.map(|(mode, named)| Arc::new(self.packet_listener(mode, named, pools))).collect()
    }

    fn packet_listener(&mut self, mode: PacketMode, named: &Named, pools: &[Arc<Pool>]) -> PacketListener {
        let fields = &named.fields;
        let pool = self.pool_named(fields, "pool");
        self.needs(named, "pool", "all packets go to one", "`pool = \"…\"` with the name of a pool");
        self.not_under(named, mode.word());
        self.not_for_packets(named, mode);
        let pool = pool.unwrap_or_else(|| Name::from(""));
        let of_pool = pools.iter().find(|one| one.name == pool).map(Arc::as_ref);
        PacketListener {
            name: named.name.clone(),
            bind: self.packet_binds(fields),
            mode,
            hash_on: self.hash_on(fields, of_pool, mode),
            pool,
            place: self.place(named.span),
        }
    }

    /// VIPs are single addresses and ports: packets are looked up by them.
    fn packet_binds(&mut self, fields: &Fields) -> Vec<PacketBind> {
        let mut binds = Vec::new();
        for item in fields.list("bind") {
            let Value::Listen(address, transport) = item.value else { continue };
            if address.ip().is_unspecified() || address.port() == 0 {
                let message =
                    format!("{address} is no single address and port, which packets are balanced by");
                let remedy = "write the address clients send to, and its port: \"192.0.2.1:443\"";
                self.fault(Code::BadAddress, item.span, message, remedy);
            }
            binds.push(PacketBind { address, transport });
        }
        binds
    }

    /// What decides, by the listener's own words or those of its pool; all that packets tell of clients is their source.
    fn hash_on(&mut self, fields: &Fields, of_pool: Option<&Pool>, mode: PacketMode) -> HashOn {
        let own = fields.word("balance", words::PACKET_BALANCES);
        let balance = of_pool.map(|pool| pool.balance);
        if own.unwrap_or(balance == Some(Balance::Hash)) {
            let own_key = fields.word("hash-on", words::HASHES);
            if let (None, None, Some(pool)) = (own, own_key, of_pool) {
                self.no_requests(fields, &pool.hash_on, mode);
            }
            return own_key.unwrap_or(HashOn::Source);
        }
        if let Some(entry) = fields.written("hash-on") {
            let message = "`hash-on` does nothing without `balance = \"hash\"`";
            self.fault(
                Code::KeyNotHonoured,
                entry.span,
                message,
                "take it out, or write `balance = \"hash\"`",
            );
        }
        let spread = matches!(balance, None | Some(Balance::RoundRobin | Balance::Hash));
        if own.is_none() && !spread {
            let balance = balance.map_or("", |balance| words::word(words::BALANCES, &balance));
            let mode = mode.word();
            let message = format!(
                "`mode = \"{mode}\"` does nothing with `balance = \"{balance}\"` of its pool: flows are spread by weight"
            );
            let remedy = "write `balance = \"round-robin\"` or `balance = \"hash\"` here, which hold for this listener";
            self.fault(Code::KeyNotHonoured, fields.place("mode"), message, remedy);
        }
        HashOn::Flow
    }

    /// A pool that hashes parts of requests, which no packet mode reads.
    fn no_requests(&mut self, fields: &Fields, key: &RequestKey, mode: PacketMode) {
        if *key == RequestKey::Source {
            return;
        }
        let (key, mode) = (written(key), mode.word());
        let message = format!(
            "`mode = \"{mode}\"` does nothing with `hash-on = \"{key}\"` of its pool: clients are told apart by their addresses"
        );
        let remedy = "write `hash-on = \"source\"` here, which holds for this listener";
        self.fault(Code::KeyNotHonoured, fields.place("mode"), message, remedy);
    }

    /// Keys of listeners that no packet mode knows. Sources that would not be turned away are an error.
    fn not_for_packets(&mut self, named: &Named, mode: PacketMode) {
        let mode = mode.word();
        for key in ["allow", "refuse"] {
            let Some(entry) = named.fields.written(key) else { continue };
            let message =
                format!("`{key}` and `mode = \"{mode}\"` contradict: no packet is turned away by its source");
            let fault = Fault::new(Code::ContradictoryKeys, entry.span, message);
            let fault = fault.also(named.fields.place("mode"), "the mode");
            self.report
                .push(fault.remedy("filter with a firewall or on the servers, or relay: `mode = \"tcp\"`"));
        }
        for key in ["accept-proxy", "limits"] {
            let Some(entry) = named.fields.written(key) else { continue };
            let message = format!("`mode = \"{mode}\"` does nothing with `{key}`");
            self.fault(Code::KeyNotHonoured, entry.span, message, "take it out, or write `mode = \"tcp\"`");
        }
    }

    /// Listeners that accept connections take no `/udp`.
    pub(super) fn no_udp(&mut self, named: &Named) {
        for item in named.fields.list("bind") {
            let Value::Listen(address, Transport::Udp) = item.value else { continue };
            let message = format!("{address}/udp: only modes that balance packets take UDP");
            let remedy = "write `mode = \"nat\"`, `\"dsr\"` or `\"tunnel\"`, or take `/udp` away";
            self.fault(Code::ContradictoryKeys, item.span, message, remedy);
        }
    }

    /// `[packet]`
    pub(super) fn packet(&mut self, root: &Fields, listeners: &[Arc<PacketListener>]) -> Packet {
        let fields = root.table("packet", &PACKET);
        let interfaces: Vec<Name> = fields.list("interfaces").iter().filter_map(text).collect();
        if interfaces.is_empty()
            && let Some(first) = listeners.first()
            && let Some(named) = root.named("listener").iter().find(|one| one.name == first.name)
            && fields.written("interfaces").is_none()
        {
            let message = format!(
                "`mode = \"{}\"` needs to know the interfaces that packets come in by",
                first.mode.word()
            );
            let remedy =
                "write a table `[packet]` with `interfaces = [\"eth0\"]`; `ip link` lists those there are";
            self.fault(Code::MissingKey, named.fields.place("mode"), message, remedy);
        }
        let vips: u32 = fields.number("vips");
        let asked: usize = listeners.iter().map(|listener| listener.bind.len()).sum();
        if usize::try_from(vips).is_ok_and(|room| room > 0 && room < asked) {
            let message = format!("packet listeners have {asked} addresses, but there is room for {vips}");
            let remedy = format!("write `vips = {asked}` or more in `[packet]`");
            self.fault(Code::OutOfRange, fields.place("vips"), message, remedy);
        }
        Packet {
            interfaces,
            driver: fields.word("driver", words::DRIVERS).unwrap_or(Driver::Auto),
            mtu: fields.integer("mtu").and_then(|mtu| u16::try_from(mtu).ok()),
            flows: fields.number("flows"),
            vips,
            new_flows_per_second: fields.number("new-flows-per-second"),
            fragments: fields.word("fragments", words::ODD).unwrap_or(Odd::Pass),
            ip_options: fields.word("ip-options", words::ODD).unwrap_or(Odd::Pass),
            settle: fields.duration("settle"),
            on_stop: fields.word("on-stop", words::ON_STOP).unwrap_or(OnStop::Detach),
            pins: Path::new(fields.text("pins").unwrap_or("/sys/fs/bpf/transom")).into(),
        }
    }

    /// What pools and servers ask for that the packet modes of the listeners leading to them cannot do.
    pub(super) fn under_packets(
        &mut self,
        root: &Fields,
        listeners: &[Arc<Listener>],
        packet_listeners: &[Arc<PacketListener>],
    ) {
        let connected: HashSet<&Name> = listeners.iter().flat_map(|one| one.mode.pools()).collect();
        for pool in root.named("pool") {
            let mut leading =
                packet_listeners.iter().filter(|listener| listener.pool == pool.name).peekable();
            let Some(first) = leading.peek().map(|first| Arc::clone(first)) else { continue };
            let mode = first.mode.word();
            self.missed_in_pool(pool, connected.contains(&pool.name), &first.name, mode);
            for fields in pool.fields.tables("servers") {
                if let Some(entry) = fields.written("connections") {
                    let message = format!(
                        "`mode = \"{mode}\"` of `listener.{}` does nothing with `connections`",
                        first.name
                    );
                    let remedy = "take it out: packets are not counted as connections";
                    self.fault(Code::KeyNotHonoured, entry.span, message, remedy);
                }
            }
            for listener in leading {
                self.servers_for_packets(pool, listener);
            }
        }
    }

    fn missed_in_pool(&mut self, pool: &Named, connections: bool, listener: &Name, mode: &str) {
        let alone: &[&str] = if connections { &[] } else { OF_CONNECTIONS };
        for key in ALWAYS_MISSED.iter().chain(alone) {
            let Some(entry) = pool.fields.written(key).filter(|entry| !entry.is_default()) else { continue };
            let message = format!("`mode = \"{mode}\"` of `listener.{listener}` does nothing with `{key}`");
            let remedy = match *key {
                "stick" | "cookie" => {
                    "clients stay with a server by `balance = \"hash\"` in the listener; take it out, or give \
                            connections a pool of their own"
                }
                _ => "take it out: packets pass as they are; or relay: `mode = \"tcp\"`",
            };
            self.fault(Code::KeyNotHonoured, entry.span, message, remedy);
        }
    }

    /// Ports under `dsr` and `tunnel`, families under `nat`: what no rewriting helps with.
    fn servers_for_packets(&mut self, pool: &Named, listener: &PacketListener) {
        let servers: Vec<(&Address, Span)> = pool.fields.tables("servers").filter_map(address).collect();
        for bind in &listener.bind {
            let at = bind.address;
            if listener.mode == PacketMode::Nat {
                let fits = |(server, _): &(&Address, Span)| of_family(server, at);
                if !servers.is_empty() && !servers.iter().any(fits) {
                    let family = if at.is_ipv4() { "IPv4" } else { "IPv6" };
                    let message =
                        format!("no server of the pool `{}` has an {family} address for {at}", pool.name);
                    let fault = Fault::new(Code::ContradictoryKeys, servers[0].1, message);
                    let remedy =
                        "nat leaves the family as it is: add such a server, or write `mode = \"tunnel\"`";
                    self.report.push(fault.remedy(remedy));
                }
                continue;
            }
            let other = servers.iter().find(|(server, _)| port(server) != at.port());
            if let Some((server, span)) = other {
                let mode = listener.mode.word();
                let message = format!(
                    "`listener.{}` takes port {}, but {server} another: `mode = \"{mode}\"` leaves the packet as it is",
                    listener.name,
                    at.port()
                );
                let fault = Fault::new(Code::ContradictoryKeys, *span, message);
                self.report.push(fault.remedy("write the same port for both, or `mode = \"nat\"`"));
                return;
            }
        }
    }
}

fn text(item: &crate::file::Item) -> Option<Name> {
    match &item.value {
        Value::Text(text) => Some(Name::from(&**text)),
        _ => None,
    }
}

fn address(server: &Fields) -> Option<(&Address, Span)> {
    match &server.given("address")?.value {
        Value::Server(address) => Some((address, server.place("address"))),
        _ => None,
    }
}

fn of_family(server: &Address, vip: SocketAddr) -> bool {
    match server {
        Address::Ip(server) => server.is_ipv4() == vip.is_ipv4(),
        // What a name resolves to is seen when it is.
        Address::Name { .. } => true,
    }
}

fn port(server: &Address) -> u16 {
    match server {
        Address::Ip(server) => server.port(),
        Address::Name { port, .. } => *port,
    }
}
