//! A tiny HTTP/1.1 origin that says who it is.
//!
//! | path | answer |
//! |---|---|
//! | one set by `Server::set_answer` | as set |
//! | `/status/NNN` | that status |
//! | `/bytes/N` | 200 and a body of so many bytes |
//! | `/slow/N` | 200 after so many milliseconds |
//! | any other | 200 |
//!
//! The body is one line, `NAME METHOD PATH`, where nothing else is said; `Server` holds the name as well. Connections
//! are kept until the client says `Connection: close` or ends them.

use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use crate::client::read_head;
use crate::server::Shared;

/// Answers requests until the client has no more.
pub(crate) fn serve(shared: &Shared, stream: &mut (impl Read + Write)) -> io::Result<()> {
    while let Some(head) = read_head(stream)? {
        let mut lines = head.split("\r\n");
        let mut request = lines.next().unwrap_or_default().split(' ');
        let (method, path) = (request.next().unwrap_or_default(), request.next().unwrap_or("/"));
        let fields: Vec<(String, &str)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let field = |name: &str| fields.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
        let len = field("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
        io::copy(&mut stream.take(len), &mut io::sink())?;
        let close = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        answer(shared, stream, method, path, close)?;
        if close {
            break;
        }
    }
    Ok(())
}

fn answer(shared: &Shared, stream: &mut impl Write, method: &str, path: &str, close: bool) -> io::Result<()> {
    let said = format!("{} {method} {path}\n", shared.name);
    let number = |prefix: &str| path.strip_prefix(prefix).and_then(|rest| rest.parse::<u64>().ok());
    let (status, body) = if let Some((status, body)) = shared.answer(path) {
        (status, body)
    } else if let Some(status) = number("/status/").and_then(|status| u16::try_from(status).ok()) {
        (status, said)
    } else if let Some(count) = number("/bytes/") {
        head(shared, stream, 200, count, close)?;
        io::copy(&mut io::repeat(b'x').take(count), stream)?;
        return stream.flush();
    } else {
        if let Some(pause) = number("/slow/") {
            thread::sleep(Duration::from_millis(pause));
        }
        (200, said)
    };
    head(shared, stream, status, body.len() as u64, close)?;
    if method != "HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

fn head(shared: &Shared, stream: &mut impl Write, status: u16, len: u64, close: bool) -> io::Result<()> {
    let connection = if close { "Connection: close\r\n" } else { "" };
    write!(
        stream,
        "HTTP/1.1 {status} Status\r\nServer: {}\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n{connection}\r\n",
        shared.name
    )
}
