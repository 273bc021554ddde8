//! What one side of an exchange sends, and sending and hearing it on a socket that does not block.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::{Deserialize, Serialize};

/// Bytes of one system call at most.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
/// Speeches up to this size are compared with what was expected; longer ones are counted only, so that the
/// generator never is what is measured.
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
}

/// A [`Text`] ready to be sent: its bytes are `block`, over and over, up to `len`.
#[derive(Debug)]
pub(crate) struct Speech {
    block: Vec<u8>,
    len: u64,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(errno) => write!(f, "{errno}"),
            Self::Short { heard, expected } => write!(f, "closed after {heard} of {expected} bytes"),
            Self::Different => write!(f, "other bytes came than were expected"),
        }
    }
}

impl Speech {
    /// Makes `text` ready.
    pub(crate) fn new(text: Text) -> Speech {
        match text {
            Text::ClientHello => Speech { block: CLIENT_HELLO.to_vec(), len: CLIENT_HELLO.len() as u64 },
            Text::Bytes(len) => {
                let size = usize::try_from(len).unwrap_or(CHUNK_BYTES).clamp(1, CHUNK_BYTES);
                // 251 is prime: the pattern does not line up with any buffer.
                Speech { block: (0_u8..251).cycle().take(size).collect(), len }
            }
        }
    }

    /// Whether it is so long that cutting it off is no error when a measurement ends.
    pub(crate) fn is_bulk(&self) -> bool {
        self.len > COMPARED_BYTES_MAX
    }

    /// Sends from byte `at` on, and moves `at`.
    pub(crate) fn say(&self, fd: BorrowedFd<'_>, at: &mut u64) -> Result<Progress, Wrong> {
        for _ in 0..ROUNDS {
            match send(fd, self.from(*at), SendFlags::NOSIGNAL) {
                Ok(sent) => *at += sent as u64,
                Err(Errno::AGAIN) => return Ok(Progress::Blocked),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Wrong::Failed(errno)),
            }
            if *at == self.len {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::More)
    }

    /// Receives what the other side says, from byte `at` on, and moves `at`.
    pub(crate) fn hear(
        &self,
        fd: BorrowedFd<'_>,
        at: &mut u64,
        scratch: &mut [u8],
    ) -> Result<Progress, Wrong> {
        // On TCP this flag drops the bytes in the kernel instead of copying them.
        let flags = if self.is_bulk() { RecvFlags::TRUNC } else { RecvFlags::empty() };
        for _ in 0..ROUNDS {
            let room = usize::try_from(self.len - *at).unwrap_or(usize::MAX).min(scratch.len());
            let count = match recv(fd, &mut scratch[..room], flags) {
                Ok((_, 0)) if *at == 0 => return Ok(Progress::End),
                Ok((_, 0)) => return Err(Wrong::Short { heard: *at, expected: self.len }),
                Ok((_, count)) => count,
                Err(Errno::AGAIN) => return Ok(Progress::Blocked),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(Wrong::Failed(errno)),
            };
            if !self.is_bulk() && !self.from(*at).starts_with(&scratch[..count]) {
                return Err(Wrong::Different);
            }
            *at += count as u64;
            if *at == self.len {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::More)
    }

    /// The bytes from `at` to the end of the block or of the speech.
    fn from(&self, at: u64) -> &[u8] {
        let start = usize::try_from(at % self.block.len() as u64).expect("less than the block's length");
        let rest = usize::try_from(self.len - at).unwrap_or(usize::MAX);
        &self.block[start..self.block.len().min(start.saturating_add(rest))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_client_hello_names_the_server() {
        assert_eq!(CLIENT_HELLO[..3], [0x16, 3, 1]);
        assert!(CLIENT_HELLO.windows(20).any(|name| name == b"exchange.example.com"));
    }

    #[test]
    fn what_is_said_is_heard() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for text in [Text::Bytes(1), Text::Bytes(1024), Text::ClientHello] {
            let speech = Speech::new(text);
            let mut scratch = vec![0; CHUNK_BYTES];
            let (mut said, mut heard) = (0, 0);
            assert_eq!(speech.say(ours.as_fd(), &mut said), Ok(Progress::Done));
            assert_eq!(speech.hear(theirs.as_fd(), &mut heard, &mut scratch), Ok(Progress::Done));
            assert_eq!(said, heard);
        }
    }

    #[test]
    fn other_bytes_are_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut scratch = vec![0; 64];
        Speech::new(Text::ClientHello).say(ours.as_fd(), &mut 0).unwrap();
        let heard = Speech::new(Text::Bytes(64)).hear(theirs.as_fd(), &mut 0, &mut scratch);
        assert_eq!(heard, Err(Wrong::Different));
    }

    #[test]
    fn a_close_before_the_first_byte_is_an_end_and_later_an_error() {
        let speech = Speech::new(Text::Bytes(100));
        let mut scratch = vec![0; 64];
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        assert_eq!(speech.hear(theirs.as_fd(), &mut 0, &mut scratch), Ok(Progress::End));
        let mut at = 40;
        let short = speech.hear(theirs.as_fd(), &mut at, &mut scratch);
        assert_eq!(short, Err(Wrong::Short { heard: 40, expected: 100 }));
    }
}
