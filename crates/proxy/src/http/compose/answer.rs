//! Answers of our own: redirects, fixed ones, and errors that say which one it is.

use std::io::Write;

use transom_config::{ErrorBody, Http, Template};
use transom_state::{Fault, Route};

use super::edits::{Both, line};
use super::{Head, Says, Told};

/// An answer of our own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    /// 200 to 599.
    pub(crate) status: u16,
    /// The identity of the request in logs.
    pub(crate) id: u64,
    /// Why it is an error.
    pub(crate) fault: Option<Fault>,
    /// Where the client is sent.
    pub(crate) location: Option<&'a [u8]>,
    /// Further headers, where a request was read.
    pub(crate) headers: &'a [(Box<str>, Template)],
    /// Content type and body; `None`: an error has a page, anything else no body.
    pub(crate) body: Option<(&'a str, &'a [u8])>,
    /// Whether the request was HEAD: then no body follows the head.
    pub(crate) bodyless: bool,
    /// What becomes of the connection.
    pub(crate) connection: Says,
    /// The moment, as an HTTP date (RFC 9110 section 5.6.7).
    pub(crate) date: &'a str,
}

/// The request an answer is for, where one was read: without, nothing of the configuration is edited in.
pub(crate) type Asked<'a> = (&'a Head<'a>, &'a Told<'a>, &'a Route);

impl Answer<'_> {
    /// Appends head and body.
    pub(crate) fn write(&self, out: &mut Vec<u8>, http: &Http, asked: Option<Asked<'_>>) {
        let elsewhere =
            http.error_pages.iter().find(|page| page.status == self.status && self.body.is_none());
        if let Some(ErrorBody::Redirect(to)) = elsewhere.map(|page| &page.body) {
            let body = Some(("", &b""[..]));
            let sent = Answer { status: 302, location: Some(to.as_bytes()), body, ..*self };
            return sent.written(out, http, asked);
        }
        self.written(out, http, asked);
    }

    fn written(&self, out: &mut Vec<u8>, http: &Http, asked: Option<Asked<'_>>) {
        let page;
        let (kind, body) = match self.body {
            Some((kind, body)) => (kind, body),
            None if self.status >= 400 => {
                page = self.page(http);
                (page.0, page.1.as_slice())
            }
            None => ("", &b""[..]),
        };
        let _ = write!(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", self.status, reason(self.status), self.date);
        if let Some(location) = self.location {
            out.extend_from_slice(b"Location: ");
            out.extend_from_slice(location);
            out.extend_from_slice(b"\r\n");
        }
        if !body.is_empty() {
            let _ = write!(out, "Content-Type: {kind}\r\n");
        }
        if self.status != 204 && self.status != 304 {
            let _ = write!(out, "Content-Length: {}\r\n", body.len());
        }
        if let Some(fault) = self.fault {
            let _ = write!(out, "Cache-Control: no-store\r\nTransom-Fault: {}\r\n", fault.code());
            let _ = write!(out, "Transom-Request: {:016x}\r\n", self.id);
        }
        self.connection.write(out);
        if let Some((head, told, route)) = asked {
            for (name, value) in self.headers {
                line(out, name, value, head, told, route);
            }
            let edits = route.config.as_ref().map(|route| &route.edits.response);
            Both::new(&http.edits.response, edits).write(out, head, told, route);
        }
        out.extend_from_slice(b"\r\n");
        if !self.bodyless {
            out.extend_from_slice(body);
        }
    }

    /// The configured page for this status, or our own.
    fn page<'a>(&self, http: &'a Http) -> (&'a str, Vec<u8>) {
        let code = self.fault.map_or("", Fault::code);
        let own = http.error_pages.iter().find(|page| page.status == self.status);
        if let Some((content_type, page)) = own.and_then(|own| own.body.page()) {
            return (content_type, fill(page, self.id, code, self.status));
        }
        let (status, reason) = (self.status, reason(self.status));
        let why =
            if code.is_empty() { String::new() } else { format!("<p>Reason: <code>{code}</code></p>\n") };
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{status} {reason}</title></head>\n\
             <body><h1>{status} {reason}</h1>\n{why}<p>Request: <code>{:016x}</code></p></body></html>\n",
            self.id
        );
        ("text/html; charset=utf-8", page.into_bytes())
    }
}

/// A page with `{id}`, `{fault}` and `{status}` filled in.
fn fill(page: &[u8], id: u64, fault: &str, status: u16) -> Vec<u8> {
    let places =
        [("{id}", format!("{id:016x}")), ("{fault}", fault.to_owned()), ("{status}", status.to_string())];
    let mut out = Vec::with_capacity(page.len() + 32);
    let mut rest = page;
    while let Some(at) = rest.iter().position(|byte| *byte == b'{') {
        let (before, place) = rest.split_at(at);
        out.extend_from_slice(before);
        let found = places.iter().find(|(name, _)| place.starts_with(name.as_bytes()));
        let (value, taken) = found.map_or((&b"{"[..], 1), |(name, value)| (value.as_bytes(), name.len()));
        out.extend_from_slice(value);
        rest = place.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// The phrase of a status (RFC 9110 section 15).
fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Answer")
}
