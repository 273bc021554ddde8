//! The first bytes of a connection: which protocol, and if it is plain HTTP, where it wanted to go.
//!
//! This is for a port that expects TLS. A client that speaks plain HTTP there deserves an answer it understands; the
//! request is read only as far as that answer needs, and is never forwarded.

use std::net::Ipv6Addr;

use crate::tls_hello::{self, Hello};

/// Characters a request method may have. The longest registered one has 17 (UPDATEREDIRECTREF), Exchange's own
/// RPC_OUT_DATA 12.
pub const METHOD_BYTES_MAX: usize = 24;

/// Characters of a host name (RFC 1035 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// Too little to tell.
    NeedMore,
    /// TLS, or the hello of SSL 2: [`tls_hello::read`] has more to say.
    Tls,
    /// HTTP/1, or the preface of HTTP/2 (RFC 9113 3.4).
    Http,
    /// Neither.
    Other,
}

/// A plain HTTP request as far as a redirect or a refusal needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainRequest<'a> {
    /// The host asked for, without a port, as it was written; an IPv6 address stands in its brackets. `None` where
    /// there is none, more than one, or not a valid one: such a request cannot be redirected.
    pub host: Option<&'a str>,
    /// Path and query. Begins with `/` and is printable ASCII wherever `host` is known, else it may be empty.
    pub target: &'a str,
}

/// Tells what the client speaks from all bytes that came so far.
///
/// The answer is [`Speaks::NeedMore`] or one that further bytes do not change.
pub fn first_bytes(bytes: &[u8]) -> Speaks {
    match bytes.first() {
        None => Speaks::NeedMore,
        Some(byte) if byte.is_ascii_uppercase() => request_line(bytes),
        Some(_) => match tls_hello::read(bytes.get(..5).unwrap_or(bytes)) {
            Hello::NotTls => Speaks::Other,
            Hello::NeedMore if bytes.len() < 5 => Speaks::NeedMore,
            _ => Speaks::Tls,
        },
    }
}

/// Tells a request line of HTTP from other protocols that begin with a word in capitals (`EHLO example.com`): behind
/// the method stands a path, `*`, or an address with a scheme (RFC 9112 3.2); only CONNECT has a bare name there.
fn request_line(bytes: &[u8]) -> Speaks {
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
    let len = bytes.iter().take(METHOD_BYTES_MAX + 1).take_while(|byte| is_method(byte)).count();
    if len > METHOD_BYTES_MAX {
        return Speaks::Other;
    }
    let (method, rest) = bytes.split_at_checked(len).unwrap_or_default();
    let Some((b' ', target)) = rest.split_first() else {
        return if rest.is_empty() { Speaks::NeedMore } else { Speaks::Other };
    };
    match target.first() {
        None => Speaks::NeedMore,
        Some(b'/' | b'*') => Speaks::Http,
        Some(byte) if byte.is_ascii_graphic() && method == b"CONNECT" => Speaks::Http,
        Some(_) => scheme(target),
    }
}

/// Looks for `http://` or `https://` in any letter case (RFC 9110 4.2.3).
fn scheme(target: &[u8]) -> Speaks {
    let mut cut = false;
    for scheme in [&b"http://"[..], b"https://"] {
        let start = target.get(..scheme.len()).unwrap_or(target);
        let begins = scheme.iter().zip(start).all(|(wanted, byte)| wanted.eq_ignore_ascii_case(byte));
        if begins && start.len() == scheme.len() {
            return Speaks::Http;
        }
        cut |= begins;
    }
    if cut { Speaks::NeedMore } else { Speaks::Other }
}

/// Reads a request whose head is complete. `None`: it is not, or this is not HTTP.
///
/// Lines may end in LF alone (RFC 9112 2.2): nothing is forwarded, and somebody who types by hand is answered too.
pub fn plain_request(bytes: &[u8]) -> Option<PlainRequest<'_>> {
    if first_bytes(bytes) != Speaks::Http {
        return None;
    }
    let head = head(bytes)?;
    let nothing = PlainRequest { host: None, target: "" };
    let Ok(head) = std::str::from_utf8(head) else { return Some(nothing) };
    let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let target = lines.next().and_then(request_target).unwrap_or_default();
    let request = match split_absolute(target) {
        Some((authority, target)) => PlainRequest { host: host(authority), target },
        None if target.starts_with('/') => PlainRequest { host: host_field(lines), target },
        None => nothing,
    };
    Some(request)
}

/// The bytes before the empty line that ends a head, if that came.
fn head(bytes: &[u8]) -> Option<&[u8]> {
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            return bytes.get(..end);
        }
        end += line.len();
    }
    None
}

/// The target of a request line that has exactly three parts.
fn request_target(line: &str) -> Option<&str> {
    let mut parts = line.split(' ');
    let (_method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = parts.next().is_none()
        && version.starts_with("HTTP/")
        && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    sound.then_some(target)
}

/// Splits `http://host:port/path?query` into its authority and the rest (RFC 9112 3.2.2), which is `/` if empty.
fn split_absolute(target: &str) -> Option<(&str, &str)> {
    let lower = |scheme: &str| target.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme));
    let scheme = lower("http://").or_else(|| lower("https://"))?;
    let rest = target.get(scheme.len()..)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    match path {
        "" => Some((authority, "/")),
        path if path.starts_with('/') => Some((authority, path)),
        _ => Some(("", path)), // a query without a path: not worth a redirect
    }
}

