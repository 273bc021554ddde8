//! One TCP connection of a worker.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};

use crate::runtime::{Ready, Stop, runtime};

/// A connected (or connecting) TCP socket registered with this thread's reactor.
pub(crate) struct Socket {
    fd: OwnedFd,
    /// Closed with a reset instead of an end.
    reset: Cell<bool>,
}

impl Socket {
    /// Takes an accepted connection.
    pub(crate) fn accepted(fd: OwnedFd) -> Result<Self, Errno> {
        runtime().reactor().register(fd.as_fd())?;
        Ok(Self { fd, reset: Cell::new(false) })
    }

    /// Begins to connect, from `source` if one is given. Follow with [`Socket::connected`].
    pub(crate) fn connecting(to: SocketAddr, source: Option<IpAddr>) -> Result<Self, Errno> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = net::socket_with(family, SocketType::STREAM, flags, None)?;
        Self::connecting_on(fd, to, source)
    }

    /// Begins to connect with a socket that is made already, neither bound nor blocking.
    pub(crate) fn connecting_on(fd: OwnedFd, to: SocketAddr, source: Option<IpAddr>) -> Result<Self, Errno> {
        sockopt::set_tcp_nodelay(&fd, true)?;
        if let Some(source) = source {
            bind_source(&fd, source)?;
        }
        match net::connect(&fd, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => Self::accepted(fd),
            Err(error) => Err(error),
        }
    }

    /// Waits until the connection is established. Errors: what the network said, or the task's deadline.
    pub(crate) async fn connected(&self) -> Result<(), Stop> {
        poll_fn(|_| runtime().poll_ready(self.fd(), Ready::WRITE)).await?;
        if self.is(Ready::DEAD) {
            sockopt::socket_error(&self.fd)??;
        }
        Ok(())
    }

    /// Waits until there may be something to read.
    pub(crate) fn poll_readable(&self) -> Poll<Result<(), Stop>> {
        runtime().poll_ready(self.fd(), Ready::READ)
    }

    /// Waits until there may be room to write.
    pub(crate) fn poll_writable(&self) -> Poll<Result<(), Stop>> {
        runtime().poll_ready(self.fd(), Ready::WRITE)
    }

    /// Reads what is there; `None`: nothing yet. 0 is the end.
    pub(crate) fn try_read(&self, into: &mut [u8]) -> Result<Option<usize>, Errno> {
        match net::recv(&self.fd, &mut *into, RecvFlags::empty()) {
            Ok((read, _)) => {
                // A read that did not fill the buffer emptied the socket, unless its end has been announced.
                if read < into.len() && !self.is(Ready::ENDING) {
                    self.not_ready(Ready::READ);
                }
                Ok(Some(read))
            }
            Err(Errno::AGAIN) => {
                self.not_ready(Ready::READ);
                Ok(None)
            }
            Err(Errno::INTR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what fits; 0: no room.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if !self.is(Ready::WRITE) {
            return Ok(0);
        }
        match net::send(&self.fd, bytes, SendFlags::NOSIGNAL) {
            Ok(written) => Ok(written),
            Err(Errno::AGAIN) => {
                self.not_ready(Ready::WRITE);
                Ok(0)
            }
            Err(Errno::INTR) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Appends what comes next to `buffer`, at most `more` bytes; 0 is the end.
    pub(crate) async fn read_more(&self, buffer: &mut Vec<u8>, more: usize) -> Result<usize, Stop> {
        let filled = buffer.len();
        buffer.resize(filled + more, 0);
        let outcome = poll_fn(|_| {
            loop {
                ready!(self.poll_readable())?;
                if let Some(read) = self.try_read(&mut buffer[filled..])? {
                    return Poll::Ready(Ok(read));
                }
            }
        })
        .await;
        buffer.truncate(filled + outcome.as_ref().copied().unwrap_or(0));
        outcome
    }

    /// Writes all of `bytes`, waiting for room.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> Result<(), Stop> {
        poll_fn(|_| {
            while !bytes.is_empty() {
                ready!(self.poll_writable())?;
                let written = self.try_write(bytes)?;
                bytes = &bytes[written..];
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Sends the end of our bytes; the peer's may still come.
    pub(crate) fn shut(&self) {
        // A peer that is gone already needs no end.
        let _ = net::shutdown(&self.fd, Shutdown::Write);
    }

    /// Sends our end, then waits for the peer's (at most `time`, throwing away what it sends): bytes that arrive after a
    /// close would turn into a reset, and the peer might lose our last words.
    pub(crate) async fn linger(&self, time: Duration) {
        self.shut();
        runtime().deadline(time);
        let mut thrown = [0; 2048];
        let gone = poll_fn(|_| {
            loop {
                if ready!(self.poll_readable()).is_err() {
                    return Poll::Ready(());
                }
                if matches!(self.try_read(&mut thrown), Ok(Some(0)) | Err(_)) {
                    return Poll::Ready(());
                }
            }
        });
        gone.await;
    }

    /// Closes with a reset when dropped, so that the peer learns that this was no orderly end.
    pub(crate) fn reset_on_close(&self) {
        if !self.reset.replace(true) {
            // Without it the peer sees an orderly end: less said, nothing broken.
            let _ = sockopt::set_socket_linger(&self.fd, Some(Duration::ZERO));
        }
    }

    /// Whether both directions are dead: the peer has reset, or both have ended.
    pub(crate) fn is_dead(&self) -> bool {
        self.is(Ready::DEAD)
    }

    /// Whether the peer has sent its last byte. No system call.
    pub(crate) fn has_ended(&self) -> bool {
        self.is(Ready::ENDING) || self.is(Ready::DEAD)
    }

    /// Whether there may be something to read. No system call.
    pub(crate) fn has_bytes(&self) -> bool {
        self.is(Ready::READ)
    }

    /// Waits until the peer has sent its last byte, or both directions are dead. Does not look at the task's deadline.
    pub(crate) fn poll_ended(&self) -> Poll<()> {
        if self.has_ended() { Poll::Ready(()) } else { runtime().poll_state(self.fd(), Ready::ENDING) }
    }

    /// Waits until both directions are dead. Does not look at the task's deadline.
    pub(crate) fn poll_dead(&self) -> Poll<()> {
        runtime().poll_state(self.fd(), Ready::DEAD)
    }

    /// Our own address of this connection.
    pub(crate) fn local_address(&self) -> Result<SocketAddr, Errno> {
        let address = net::getsockname(&self.fd)?;
        SocketAddr::try_from(address).map_err(|_| Errno::AFNOSUPPORT)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn is(&self, ready: Ready) -> bool {
        runtime().reactor().is(self.fd(), ready)
    }

    pub(crate) fn not_ready(&self, ready: Ready) {
        runtime().reactor().not_ready(self.fd(), ready);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        runtime().reactor().forget(self.fd());
    }
}

/// Binds a socket to an address, of ours or for a transparent socket any, and leaves the port to `connect`, which can then use one port for several
/// servers (`IP_BIND_ADDRESS_NO_PORT`, ip(7)).
fn bind_source(fd: &OwnedFd, source: IpAddr) -> Result<(), Errno> {
    nix::sys::socket::setsockopt(fd, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)
        .map_err(|error| Errno::from_raw_os_error(error as i32))?;
    net::bind(fd, &SocketAddr::new(source, 0))
}
