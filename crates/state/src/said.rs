//! What a request says that decides which server it is given.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13Wide};
use transom_config::{CookieMode, RequestKey};

use crate::Pool;
use crate::route::{self, Facts};
use crate::stick::StickKey;

/// What a request says to a pool, looked up once. Nothing for connections that are relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// For `balance = "hash"` on anything but the client's address.
    pub(crate) hash: Option<u64>,
    /// For `stick` on anything but the client's address.
    pub(crate) stick: Option<StickKey>,
    /// The index of the server that its cookie names.
    pub(crate) server: Option<usize>,
}

impl Said {
    /// The index of the server that the request's cookie names, whatever its condition.
    pub fn server(&self) -> Option<usize> {
        self.server
    }

    /// The same of a request whose other channel is at the server of that index: it goes there, whatever else it says.
    #[must_use]
    pub fn beside(self, server: usize) -> Self {
        Self { server: Some(server), ..self }
    }
}

impl Pool {
    /// What a request says to this pool.
    pub fn said(&self, request: &impl Facts) -> Said {
        let hash = match (&self.config.balance, &self.config.hash_on) {
            (transom_config::Balance::Hash, on) => with_key(on, request, short),
            _ => None,
        };
        let stick = self.config.stick.as_ref().and_then(|stick| with_key(&stick.on, request, StickKey::text));
        let cookie = self.config.cookie.as_ref();
        let server = cookie.and_then(|cookie| {
            route::cookie(request, &cookie.name).find_map(|value| {
                let name = match cookie.mode {
                    CookieMode::Insert | CookieMode::Rewrite => value,
                    CookieMode::Prefix => value.get(..value.iter().position(|byte| *byte == b'~')?)?,
                };
                self.servers().iter().position(|server| server.cookie().as_bytes() == name)
            })
        });
        Said { hash, stick, server }
    }
}

/// What `f` makes of the value that `on` means; `None`: of the client's address, or of nothing.
fn with_key<T>(on: &RequestKey, request: &impl Facts, f: impl Fn(&[u8]) -> T) -> Option<T> {
    match on {
        RequestKey::Source => None,
        RequestKey::Path => Some(f(request.path().as_bytes())),
        RequestKey::Uri => Some(f(request.uri())),
        RequestKey::Header(name) => request.values(name).next().map(f),
        RequestKey::Cookie(name) => route::cookie(request, name).next().map(f),
        RequestKey::Query(name) => route::query(request, name).next().map(|value| f(value.as_bytes())),
    }
}

/// The same on every machine and in every release: which server a client is given depends on it.
fn short(value: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x7472_616e_736f_6d00, 0x7361_6964);
    hasher.write(value);
    hasher.finish()
}

/// What a cookie with a key says for a server, the same on every node: it tells nothing without the key.
pub(crate) fn hashed(key: &str, address: &str) -> Box<str> {
    let mut secret = SipHasher13::new_with_keys(0x7472_616e_736f_6d00, 0x636f_6f6b_6965);
    secret.write(key.as_bytes());
    let mut hasher = SipHasher13::new_with_keys(secret.finish(), key.len() as u64);
    hasher.write(key.as_bytes());
    hasher.write(&[0]);
    hasher.write(address.as_bytes());
    format!("{:016x}", hasher.finish()).into()
}

impl StickKey {
    /// The key of a text, the same on every node.
    pub fn text(value: &[u8]) -> Self {
        let mut hasher = SipHasher13Wide::new_with_keys(0x7472_616e_736f_6d00, 0x7374_6963_6b00);
        hasher.write(value);
        Self::hashed(hasher.finish128().as_u128())
    }
}
