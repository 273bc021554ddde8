//! HAProxy's tcplog line, for parsers that exist (HAProxy configuration manual, section 8.2.2).

use std::io::Write;
use std::time::Duration;

use transom_state::Fault;

use super::record::{Ending, Record, Span};

/// Appends the line of a finished connection. `date` is `20/Nov/2026:14:02:31.214`.
pub(crate) fn write(out: &mut Vec<u8>, record: &Record, ending: &Ending, date: &str) {
    let listener: &str = &record.listener.config.name;
    let pool: &str = record.pool.as_ref().map_or(listener, |pool| &pool.config.name);
    let server: &str = record.server().map_or("<NOSRV>", |server| server);
    let _ = write!(out, "{} [{date}] {listener} {pool}/{server} ", record.client);
    let _ = write!(
        out,
        "{}/{}/{} ",
        millis(record.queue),
        millis(record.connect),
        ending.at.duration_since(record.started).as_millis()
    );
    let _ = write!(out, "{} {} ", ending.bytes_out, termination(ending.fault));
    let load = &ending.load;
    let _ =
        write!(out, "{}/{}/{}/{}/{} ", load.process, load.listener, load.pool, load.server, record.retries);
    let _ = writeln!(out, "0/0");
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
        Fault::OutOfPorts | Fault::OutOfFiles => "RC",
        Fault::AdminDrained | Fault::ReloadCut => "KD",
        _ => "PR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
