//! A request's head on its way to a server.

use std::io::Write;
use std::net::IpAddr;

use transom_config::{Forwarded, Http, PoolCookie, Rewrite, Template};
use transom_state::Route;
use transom_wire::http1::{Field, Known, NormalPath, Version, connection_options, list};

use super::edits::Both;
use super::template::{escape, fill_target};
use super::{Head, Lines, Says, Told, cookie};

/// Everything that decides what a server is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToServer<'a> {
    /// The request as it came.
    pub(crate) head: Head<'a>,
    /// What is known of it.
    pub(crate) told: Told<'a>,
    /// The listener.
    pub(crate) http: &'a Http,
    /// The route that takes it.
    pub(crate) route: &'a Route,
    /// The cookie of its pool.
    pub(crate) cookie: Option<&'a PoolCookie>,
    /// `Upgrade` when the protocol it asks for may be switched to, else `Nothing`, or `Close` when the connection serves
    /// this request alone.
    pub(crate) connection: Says,
}

impl ToServer<'_> {
    /// Appends the head. Method, target and version stay as they came, but for the path where the route rewrites it and
    /// for an authority, which moves to Host. Fields that speak of this connection alone go (RFC 9110 section 7.6.1);
    /// framing stays, for the body goes on as it comes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.first_line(out);
        let trusted = self.http.forwarded.trusts(self.told.client.ip());
        let edits =
            Both::new(&self.http.edits.request, self.route.config.as_ref().map(|route| &route.edits.request));
        let replaces = edits.replaces();
        let mut seen = Seen::default();
        let mut lines = Lines::of(self.head.bytes);
        for field in self.head.fields {
            let name = field.name.of(self.head.bytes);
            match self.verdict(field, trusted, &mut seen) {
                Verdict::Drop => {}
                _ if edits.drops(name) => {}
                Verdict::Keep if replaces => {
                    lines.flush(out);
                    let asked = (&self.head, &self.told, self.route);
                    if !edits.replace(out, name, field.value.of(self.head.bytes), asked) {
                        lines.keep(out, field);
                    }
                }
                Verdict::Keep => lines.keep(out, field),
                Verdict::Cookie => {
                    lines.flush(out);
                    let value = field.value.of(self.head.bytes);
                    let ours = self.cookie.is_some_and(|own| cookie::strip(out, own, name, value));
                    if !ours {
                        lines.keep(out, field);
                    }
                }
            }
        }
        lines.flush(out);
        if let Some(authority) = self.head.target.authority
            && !edits.drops(b"host")
        {
            line(out, "Host", authority);
        }
        self.forward(out, &self.http.forwarded, &seen, &edits);
        self.connection.write(out);
        edits.write(out, &self.head, &self.told, self.route);
        out.extend_from_slice(b"\r\n");
    }

    fn first_line(&self, out: &mut Vec<u8>) {
        let Head { bytes, request, .. } = self.head;
        let config = self.route.config.as_ref();
        match config.and_then(|route| route.method.as_deref()) {
            Some(method) => out.extend_from_slice(method.as_bytes()),
            None => out.extend_from_slice(request.method.of(bytes)),
        }
        out.push(b' ');
        match config.and_then(|route| route.rewrite.as_ref()) {
            None => self.head.push_path_and_query(out),
            Some(Rewrite::SetUri(uri)) => self.filled(out, uri),
            Some(Rewrite::SetQuery(query)) => {
                out.extend_from_slice(self.head.target.path);
                out.push(b'?');
                fill_target(out, query, &self.head, &self.told, self.route);
            }
            Some(Rewrite::ReplaceUri { regex, with }) => {
                let mut uri = Vec::new();
                self.head.push_path_and_query(&mut uri);
                let from = out.len();
                out.extend_from_slice(&regex.regex().replace(&uri, with.as_bytes()));
                self.rooted(out, from);
            }
            Some(rewrite) => {
                self.rewritten(out, rewrite);
                self.head.push_query(out);
            }
        }
        out.extend_from_slice(match request.version {
            Version::Http10 => b" HTTP/1.0\r\n",
            Version::Http11 => b" HTTP/1.1\r\n",
        });
    }

    /// A rewritten path never leaves the form of one: it begins with `/`, and what may not stand in a target is escaped.
    fn rewritten(&self, out: &mut Vec<u8>, rewrite: &Rewrite) {
        let path = self.head.target.path;
        match (rewrite, &self.route.replace) {
            (Rewrite::Set(set), _) => self.filled(out, set),
            (Rewrite::StripPrefix(prefix), _) => {
                let rest = strip_prefix(path, prefix).unwrap_or(path);
                if rest.first() != Some(&b'/') {
                    out.push(b'/');
                }
                out.extend_from_slice(rest);
            }
            (Rewrite::Replace { with, .. }, Some(regex)) => {
                let replaced = regex.replace(path, with.as_bytes());
                if replaced.first() != Some(&b'/') {
                    out.push(b'/');
                }
                for byte in replaced.iter() {
                    match byte {
                        0..=b' ' | 0x7f | b'#' | b'?' => {
                            let _ = write!(out, "%{byte:02X}");
                        }
                        _ => out.push(*byte),
                    }
                }
            }
            (
                Rewrite::Replace { .. }
                | Rewrite::SetUri(_)
                | Rewrite::SetQuery(_)
                | Rewrite::ReplaceUri { .. },
                _,
            ) => out.extend_from_slice(path),
        }
    }

    fn filled(&self, out: &mut Vec<u8>, target: &Template) {
        let from = out.len();
        fill_target(out, target, &self.head, &self.told, self.route);
        self.rooted(out, from);
    }

    /// What stands from `from` on keeps the form of a target: it begins with `/`, and nothing in it ends it.
    fn rooted(&self, out: &mut Vec<u8>, from: usize) {
        if out.get(from) != Some(&b'/') {
            out.insert(from, b'/');
        }
        escape(out, from);
    }

    fn verdict(&self, field: &Field, trusted: bool, seen: &mut Seen) -> Verdict {
        match field.known {
            Known::Connection | Known::KeepAlive | Known::ProxyConnection => Verdict::Drop,
            Known::Upgrade if self.connection != Says::Upgrade => Verdict::Drop,
            // The only one that means anything beyond this connection; gRPC asks for it.
            Known::Te => {
                let mut wanted = list(field.value.of(self.head.bytes));
                let alone = wanted.next().is_some_and(|first| first.eq_ignore_ascii_case(b"trailers"));
                if alone && wanted.next().is_none() { Verdict::Keep } else { Verdict::Drop }
            }
            Known::Host if self.head.target.authority.is_some() => Verdict::Drop,
            Known::XForwardedFor => seen.note(trusted, |seen| &mut seen.client),
            Known::XForwardedProto => seen.note(trusted, |seen| &mut seen.proto),
            Known::XForwardedHost => seen.note(trusted, |seen| &mut seen.host),
            Known::Cookie if self.cookie.is_some() => Verdict::Cookie,
            Known::Other if self.is_hop_by_hop(field) => Verdict::Drop,
            _ => Verdict::Keep,
        }
    }

    /// Whether Connection names it. Fields we know mean more than that, and are never dropped on a client's word.
    fn is_hop_by_hop(&self, field: &Field) -> bool {
        let (bytes, fields) = (self.head.bytes, self.head.fields);
        let name = field.name.of(bytes);
        name.eq_ignore_ascii_case(b"http2-settings")
            || connection_options(bytes, fields).any(|option| option.eq_ignore_ascii_case(name))
    }

    fn forward(&self, out: &mut Vec<u8>, forwarded: &Forwarded, seen: &Seen, edits: &Both<'_>) {
        // A list that came and is believed goes on in its own line; ours continues it (RFC 9110 section 5.3).
        if forwarded.client && !edits.drops(b"x-forwarded-for") {
            out.extend_from_slice(b"X-Forwarded-For: ");
            push_address(out, self.told.client.ip());
            out.extend_from_slice(b"\r\n");
        }
        if forwarded.proto && !seen.proto && !edits.drops(b"x-forwarded-proto") {
            line(out, "X-Forwarded-Proto", self.told.scheme().as_bytes());
        }
        if let Some(host) = self.head.host()
            && forwarded.host
            && !seen.host
            && !edits.drops(b"x-forwarded-host")
        {
            line(out, "X-Forwarded-Host", host);
        }
    }
}

