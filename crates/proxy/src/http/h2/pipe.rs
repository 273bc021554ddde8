//! The client's connection as the `h2` crate wants it: tokio's traits over an `End`.
//!
//! What is written gathers, and leaves once a poll of the connection: many streams' frames in one system call. The buffer
//! is bounded; while it is full the crate writes no more, and its streams get no room.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch::Watch;
use crate::buffer::Buffer;
use crate::end::{End, Failed, Read, with_scratch};
use crate::runtime::runtime;

/// Bytes that wait for the network at most, give or take a frame.
const GATHER_BYTES: usize = 64 * 1024;

/// The connection and what is on its way in both directions.
struct Inner<C> {
    end: C,
    /// What came and was not taken yet.
    input: Option<Buffer>,
    taken: usize,
    out: Option<Buffer>,
    sent: usize,
    /// A write was put off for want of room.
    blocked: bool,
    watch: Watch,
}

/// One handle of it; they share one thread.
pub(super) struct Pipe<C>(Rc<RefCell<Inner<C>>>);

impl<C> Clone for Pipe<C> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<C: End> Pipe<C> {
    /// `input` has come already.
    pub(super) fn new(end: C, input: Option<Buffer>) -> Self {
        let now = runtime().tick();
        let mut watch = Watch::new(now);
        if let Some(input) = &input {
            watch.read(input, now);
        }
        let inner = Inner { end, input, taken: 0, out: None, sent: 0, blocked: false, watch };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// Whether the client sends too much that asks for nothing. Then nothing more is read.
    pub(super) fn is_flooded(&self) -> bool {
        self.0.borrow().watch.is_flood()
    }

    /// Whether a write was put off since the last time this was asked.
    pub(super) fn was_blocked(&self) -> bool {
        std::mem::take(&mut self.0.borrow_mut().blocked)
    }

    /// Waits until all that was written has been handed to the network.
    pub(super) fn poll_drain(&self) -> Poll<Result<(), Failed>> {
        self.0.borrow_mut().poll_drain()
    }

    /// Says that there will be no more from us.
    pub(super) fn poll_end(&self) -> Poll<Result<(), Failed>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_drain())?;
        inner.end.poll_end(true)
    }

    /// Closes with a reset.
    pub(super) fn reset(&self) {
        self.0.borrow().end.socket().reset_on_close();
    }
}

impl<C: End> Inner<C> {
    fn poll_drain(&mut self) -> Poll<Result<(), Failed>> {
        while let Some(out) = &self.out {
            if self.sent == out.len() {
                (self.out, self.sent) = (None, 0);
                break;
            }
            ready!(self.end.poll_writable())?;
            let written = self.end.try_write(&out[self.sent..])?;
            self.sent += written;
            self.watch.sent(written);
        }
        self.end.poll_drained()
    }

    /// Room for one more write.
    fn poll_room(&mut self) -> Poll<io::Result<()>> {
        if self.out.as_ref().is_none_or(|out| out.len() < GATHER_BYTES) {
            return Poll::Ready(Ok(()));
        }
        let drained = self.poll_drain().map_err(broken);
        self.blocked |= drained.is_pending();
        drained
    }

    fn write(&mut self, bytes: &[u8]) {
        self.out.get_or_insert_with(Buffer::take).extend_from_slice(bytes);
    }

    fn poll_read(&mut self, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(input) = &self.input {
                let rest = &input[self.taken..];
                let taken = rest.len().min(into.remaining());
                into.put_slice(&rest[..taken]);
                self.taken += taken;
                if self.taken == input.len() {
                    (self.input, self.taken) = (None, 0);
                }
                return Poll::Ready(Ok(()));
            }
            if self.watch.is_flood() {
                return Poll::Pending;
            }
            ready!(self.end.poll_readable()).map_err(broken)?;
            let came = with_scratch(|scratch| match self.end.try_read(scratch) {
                Ok(Read::Nothing) => Ok(false),
                Ok(Read::Bytes(bytes)) => {
                    self.watch.read(bytes, runtime().tick());
                    let (now, later) = bytes.split_at(bytes.len().min(into.remaining()));
                    into.put_slice(now);
                    if !later.is_empty() {
                        self.input.get_or_insert_with(Buffer::take).extend_from_slice(later);
                    }
                    Ok(true)
                }
                Ok(Read::End) => Ok(true),
                Err(failed) => Err(broken(failed)),
            })?;
            if came {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn broken(_: Failed) -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl<C: End> AsyncRead for Pipe<C> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(into)
    }
}

impl<C: End> AsyncWrite for Pipe<C> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_room())?;
        inner.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_room())?;
        for piece in pieces {
            inner.write(piece);
        }
        Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The crate flushes for every frame; we do once a poll of the connection.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_drain().map_err(broken)
    }
}
