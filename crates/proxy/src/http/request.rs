//! One request, as its head says: the bytes as they came, and places in them.

use std::net::IpAddr;

use transom_state::Facts;
use transom_wire::channel::{self, Kind};
use transom_wire::http1::{self, Body, Field, Known, NormalPath, Request as Head, Target, Version};

use super::fields::Fields;
use super::refused::Refused;
use crate::buffer::Buffer;

/// A request whose head is complete and sound.
pub(super) struct Request {
    /// The head as it came, and what came behind it.
    pub(super) bytes: Buffer,
    /// Of these, the ones that belong to this request.
    pub(super) used: usize,
    /// Its lines.
    pub(super) head: Head,
    pub(super) fields: Fields,
    /// How the end of its body is known.
    pub(super) body: Body,
    /// The path in its normal form, where somebody looks at paths.
    pub(super) path: Option<NormalPath>,
    /// What kind it is: Exchange's and Remote Desktop's long ones go by other limits.
    pub(super) kind: Kind,
    /// The client will send another request on this connection.
    pub(super) keep: bool,
    /// It asks for another protocol.
    pub(super) upgrade: bool,
}

impl Request {
    /// Judges a head that is complete. `looks_at_path`: the listener has rules about paths.
    pub(super) fn judge(
        bytes: Buffer,
        head: Head,
        fields: Fields,
        looks_at_path: bool,
    ) -> Result<Self, (Refused, Buffer)> {
        match Facets::of(&bytes, &head, &fields, looks_at_path) {
            Ok(facets) => {
                let Facets { body, path, kind, keep, upgrade } = facets;
                Ok(Self { used: head.len, bytes, head, fields, body, path, kind, keep, upgrade })
            }
            Err(refused) => Err((refused, bytes)),
        }
    }

    /// The method as it came.
    pub(super) fn method(&self) -> &[u8] {
        self.head.method.of(&self.bytes)
    }

    /// The target, taken apart.
    pub(super) fn target(&self) -> Target<'_> {
        let whole = self.head.target.of(&self.bytes);
        let parsed = Target::parse(self.method(), whole);
        // Judged already; what could not be parsed was refused.
        parsed.unwrap_or(Target { authority: None, path: whole, query: None })
    }

    /// The host it asks for: the target's, where it names one (RFC 9112 section 3.2.2).
    pub(super) fn host(&self) -> Option<&[u8]> {
        let named = self.target().authority;
        named.or_else(|| self.first(Known::Host)).filter(|host| !host.is_empty())
    }

    /// The value of the first field of that name.
    pub(super) fn first(&self, known: Known) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| field.known == known)?;
        Some(field.value.of(&self.bytes))
    }

    /// Whether no response to it has a body.
    pub(super) fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    /// Whether asking twice does no more than asking once (RFC 9110 section 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(self.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
    }

    /// What came behind it: the beginning of the next request.
    pub(super) fn into_rest(self) -> Option<Buffer> {
        let mut rest = self.bytes;
        rest.drain(..self.used);
        (!rest.is_empty()).then_some(rest)
    }

    /// For choosing: with the client's address.
    pub(super) fn facts(&self, source: IpAddr) -> Seen<'_> {
        Seen { request: self, source, certified: false }
    }
}

/// What follows from a head.
struct Facets {
    body: Body,
    path: Option<NormalPath>,
    kind: Kind,
    keep: bool,
    upgrade: bool,
}

impl Facets {
    fn of(bytes: &[u8], head: &Head, fields: &[Field], looks_at_path: bool) -> Result<Self, Refused> {
        let method = head.method.of(bytes);
        if method == b"CONNECT" {
            return Err(Refused::METHOD);
        }
        let target = Target::parse(method, head.target.of(bytes)).ok_or(Refused::BAD)?;
        if target.authority.is_some_and(|authority| !is_authority(authority)) {
            return Err(Refused::BAD);
        }
        let body = http1::request_body(bytes, head, fields).map_err(Refused::from)?;
        let path = if looks_at_path && target.path != b"*" {
            Some(NormalPath::new(target.path).map_err(|_| Refused::BAD)?)
        } else {
            None
        };
        let mut keep = head.version == Version::Http11;
        let mut wants_upgrade = false;
        for option in http1::connection_options(bytes, fields) {
            if option.eq_ignore_ascii_case(b"close") {
                keep = false;
                break;
            }
            keep |= option.eq_ignore_ascii_case(b"keep-alive");
            wants_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
        let named = fields.iter().find(|field| field.known == Known::Upgrade);
        // HTTP/1.0 knows no upgrade (RFC 9110 section 7.8).
        let upgrade = wants_upgrade
            && head.version == Version::Http11
            && named.is_some_and(|field| may_upgrade(field.value.of(bytes)));
        let socket =
            upgrade && named.is_some_and(|field| channel::upgrades_to_web_socket(field.value.of(bytes)));
        let kind = Kind::of(method, target.path, target.query, socket);
        Ok(Self { body, path, kind, keep, upgrade })
    }
}

/// Whether the protocols asked for may be switched to. Not to another version of HTTP (`h2c`, TLS): its requests would
/// pass without being read.
fn may_upgrade(value: &[u8]) -> bool {
    let mut protocols = http1::list(value).peekable();
    protocols.peek().is_some()
        && protocols.all(|protocol| {
            let begin = protocol.get(..3).unwrap_or(protocol);
            !begin.eq_ignore_ascii_case(b"h2c")
                && !begin.eq_ignore_ascii_case(b"h2")
                && !begin.eq_ignore_ascii_case(b"tls")
                && !protocol.get(..4).unwrap_or(protocol).eq_ignore_ascii_case(b"http")
        })
}

/// Host and port of an absolute target; it goes on in place of the Host field.
fn is_authority(value: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(byte);
    value.len() <= 259 && value.iter().all(fits)
}

/// A request and who sent it.
pub(super) struct Seen<'a> {
    request: &'a Request,
    source: IpAddr,
    certified: bool,
}

impl Seen<'_> {
    /// Whether the client has shown a certificate that was verified.
    pub(super) fn certified(self, certified: bool) -> Self {
        Self { certified, ..self }
    }
}

impl Facts for Seen<'_> {
    fn source(&self) -> IpAddr {
        self.source
    }

    fn certified(&self) -> bool {
        self.certified
    }

    fn method(&self) -> &[u8] {
        self.request.method()
    }

    fn host(&self) -> Option<&[u8]> {
        self.request.host()
    }

    fn path(&self) -> &str {
        self.request.path.as_ref().map_or("/", NormalPath::as_str)
    }

    fn uri(&self) -> &[u8] {
        let whole = self.request.head.target.of(&self.request.bytes);
        let Some(authority) = self.request.target().authority else { return whole };
        // Behind `http://host`.
        let scheme = whole.iter().position(|byte| *byte == b'/').map_or(0, |at| at + 2);
        whole.get(scheme + authority.len()..).filter(|rest| !rest.is_empty()).unwrap_or(b"/")
    }

    fn query(&self) -> Option<&[u8]> {
        self.request.target().query
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let bytes = &self.request.bytes;
        let same = move |field: &&Field| field.name.of(bytes).eq_ignore_ascii_case(name.as_bytes());
        self.request.fields.iter().filter(same).map(|field| field.value.of(bytes))
    }
}
