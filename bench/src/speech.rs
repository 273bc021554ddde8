//! What one side of an exchange sends, and sending and hearing it on a socket that does not block.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::link::Link;
use crate::message;

/// Bytes of one system call at most.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
/// Raw speeches up to this size are compared with what was expected; longer ones are counted only, so that the
/// generator never is what is measured. Bodies of HTTP are always compared.
const COMPARED_BYTES_MAX: u64 = 64 * 1024;
/// System calls in a row for one connection before the others have their turn.
const ROUNDS: usize = 8;

/// A ClientHello as curl with OpenSSL sends it, for `exchange.example.com` (RFC 8446 section 4.1.2).
pub(crate) const CLIENT_HELLO: &[u8] = include_bytes!("../data/client-hello.bin");

/// What one side sends in an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Text {
    /// So many bytes of a pattern.
    Bytes(u64),
    /// [`CLIENT_HELLO`].
    ClientHello,
    /// A GET of HTTP for the site of that number; whoever hears it takes any site.
    Get(usize),
    /// A response of HTTP with a body of so many bytes of the pattern.
    Answer(u32),
}

/// A [`Text`] ready to be sent: its bytes are `block`, over and over, up to `len`.
#[derive(Debug)]
pub(crate) struct Speech {
    block: Vec<u8>,
    len: u64,
    heard_as: HeardAs,
}

/// How it is recognised on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeardAs {
    /// By its very bytes.
    Raw,
    /// A request of HTTP, to which the door may have added.
    Request,
    /// A response of HTTP whose body is the last so many bytes of the block.
    Response(usize),
}

/// How far one side has heard a speech.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    /// Bytes of the speech, under HTTP of its body.
    at: u64,
    /// Bytes of a head that has not come whole.
    head: Vec<u8>,
    /// Whether the head has come.
    past_head: bool,
}

/// How far a call to [`Speech::say`] or [`Speech::hear`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All of it.
    Done,
    /// The socket would block; its next event tells.
    Blocked,
    /// There is more to do, but it is the others' turn.
    More,
    /// The other side closed before it began to speak.
    End,
}

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A system call failed.
    Failed(Errno),
    /// The other side closed within a speech.
    Short {
        /// Bytes that came.
        heard: u64,
        /// Bytes expected.
        expected: u64,
    },
    /// Other bytes than expected came.
    Different,
    /// A head of HTTP that was not expected, or what HTTP/2 said.
    Head(Box<str>),
    /// What TLS said.
    Tls(Box<str>),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(errno) => write!(f, "{errno}"),
            Self::Short { heard, expected } => write!(f, "closed after {heard} of {expected} bytes"),
            Self::Different => write!(f, "other bytes came than were expected"),
            Self::Head(line) => write!(f, "`{line}` came"),
            Self::Tls(why) => write!(f, "TLS: {why}"),
        }
    }
}

/// So many bytes of the pattern. 251 is prime: it does not line up with any buffer.
fn pattern(len: usize) -> impl Iterator<Item = u8> {
    (0_u8..251).cycle().take(len)
}

impl Speech {
    /// Makes `text` ready.
    pub(crate) fn new(text: Text) -> Speech {
        let (block, heard_as) = match text {
            Text::ClientHello => (CLIENT_HELLO.to_vec(), HeardAs::Raw),
            Text::Bytes(len) => {
                let size = usize::try_from(len).unwrap_or(CHUNK_BYTES).clamp(1, CHUNK_BYTES);
                return Speech { block: pattern(size).collect(), len, heard_as: HeardAs::Raw };
            }
            Text::Get(site) => (message::request(site).into_bytes(), HeardAs::Request),
            Text::Answer(len) => {
                let len = usize::try_from(len).expect("32 bits fit");
                let mut block = message::response(len).into_bytes();
                block.extend(pattern(len));
                (block, HeardAs::Response(len))
            }
        };
        Speech { len: block.len() as u64, block, heard_as }
    }

