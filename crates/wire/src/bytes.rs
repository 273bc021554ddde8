//! A cursor over bytes whose every step may find too few of them.

/// What is left to read. Integers are big-endian, as everywhere in TLS and the PROXY protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left, however much.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes, or `None` (and nothing consumed) if there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next `N` bytes, or `None` (and nothing consumed) if there are fewer.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A vector with a one-byte length in front (RFC 8446 3.4).
    pub(crate) fn vector8(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(len.into())
    }

    /// A vector with a two-byte length in front (RFC 8446 3.4).
    pub(crate) fn vector16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Reader;

    #[test]
    fn reads_what_is_there_and_nothing_beyond() {
        let mut reader = Reader::new(&[1, 0, 2, 1, 9, 0, 2, 7, 8, 5]);
        assert_eq!(reader.u8(), Some(1));
        assert_eq!(reader.u16(), Some(2));
        assert_eq!(reader.vector8(), Some(&[9][..]));
        assert_eq!(reader.vector16(), Some(&[7, 8][..]));
        assert_eq!(reader.u16(), None);
        assert_eq!(reader.array::<1>(), Some([5]));
        assert!(reader.is_empty());
        assert_eq!(reader.u8(), None);
        assert_eq!(reader.vector8(), None);
    }
}
