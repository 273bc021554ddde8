//! The body of a request, piece by piece as it comes.

use std::io;

use super::head::Framing;
use super::line::Input;

/// What is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// A chunk's first line.
    ChunkHead,
    /// So many bytes of a chunk and the line end behind it.
    Chunk(u64),
    /// Nothing.
    Done,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Self::Done,
            Framing::Length(len) => Self::Length(len),
            Framing::Chunked => Self::ChunkHead,
        }
    }

    /// The next piece, as much as is there. `None`: it is complete. An unclear chunk is `InvalidData`.
    pub(super) async fn next(&mut self, input: &mut Input) -> io::Result<Option<Vec<u8>>> {
        loop {
            match *self {
                Self::Done => return Ok(None),
                Self::Length(left) => {
                    let piece = some(input, left).await?;
                    let left = left - piece.len() as u64;
                    *self = if left == 0 { Self::Done } else { Self::Length(left) };
                    return Ok(Some(piece));
                }
                Self::ChunkHead => *self = chunk(input).await?,
                Self::Chunk(0) => {
                    line(input, "a chunk that is longer than it says").await?;
                    *self = Self::ChunkHead;
                }
                Self::Chunk(left) => {
                    let piece = some(input, left).await?;
                    *self = Self::Chunk(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
            }
        }
    }

    /// Reads and forgets the rest.
    pub(super) async fn drain(&mut self, input: &mut Input) -> io::Result<()> {
        while self.next(input).await?.is_some() {}
        Ok(())
    }
}

/// What waits, at most `left` bytes of it; waits itself if there is nothing.
async fn some(input: &mut Input, left: u64) -> io::Result<Vec<u8>> {
    if input.waiting().is_empty() && !input.fill().await? {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.waiting().len());
    Ok(input.take(count))
}

/// Reads the first line of a chunk, and the trailers behind the last one.
async fn chunk(input: &mut Input) -> io::Result<Body> {
    let size = input.until(&[b"\r\n", b"\n"]).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let digits = size.strip_suffix(b"\r\n").ok_or_else(|| unclear("a chunk's line ends with a bare LF"))?;
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    if digits.is_empty() || digits.len() > 16 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(unclear("a chunk size that is none, or an extension"));
    }
    match u64::from_str_radix(digits, 16).map_err(|_| unclear("a chunk size of more than 64 bits"))? {
        0 => {
            while !line(input, "a trailer's line ends with a bare LF").await?.is_empty() {}
            Ok(Body::Done)
        }
        size => Ok(Body::Chunk(size)),
    }
}

/// A line without its end. For the one behind a chunk, `fault` says what is wrong if it is not empty.
async fn line(input: &mut Input, fault: &'static str) -> io::Result<Vec<u8>> {
    let mut line = input.until(&[b"\r\n", b"\n"]).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if !line.ends_with(b"\r\n") || fault.starts_with("a chunk") && line.len() > 2 {
        return Err(unclear(fault));
    }
    line.truncate(line.len() - 2);
    Ok(line)
}

fn unclear(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
