//! Heads as they go on: a request's on its way to a server, a response's on its way to a client, and answers of our own.
//!
//! No I/O. What is not meant to change goes on byte for byte, in the order it came: runs of untouched lines are copied in
//! one piece.

mod answer;
mod cookie;
mod destination;
mod edits;
mod redirect;
mod request;
mod response;
mod template;

use std::net::SocketAddr;

use transom_tls::Identity;
use transom_wire::http1::{Field, Known, Request, Target};

pub(crate) use answer::Answer;
pub(crate) use cookie::SetServer;
pub(crate) use destination::destination;
pub(crate) use redirect::location;
pub(crate) use request::ToServer;
pub(crate) use response::{Framing, ToClient};

/// A request's head, and where its parts are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    /// The bytes it was read from.
    pub(crate) bytes: &'a [u8],
    /// Its first line.
    pub(crate) request: Request,
    /// Its fields.
    pub(crate) fields: &'a [Field],
    /// Its target.
    pub(crate) target: Target<'a>,
}

impl<'a> Head<'a> {
    /// The value of the first field of that name.
    pub(crate) fn value(&self, known: Known) -> Option<&'a [u8]> {
        self.fields.iter().find(|field| field.known == known).map(|field| field.value.of(self.bytes))
    }

    /// The value of the first field of that name, in any letter case.
    fn named(&self, name: &str) -> Option<&'a [u8]> {
        let same = |field: &&Field| field.name.of(self.bytes).eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().find(same).map(|field| field.value.of(self.bytes))
    }

    /// The value of the first cookie of that name (RFC 6265 section 5.4).
    fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        let fields = self.fields.iter().filter(|field| field.known == Known::Cookie);
        let pairs = fields.flat_map(|field| field.value.of(self.bytes).split(|byte| *byte == b';'));
        pairs.filter_map(named_value).find(|(own, _)| *own == name.as_bytes()).map(|(_, value)| value)
    }

    /// The value of the first parameter of that name, as it came.
    fn parameter(&self, name: &str) -> Option<&'a [u8]> {
        let pairs = self.target.query?.split(|byte| *byte == b'&').filter_map(named_value);
        pairs.into_iter().find(|(own, _)| *own == name.as_bytes()).map(|(_, value)| value)
    }

    /// What it asks for: the authority of its target, else its Host field (RFC 9112 section 3.2.2).
    pub(crate) fn host(&self) -> Option<&'a [u8]> {
        self.target.authority.or_else(|| self.value(Known::Host))
    }

    /// Appends path and query as they came; `/` where the target names a host alone.
    fn push_path_and_query(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.target.path);
        self.push_query(out);
    }

    fn push_query(&self, out: &mut Vec<u8>) {
        if let Some(query) = self.target.query {
            out.push(b'?');
            out.extend_from_slice(query);
        }
    }
}

/// Name and value of `name=value`.
fn named_value(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = pair.split_at_checked(at)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

/// What is known of a request beside its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// Its identity in logs.
    pub(crate) id: u64,
    /// The client, as logged.
    pub(crate) client: SocketAddr,
    /// How the client speaks TLS to us; `None`: it does not.
    pub(crate) secure: Option<&'a Secure>,
    /// Where the client connected to, where somebody asks for it.
    pub(crate) destination: Option<SocketAddr>,
    /// The server that answered, in a response.
    pub(crate) server: Option<&'a str>,
}

impl Told<'_> {
    /// `http` or `https`, as the client speaks to us.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.secure.is_some() { "https" } else { "http" }
    }
}

/// What the TLS of a client connection came to.
#[derive(Debug)]
pub(crate) struct Secure {
    /// The server name it asked for.
    pub(crate) server_name: Option<Box<str>>,
    /// As in `TLSv1.3`.
    pub(crate) version: &'static str,
    /// Its verified certificate.
    pub(crate) identity: Option<Box<Identity>>,
}

/// What the Connection field of a head of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Nothing: the version's own habit holds.
    Nothing,
    /// The connection closes after this message.
    Close,
    /// It stays open, towards a client of HTTP/1.0.
    KeepAlive,
    /// Both sides go on in another protocol.
    Upgrade,
}

impl Says {
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::Nothing => b"",
            Self::Close => b"Connection: close\r\n",
            Self::KeepAlive => b"Connection: keep-alive\r\n",
            Self::Upgrade => b"Connection: Upgrade\r\n",
        });
    }
}

/// Copies lines that go on as they are, neighbours together.
struct Lines<'a> {
    head: &'a [u8],
    from: usize,
    to: usize,
}

impl<'a> Lines<'a> {
    fn of(head: &'a [u8]) -> Self {
        Self { head, from: 0, to: 0 }
    }

    /// This line goes on.
    fn keep(&mut self, out: &mut Vec<u8>, field: &Field) {
        if field.line.start() != self.to {
            self.flush(out);
            self.from = field.line.start();
        }
        self.to = field.line.end();
    }

    /// Writes what was kept: before anything else is written.
    fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head.get(self.from..self.to).unwrap_or_default());
        self.from = self.to;
    }
}

#[cfg(test)]
mod rewriting_tests;
#[cfg(test)]
mod tests;
