//! The two directions of a connection, bare or over TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::record::Entry;

/// Bytes asked for at once.
const READ_BYTES: usize = 16 * 1024;

/// Bytes a head may have.
const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// What comes from the client.
pub(super) struct Input {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    buffer: Vec<u8>,
    entry: Arc<Entry>,
}

impl Input {
    pub(super) fn new(reader: impl AsyncRead + Send + Unpin + 'static, entry: Arc<Entry>) -> Self {
        Self { reader: Box::new(reader), buffer: Vec::new(), entry }
    }

    /// Waits for more. False: the client has nothing more to send. May be given up at any time.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; READ_BYTES];
        let count = self.reader.read(&mut piece).await?;
        self.entry.receive(&piece[..count]);
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count > 0)
    }

    /// What was received and not taken yet.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes so many of the waiting bytes.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        if count == self.buffer.len() {
            return std::mem::take(&mut self.buffer);
        }
        self.buffer.drain(..count).collect()
    }

    /// Takes up to and with the first of these ends. `None`: the client left before its first byte.
    pub(super) async fn until(&mut self, ends: &[&[u8]]) -> io::Result<Option<Vec<u8>>> {
        let longest = ends.iter().map(|end| end.len()).max().unwrap_or(0);
        let mut seen = 0;
        loop {
            let from = seen - longest.min(seen);
            let end = (from..self.buffer.len()).find_map(|at| {
                ends.iter().find(|end| self.buffer[at..].starts_with(end)).map(|end| at + end.len())
            });
            if let Some(end) = end {
                return Ok(Some(self.take(end)));
            }
            seen = self.buffer.len();
            if seen > HEAD_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a head over 1 MiB"));
            }
            if !self.fill().await? {
                return if seen == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Waits until the client has left, however much it sends before.
    pub(super) async fn gone(&mut self) {
        while let Ok(true) = self.fill().await {}
    }
}

/// What goes to the client, each piece at once.
pub(super) struct Output {
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Output {
    pub(super) fn new(writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { writer: Box::new(writer) }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await?;
        self.writer.flush().await
    }

    /// Says that nothing more comes.
    pub(super) async fn finish(&mut self) {
        let _ = self.writer.shutdown().await; // the client may have left first
    }
}

/// A socket that can be reset or cut from elsewhere while a task reads and writes it.
pub(super) struct Socket(pub(super) Arc<TcpStream>);

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(into.initialize_unfilled()) {
                Ok(count) => {
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(rustix::net::shutdown(&*self.0, rustix::net::Shutdown::Write)?))
    }
}
