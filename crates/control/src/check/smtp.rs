//! The SMTP probe: a greeting, an answer to EHLO, a polite QUIT (RFC 5321).

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use transom_state::Fault;

use super::exchange::{printable, spoke_tls};
use super::{Deadline, Failure, tcp};

/// Bytes of one reply, all its lines together; more is not SMTP.
const REPLY_BYTES_MAX: usize = 16 * 1024;

/// Reads the greeting, says EHLO, wants `expect` for an answer and says QUIT.
pub(super) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    own: IpAddr,
    expect: u16,
    deadline: Deadline,
) -> Result<(), Failure> {
    let mut unread = Vec::new();
    let greeting = reply(&mut stream, &mut unread, "greeting", deadline).await?;
    demand(&greeting, 220, "the greeting")?;
    say(&mut stream, &format!("EHLO {}\r\n", literal(own)), deadline).await?;
    let answer = reply(&mut stream, &mut unread, "answer to EHLO", deadline).await?;
    demand(&answer, expect, "the answer to EHLO")?;
    // The result stands; the rest is manners, so that the server logs no lost connection.
    if say(&mut stream, "QUIT\r\n", deadline).await.is_ok() {
        drop(reply(&mut stream, &mut unread, "answer to QUIT", deadline).await);
    }
    Ok(())
}

/// Our address as a domain (RFC 5321 section 4.1.3).
fn literal(own: IpAddr) -> String {
    match own.to_canonical() {
        IpAddr::V4(own) => format!("[{own}]"),
        IpAddr::V6(own) => format!("[IPv6:{own}]"),
    }
}

struct Reply {
    code: u16,
    /// The last line, printable.
    line: String,
}

fn demand(reply: &Reply, want: u16, what: &str) -> Result<(), Failure> {
    if reply.code == want {
        return Ok(());
    }
    Err(Failure::new(Fault::ServerBadResponse, format!("{what} is {:?} instead of {want}", reply.line)))
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str, deadline: Deadline) -> Result<(), Failure> {
    deadline
        .wait(Fault::ServerResponseTimeout, "room for a command", stream.write_all(line.as_bytes()))
        .await?
        .map_err(|error| tcp::failure(&error, "sending a command"))
}

/// Reads one reply of one line or more; what the server sent beyond it stays in `unread`.
async fn reply<S: AsyncRead + Unpin>(
    stream: &mut S,
    unread: &mut Vec<u8>,
    what: &str,
    deadline: Deadline,
) -> Result<Reply, Failure> {
    loop {
        if let Some((reply, len)) = parse(unread)? {
            unread.drain(..len);
            return Ok(reply);
        }
        if unread.len() >= REPLY_BYTES_MAX {
            return Err(Failure::new(Fault::ServerBadResponse, format!("the {what} does not end")));
        }
        let read = deadline
            .wait(Fault::ServerResponseTimeout, what, stream.read_buf(unread))
            .await?
            .map_err(|error| tcp::failure(&error, "reading an answer"))?;
        if read == 0 {
            let why = format!("the server closed the connection instead of the {what}");
            return Err(Failure::new(Fault::ServerClosedBeforeResponse, why));
        }
    }
}

/// Finds a whole reply at the start of `bytes`: lines `250-…` and a last one `250 …` (RFC 5321 section 4.2.1).
/// `None`: more is needed.
fn parse(bytes: &[u8]) -> Result<Option<(Reply, usize)>, Failure> {
    if spoke_tls(bytes) {
        return Err(Failure::new(Fault::ServerSpeaksTls, "the server speaks TLS on this port"));
    }
    let mut start = 0;
    while let Some(end) = memchr::memchr(b'\n', &bytes[start..]).map(|at| start + at) {
        let line = &bytes[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(code) = code(line) else {
            let why = format!("{:?} is not an SMTP reply", printable(line));
            return Err(Failure::new(Fault::ServerBadResponse, why));
        };
        if line.get(3) != Some(&b'-') {
            return Ok(Some((Reply { code, line: printable(line) }, end + 1)));
        }
        start = end + 1;
    }
    Ok(None)
}

fn code(line: &[u8]) -> Option<u16> {
    let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    if !matches!(line.get(3), None | Some(b' ' | b'-')) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_may_have_several_lines_and_come_in_pieces() {
        let table = [
            ("220 hello\r\n", "220 at 11"),
            ("220 hello\n", "220 at 10"),
            ("220\r\n", "220 at 5"),
            ("250-a\r\n250-b\r\n250 c\r\nrest", "250 at 21"),
            ("250-a\r\n250-b\r\n", "more"),
            ("250 a", "more"),
            ("", "more"),
            ("HTTP/1.1 400\r\n", "\"HTTP/1.1 400\" is not an SMTP reply"),
            ("220hello\r\n", "\"220hello\" is not an SMTP reply"),
            ("\x15\x03\x03\0\x02\x02\x46", "the server speaks TLS on this port"),
        ];
        for (bytes, want) in table {
            let got = match parse(bytes.as_bytes()) {
                Ok(Some((reply, len))) => format!("{} at {len}", reply.code),
                Ok(None) => "more".to_owned(),
                Err(failure) => failure.why,
            };
            assert_eq!(got, want, "{bytes:?}");
        }
    }

    #[test]
    fn an_address_is_a_domain_in_brackets() {
        assert_eq!(literal("192.0.2.1".parse().unwrap()), "[192.0.2.1]");
        assert_eq!(literal("::ffff:192.0.2.1".parse().unwrap()), "[192.0.2.1]");
        assert_eq!(literal("2001:db8::1".parse().unwrap()), "[IPv6:2001:db8::1]");
    }
}
