//! One end of a relayed connection: a bare socket, or TLS over one.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, ready};

use transom_state::Fault;

use crate::buffer::Buffer;
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
    fn new() -> Self {
        Self { network: vec![0; READ_BYTES].into_boxed_slice(), plain: Vec::new() }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// Runs `work` with this thread's scratch; must not be called from within itself.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(work)
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

/// Bytes on their way to an end that did not take them yet. Empty it holds no memory.
#[derive(Default)]
pub(crate) struct Outgoing {
    bytes: Option<Buffer>,
    sent: usize,
}

impl Outgoing {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_none()
    }

    /// Keeps bytes for the next [`Outgoing::poll_flush`].
    pub(crate) fn hold(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.buffer().extend_from_slice(bytes);
        }
    }

    /// Where to append what goes out next.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        self.bytes.get_or_insert_with(Buffer::take)
    }

    /// Writes what `end` takes at once and keeps the rest. Follow with [`Outgoing::poll_flush`] before more is read: that
    /// is what bounds memory.
    pub(crate) fn send(&mut self, end: &mut impl End, bytes: &[u8]) -> Result<(), Failed> {
        let written = if self.is_empty() { end.try_write(bytes)? } else { 0 };
        self.hold(&bytes[written..]);
        Ok(())
    }

    /// Waits until all has been handed to the network.
    pub(crate) fn poll_flush(&mut self, end: &mut impl End) -> Poll<Result<(), Failed>> {
        while let Some(bytes) = &self.bytes {
            if self.sent == bytes.len() {
                *self = Self::default();
                break;
            }
            ready!(end.poll_writable())?;
            self.sent += end.try_write(&bytes[self.sent..])?;
        }
        end.poll_drained()
    }
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
