//! One JSON object a line.

use std::io::Write;
use std::time::Duration;

use transom_state::Fault;

use super::record::{Ending, Record};
use super::request::RequestLine;

/// Appends the line of a finished connection.
pub(crate) fn write(out: &mut Vec<u8>, record: &Record, ending: &Ending, stamp: &str) {
    out.extend_from_slice(b"{\"ts\":\"");
    out.extend_from_slice(stamp.as_bytes());
    let _ = write!(out, "\",\"id\":\"{:016x}\",\"kind\":\"{}\"", record.id, record.kind());
    let _ = write!(out, ",\"client\":\"{}\"", record.client);
    string(out, "listener", &record.listener.config.name);
    if let Some(pool) = &record.pool {
        string(out, "pool", &pool.config.name);
    }
    if let Some(server) = record.server() {
        string(out, "server", server);
    }
    if let Some(name) = &record.server_name {
        string(out, "sni", name);
    }
    let _ = write!(out, ",\"bytes_in\":{},\"bytes_out\":{}", ending.bytes_in, ending.bytes_out);
    if record.way.retries > 0 {
        let _ = write!(out, ",\"retries\":{}", record.way.retries);
    }
    if let Some(fault) = ending.fault {
        write_fault(out, fault);
    }
    out.extend_from_slice(b",\"ms\":{");
    for (phase, time) in
        [("inspect", record.inspect), ("queue", record.way.queue), ("connect", record.way.connect)]
    {
        if let Some(time) = time {
            let _ = write!(out, "\"{phase}\":{},", Millis(time.into()));
        }
    }
    let _ = write!(out, "\"total\":{}}}}}", Millis(ending.at.duration_since(record.started)));
    out.push(b'\n');
}

/// Appends the line of a request.
pub(crate) fn write_request(out: &mut Vec<u8>, line: &RequestLine<'_>, stamp: &str) {
    out.extend_from_slice(b"{\"ts\":\"");
    out.extend_from_slice(stamp.as_bytes());
    let _ = write!(out, "\",\"id\":\"{:016x}\",\"kind\":\"{}\"", line.id, line.kind());
    let _ = write!(out, ",\"client\":\"{}\"", line.record.client);
    string(out, "listener", &line.record.listener.config.name);
    if let Some(route) = line.route {
        string(out, "route", route);
    }
    if let Some(pool) = line.pool {
        string(out, "pool", &pool.config.name);
    }
    if let Some(server) = line.server() {
        string(out, "server", server);
    }
    if line.pinned {
        out.extend_from_slice(b",\"pinned\":true");
    }
    if let Some(user) = line.user {
        string(out, "user", user);
    }
    if let Some(asked) = &line.asked {
        bytes(out, "method", asked.method);
        if let Some(host) = asked.host {
            bytes(out, "host", host);
        }
        bytes(out, "path", asked.path);
        string(out, "proto", asked.proto);
    }
    if let Some(secured) = &line.record.secured {
        string(out, "tls", secured.version);
    }
    if let Some(name) = &line.record.server_name {
        string(out, "sni", name);
    }
    if let Some(status) = line.status {
        let _ = write!(out, ",\"status\":{status}");
    }
    if let Some(fault) = line.fault {
        write_fault(out, fault);
    }
    let _ = write!(out, ",\"bytes_in\":{},\"bytes_out\":{}", line.bytes_in, line.bytes_out);
    if line.way.retries > 0 {
        let _ = write!(out, ",\"retries\":{}", line.way.retries);
    }
    write_times(out, line);
    out.extend_from_slice(b"}\n");
}

fn write_times(out: &mut Vec<u8>, line: &RequestLine<'_>) {
    out.extend_from_slice(b",\"ms\":{");
    let times = [
        ("tls", line.record.secured.as_ref().map(|secured| secured.handshake)),
        ("head", line.head),
        ("queue", line.way.queue),
        ("connect", line.way.connect),
        ("response", line.response),
    ];
    for (phase, time) in times {
        if let Some(time) = time {
            let _ = write!(out, "\"{phase}\":{},", Millis(time.into()));
        }
    }
    let _ = write!(out, "\"total\":{}}}", Millis(line.at.duration_since(line.begun)));
}

fn write_fault(out: &mut Vec<u8>, fault: Fault) {
    let _ = write!(out, ",\"fault\":\"{}\",\"blame\":\"{}\"", fault.code(), fault.blame());
}

/// Milliseconds with one decimal.
struct Millis(Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = self.0.as_micros() / 100;
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

/// Appends `,"key":"value"` with the value escaped (RFC 8259 section 7).
fn string(out: &mut Vec<u8>, key: &str, value: &str) {
    let _ = write!(out, ",\"{key}\":\"");
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 | 0x7f => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends `,"key":"value"` where the value may be any bytes: those that are not ASCII are written as the characters of
/// their numbers (ISO 8859-1), so that a line is always valid and nothing is lost.
fn bytes(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let _ = write!(out, ",\"{key}\":\"");
    for byte in value {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..0x20 | 0x7f.. => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_leave_its_string() {
        let mut out = Vec::new();
        string(&mut out, "sni", "a\"b\\c\nd\u{7f}é");
        assert_eq!(String::from_utf8(out).unwrap(), ",\"sni\":\"a\\\"b\\\\c\\u000ad\\u007fé\"");
    }

    #[test]
    fn milliseconds_have_one_decimal() {
        for (micros, text) in [(0, "0.0"), (99, "0.0"), (100, "0.1"), (3_006_449, "3006.4")] {
            assert_eq!(Millis(Duration::from_micros(micros)).to_string(), text);
        }
    }
}
