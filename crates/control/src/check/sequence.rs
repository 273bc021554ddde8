//! The probe that holds a conversation in bytes: things are sent, and things awaited.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use transom_config::{ProbeExpect, ProbeStep};
use transom_state::Fault;

use super::exchange::{printable, spoke_tls};
use super::{Deadline, Failure, tcp};

/// Bytes that are searched for what a step awaits.
const UNREAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes that a compiled expression may take; the configuration was checked with the same.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Goes through the steps in turn. What was said before the end of what a step awaited does not count for the next.
pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    steps: &[ProbeStep],
    deadline: Deadline,
) -> Result<(), Failure> {
    let mut unread = Vec::new();
    for (step, number) in steps.iter().zip(1..) {
        if !step.send.is_empty() {
            let sent = async {
                stream.write_all(&step.send).await?;
                stream.flush().await
            };
            deadline
                .wait(Fault::ServerResponseTimeout, &format!("room for what step {number} sends"), sent)
                .await?
                .map_err(|error| tcp::failure(&error, &format!("sending what step {number} says")))?;
        }
        if let Some(expect) = &step.expect {
            let awaited = Awaited::new(expect, number)?;
            let found = wait_for(&mut stream, &mut unread, &awaited, deadline).await?;
            unread.drain(..found.end);
        }
    }
    Ok(())
}

/// What a step awaits, and which step that is.
struct Awaited<'a> {
    what: What<'a>,
    number: u32,
}

enum What<'a> {
    Bytes(&'a [u8]),
    Found(Regex),
}

impl<'a> Awaited<'a> {
    fn new(expect: &'a ProbeExpect, number: u32) -> Result<Self, Failure> {
        let what = match expect {
            ProbeExpect::Bytes(bytes) => What::Bytes(bytes),
            ProbeExpect::Regex(regex) => {
                let regex = RegexBuilder::new(regex).size_limit(REGEX_BYTES_MAX).build();
                What::Found(regex.map_err(|error| {
                    Failure::new(
                        Fault::ServerBadResponse,
                        format!("step {number} awaits no expression: {error}"),
                    )
                })?)
            }
        };
        Ok(Self { what, number })
    }

    fn find(&self, said: &[u8]) -> Option<Range<usize>> {
        match &self.what {
            What::Bytes(bytes) => memchr::memmem::find(said, bytes).map(|at| at..at + bytes.len()),
            What::Found(regex) => regex.find(said).map(|found| found.range()),
        }
    }

    /// What was awaited, fit for a log line.
    fn shown(&self) -> String {
        match &self.what {
            What::Bytes(bytes) => format!("{:?}", printable(bytes)),
            What::Found(regex) => format!("/{regex}/"),
        }
    }

    fn missing(&self, said: &[u8], why: &str) -> Failure {
        if spoke_tls(said) {
            return Failure::new(Fault::ServerSpeaksTls, "the server speaks TLS on this port");
        }
        let said = match said {
            [] => "nothing".to_owned(),
            said => format!("{:?}", printable(said)),
        };
        let why = format!("step {} awaits {}, but {why}; it said {said}", self.number, self.shown());
        Failure::new(Fault::ServerBadResponse, why)
    }
}

/// Reads until what is awaited has come; where it stands in what was not looked at yet.
async fn wait_for<S: AsyncRead + Unpin>(
    stream: &mut S,
    unread: &mut Vec<u8>,
    awaited: &Awaited<'_>,
    deadline: Deadline,
) -> Result<Range<usize>, Failure> {
    loop {
        if let Some(found) = awaited.find(unread) {
            return Ok(found);
        }
        if unread.len() >= UNREAD_BYTES_MAX {
            let why = format!("it is not among the first {UNREAD_BYTES_MAX} bytes");
            return Err(awaited.missing(unread, &why));
        }
        unread.reserve(4096);
        let step = format!("{} for step {}", awaited.shown(), awaited.number);
        match deadline.wait(Fault::ServerResponseTimeout, &step, stream.read_buf(unread)).await? {
            Ok(0) => return Err(awaited.missing(unread, "the server closed the connection")),
            Ok(_) => {}
            // TLS that ends without close_notify.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(awaited.missing(unread, "the server closed the connection"));
            }
            Err(error) => return Err(tcp::failure(&error, "reading what the server says")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn step(send: &str, expect: Option<ProbeExpect>) -> ProbeStep {
        ProbeStep { send: send.as_bytes().into(), expect }
    }

    fn bytes(text: &str) -> Option<ProbeExpect> {
        Some(ProbeExpect::Bytes(text.as_bytes().into()))
    }

    fn regex(text: &str) -> Option<ProbeExpect> {
        Some(ProbeExpect::Regex(text.into()))
    }

    /// What comes of the steps with a server that says all this at once, or hears it first.
    async fn run(steps: &[ProbeStep], says: &[u8]) -> (Result<(), String>, Vec<u8>) {
        let (ours, mut theirs) = tokio::io::duplex(1 << 17);
        theirs.write_all(says).await.unwrap();
        let (mut heard, mut write) = tokio::io::split(theirs);
        write.shutdown().await.unwrap();
        let allowed = Duration::from_secs(5);
        let deadline = Deadline { at: Instant::now() + allowed, allowed };
        let result = converse(ours, steps, deadline).await.map_err(|failure| failure.to_string());
        let mut sent = Vec::new();
        heard.read_to_end(&mut sent).await.unwrap();
        (result, sent)
    }

    #[tokio::test]
    async fn a_conversation_goes_step_by_step() {
        let redis = [
            step("PING\r\n", bytes("+PONG")),
            step("info\r\n", regex("role:master")),
            step("QUIT\r\n", None),
        ];
        let (result, sent) = run(&redis, b"+PONG\r\n$9\r\nrole:master\r\n").await;
        assert_eq!((result, &sent[..]), (Ok(()), &b"PING\r\ninfo\r\nQUIT\r\n"[..]));
    }

    #[tokio::test]
    async fn what_is_missing_is_named_with_its_step() {
        let twice = [step("", bytes("OK")), step("", bytes("OK"))];
        let slave = [step("a", regex("^role:master"))];
        let cases: [(&[ProbeStep], &[u8], &str); 4] = [
            (
                &twice,
                b"..OK\n",
                "step 2 awaits \"OK\", but the server closed the connection; it said \"\u{fffd}\"",
            ),
            (
                &slave,
                b"role:slave",
                "step 1 awaits /^role:master/, but the server closed the connection; it said \"role:slave\"",
            ),
            (&slave, b"", "it said nothing (server-bad-response)"),
            (
                &slave,
                b"\x15\x03\x01\x00\x02\x02\x46",
                "the server speaks TLS on this port (server-speaks-tls)",
            ),
        ];
        for (steps, says, want) in cases {
            let (result, _) = run(steps, says).await;
            let why = result.expect_err(want);
            assert!(why.contains(want), "{why}");
        }
    }

    #[tokio::test]
    async fn a_server_that_says_too_much_is_not_heard_to_the_end() {
        let (result, _) = run(&[step("", bytes("never"))], &[b'x'; UNREAD_BYTES_MAX + 10]).await;
        assert!(result.expect_err("it never comes").contains("not among the first 65536 bytes"));
    }
}
