//! Digests, and the encodings that carry bytes as text.

use super::{hex_digit, hex_pair};
use ::md5::{Digest, Md5};
use ::sha1::Sha1;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `base64Decode` stops at the first character that is not of the alphabet; `base64DecodeExt`
/// (`forgiving`) steps over it. Padding is not asked for (RFC 4648 section 3.2 leaves it to us).
pub(super) fn base64_decode(input: &[u8], forgiving: bool, out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u32, 0u32);
    for &byte in input {
        let Some(digit) = base64_digit(byte) else {
            if forgiving && byte != b'=' {
                continue;
            }
            break;
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
}

fn base64_digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

pub(super) fn base64_encode(input: &[u8], out: &mut Vec<u8>) {
    for chunk in input.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let used = digit <= chunk.len();
            out.push(if used { ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize] } else { b'=' });
        }
    }
}

/// Pairs of digits become bytes; what is no digit counts as zero, a last single character is dropped.
pub(super) fn hex_decode(input: &[u8], out: &mut Vec<u8>) {
    let digit = |byte| hex_digit(byte).unwrap_or(0);
    out.extend(input.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])));
}

pub(super) fn hex_encode(input: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        input.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}

/// `0x616263` becomes `abc`, wherever it stands.
pub(super) fn sql_hex_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        if input[at] == b'0'
            && matches!(input.get(at + 1), Some(b'x' | b'X'))
            && hex_pair(input, at + 2).is_some()
        {
            at += 2;
            while let Some(byte) = hex_pair(input, at) {
                out.push(byte);
                at += 2;
            }
        } else {
            out.push(input[at]);
            at += 1;
        }
    }
}

pub(super) fn md5(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&Md5::digest(input));
}

pub(super) fn sha1(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&Sha1::digest(input));
}

#[cfg(test)]
mod tests {
    use crate::xform::{Xform, run};

    #[test]
    fn base64_both_ways() {
        for (plain, coded) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("\u{fb}\u{ff}", "w7vDvw==")]
        {
            assert_eq!(run(Xform::Base64Encode, plain.as_bytes()), coded.as_bytes());
            assert_eq!(run(Xform::Base64Decode, coded.as_bytes()), plain.as_bytes());
        }
        assert_eq!(run(Xform::Base64Decode, b"YW.Jj"), b"a");
        assert_eq!(run(Xform::Base64DecodeExt, b"YW.J j"), b"abc");
    }

    #[test]
    fn hexadecimal_both_ways() {
        assert_eq!(run(Xform::HexEncode, b"a\xff"), b"61ff");
        assert_eq!(run(Xform::HexDecode, b"61FF6"), b"a\xff");
        assert_eq!(run(Xform::SqlHexDecode, b"x 0x61626 0xg"), b"x ab6 0xg");
    }

    #[test]
    fn digests_of_nothing() {
        assert_eq!(run(Xform::Md5, b"")[..4], [0xd4, 0x1d, 0x8c, 0xd9]);
        assert_eq!(run(Xform::Sha1, b"")[..4], [0xda, 0x39, 0xa3, 0xee]);
    }
}
