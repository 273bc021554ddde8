//! Escapes of C, CSS, JavaScript and HTML.

use super::{hex_digit, hex_pair, is_space};

/// The control character a letter after a backslash stands for, in C and JavaScript.
fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        _ => return None,
    })
}

/// Up to three octal digits at the start of `input`: their value and how many there are. Where three
/// would not fit a byte and `in_byte` asks for one, two are taken.
fn octal(input: &[u8], in_byte: bool) -> (u8, usize) {
    let mut count = input.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    if in_byte && count == 3 && input[0] > b'3' {
        count = 2;
    }
    let value = input[..count].iter().fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0'));
    (value as u8, count)
}

/// The low byte of a sixteen-bit code, brought from the full-width forms (U+FF01 to U+FF5E) to ASCII.
pub(super) fn narrow(high: u8, low: u8) -> u8 {
    if high == 0xff && low > 0 && low < 0x5f { low + 0x20 } else { low }
}

/// `escapeSeqDecode`: ANSI C.
pub(super) fn ansi_c(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        let (Some(&next), b'\\') = (input.get(at + 1), input[at]) else {
            out.push(input[at]);
            at += 1;
            continue;
        };
        let (byte, length) = match next {
            b'x' | b'X' => hex_pair(input, at + 2).map_or((next, 2), |byte| (byte, 4)),
            b'0'..=b'7' => {
                let (byte, digits) = octal(&input[at + 1..], false);
                (byte, 1 + digits)
            }
            _ => (control(next).unwrap_or(next), 2),
        };
        out.push(byte);
        at += length;
    }
}

/// `jsDecode`: `\uHHHH`, `\xHH`, octal and single letters.
pub(super) fn javascript(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        let (Some(&next), b'\\') = (input.get(at + 1), input[at]) else {
            out.push(input[at]);
            at += 1;
            continue;
        };
        let (byte, length) = match next {
            b'u' => match (hex_pair(input, at + 2), hex_pair(input, at + 4)) {
                (Some(high), Some(low)) => (narrow(high, low), 6),
                _ => (next, 2),
            },
            b'x' => hex_pair(input, at + 2).map_or((next, 2), |byte| (byte, 4)),
            b'0'..=b'7' => {
                let (byte, digits) = octal(&input[at + 1..], true);
                (byte, 1 + digits)
            }
            _ => (control(next).unwrap_or(next), 2),
        };
        out.push(byte);
        at += length;
    }
}

/// `cssDecode`: up to six digits after a backslash, and one blank after those
/// (CSS Syntax Module Level 3, section 4.3.7). Only the last byte of the code is kept.
pub(super) fn css(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        if input[at] != b'\\' {
            out.push(input[at]);
            at += 1;
            continue;
        }
        at += 1;
        let rest = &input[at..];
        let digits = rest.iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits > 0 {
            out.push(css_code(&rest[..digits]));
            at += digits;
            at += usize::from(input.get(at).is_some_and(|byte| is_space(*byte)));
        } else if let Some(&next) = rest.first() {
            // A newline after a backslash continues the line and is gone; the rest stand for themselves.
            if next != b'\n' {
                out.push(next);
            }
            at += 1;
        }
    }
}

fn css_code(digits: &[u8]) -> u8 {
    let digit = |from_end: usize| {
        digits
            .len()
            .checked_sub(from_end)
            .and_then(|at| digits.get(at))
            .and_then(|d| hex_digit(*d))
            .unwrap_or(0)
    };
    let low = digit(2) << 4 | digit(1);
    let leading_zeros = digits[..digits.len().saturating_sub(4)].iter().all(|d| *d == b'0');
    if digits.len() >= 4 && leading_zeros { narrow(digit(4) << 4 | digit(3), low) } else { low }
}

/// `htmlEntityDecode`: numbers, and the five names that matter to a browser's parser.
pub(super) fn html(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        match entity(&input[at..]) {
            Some((byte, length)) => {
                out.push(byte);
                at += length;
            }
            None => {
                out.push(input[at]);
                at += 1;
            }
        }
    }
}

/// The byte that an entity at the start of `input` stands for, and its length.
fn entity(input: &[u8]) -> Option<(u8, usize)> {
    let (start, digit): (usize, fn(&u8) -> bool) = match input {
        [b'&', b'#', b'x' | b'X', ..] => (3, u8::is_ascii_hexdigit),
        [b'&', b'#', ..] => (2, u8::is_ascii_digit),
        [b'&', ..] => (1, u8::is_ascii_alphanumeric),
        _ => return None,
    };
    let body = &input[start..];
    let body = &body[..body.iter().take_while(|byte| digit(byte)).count()];
    if body.is_empty() {
        return None;
    }
    let byte = match start {
        1 => named_entity(body)?,
        // strtol saturates, so a number too long for it ends as all ones.
        2 => body.iter().fold(0i64, |v, d| v.saturating_mul(10).saturating_add(i64::from(d - b'0'))) as u8,
        _ => body
            .iter()
            .fold(0i64, |v, d| v.saturating_mul(16).saturating_add(i64::from(hex_digit(*d).unwrap_or(0))))
            as u8,
    };
    let end = start + body.len();
    Some((byte, end + usize::from(input.get(end) == Some(&b';'))))
}

fn named_entity(name: &[u8]) -> Option<u8> {
    [("quot", b'"'), ("amp", b'&'), ("lt", b'<'), ("gt", b'>'), ("nbsp", 0xa0)]
        .into_iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
        .map(|(_, byte)| byte)
}

#[cfg(test)]
mod tests {
    use crate::xform::{Xform, run};

    fn table(xform: Xform, rows: &[(&[u8], &[u8])]) {
        for (input, output) in rows {
            assert_eq!(run(xform, input), *output, "{}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn c_escapes() {
        table(
            Xform::EscapeSeqDecode,
            &[
                (b"\\a\\x41\\101\\q\\", b"\x07AAq\\"),
                (b"\\xg1", b"xg1"),
                (b"\\8\\08", b"8\x008"),
                (b"\\\"\\'", b"\"'"),
            ],
        );
    }

    #[test]
    fn javascript_escapes() {
        table(
            Xform::JsDecode,
            &[(b"\\u0041\\uff41\\x41\\101\\n\\", b"AaAA\n\\"), (b"\\u00g1\\400", b"u00g1 0"), (b"\\'", b"'")],
        );
    }

    #[test]
    fn css_escapes() {
        table(
            Xform::CssDecode,
            &[
                (b"ja\\76 asc", b"javasc"),
                (b"\\1\\12\\00ff41 x\\", b"\x01\x12ax"),
                (b"a\\\nb\\z", b"abz"),
                (b"\\123456", b"\x56"),
            ],
        );
    }

    #[test]
    fn html_entities() {
        table(
            Xform::HtmlEntityDecode,
            &[
                (b"&lt;&GT&quot;&amp;&nbsp;", b"<>\"&\xa0"),
                (b"&#60;&#x3c&#X3C;", b"<<<"),
                (b"&;&#;&#x;&foo;&", b"&;&#;&#x;&foo;&"),
            ],
        );
    }
}
