//! Chunked bodies (RFC 9112 section 7.1), followed as they pass; the bytes themselves are not changed.

use super::Refusal;
use super::field::{Known, TOKEN, VALUE};

/// Bytes of all trailer fields together.
const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// Hexadecimal digits of a chunk's size: 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;
/// Letters of a trailer's name that are looked at; the longest name that must not be one has fewer.
const NAME_BYTES: usize = 24;

/// Follows one chunked body.
#[derive(Debug, Clone)]
pub struct Chunked {
    state: State,
    trailer_bytes: usize,
    name: [u8; NAME_BYTES],
    name_len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { digits: u8, size: u64 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataEnd,
    DataEndLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Done,
}

/// A piece of a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Bytes of the input it took, framing included.
    pub taken: usize,
    /// The data in it, without framing; may be empty.
    pub data: &'a [u8],
    /// The lines of trailer fields in it, with the empty one that ends them.
    pub trailers: &'a [u8],
}

impl Default for Chunked {
    fn default() -> Self {
        Self {
            state: State::Size { digits: 0, size: 0 },
            trailer_bytes: 0,
            name: [0; NAME_BYTES],
            name_len: 0,
        }
    }
}

impl Chunked {
    /// Whether the last byte of the body has passed.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what belongs to the body, up to and including the next run of data. Takes nothing when it is done, and
    /// all of `bytes` when it is not and they hold no data.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Piece<'a>, Refusal> {
        let (mut taken, mut trailers) = (0, None);
        while let Some(byte) = bytes.get(taken) {
            if self.in_trailers() {
                trailers.get_or_insert(taken);
            }
            match self.state {
                State::Done => break,
                State::Data { left } => {
                    let rest = bytes.get(taken..).unwrap_or_default();
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let data = rest.get(..count).unwrap_or_default();
                    let left = left - count as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data { left } };
                    return Ok(Piece { taken: taken + count, data, trailers: &[] });
                }
                _ => self.state = self.framing(*byte)?,
            }
            taken += 1;
        }
        let trailers = trailers.and_then(|from| bytes.get(from..taken)).unwrap_or_default();
        Ok(Piece { taken, data: &[], trailers })
    }

    fn in_trailers(&self) -> bool {
        matches!(
            self.state,
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf | State::LastLf
        )
    }

    /// Takes all of `bytes` that belongs to the body and gives their number.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut taken = 0;
        while taken < bytes.len() && !self.is_done() {
            taken += self.next(bytes.get(taken..).unwrap_or_default())?.taken;
        }
        Ok(taken)
    }

    /// The state behind one byte of framing.
    fn framing(&mut self, byte: u8) -> Result<State, Refusal> {
        match self.state {
            State::Size { digits, size } => after_size(digits, size, byte),
            State::SizeEnd { size } => {
                expect(byte, b'\n', Refusal::BareLineEnd)?;
                Ok(if size == 0 { State::TrailerStart } else { State::Data { left: size } })
            }
            State::DataEnd => expect(byte, b'\r', Refusal::ChunkEnd).map(|()| State::DataEndLf),
            State::DataEndLf => {
                expect(byte, b'\n', Refusal::ChunkEnd).map(|()| State::Size { digits: 0, size: 0 })
            }
            State::TrailerStart if byte == b'\r' => Ok(State::LastLf),
            State::TrailerStart => {
                self.name_len = 0;
                self.trailer(byte)
            }
            State::TrailerName | State::TrailerValue => self.trailer(byte),
            State::TrailerLf => expect(byte, b'\n', Refusal::Trailer).map(|()| State::TrailerStart),
            State::LastLf => expect(byte, b'\n', Refusal::BareLineEnd).map(|()| State::Done),
            State::Data { .. } | State::Done => Ok(self.state),
        }
    }

    /// A byte of a trailer line.
    fn trailer(&mut self, byte: u8) -> Result<State, Refusal> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(Refusal::Trailer);
        }
        if self.state == State::TrailerValue {
            return match byte {
                b'\r' => Ok(State::TrailerLf),
                _ if in_set(byte, &VALUE) => Ok(State::TrailerValue),
                _ => Err(Refusal::Trailer),
            };
        }
        if byte == b':' && self.name_len > 0 && self.may_be_trailer() {
            return Ok(State::TrailerValue);
        }
        if !in_set(byte, &TOKEN) {
            return Err(Refusal::Trailer);
        }
        if let Some(place) = self.name.get_mut(self.name_len) {
            *place = byte;
        }
        self.name_len += 1;
        Ok(State::TrailerName)
    }

    /// RFC 9110 section 6.5.1: nothing that frames, routes or authenticates.
    fn may_be_trailer(&self) -> bool {
        let name = self.name.get(..self.name_len).unwrap_or_default();
        matches!(Known::of(name), Known::Other)
    }
}

