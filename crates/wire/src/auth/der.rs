//! As much DER (X.690) as it takes to find a field in a login token: definite lengths and tags of one byte.

use crate::bytes::Reader;

/// Universal tags.
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const GENERAL_STRING: u8 = 0x1b;
pub(super) const SEQUENCE: u8 = 0x30;

/// `[number]`, constructed.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// `[APPLICATION number]`, constructed.
pub(super) const fn application(number: u8) -> u8 {
    0x60 | number
}

/// The elements of a constructed value, in their order.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a>(Reader<'a>);

impl<'a> Elements<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }

    /// The next element's contents, if it has this tag.
    pub(super) fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = self.0;
        let (found, contents) = element(&mut ahead)?;
        (found == tag).then(|| self.0 = ahead)?;
        Some(contents)
    }

    /// The contents of the first element with this tag among those left; the ones before it are stepped over.
    pub(super) fn find(&mut self, tag: u8) -> Option<&'a [u8]> {
        while !self.0.is_empty() {
            let (found, contents) = element(&mut self.0)?;
            if found == tag {
                return Some(contents);
            }
        }
        None
    }

    /// The next element's contents, opened, if it has this tag.
    pub(super) fn open(&mut self, tag: u8) -> Option<Self> {
        self.next(tag).map(Self::new)
    }
}

fn element<'a>(reader: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    let tag = reader.u8().filter(|tag| tag & 0x1f != 0x1f)?;
    let first = reader.u8()?;
    let length = match first {
        0..=0x7f => first.into(),
        // 0x80 is the indefinite length, which DER does not have; more than four bytes cannot be true.
        0x81..=0x84 => {
            let bytes = reader.take(usize::from(first & 0x7f))?;
            bytes.iter().fold(0, |length: usize, byte| length << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    Some((tag, reader.take(length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_tag() {
        let bytes = [0x30, 7, 0xa0, 1, 9, 0xa2, 2, 4, 0];
        let mut inner = Elements::new(&bytes).open(SEQUENCE).unwrap();
        assert_eq!(inner.next(context(1)), None);
        assert_eq!(inner.next(context(0)), Some(&[9][..]));
        assert_eq!(inner.find(context(2)), Some(&[4, 0][..]));
        assert_eq!(inner.find(context(2)), None);
    }

    #[test]
    fn lengths_have_one_to_five_bytes() {
        let mut long = vec![4, 0x82, 1, 0];
        long.extend([7; 256]);
        assert_eq!(Elements::new(&long).next(OCTET_STRING), Some(&[7; 256][..]));
        for bytes in [
            &[4, 1][..],
            &[4],
            &[],
            &[4, 0x80, 0, 0],
            &[4, 0x85, 0, 0, 0, 0, 0],
            &[4, 0x84, 255, 255, 255, 255],
            &[0x1f, 1, 1],
        ] {
            assert_eq!(Elements::new(bytes).next(OCTET_STRING), None, "{bytes:?}");
            assert_eq!(Elements::new(bytes).find(OCTET_STRING), None, "{bytes:?}");
        }
    }
}