/// The host of the one Host field (RFC 9112 3.2).
fn host_field<'a>(lines: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut found = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("host") && found.replace(value).is_some() {
            return None;
        }
    }
    host(found?.trim_matches([' ', '\t']))
}

/// The host of `host[:port]` (RFC 3986 3.2.2), if it is a name, an IPv4 address or an IPv6 address in brackets.
fn host(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(inside) => 1 + inside.find(']')? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    let port_is_sound = match port.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty() || digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
        None => port.is_empty(),
    };
    (port_is_sound && host_is_sound(host)).then_some(host)
}

fn host_is_sound(host: &str) -> bool {
    if let Some(inside) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inside.parse::<Ipv6Addr>().is_ok();
    }
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !host.is_empty() && host.len() <= HOST_BYTES_MAX && !host.starts_with('.') && host.bytes().all(of_a_name)
}

#[cfg(test)]
mod tests {
    use super::{METHOD_BYTES_MAX, PlainRequest, Speaks, first_bytes, plain_request};

    #[test]
    fn the_first_bytes_tell_the_protocol() {
        let longest = format!("{} /", "M".repeat(METHOD_BYTES_MAX));
        let too_long = "M".repeat(METHOD_BYTES_MAX + 1);
        let table: [(&[u8], Speaks); 26] = [
            (b"", Speaks::NeedMore),
            (b"\x16\x03\x01\x02\x00", Speaks::Tls),
            (b"\x16\x03\x01", Speaks::NeedMore),
            (b"\x16\x05", Speaks::Other),
            (b"\x80\x2e\x01\x03\x01", Speaks::Tls),
            (b"\x80\x2e\x02", Speaks::Other),
            (b"GET / HTTP/1.1", Speaks::Http),
            (b"RPC_OUT_DATA /rpc/rpcproxy.dll", Speaks::Http),
            (b"M-SEARCH * HTTP/1.1", Speaks::Http),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Speaks::Http),
            (b"CONNECT mail.example.com:443", Speaks::Http),
            (b"GET http://mail.example.com/", Speaks::Http),
            (b"GET HTTPS://mail.example.com/", Speaks::Http),
            (longest.as_bytes(), Speaks::Http),
            (b"GET", Speaks::NeedMore),
            (b"GET ", Speaks::NeedMore),
            (b"GET http:/", Speaks::NeedMore),
            (too_long.as_bytes(), Speaks::Other),
            (b"EHLO mail.example.com\r\n", Speaks::Other),
            (b"EHLO host\r\n", Speaks::Other),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Speaks::Other),
            (b"QUIT\r\n", Speaks::Other),
            (b"get / HTTP/1.1", Speaks::Other),
            (b"GET  / HTTP/1.1", Speaks::Other),
            (b"\0\0\0\0", Speaks::Other),
            (b" GET /", Speaks::Other),
        ];
        for (bytes, expected) in table {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(first_bytes(bytes), expected, "{text}");
            let first =
                (0..=bytes.len()).map(|end| first_bytes(&bytes[..end])).find(|it| *it != Speaks::NeedMore);
            assert_eq!(first.unwrap_or(Speaks::NeedMore), expected, "{text}, byte by byte");
        }
    }

    fn request<'a>(host: &'a str, target: &'a str) -> PlainRequest<'a> {
        PlainRequest { host: Some(host), target }
    }

    #[test]
    fn a_plain_request_tells_where_it_wanted_to_go() {
        let table = [
            (
                "GET /owa/?a=b HTTP/1.1\r\nHost: mail.example.com\r\n\r\n",
                request("mail.example.com", "/owa/?a=b"),
            ),
            ("GET / HTTP/1.1\r\nhost:mail.example.com:443 \t\r\n\r\n", request("mail.example.com", "/")),
            ("GET / HTTP/1.1\r\nX: y\r\nHOST: [2001:db8::1]:80\r\n\r\nbody", request("[2001:db8::1]", "/")),
            ("GET / HTTP/1.0\nHost: 192.0.2.1\n\n", request("192.0.2.1", "/")),
            ("GET / HTTP/1.1\r\nHost: mail.example.com:\r\n\r\n", request("mail.example.com", "/")),
            ("GET http://a.test:8/x?y HTTP/1.1\r\nHost: b.test\r\n\r\n", request("a.test", "/x?y")),
            ("GET HTTP://a.test HTTP/1.1\r\n\r\n", request("a.test", "/")),
        ];
        for (bytes, expected) in table {
            assert_eq!(plain_request(bytes.as_bytes()), Some(expected), "{bytes}");
        }
    }

    #[test]
    fn a_request_that_cannot_be_redirected_has_no_host() {
        let table: [&[u8]; 25] = [
            b"GET / HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test/evil\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test:99999\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test:+1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test:1:2\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: user@a.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: .\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: [a.test]\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\xc3\xa9.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\xff.test\r\n\r\n",
            b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET /\x01 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET /\r HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET /\r\nHost: a.test\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET http://a.test?x HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ];
        for bytes in table {
            let request = plain_request(bytes).expect("a complete head");
            assert_eq!(request.host, None, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_head_that_is_not_complete_is_no_request_yet() {
        let whole = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(plain_request(&whole[..end]), None, "{end} bytes");
        }
        assert_eq!(plain_request(whole), Some(request("a.test", "/")));
        assert_eq!(plain_request(b"EHLO a.test\r\n\r\n"), None);
        assert_eq!(plain_request(b"\x16\x03\x01\n\n"), None);
    }
}
