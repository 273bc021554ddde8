//! Percent-encoding (RFC 3986 section 2.1), forgiving as servers are, and `%uHHHH` as IIS reads it.

use super::escapes::narrow;
use super::hex_pair;
use super::unicode::UnicodeMap;

/// `%41` is `A`, `+` a space; a `%` without two digits stands for itself.
pub(crate) fn decode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        let (byte, length) = match input[at] {
            b'%' => hex_pair(input, at + 1).map_or((b'%', 1), |byte| (byte, 3)),
            b'+' => (b' ', 1),
            byte => (byte, 1),
        };
        out.push(byte);
        at += length;
    }
}

/// As [`decode`], and `%u0041` is `A` too: through the code page where there is one, else its low byte.
pub(super) fn decode_unicode(input: &[u8], map: Option<&UnicodeMap>, out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        let (byte, length) = match (input[at], input.get(at + 1)) {
            (b'%', Some(b'u' | b'U')) => match (hex_pair(input, at + 2), hex_pair(input, at + 4)) {
                (Some(high), Some(low)) => {
                    (map.and_then(|map| map.byte(high, low)).unwrap_or_else(|| narrow(high, low)), 6)
                }
                _ => (b'%', 1),
            },
            (b'%', _) => hex_pair(input, at + 1).map_or((b'%', 1), |byte| (byte, 3)),
            (b'+', _) => (b' ', 1),
            (byte, _) => (byte, 1),
        };
        out.push(byte);
        at += length;
    }
}

pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in input {
        match byte {
            b'*' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::xform::{Xform, run};

    #[test]
    fn percent_codes() {
        for (input, plain, wide) in [
            ("a+b%41%4", "a bA%4", "a bA%4"),
            ("%u0041%uff1c%U0041", "%u0041%uff1c%U0041", "A<A"),
            ("%%41%zz%u00g1", "%A%zz%u00g1", "%A%zz%u00g1"),
        ] {
            assert_eq!(run(Xform::UrlDecode, input.as_bytes()), plain.as_bytes(), "{input}");
            assert_eq!(run(Xform::UrlDecodeUni, input.as_bytes()), wide.as_bytes(), "{input}");
        }
        assert_eq!(run(Xform::UrlEncode, b"a b/\xff*"), b"a+b%2f%ff*");
    }
}
