//! One end of a relayed connection: a bare socket, or TLS over one.

use std::future::poll_fn;
use std::task::{Poll, ready};

use transom_state::Fault;

use crate::runtime::Stop;
use crate::socket::Socket;

/// Bytes read from the network at once; a read that fills it counts as full.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Where a thread reads to; shared by all its connections, never kept across a wait.
pub(crate) struct Scratch {
    /// As bytes came from the network.
    pub(crate) network: Box<[u8]>,
    /// Deciphered.
    pub(crate) plain: Vec<u8>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { network: vec![0; READ_BYTES].into_boxed_slice(), plain: Vec::new() }
    }
}

/// What a read came to.
pub(crate) enum Read<'a> {
    /// Nothing to pass on yet.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
    /// There will be no more.
    End,
}

/// Why an end is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The network said so.
    Network,
    /// TLS did.
    Tls(Fault),
}

impl From<Stop> for Failed {
    fn from(_: Stop) -> Self {
        Self::Network
    }
}

/// What relaying needs of an end.
pub(crate) trait End {
    /// The socket, where the bytes on it are the plain ones, so that the kernel can move them by itself.
    fn bare(&self) -> Option<&Socket>;

    /// The socket below.
    fn socket(&self) -> &Socket;

    /// Waits until there may be something to read.
    fn poll_readable(&self) -> Poll<Result<(), Failed>>;

    /// Reads what is there.
    fn try_read<'a>(&mut self, scratch: &'a mut Scratch) -> Result<Read<'a>, Failed>;

    /// Takes what fits of `bytes`, and gives how many those are.
    fn try_write(&mut self, bytes: &[u8]) -> Result<usize, Failed>;

    /// Waits until there may be room to write.
    fn poll_writable(&self) -> Poll<Result<(), Failed>> {
        self.socket().poll_writable().map_err(Failed::from)
    }

    /// Waits until nothing that was taken is held back: before that no more should be read for this end.
    fn poll_drained(&mut self) -> Poll<Result<(), Failed>>;

    /// Passes the end on: there will be no more from us. Where this is the `last` thing before the close, a bare
    /// socket leaves it to the close.
    fn poll_end(&mut self, last: bool) -> Poll<Result<(), Failed>>;
}

/// Writes all of `bytes`, waiting for room, as long as the running task has time.
pub(crate) async fn write_all(end: &mut impl End, mut bytes: &[u8]) -> Result<(), Failed> {
    poll_fn(|_| {
        while !bytes.is_empty() {
            ready!(end.poll_writable())?;
            let written = end.try_write(bytes)?;
            bytes = &bytes[written..];
        }
        end.poll_drained()
    })
    .await
}

impl End for Socket {
    fn bare(&self) -> Option<&Socket> {
        Some(self)
    }

    fn socket(&self) -> &Socket {
        self
    }

    fn poll_readable(&self) -> Poll<Result<(), Failed>> {
        Self::poll_readable(self).map_err(Failed::from)
    }

    fn try_read<'a>(&mut self, scratch: &'a mut Scratch) -> Result<Read<'a>, Failed> {
        match Self::try_read(self, &mut scratch.network).map_err(|_| Failed::Network)? {
            None => Ok(Read::Nothing),
            Some(0) => Ok(Read::End),
            Some(read) => Ok(Read::Bytes(&scratch.network[..read])),
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<usize, Failed> {
        Self::try_write(self, bytes).map_err(|_| Failed::Network)
    }

    fn poll_drained(&mut self) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, last: bool) -> Poll<Result<(), Failed>> {
        if !last {
            self.shut();
        }
        Poll::Ready(Ok(()))
    }
}
