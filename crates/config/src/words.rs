//! What the words of the file mean: the one list for reading and for writing them out.

use crate::{
    AccessFormat, Balance, CookieMode, Driver, HashOn, Level, NotTls, Odd, OnDown, OnStop, PacketMode,
    PacketPolicy, PlainHttp, ProxyProtocol, Role, StartState, StickTableKey, TlsVersion, Tracking,
    WafAuditFormat, WafMode, WafWhenBroken, Zones,
};

pub(crate) const BALANCES: &[(&str, Balance)] = &[
    ("round-robin", Balance::RoundRobin),
    ("least-connections", Balance::LeastConnections),
    ("random", Balance::Random),
    ("hash", Balance::Hash),
    ("first", Balance::First),
];

pub(crate) const ZONES: &[(&str, Zones)] =
    &[("even", Zones::Even), ("local-first", Zones::LocalFirst), ("strict", Zones::Strict)];

pub(crate) const ON_DOWN: &[(&str, OnDown)] = &[("keep", OnDown::Keep), ("close", OnDown::Close)];

pub(crate) const PROXY_PROTOCOLS: &[(&str, ProxyProtocol)] =
    &[("v1", ProxyProtocol::V1), ("v2", ProxyProtocol::V2)];

pub(crate) const ADMIN_STATES: &[(&str, StartState)] =
    &[("ready", StartState::Ready), ("drain", StartState::Drain), ("maint", StartState::Maint)];

pub(crate) const COOKIE_MODES: &[(&str, CookieMode)] =
    &[("insert", CookieMode::Insert), ("prefix", CookieMode::Prefix), ("rewrite", CookieMode::Rewrite)];

/// `same-site`, as it is to be written.
pub(crate) const SAME_SITE: &[(&str, &str)] = &[("Strict", "Strict"), ("Lax", "Lax"), ("None", "None")];

pub(crate) const STICK_KEYS: &[(&str, StickTableKey)] =
    &[("ip", StickTableKey::Ip), ("text", StickTableKey::Text)];

pub(crate) const WAF_MODES: &[(&str, WafMode)] =
    &[("block", WafMode::Block), ("detect", WafMode::Detect), ("off", WafMode::Off)];

pub(crate) const WHEN_BROKEN: &[(&str, WafWhenBroken)] =
    &[("closed", WafWhenBroken::Closed), ("open", WafWhenBroken::Open)];

pub(crate) const AUDIT_FORMATS: &[(&str, WafAuditFormat)] =
    &[("json", WafAuditFormat::Json), ("native", WafAuditFormat::Native)];

pub(crate) const PLAIN_HTTP: &[(&str, PlainHttp)] =
    &[("redirect", PlainHttp::Redirect), ("refuse", PlainHttp::Refuse), ("reset", PlainHttp::Reset)];

pub(crate) const NOT_TLS: &[(&str, NotTls)] = &[("refuse", NotTls::Refuse), ("pool", NotTls::Pool)];

pub(crate) const FORMATS: &[(&str, AccessFormat)] =
    &[("json", AccessFormat::Json), ("haproxy", AccessFormat::Haproxy)];

pub(crate) const LEVELS: &[(&str, Level)] =
    &[("error", Level::Error), ("warn", Level::Warn), ("info", Level::Info), ("debug", Level::Debug)];

pub(crate) const TRACKING: &[(&str, Tracking)] =
    &[("stateful", Tracking::Stateful), ("stateless", Tracking::Stateless)];

pub(crate) const POLICIES: &[(&str, PacketPolicy)] =
    &[("pass", PacketPolicy::Pass), ("drop", PacketPolicy::Drop)];

pub(crate) const ROLES: &[(&str, Role)] =
    &[("viewer", Role::Viewer), ("operator", Role::Operator), ("admin", Role::Admin)];

/// The modes of listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Tcp,
    Passthrough,
    Tls,
    Http,
    Packet(PacketMode),
}

