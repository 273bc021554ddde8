//! Kernel pipes for `splice`: bytes go from socket to socket without a copy into the program (splice(2)).

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{self, PipeFlags, SpliceFlags};

use crate::runtime::Ready;
use crate::socket::Socket;

/// Bytes asked of the kernel for one pipe. Where the user's share of pipe memory (`fs.pipe-user-pages-soft`) is used up,
/// the kernel's default of 64 KiB has to do.
pub(crate) const PIPE_BYTES: usize = 1 << 20;
/// Empty pipes kept by a worker for the next direction that needs one.
const KEPT: usize = 64;

thread_local! {
    static EMPTY: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe and how many bytes are in it.
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    filled: usize,
}

impl Pipe {
    /// An empty pipe: a kept one or a new one. Errors: no descriptors left, say.
    pub(crate) fn take() -> rustix::io::Result<Self> {
        if let Some(pipe) = EMPTY.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = pipe::pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // Smaller is slower, not wrong.
        let _ = pipe::fcntl_setpipe_size(&write, PIPE_BYTES);
        Ok(Self { read, write, filled: 0 })
    }

    /// Keeps an empty pipe for others; one that holds a dead connection's bytes is closed.
    pub(crate) fn put_back(self) {
        if self.filled == 0 {
            EMPTY.with_borrow_mut(|kept| {
                if kept.len() < KEPT {
                    kept.push(self);
                }
            });
        }
    }

    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    /// Moves what is there from `socket` into the empty pipe; `None`: nothing yet. 0 is the end.
    pub(crate) fn fill(&mut self, socket: &Socket) -> rustix::io::Result<Option<usize>> {
        match splice(socket.fd(), self.write.as_fd(), PIPE_BYTES) {
            Ok(moved) => {
                self.filled += moved;
                Ok(Some(moved))
            }
            Err(Errno::AGAIN) => {
                socket.not_ready(Ready::READ);
                Ok(None)
            }
            Err(Errno::INTR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves what fits from the pipe to `socket`; 0: no room.
    pub(crate) fn drain(&mut self, socket: &Socket) -> rustix::io::Result<usize> {
        match splice(self.read.as_fd(), socket.fd(), self.filled) {
            Ok(moved) => {
                self.filled -= moved;
                Ok(moved)
            }
            Err(Errno::AGAIN) => {
                socket.not_ready(Ready::WRITE);
                Ok(0)
            }
            Err(Errno::INTR) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, bytes: usize) -> rustix::io::Result<usize> {
    pipe::splice(from, None, to, None, bytes, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)
}
