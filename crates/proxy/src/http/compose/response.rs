//! A response's head on its way to a client.

use transom_config::Http;
use transom_state::Route;
use transom_wire::http1::{Field, Known, Response, connection_options};

use super::cookie::SetServer;
use super::edits::Both;
use super::{Head, Lines, Says, Told};

/// How the client sees where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As the server said.
    AsCame,
    /// By our close: the client's version knows no chunks.
    UntilClose,
}

/// Everything that decides what a client is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToClient<'a> {
    /// The bytes of the response's head.
    pub(crate) bytes: &'a [u8],
    /// Its first line.
    pub(crate) response: Response,
    /// Its fields.
    pub(crate) fields: &'a [Field],
    /// The request it answers.
    pub(crate) head: Head<'a>,
    /// What is known of that.
    pub(crate) told: Told<'a>,
    /// The listener.
    pub(crate) http: &'a Http,
    /// The route that took the request.
    pub(crate) route: &'a Route,
    /// The server, where its pool has a cookie.
    pub(crate) cookie: Option<SetServer<'a>>,
    /// What we say of our connection to the client.
    pub(crate) connection: Says,
    /// How the body goes on.
    pub(crate) framing: Framing,
}

impl ToClient<'_> {
    /// Appends the head: HTTP/1.1 whatever the server spoke (RFC 9110 section 2.5), status and reason as they came.
    /// Fields that speak of the server's connection alone go (RFC 9110 section 7.6.1).
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1");
        out.extend_from_slice(self.bytes.get(b"HTTP/1.1".len()..self.response.fields_at).unwrap_or_default());
        let edits = Both::new(
            &self.http.edits.response,
            self.route.config.as_ref().map(|route| &route.edits.response),
        );
        let replaces = edits.replaces();
        let mut lines = Lines::of(self.bytes);
        // Whether the server says itself what ours would say.
        let mut own = false;
        for field in self.fields {
            let name = field.name.of(self.bytes);
            if self.goes_no_further(field) || edits.drops(name) {
                continue;
            }
            if let (Known::SetCookie, Some(cookie)) = (field.known, &self.cookie) {
                own |= cookie.is_preserved(field.value.of(self.bytes));
                lines.flush(out);
                if cookie.replace(out, name, field.value.of(self.bytes)).is_some() {
                    continue;
                }
            }
            if replaces {
                lines.flush(out);
                let asked = (&self.head, &self.told, self.route);
                if edits.replace(out, name, field.value.of(self.bytes), asked) {
                    continue;
                }
            }
            lines.keep(out, field);
        }
        lines.flush(out);
        if let Some(cookie) = self.cookie.as_ref().filter(|_| !own) {
            cookie.insert(out);
        }
        self.connection.write(out);
        edits.write(out, &self.head, &self.told, self.route);
        out.extend_from_slice(b"\r\n");
    }

    fn goes_no_further(&self, field: &Field) -> bool {
        match field.known {
            Known::Connection | Known::KeepAlive | Known::ProxyConnection => true,
            Known::Upgrade => self.connection != Says::Upgrade,
            Known::TransferEncoding => self.framing == Framing::UntilClose,
            Known::Other => {
                let name = field.name.of(self.bytes);
                connection_options(self.bytes, self.fields).any(|option| option.eq_ignore_ascii_case(name))
            }
            _ => false,
        }
    }
}