pub(crate) const MODES: &[(&str, Mode)] = &[
    ("tcp", Mode::Tcp),
    ("passthrough", Mode::Passthrough),
    ("tls", Mode::Tls),
    ("http", Mode::Http),
    ("nat", Mode::Packet(PacketMode::Nat)),
    ("dsr", Mode::Packet(PacketMode::Dsr)),
    ("tunnel", Mode::Packet(PacketMode::Tunnel)),
];

/// `balance` of a packet listener: whether it is by `hash-on`.
pub(crate) const PACKET_BALANCES: &[(&str, bool)] = &[("round-robin", false), ("hash", true)];

pub(crate) const HASHES: &[(&str, HashOn)] = &[("source", HashOn::Source), ("flow", HashOn::Flow)];

pub(crate) const DRIVERS: &[(&str, Driver)] =
    &[("auto", Driver::Auto), ("native", Driver::Native), ("generic", Driver::Generic)];

pub(crate) const ODD: &[(&str, Odd)] = &[("pass", Odd::Pass), ("drop", Odd::Drop)];

pub(crate) const ON_STOP: &[(&str, OnStop)] = &[("detach", OnStop::Detach), ("keep", OnStop::Keep)];

/// `scheme` of a redirect.
pub(crate) const SCHEMES: &[(&str, &str)] = &[("http", "http"), ("https", "https")];

/// `redirect` of a listener: the scheme.
pub(crate) const LISTENER_REDIRECT: &[(&str, &str)] = &[("https", "https")];

/// Whether a probe verifies certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verified {
    None,
    Pool,
    Full,
    /// It must be signed by an authority, for whatever name.
    Chain,
}

pub(crate) const VERIFY: &[(&str, Verified)] =
    &[("none", Verified::None), ("pool", Verified::Pool), ("full", Verified::Full)];

pub(crate) const SERVER_VERIFY: &[(&str, Verified)] =
    &[("full", Verified::Full), ("chain", Verified::Chain), ("none", Verified::None)];

pub(crate) const VERSIONS: &[(&str, TlsVersion)] = &[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];

/// The word for a meaning.
pub(crate) fn word<T: PartialEq>(meanings: &[(&'static str, T)], meaning: &T) -> &'static str {
    meanings.iter().find(|(_, own)| own == meaning).map_or("", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Word, certificate, health, http, listener, packet, pool, root, waf};

    /// The words of this release in the model, against those that have a meaning.
    fn same<T>(model: &[Word], meanings: &[(&str, T)]) {
        let here: Vec<&str> = model.iter().map(|word| word.word).collect();
        let mean: Vec<&str> = meanings.iter().map(|(word, _)| *word).collect();
        assert_eq!(here, mean);
    }

    #[test]
    fn every_word_of_the_model_has_a_meaning() {
        same(pool::BALANCES, BALANCES);
        same(pool::ZONES, ZONES);
        same(pool::ON_DOWN, ON_DOWN);
        same(pool::PROXY_PROTOCOLS, PROXY_PROTOCOLS);
        same(pool::ADMIN_STATES, ADMIN_STATES);
        same(listener::PLAIN_HTTP, PLAIN_HTTP);
        same(listener::NOT_TLS, NOT_TLS);
        same(listener::MODES, MODES);
        same(packet::BALANCES, PACKET_BALANCES);
        same(packet::HASHES, HASHES);
        same(packet::DRIVERS, DRIVERS);
        same(packet::ODD, ODD);
        same(packet::ON_STOP, ON_STOP);
        same(pool::COOKIE_MODES, COOKIE_MODES);
        same(pool::SAME_SITE, SAME_SITE);
        same(pool::STICK_KEYS, STICK_KEYS);
        same(waf::MODES, WAF_MODES);
        same(waf::WHEN_BROKEN, WHEN_BROKEN);
        same(waf::AUDIT_FORMATS, AUDIT_FORMATS);
        same(http::SCHEMES, SCHEMES);
        same(http::LISTENER_REDIRECT, LISTENER_REDIRECT);
        same(root::FORMATS, FORMATS);
        same(root::LEVELS, LEVELS);
        same(root::ROLES, ROLES);
        same(health::VERIFY, VERIFY);
        same(certificate::VERIFY, SERVER_VERIFY);
        same(certificate::VERSIONS, VERSIONS);
    }
}
