//! The cookie that remembers a server (RFC 6265).

use std::io::Write;

use transom_config::{CookieMode, PoolCookie};

/// Between the server and the application's own value, under `mode = "prefix"`.
const SEPARATOR: u8 = b'~';

/// What a response says of the server that gave it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SetServer<'a> {
    /// The pool's cookie.
    pub(crate) cookie: &'a PoolCookie,
    /// What it says for the server.
    pub(crate) server: &'a str,
    /// Whether the client has it already.
    pub(crate) known: bool,
    /// Whether the client speaks TLS to us.
    pub(crate) secure: bool,
}

impl SetServer<'_> {
    /// Whether the server sets this cookie itself, and is left to.
    pub(super) fn is_preserved(&self, value: &[u8]) -> bool {
        let end = value.iter().position(|byte| *byte == b'=').unwrap_or(value.len());
        let named = value.get(..end).is_some_and(|own| own.trim_ascii() == self.cookie.name.as_bytes());
        self.cookie.preserve && self.cookie.mode == CookieMode::Insert && named
    }

    /// Under `insert`: the line that tells the client, unless it knows.
    pub(super) fn insert(&self, out: &mut Vec<u8>) {
        let cookie = self.cookie;
        if cookie.mode != CookieMode::Insert || self.known {
            return;
        }
        let _ = write!(out, "Set-Cookie: {}={}; Path=/", cookie.name, self.server);
        if let Some(domain) = &cookie.domain {
            let _ = write!(out, "; Domain={domain}");
        }
        if let Some(age) = cookie.max_age {
            let _ = write!(out, "; Max-Age={}", age.as_secs());
        }
        if cookie.secure.unwrap_or(self.secure) {
            out.extend_from_slice(b"; Secure");
        }
        if cookie.http_only {
            out.extend_from_slice(b"; HttpOnly");
        }
        if let Some(same_site) = &cookie.same_site {
            let _ = write!(out, "; SameSite={same_site}");
        }
        // Else a cache could give one client's server to all.
        out.extend_from_slice(b"\r\nCache-Control: private\r\n");
    }

    /// Under `prefix` and `rewrite`: another value for the application's own cookie; `None`: this one is not it.
    pub(super) fn replace(&self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Option<()> {
        if self.cookie.mode == CookieMode::Insert {
            return None;
        }
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let (pair, attributes) = value.split_at_checked(end)?;
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (own, content) = pair.split_at_checked(at)?;
        if own.trim_ascii() != self.cookie.name.as_bytes() {
            return None;
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(own.trim_ascii());
        out.push(b'=');
        out.extend_from_slice(self.server.as_bytes());
        if self.cookie.mode == CookieMode::Prefix {
            out.push(SEPARATOR);
            out.extend_from_slice(content.get(1..).unwrap_or_default());
        }
        out.extend_from_slice(attributes);
        out.extend_from_slice(b"\r\n");
        Some(())
    }
}

/// A request's Cookie field without what is ours in it: the pool's own cookie goes, a prefixed one loses its prefix.
/// `false`: nothing is ours, and the line goes on as it came.
pub(super) fn strip(out: &mut Vec<u8>, cookie: &PoolCookie, name: &[u8], value: &[u8]) -> bool {
    if cookie.mode == CookieMode::Rewrite || !pairs(value).any(|(own, _)| own == cookie.name.as_bytes()) {
        return false;
    }
    let start = out.len();
    for (own, pair) in pairs(value) {
        let ours = own == cookie.name.as_bytes();
        if ours && cookie.mode == CookieMode::Insert {
            continue;
        }
        if out.len() == start {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
        } else {
            out.extend_from_slice(b"; ");
        }
        let prefix = if ours { pair.iter().position(|byte| *byte == SEPARATOR) } else { None };
        match prefix {
            Some(at) => {
                out.extend_from_slice(own);
                out.push(b'=');
                out.extend_from_slice(pair.get(at + 1..).unwrap_or_default());
            }
            None => out.extend_from_slice(pair),
        }
    }
    if out.len() > start {
        out.extend_from_slice(b"\r\n");
    }
    true
}

/// The name of each pair, and the whole pair.
fn pairs(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let pairs = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (pair.get(..end).unwrap_or_default().trim_ascii(), pair)
    })
}
