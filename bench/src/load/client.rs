//! One place of the generator: at most one connection at a time and what it is doing.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::speech::{Progress, Speech, Wrong};

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing: it may or may not have a connection.
    Resting,
    /// Waiting for its connection.
    Connecting,
    /// Sending the request.
    Asking,
    /// Receiving the answer.
    Listening,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its connection.
    pub(crate) fd: Option<OwnedFd>,
    /// What it does.
    pub(crate) doing: Doing,
    /// Bytes of the present request or answer that went by.
    at: u64,
    /// When the present request was due.
    pub(crate) due: Instant,
    /// When it last came any further.
    pub(crate) moved: Instant,
    /// Moves with each connection, so that an event cannot be taken for a later one's.
    pub(crate) generation: u32,
}

/// What went by while a client went on.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// Connections established.
    pub(crate) connections: u64,
    /// Bytes sent.
    pub(crate) sent: u64,
    /// Bytes received.
    pub(crate) received: u64,
}

/// What a client needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// An event.
    Event,
    /// To go on after the others had their turn.
    Turn,
    /// Something new to do: its request was answered.
    Work,
}

impl Client {
    /// A client that rests.
    pub(crate) fn new(now: Instant) -> Client {
        Client { fd: None, doing: Doing::Resting, at: 0, due: now, moved: now, generation: 0 }
    }

    /// Begins to connect; returns the socket, to be watched.
    pub(crate) fn connect(&mut self, target: SocketAddr) -> Result<&OwnedFd, Errno> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&fd, true)?;
        match connect(&fd, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        self.generation = self.generation.wrapping_add(1);
        self.doing = Doing::Connecting;
        Ok(self.fd.insert(fd))
    }

    /// Begins a request on the connection it has.
    pub(crate) fn ask(&mut self) {
        (self.doing, self.at) = (Doing::Asking, 0);
    }

    /// Drops its connection and rests.
    pub(crate) fn close(&mut self) {
        self.fd = None;
        self.doing = Doing::Resting;
    }

    /// Goes on as far as the socket lets.
    pub(crate) fn go_on(
        &mut self,
        request: &Speech,
        response: &Speech,
        scratch: &mut [u8],
        moved: &mut Moved,
    ) -> Result<Needs, Wrong> {
        let Some(fd) = &self.fd else { return Ok(Needs::Event) };
        loop {
            let before = self.at;
            let progress = match self.doing {
                Doing::Resting => return unasked(fd),
                Doing::Connecting if connected(fd)? => {
                    moved.connections += 1;
                    (self.doing, self.at) = (Doing::Asking, 0);
                    continue;
                }
                Doing::Connecting => return Ok(Needs::Event),
                Doing::Asking => request.say(fd.as_fd(), &mut self.at),
                Doing::Listening => response.hear(fd.as_fd(), &mut self.at, scratch),
            };
            let by = self.at - before;
            if self.doing == Doing::Asking {
                moved.sent += by;
            } else {
                moved.received += by;
            }
            match progress? {
                Progress::Blocked => return Ok(Needs::Event),
                Progress::More => return Ok(Needs::Turn),
                Progress::End => return Err(Wrong::Short { heard: 0, expected: 1 }),
                Progress::Done if self.doing == Doing::Asking => {
                    (self.doing, self.at) = (Doing::Listening, 0);
                    // The answer cannot be there yet; its coming is an event.
                    return Ok(Needs::Event);
                }
                Progress::Done => {
                    self.doing = Doing::Resting;
                    return Ok(Needs::Work);
                }
            }
        }
    }
}

/// Whether the connection is established; the error if it failed.
fn connected(fd: &OwnedFd) -> Result<bool, Wrong> {
    match sockopt::socket_error(fd) {
        Ok(Ok(())) => {}
        Ok(Err(errno)) | Err(errno) => return Err(Wrong::Failed(errno)),
    }
    match rustix::net::getpeername(fd) {
        Ok(_) => Ok(true),
        Err(Errno::NOTCONN) => Ok(false),
        Err(errno) => Err(Wrong::Failed(errno)),
    }
}

/// An event on a connection that rests: only a close or bytes that nobody asked for could be meant.
fn unasked(fd: &OwnedFd) -> Result<Needs, Wrong> {
    match rustix::net::recv(fd, &mut [0; 1], rustix::net::RecvFlags::PEEK) {
        Err(Errno::AGAIN | Errno::INTR) => Ok(Needs::Event),
        Ok((_, 0)) => Err(Wrong::Short { heard: 0, expected: 1 }),
        Ok(_) => Err(Wrong::Different),
        Err(errno) => Err(Wrong::Failed(errno)),
    }
}