    /// Whether it is so long that cutting it off is no error when a measurement ends.
    pub(crate) fn is_bulk(&self) -> bool {
        self.len > COMPARED_BYTES_MAX
    }

    /// The body of a response.
    pub(crate) fn body(&self) -> &[u8] {
        match self.heard_as {
            HeardAs::Response(len) => &self.block[self.block.len() - len..],
            HeardAs::Raw | HeardAs::Request => &[],
        }
    }

    /// Sends from byte `at` on, and moves `at`.
    pub(crate) fn say(&self, link: &mut Link, at: &mut u64) -> Result<Progress, Wrong> {
        for _ in 0..ROUNDS {
            match link.send(self.from(*at)) {
                Ok(sent) => *at += sent as u64,
                Err(Wrong::Failed(Errno::AGAIN)) => return Ok(Progress::Blocked),
                Err(Wrong::Failed(Errno::INTR)) => {}
                Err(wrong) => return Err(wrong),
            }
            if *at == self.len {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::More)
    }

    /// Receives what the other side says, and adds to `bytes` how much came.
    pub(crate) fn hear(
        &self,
        link: &mut Link,
        ear: &mut Ear,
        scratch: &mut [u8],
        bytes: &mut u64,
    ) -> Result<Progress, Wrong> {
        let raw = self.heard_as == HeardAs::Raw;
        for _ in 0..ROUNDS {
            let left = usize::try_from(self.len - ear.at).unwrap_or(usize::MAX);
            let room = if raw { left.min(scratch.len()) } else { scratch.len() };
            let count = match link.recv(&mut scratch[..room], raw && self.is_bulk()) {
                Ok(0) if ear.is_unused() => return Ok(Progress::End),
                Ok(0) => return Err(Wrong::Short { heard: ear.at, expected: self.len }),
                Ok(count) => count,
                Err(Wrong::Failed(Errno::AGAIN)) => return Ok(Progress::Blocked),
                Err(Wrong::Failed(Errno::INTR)) => continue,
                Err(wrong) => return Err(wrong),
            };
            *bytes += count as u64;
            let whole =
                if raw { self.take(ear, &scratch[..count])? } else { self.read(ear, &scratch[..count])? };
            if whole {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::More)
    }

    /// Compares bytes of a raw speech; true at its end.
    fn take(&self, ear: &mut Ear, bytes: &[u8]) -> Result<bool, Wrong> {
        if !self.is_bulk() && !self.from(ear.at).starts_with(bytes) {
            return Err(Wrong::Different);
        }
        ear.at += bytes.len() as u64;
        Ok(ear.at == self.len)
    }

    /// Reads bytes of a message of HTTP; true at its end. Nobody pipelines here: what comes after it is wrong.
    fn read(&self, ear: &mut Ear, bytes: &[u8]) -> Result<bool, Wrong> {
        if ear.past_head {
            return self.read_body(ear, bytes);
        }
        let held = std::mem::take(&mut ear.head);
        let joined = [&held[..], bytes].concat();
        // Nearly always all of it comes at once and nothing was held.
        let all = if held.is_empty() { bytes } else { &joined[..] };
        let Some(end) = message::end_of_head(all) else {
            ear.head = all.to_vec();
            return Ok(false);
        };
        let (head, body) = all.split_at(end);
        let expected = match self.heard_as {
            HeardAs::Response(len) => message::is_answer(head, len),
            HeardAs::Request | HeardAs::Raw => message::is_request(head),
        };
        if !expected {
            return Err(Wrong::Head(message::first_line(head).into()));
        }
        ear.past_head = true;
        self.read_body(ear, body)
    }

    fn read_body(&self, ear: &mut Ear, bytes: &[u8]) -> Result<bool, Wrong> {
        let body = self.body();
        let at = usize::try_from(ear.at).expect("bodies are in memory");
        if !body[at..].starts_with(bytes) {
            return Err(Wrong::Different);
        }
        ear.at += bytes.len() as u64;
        Ok(ear.at == body.len() as u64)
    }

    /// The bytes from `at` to the end of the block or of the speech.
    fn from(&self, at: u64) -> &[u8] {
        let start = usize::try_from(at % self.block.len() as u64).expect("less than the block's length");
        let rest = usize::try_from(self.len - at).unwrap_or(usize::MAX);
        &self.block[start..self.block.len().min(start.saturating_add(rest))]
    }
}

impl Ear {
    fn is_unused(&self) -> bool {
        self.at == 0 && !self.past_head && self.head.is_empty()
    }

    /// Forgets what was heard, for the next speech.
    pub(crate) fn clear(&mut self) {
        *self = Ear::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Link, Link) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (Link::Bare(ours.into()), Link::Bare(theirs.into()))
    }

    /// Hears all there is of `text`.
    fn heard(text: Text, ear: &mut Ear, link: &mut Link) -> Result<Progress, Wrong> {
        Speech::new(text).hear(link, ear, &mut vec![0; CHUNK_BYTES], &mut 0)
    }

    #[test]
    fn a_client_hello_names_the_server() {
        assert_eq!(CLIENT_HELLO[..3], [0x16, 3, 1]);
        assert!(CLIENT_HELLO.windows(20).any(|name| name == b"exchange.example.com"));
    }

    #[test]
    fn what_is_said_is_heard() {
        let (mut ours, mut theirs) = pair();
        for text in [Text::Bytes(1), Text::Bytes(1024), Text::ClientHello, Text::Answer(1024)] {
            let mut said = 0;
            assert_eq!(Speech::new(text).say(&mut ours, &mut said), Ok(Progress::Done));
            assert_eq!(heard(text, &mut Ear::default(), &mut theirs), Ok(Progress::Done), "{text:?}");
        }
    }

    #[test]
    fn other_bytes_are_an_error() {
        let (mut ours, mut theirs) = pair();
        Speech::new(Text::ClientHello).say(&mut ours, &mut 0).unwrap();
        assert_eq!(heard(Text::Bytes(64), &mut Ear::default(), &mut theirs), Err(Wrong::Different));
    }

    #[test]
    fn a_response_may_come_in_pieces_and_must_be_the_one_expected() {
        let whole = Speech::new(Text::Answer(300)).block;
        for cut in 1..whole.len() {
            let (mut ours, mut theirs) = pair();
            let mut ear = Ear::default();
            ours.send(&whole[..cut]).unwrap();
            assert_eq!(heard(Text::Answer(300), &mut ear, &mut theirs), Ok(Progress::Blocked), "{cut}");
            ours.send(&whole[cut..]).unwrap();
            assert_eq!(heard(Text::Answer(300), &mut ear, &mut theirs), Ok(Progress::Done), "{cut}");
        }
        let last = whole.len() - 1;
        for (wrong, at) in [("a byte of the body", last), ("one byte too many", whole.len())] {
            let (mut ours, mut theirs) = pair();
            let mut bytes = whole.clone();
            bytes.truncate(at);
            bytes.push(b'!');
            ours.send(&bytes).unwrap();
            let heard = heard(Text::Answer(300), &mut Ear::default(), &mut theirs);
            assert_eq!(heard, Err(Wrong::Different), "{wrong}");
        }
        let (mut ours, mut theirs) = pair();
        ours.send(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").unwrap();
        let heard = heard(Text::Answer(300), &mut Ear::default(), &mut theirs);
        assert_eq!(heard, Err(Wrong::Head("HTTP/1.1 502 Bad Gateway".into())));
    }

    #[test]
    fn a_close_before_the_first_byte_is_an_end_and_later_an_error() {
        let (ours, mut theirs) = pair();
        drop(ours);
        assert_eq!(heard(Text::Bytes(100), &mut Ear::default(), &mut theirs), Ok(Progress::End));
        let mut ear = Ear { at: 40, ..Ear::default() };
        let short = heard(Text::Bytes(100), &mut ear, &mut theirs);
        assert_eq!(short, Err(Wrong::Short { heard: 40, expected: 100 }));
    }
}
