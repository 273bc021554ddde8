//! HAProxy's tcplog line, for parsers that exist (HAProxy configuration manual, section 8.2.2).

use std::io::Write;
use std::time::Duration;

use transom_state::Fault;

use super::record::{Ending, Record, Span};
use super::request::RequestLine;

/// Appends the line of a finished connection. `date` is `20/Nov/2026:14:02:31.214`.
pub(crate) fn write(out: &mut Vec<u8>, record: &Record, ending: &Ending, date: &str) {
    let listener: &str = &record.listener.config.name;
    let pool: &str = record.pool.as_ref().map_or(listener, |pool| &pool.config.name);
    let server: &str = record.server().map_or("<NOSRV>", |server| server);
    let _ = write!(out, "{} [{date}] {listener} {pool}/{server} ", record.client);
    let _ = write!(
        out,
        "{}/{}/{} ",
        millis(record.way.queue),
        millis(record.way.connect),
        ending.at.duration_since(record.started).as_millis()
    );
    let _ = write!(out, "{} {} ", ending.bytes_out, termination(ending.fault));
    let load = &ending.load;
    let _ = write!(
        out,
        "{}/{}/{}/{}/{} ",
        load.process, load.listener, load.pool, load.server, record.way.retries
    );
    let _ = writeln!(out, "0/0");
}

/// Appends the line of a request in the form of `option httplog` (section 8.2.3).
pub(crate) fn write_request(out: &mut Vec<u8>, line: &RequestLine<'_>, date: &str) {
    let listener: &str = &line.record.listener.config.name;
    let pool: &str = line.pool.map_or(listener, |pool| &pool.config.name);
    let server: &str = line.server().map_or("<NOSRV>", |server| server);
    let tls = if line.record.secured.is_some() { "~" } else { "" };
    let _ = write!(out, "{} [{date}] {listener}{tls} {pool}/{server} ", line.record.client);
    let total = line.at.duration_since(line.begun).as_millis();
    let _ = write!(
        out,
        "{}/{}/{}/{}/{total} ",
        millis(line.head),
        line.way.queue.map_or(0, |queue| millis(Some(queue))),
        line.way.connect.map_or(0, |connect| millis(Some(connect))),
        millis(line.response),
    );
    let _ = match line.status {
        Some(status) => write!(out, "{status} "),
        None => write!(out, "-1 "),
    };
    let _ = write!(out, "{} - - {}-- ", line.bytes_out, termination(line.fault));
    let load = line.load();
    let (process, server) = (load.process, load.server);
    let _ = write!(out, "{process}/{}/{}/{server}/{} 0/0 \"", load.listener, load.pool, line.way.retries);
    match &line.asked {
        None => out.extend_from_slice(b"<BADREQ>"),
        Some(asked) => {
            escaped(out, asked.method);
            out.push(b' ');
            escaped(out, asked.path);
            let _ = write!(out, " {}", asked.proto);
        }
    }
    out.extend_from_slice(b"\"\n");
}

/// What could end the line or its quotes is written as `#` and two digits, as HAProxy does.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'"' | b'#' | 0..0x20 | 0x7f.. => {
                let _ = write!(out, "#{byte:02X}");
            }
            _ => out.push(*byte),
        }
    }
}

fn millis(span: Option<Span>) -> i64 {
    span.map_or(-1, |span| i64::try_from(Duration::from(span).as_millis()).unwrap_or(i64::MAX))
}

/// The two letters of HAProxy's session state at disconnection (section 8.5): who ended it, and in which phase.
fn termination(fault: Option<Fault>) -> &'static str {
    let Some(fault) = fault else { return "--" };
    match fault {
        Fault::ClientClosed => "CD",
        Fault::ClientTimeout => "cD",
        Fault::ServerReset | Fault::ServerWentDown | Fault::ServerClosedMidBody => "SD",
        Fault::ServerResponseTimeout => "sD",
        Fault::QueueTimeout => "sQ",
        Fault::PoolFull
        | Fault::PoolEmpty
        | Fault::ServerRefused
        | Fault::ServerUnreachable
        | Fault::ServerDns => "SC",
        Fault::ServerConnectTimeout => "sC",
        Fault::OutOfPorts | Fault::OutOfFiles | Fault::SourceUnusable | Fault::SourceUnavailable => "RC",
        Fault::AdminDrained | Fault::ReloadCut => "KD",
        _ => "PR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_end_the_line() {
        let mut out = Vec::new();
        escaped(&mut out, b"/a\"b#c\r\n\xe9");
        assert_eq!(out, b"/a#22b#23c#0D#0A#E9");
    }

    #[test]
    fn who_ended_it_and_when_is_told_in_two_letters() {
        for (fault, letters) in [
            (None, "--"),
            (Some(Fault::ClientClosed), "CD"),
            (Some(Fault::ServerConnectTimeout), "sC"),
            (Some(Fault::QueueTimeout), "sQ"),
            (Some(Fault::NoSniMatch), "PR"),
        ] {
            assert_eq!(termination(fault), letters, "{fault:?}");
        }
    }
}
