//! What the words of the file mean: the one list for reading and for writing them out.

use crate::{
    AccessFormat, Balance, Level, NotTls, OnDown, PacketPolicy, PlainHttp, ProxyProtocol, Role, StartState,
    TlsVersion, Tracking, Zones,
};

pub(crate) const BALANCES: &[(&str, Balance)] = &[
    ("round-robin", Balance::RoundRobin),
    ("least-connections", Balance::LeastConnections),
    ("random", Balance::Random),
    ("hash", Balance::HashSource),
    ("first", Balance::First),
];

pub(crate) const ZONES: &[(&str, Zones)] =
    &[("even", Zones::Even), ("local-first", Zones::LocalFirst), ("strict", Zones::Strict)];

pub(crate) const ON_DOWN: &[(&str, OnDown)] = &[("keep", OnDown::Keep), ("close", OnDown::Close)];

pub(crate) const PROXY_PROTOCOLS: &[(&str, ProxyProtocol)] =
    &[("v1", ProxyProtocol::V1), ("v2", ProxyProtocol::V2)];

pub(crate) const ADMIN_STATES: &[(&str, StartState)] =
    &[("ready", StartState::Ready), ("drain", StartState::Drain), ("maint", StartState::Maint)];

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
}

pub(crate) const MODES: &[(&str, Mode)] =
    &[("tcp", Mode::Tcp), ("passthrough", Mode::Passthrough), ("tls", Mode::Tls)];

/// Whether a probe verifies certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verified {
    None,
    Pool,
    Full,
}

pub(crate) const VERIFY: &[(&str, Verified)] =
    &[("none", Verified::None), ("pool", Verified::Pool), ("full", Verified::Full)];

pub(crate) const SERVER_VERIFY: &[(&str, Verified)] = &[("full", Verified::Full), ("none", Verified::None)];

pub(crate) const VERSIONS: &[(&str, TlsVersion)] = &[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];

/// The word for a meaning.
pub(crate) fn word<T: PartialEq>(meanings: &[(&'static str, T)], meaning: &T) -> &'static str {
    meanings.iter().find(|(_, own)| own == meaning).map_or("", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Word, certificate, health, listener, pool, root};

    /// The words of this release in the model, against those that have a meaning.
    fn same<T>(model: &[Word], meanings: &[(&str, T)]) {
        let here: Vec<&str> =
            model.iter().filter(|word| word.later.is_none()).map(|word| word.word).collect();
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
        same(root::FORMATS, FORMATS);
        same(root::LEVELS, LEVELS);
        same(root::ROLES, ROLES);
        same(health::VERIFY, VERIFY);
        same(certificate::VERIFY, SERVER_VERIFY);
        same(certificate::VERSIONS, VERSIONS);
    }
}
