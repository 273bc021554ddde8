//! Heads between the versions: a request of HTTP/2 becomes one of HTTP/1.1 and is judged like any other; the head of a
//! response goes the other way (RFC 9113 section 8.3).
//!
//! No I/O.

use bytes::BufMut;
use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use transom_state::Fault;
use transom_wire::http1::{self, Body, Field, Known, Limits};

use crate::http::fields::Fields;
use crate::http::refused::Refused;

/// Letters of a WebSocket key; a multiple of four bits short at its end (RFC 4648 section 4).
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Whether it asks for a tunnel to a WebSocket (RFC 8441 section 4).
pub(super) fn asks_for_web_socket(parts: &Parts) -> bool {
    let protocol = parts.extensions.get::<Protocol>();
    parts.method == Method::CONNECT
        && protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"))
}

/// Appends the request's head as HTTP/1.1 says it. `ended`: no body follows. `random` is asked for the key that a
/// WebSocket's handshake needs over HTTP/1.1 and not here; it need not be secret (RFC 6455 section 10.3).
pub(super) fn write_request(
    out: &mut Vec<u8>,
    parts: &Parts,
    ended: bool,
    random: impl FnMut() -> u64,
) -> Result<(), Refused> {
    let socket = asks_for_web_socket(parts);
    if parts.method == Method::CONNECT && !socket {
        return Err(Refused::METHOD);
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let whole_server = target == "*" && parts.method == Method::OPTIONS;
    if !target.starts_with('/') && !whole_server {
        return Err(Refused::BAD);
    }
    let method = if socket { "GET" } else { parts.method.as_str() };
    for piece in [method, " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
    write_host(out, parts)?;
    for (name, value) in &parts.headers {
        if *name != HOST && *name != COOKIE && !speaks_of_connection(name) {
            line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    write_cookies(out, &parts.headers);
    if socket {
        write_handshake(out, random);
    } else {
        write_framing(out, &parts.headers, ended)?;
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The authority takes the place of Host; where both are there they must agree (RFC 9113 section 8.3.1).
fn write_host(out: &mut Vec<u8>, parts: &Parts) -> Result<(), Refused> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = parts.headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let host = hosts.next();
    let differs = |host: &[u8]| authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host));
    if hosts.next().is_some() || host.is_some_and(differs) {
        return Err(Refused::BAD);
    }
    if let Some(host) = authority.or(host) {
        line(out, b"Host", host);
    }
    Ok(())
}

/// Cookies may come in crumbs (RFC 9113 section 8.2.3).
fn write_cookies(out: &mut Vec<u8>, headers: &HeaderMap) {
    let mut between: &[u8] = b"Cookie: ";
    for crumb in headers.get_all(COOKIE) {
        out.extend_from_slice(between);
        out.extend_from_slice(crumb.as_bytes());
        between = b"; ";
    }
    if between == b"; " {
        out.extend_from_slice(b"\r\n");
    }
}

fn write_handshake(out: &mut Vec<u8>, mut random: impl FnMut() -> u64) {
    out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ");
    for _ in 0..21 {
        out.push(LETTERS[(random() % 64) as usize]);
    }
    // The last letter of 16 bytes has four bits of its own to spare.
    out.push(b"AQgw"[(random() % 4) as usize]);
    out.extend_from_slice(b"==\r\n");
}

fn write_framing(out: &mut Vec<u8>, headers: &HeaderMap, ended: bool) -> Result<(), Refused> {
    let length = headers.get(CONTENT_LENGTH);
    match length {
        Some(length) if ended && length.as_bytes().iter().any(|digit| *digit != b'0') => Err(Refused::BAD),
        None if !ended => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Fields that mean one connection of HTTP/1 have no place here (RFC 9113 section 8.2.2).
fn speaks_of_connection(name: &HeaderName) -> bool {
    is_of_http1(Known::of(name.as_str().as_bytes()))
}

fn is_of_http1(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade
    )
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// A response's head as HTTP/2 says it, how its body ends, and where that begins in `bytes`. Heads come here composed
/// already: what does not fit is a server's doing.
pub(super) fn response(bytes: &[u8], to_head: bool) -> Result<(Response<()>, Body, usize), Fault> {
    let mut fields = Fields::take();
    let limits = Limits { head_bytes: usize::MAX, fields: usize::from(u16::MAX) };
    let head = http1::response(bytes, limits, &mut fields).ok().flatten().ok_or(Fault::ServerBadResponse)?;
    let body = http1::response_body(bytes, &head, &fields, to_head).map_err(|_| Fault::ServerBadResponse)?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status).map_err(|_| Fault::ServerBadResponse)?;
    *response.headers_mut() = headers(bytes, &fields).ok_or(Fault::ServerBadResponse)?;
    Ok((response, body, head.len))
}

fn headers(bytes: &[u8], fields: &[Field]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields.iter().filter(|field| !is_of_http1(field.known)) {
        let name = HeaderName::from_bytes(field.name.of(bytes)).ok()?;
        headers.append(name, HeaderValue::from_bytes(field.value.of(bytes)).ok()?);
    }
    Some(headers)
}

/// Lines of trailer fields, judged already.
pub(super) fn trailers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// The last chunk, with the trailer fields that may be some (RFC 9110 section 6.5.1).
pub(super) fn write_last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        if matches!(Known::of(name.as_str().as_bytes()), Known::Other) {
            line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    out.put_slice(b"\r\n");
}