fn after_size(digits: u8, size: u64, byte: u8) -> Result<State, Refusal> {
    match (char::from(byte).to_digit(16), byte) {
        (Some(digit), _) if digits < SIZE_DIGITS_MAX => {
            Ok(State::Size { digits: digits + 1, size: size << 4 | u64::from(digit) })
        }
        (None, b'\r') if digits > 0 => Ok(State::SizeEnd { size }),
        (None, b';' | b' ' | b'\t') if digits > 0 => Err(Refusal::ChunkExtension),
        _ => Err(Refusal::ChunkSize),
    }
}

fn expect(byte: u8, wanted: u8, refusal: Refusal) -> Result<(), Refusal> {
    if byte == wanted { Ok(()) } else { Err(refusal) }
}

fn in_set(byte: u8, set: &[bool; 256]) -> bool {
    set.get(usize::from(byte)).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, and what is left behind the body.
    fn read(bytes: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), Refusal> {
        let (mut chunked, mut data, mut at) = (Chunked::default(), Vec::new(), 0);
        for part in bytes.chunks(step.max(1)) {
            let mut part = part;
            while !part.is_empty() && !chunked.is_done() {
                let piece = chunked.next(part)?;
                data.extend_from_slice(piece.data);
                at += piece.taken;
                part = &part[piece.taken..];
            }
        }
        Ok((data, at, chunked.is_done()))
    }

    #[test]
    fn data_comes_out_the_same_however_it_is_cut() {
        let body = b"5\r\nhello\r\n00a\r\n wonderful\r\n0\r\nX-Sum: 1\r\n\r\nnext";
        for step in 1..body.len() {
            assert_eq!(read(body, step), Ok((b"hello wonderful".to_vec(), body.len() - 4, true)), "{step}");
        }
        let mut chunked = Chunked::default();
        assert_eq!(chunked.advance(body), Ok(body.len() - 4));
    }

    #[test]
    fn a_body_that_is_not_complete_is_not_done() {
        let body = b"3\r\nabc\r\n0\r\n\r\n";
        for end in 0..body.len() {
            assert!(!read(&body[..end], 4).unwrap().2, "{end}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for (body, refusal) in [
            ("\r\n", Refusal::ChunkSize),
            ("g\r\n", Refusal::ChunkSize),
            ("-1\r\n", Refusal::ChunkSize),
            ("+1\r\n", Refusal::ChunkSize),
            ("0x1\r\n", Refusal::ChunkSize),
            (" 1\r\n", Refusal::ChunkSize),
            ("11111111111111111\r\n", Refusal::ChunkSize),
            ("1;a=b\r\nx\r\n", Refusal::ChunkExtension),
            ("1 \r\nx\r\n", Refusal::ChunkExtension),
            ("1\nx\r\n", Refusal::ChunkSize),
            ("1\rx\r\n", Refusal::BareLineEnd),
            ("1\r\nxy\r\n", Refusal::ChunkEnd),
            ("1\r\nx\n", Refusal::ChunkEnd),
            ("1\r\nx\ry", Refusal::ChunkEnd),
            ("0\r\n\n", Refusal::Trailer),
            ("0\r\n\rx", Refusal::BareLineEnd),
            ("0\r\nContent-Length: 5\r\n\r\n", Refusal::Trailer),
            ("0\r\ntransfer-encoding: chunked\r\n\r\n", Refusal::Trailer),
            ("0\r\nhost: a\r\n\r\n", Refusal::Trailer),
            ("0\r\n folded\r\n\r\n", Refusal::Trailer),
            ("0\r\nname : a\r\n\r\n", Refusal::Trailer),
            ("0\r\nno colon\r\n\r\n", Refusal::Trailer),
            ("0\r\na: b\nc: d\r\n\r\n", Refusal::Trailer),
            ("0\r\na: b\0\r\n\r\n", Refusal::Trailer),
        ] {
            assert_eq!(read(body.as_bytes(), body.len()).map(drop), Err(refusal), "{body:?}");
        }
        let long = format!("0\r\nx: {}\r\n\r\n", "a".repeat(TRAILER_BYTES_MAX));
        assert_eq!(read(long.as_bytes(), 100).map(drop), Err(Refusal::Trailer));
    }

    #[test]
    fn the_largest_size_is_a_size() {
        let mut chunked = Chunked::default();
        assert_eq!(chunked.advance(b"ffffffffffffffff\r\nxxx"), Ok(21));
        assert_eq!(chunked.state, State::Data { left: u64::MAX - 3 });
    }
}
