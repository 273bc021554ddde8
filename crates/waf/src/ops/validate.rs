//! Encodings a value may break.

use crate::byteset::ByteSet;

/// The bytes of `10,13,32-126`.
pub(super) fn byte_range(text: &str) -> Result<ByteSet, String> {
    let mut set = ByteSet::EMPTY;
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let byte =
            |text: &str| text.trim().parse::<u8>().map_err(|_| format!("`{part}` is no range of bytes"));
        let (first, last) = (byte(first)?, byte(last)?);
        if first > last {
            return Err(format!("the range {part} runs backwards"));
        }
        set = set.union(ByteSet::range(first, last));
    }
    Ok(set)
}

/// Every `%` is followed by two digits.
pub(super) fn url_encoding(value: &[u8]) -> bool {
    memchr::memchr_iter(b'%', value).all(|at| crate::xform::hex_pair(value, at + 1).is_some())
}

/// Well-formed UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF (RFC 3629).
pub(super) fn utf8(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        for (value, url, unicode) in [
            (&b"a%41"[..], true, true),
            (b"a%4", false, true),
            (b"%zz", false, true),
            (b"\xc0\xae", true, false),
            (b"\xed\xa0\x80", true, false),
            ("é".as_bytes(), true, true),
        ] {
            assert_eq!((url_encoding(value), utf8(value)), (url, unicode), "{value:?}");
        }
    }

    #[test]
    fn ranges_of_bytes() {
        let set = byte_range("10, 13,32-34").unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [10, 13, 32, 33, 34]);
        for wrong in ["256", "5-1", "a"] {
            assert!(byte_range(wrong).is_err());
        }
    }
}
