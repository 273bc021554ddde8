//! How far a body has come.

use transom_wire::http1::{Body, Chunked, Refusal};

/// What is still to come of a body.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// Nothing.
    Done,
    /// So many bytes, at least one.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// Everything until the connection ends.
    UntilClose,
}

impl From<Body> for Progress {
    fn from(body: Body) -> Self {
        match body {
            Body::Empty | Body::Length(0) => Self::Done,
            Body::Length(length) => Self::Length(length),
            Body::Chunked => Self::Chunked(Chunked::default()),
            Body::UntilClose => Self::UntilClose,
        }
    }
}

impl Progress {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Takes what belongs to the body, framing included, and gives how many bytes that are.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match self {
            Self::Done => Ok(0),
            Self::UntilClose => Ok(bytes.len()),
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(taken)
            }
            Self::Chunked(chunked) => {
                let taken = chunked.advance(bytes)?;
                if chunked.is_done() {
                    *self = Self::Done;
                }
                Ok(taken)
            }
        }
    }

    /// The same, and hands what is data to `sink`, without the framing.
    pub(super) fn take_data(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<usize, Refusal> {
        let Self::Chunked(chunked) = self else {
            let taken = self.take(bytes)?;
            sink(&bytes[..taken]);
            return Ok(taken);
        };
        let mut taken = 0;
        while taken < bytes.len() && !chunked.is_done() {
            let piece = chunked.next(&bytes[taken..])?;
            taken += piece.taken;
            if !piece.data.is_empty() {
                sink(piece.data);
            }
        }
        if chunked.is_done() {
            *self = Self::Done;
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_takes_what_is_its_own_and_no_more() {
        for (body, bytes, taken, data, done) in [
            (Body::Empty, "next", 0, "", true),
            (Body::Length(3), "abcnext", 3, "abc", true),
            (Body::Length(9), "abc", 3, "abc", false),
            (Body::Chunked, "3\r\nabc\r\n0\r\n\r\nnext", 13, "abc", true),
            (Body::Chunked, "3\r\nab", 5, "ab", false),
            (Body::UntilClose, "all of it", 9, "all of it", false),
        ] {
            let mut progress = Progress::from(body);
            assert_eq!(progress.take(bytes.as_bytes()), Ok(taken), "{body:?} {bytes:?}");
            assert_eq!(progress.is_done(), done, "{body:?} {bytes:?}");
            let (mut progress, mut seen) = (Progress::from(body), Vec::new());
            let sink = |piece: &[u8]| seen.extend_from_slice(piece);
            assert_eq!(progress.take_data(bytes.as_bytes(), sink), Ok(taken), "{body:?} {bytes:?}");
            assert_eq!(seen, data.as_bytes(), "{body:?} {bytes:?}");
        }
    }
}