/// What becomes of a field.
enum Verdict {
    Keep,
    Drop,
    Cookie,
}

/// The X-Forwarded fields of a client that is believed.
#[derive(Debug, Default)]
struct Seen {
    client: bool,
    proto: bool,
    host: bool,
}

impl Seen {
    fn note(&mut self, trusted: bool, which: impl Fn(&mut Self) -> &mut bool) -> Verdict {
        if trusted {
            *which(self) = true;
        }
        if trusted { Verdict::Keep } else { Verdict::Drop }
    }
}

/// As `Display` writes it. Nearly every request has one: the formatter's machinery would be a tenth of its work.
fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (place, octet) in v4.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                if octet >= 100 {
                    out.push(b'0' + octet / 100);
                }
                if octet >= 10 {
                    out.push(b'0' + octet / 10 % 10);
                }
                out.push(b'0' + octet % 10);
            }
        }
        IpAddr::V6(v6) => {
            let _ = write!(out, "{v6}");
        }
    }
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// What follows `prefix` (a normal path) in a path as it came, on a segment boundary. `None`: it does not begin with it,
/// or not in as many segments: then it goes on whole.
fn strip_prefix<'a>(path: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let segments = prefix.bytes().filter(|byte| *byte == b'/').count();
    let ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let end = ends.chain([path.len()]).nth(segments.checked_sub(1)?)?;
    let (begin, rest) = path.split_at_checked(end)?;
    (NormalPath::new(begin).ok()?.as_str() == prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        for text in
            ["0.0.0.0", "9.10.99.100", "255.255.255.255", "1.20.0.109", "2001:db8::1", "::ffff:1.2.3.4"]
        {
            let mut out = Vec::new();
            push_address(&mut out, text.parse().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), text.parse::<IpAddr>().unwrap().to_string());
        }
    }
}
