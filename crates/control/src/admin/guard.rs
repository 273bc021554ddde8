//! Whose requests are answered at the admin address: browsers are not to be tricked into asking for somebody else.

use std::net::{IpAddr, SocketAddr};

/// Why a request is not looked at any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicious {
    /// `Host` names another place: a page elsewhere let its own name point here (DNS rebinding).
    Host,
    /// `Origin` is not this place: another page asks for its reader.
    Origin,
}

/// The `Host` of a request must be the address that was connected to, or a name of this machine for itself; the port
/// may differ, so that a forwarded port works. A request that changes something and comes from a page must come from
/// one of ours (`Origin`, RFC 6454).
pub(super) fn check(
    host: Option<&str>,
    origin: Option<&str>,
    changes: bool,
    local: SocketAddr,
) -> Result<(), Suspicious> {
    let host = host.ok_or(Suspicious::Host)?;
    if !is_ours(host, local.ip()) {
        return Err(Suspicious::Host);
    }
    match origin {
        Some(origin) if changes && !is_same(origin, host) => Err(Suspicious::Origin),
        _ => Ok(()),
    }
}

fn is_ours(host: &str, local: IpAddr) -> bool {
    let Some(name) = without_port(host) else { return false };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match bare.parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address == local.to_canonical() || address.is_loopback()
        }
        Err(_) => {
            let name = bare.to_ascii_lowercase();
            let name = name.strip_suffix('.').unwrap_or(&name);
            matches!(name, "localhost" | "localhost.localdomain" | "ip6-localhost" | "ip6-loopback")
                || name.ends_with(".localhost")
        }
    }
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn without_port(host: &str) -> Option<&str> {
    let end = if host.starts_with('[') { host.find(']')? + 1 } else { host.find(':').unwrap_or(host.len()) };
    let (name, port) = host.split_at(end);
    match port.strip_prefix(':') {
        None if port.is_empty() => Some(name),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(name),
        _ => None,
    }
}

fn is_same(origin: &str, host: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| origin.strip_prefix(scheme).is_some_and(|place| place.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_must_be_this_place() {
        let local = "10.0.0.5:8404".parse().unwrap();
        let table = [
            ("10.0.0.5:8404", true),
            ("10.0.0.5", true),
            ("10.0.0.5:9999", true),
            ("localhost:8404", true),
            ("LocalHost", true),
            ("lb.localhost:1", true),
            ("127.0.0.1:8404", true),
            ("[::1]:8404", true),
            ("[::ffff:10.0.0.5]:8404", true),
            ("10.0.0.6:8404", false),
            ("evil.example:8404", false),
            ("localhost.evil.example", false),
            ("10.0.0.5.evil.example", false),
            ("localhost:8404@evil.example", false),
            ("::1", false),
            ("[::1", false),
            ("", false),
        ];
        for (host, want) in table {
            assert_eq!(check(Some(host), None, false, local).is_ok(), want, "{host}");
        }
        assert_eq!(check(None, None, false, local), Err(Suspicious::Host));
    }

    #[test]
    fn a_change_from_a_page_must_come_from_our_page() {
        let local = "127.0.0.1:8404".parse().unwrap();
        let table = [
            (None, true, true),
            (Some("http://localhost:8404"), true, true),
            (Some("https://localhost:8404"), true, true),
            (Some("http://localhost:80"), true, false),
            (Some("http://evil.example"), true, false),
            (Some("null"), true, false),
            (Some("http://evil.example"), false, true),
        ];
        for (origin, changes, want) in table {
            assert_eq!(
                check(Some("localhost:8404"), origin, changes, local).is_ok(),
                want,
                "{origin:?} {changes}"
            );
        }
    }
}
