//! Code points: UTF-8 to `%uHHHH`, and the code page that brings them back to one byte.

/// For each sixteen-bit code the byte it is nearest to in one code page, read from a
/// `unicode.mapping` file.
pub(crate) struct UnicodeMap(Vec<Option<u8>>);

impl UnicodeMap {
    /// Reads the map of code page `page`: a line `20127 (US-ASCII)`, then lines of `code:byte` pairs.
    pub(crate) fn parse(text: &str, page: u32) -> Result<Self, String> {
        let mut map = vec![None; 0x1_0000];
        let (mut here, mut found) = (false, false);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let first = line.split_whitespace().next().unwrap_or("");
            if !first.contains(':') {
                here = first.parse() == Ok(page);
                found |= here;
                continue;
            }
            if !here {
                continue;
            }
            for (code, byte) in line.split_whitespace().filter_map(|pair| pair.split_once(':')) {
                let code = usize::from_str_radix(code, 16).map_err(|_| format!("`{code}` is no code"))?;
                let byte = u8::from_str_radix(byte, 16).map_err(|_| format!("`{byte}` is no byte"))?;
                if let Some(slot) = map.get_mut(code) {
                    *slot = Some(byte);
                }
            }
        }
        if found { Ok(Self(map)) } else { Err(format!("the file has no code page {page}")) }
    }

    pub(super) fn byte(&self, high: u8, low: u8) -> Option<u8> {
        self.0.get(usize::from(high) << 8 | usize::from(low)).copied().flatten()
    }
}

/// `utf8toUnicode`: every character beyond ASCII becomes `%u` and at least four digits; bytes that are
/// no UTF-8 stay.
pub(super) fn from_utf8(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        match character(&input[at..]) {
            Some((code, length)) => {
                out.extend_from_slice(format!("%u{code:04x}").as_bytes());
                at += length;
            }
            None => {
                out.push(input[at]);
                at += 1;
            }
        }
    }
}

/// The code and length of a character of two to four bytes at the start of `input` (RFC 3629); overlong
/// forms count, as they are what an attacker would send.
fn character(input: &[u8]) -> Option<(u32, usize)> {
    let first = *input.first()?;
    let (length, bits) = match first {
        0xc0..=0xdf => (2, first & 0x1f),
        0xe0..=0xef => (3, first & 0x0f),
        0xf0..=0xf4 => (4, first & 0x07),
        _ => return None,
    };
    let tail = input.get(1..length)?;
    tail.iter()
        .try_fold(u32::from(bits), |code, byte| {
            (byte & 0xc0 == 0x80).then(|| code << 6 | u32::from(byte & 0x3f))
        })
        .map(|code| (code, length))
}

#[cfg(test)]
mod tests {
    use super::UnicodeMap;
    use crate::xform::{Xform, run};

    #[test]
    fn characters_become_codes() {
        for (input, output) in [
            (&b"abc"[..], &b"abc"[..]),
            ("é€😀".as_bytes(), b"%u00e9%u20ac%u1f600"),
            (b"\xc0\xae\xff\xc3", b"%u002e\xff\xc3"),
        ] {
            assert_eq!(run(Xform::Utf8ToUnicode, input), output);
        }
    }

    #[test]
    fn a_map_is_read_for_its_page() {
        let text = "# c\n1 (x)\n0041:01\n\n20127 (US-ASCII)\n00a0:20 00aa:61\nff1c:3c\n";
        let map = UnicodeMap::parse(text, 20127).unwrap();
        assert_eq!(
            (map.byte(0, 0xaa), map.byte(0xff, 0x1c), map.byte(0, 0x41)),
            (Some(0x61), Some(0x3c), None)
        );
        assert!(UnicodeMap::parse(text, 5).is_err());
    }
}
