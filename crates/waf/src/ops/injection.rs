//! SQL injection and cross-site scripting, by libinjection's tokens and fingerprints.

use libinjectionrs::{detect_sqli, detect_xss};

/// The fingerprint of an SQL injection, if the value is one.
pub(crate) fn sqli(value: &[u8]) -> Option<Vec<u8>> {
    if is_one_token(value) {
        return None;
    }
    let short = with_short_words(value);
    let value = short.as_deref().unwrap_or(value);
    fingerprint(value).or_else(|| fingerprint(&without_bare_exponents(value)?))
}

/// Whether a browser would find script in the value.
pub(crate) fn xss(value: &[u8]) -> bool {
    detect_xss(value).is_injection()
}

fn fingerprint(value: &[u8]) -> Option<Vec<u8>> {
    let found = detect_sqli(value);
    let fingerprint = found.fingerprint.as_ref().filter(|_| found.is_injection());
    fingerprint.map(|fingerprint| fingerprint.as_str().as_bytes().to_vec())
}

/// One name or one number: no injection, as the shortest fingerprint has two tokens.
fn is_one_token(value: &[u8]) -> bool {
    match value.first() {
        Some(byte) if byte.is_ascii_alphabetic() => {
            value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        }
        _ => value.iter().all(u8::is_ascii_digit),
    }
}

/// A token keeps the first 31 bytes of a word, and so much of a longer one decides. The tokenizer nevertheless
/// looks at every dot of it, each time from the start: quadratic, unless such words are cut beforehand. `None`
/// when there is none.
fn with_short_words(value: &[u8]) -> Option<Vec<u8>> {
    const WORD_BYTES_MAX: usize = 64;
    let ends_word = |byte: &u8| b" []{}<>:\\?=@!#~+-*/&|^%(),';\t\n\x0b\x0c\r\"\xa0\0".contains(byte);
    if value.len() <= WORD_BYTES_MAX {
        return None;
    }
    let mut out: Option<Vec<u8>> = None;
    let (mut kept, mut at) = (0, 0);
    while at < value.len() {
        let end = value[at..].iter().position(ends_word).map_or(value.len(), |length| at + length);
        if end - at > WORD_BYTES_MAX && value[at..end].iter().any(|byte| matches!(byte, b'.' | b'`')) {
            let out = out.get_or_insert_with(Vec::new);
            out.extend_from_slice(&value[kept..at + WORD_BYTES_MAX]);
            kept = end;
        }
        at = end + 1;
    }
    let mut out = out?;
    out.extend_from_slice(&value[kept..]);
    Some(out)
}

/// MySQL reads `1.e(2)` as though `1.e` were not there, which hides what follows from the tokenizer. `None`
/// when the value has no such number.
fn without_bare_exponents(value: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut kept = 0;
    for at in memchr::memchr_iter(b'.', value) {
        let digits = value[kept..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let exponent = matches!(value.get(at + 1), Some(b'e' | b'E'));
        let followed =
            value.get(at + 2).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(byte));
        if digits > 0 && exponent && !followed {
            let out = out.get_or_insert_with(Vec::new);
            out.extend_from_slice(&value[kept..at - digits]);
            out.push(b' ');
            kept = at + 2;
        }
    }
    let mut out = out?;
    out.extend_from_slice(&value[kept..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(alphabet: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as usize
        };
        (0..count).map(move |_| (0..next() % 24).map(|_| alphabet[next() % alphabet.len()]).collect())
    }

    #[test]
    fn what_is_not_asked_would_not_have_matched() {
        let words = random(b"abcdefghijklmnopqrstuvwxyzSELCTUNIOR_0123456789", 20_000);
        let keywords = ["select", "union", "or", "and", "null", "sp_password", "waitfor", "0", ""];
        let keywords = keywords.map(|word| word.as_bytes().to_vec());
        for value in
            words.chain(random(b"0123456789", 2_000)).chain(keywords).filter(|value| is_one_token(value))
        {
            assert_eq!(fingerprint(&value), None, "{}", String::from_utf8_lossy(&value));
        }
        for value in random(b"onerscipt:avl\"'`/>!-[] \t\0?%x;()&#", 50_000) {
            assert!(!xss(&value), "{}", String::from_utf8_lossy(&value));
        }
    }

    #[test]
    fn long_words_are_cut_and_decide_as_before() {
        assert_eq!(with_short_words(b"a.b"), None);
        assert_eq!(with_short_words("x".repeat(500).as_bytes()), None);
        let long = format!("1 or {}=1 -- {}", "a.b.".repeat(40), "c.".repeat(50));
        let short = with_short_words(long.as_bytes()).unwrap();
        assert_eq!(short.len(), "1 or =1 -- ".len() + 2 * 64);
        assert_eq!(fingerprint(&short), fingerprint(long.as_bytes()));
        for tail in random(b"ab.1' or=-(", 2_000) {
            let value = [b"a.b.".repeat(12).as_slice(), &tail, &b"x.y`".repeat(30), &tail].concat();
            let short = with_short_words(&value).unwrap_or_else(|| value.clone());
            assert_eq!(fingerprint(&short), fingerprint(&value), "{}", String::from_utf8_lossy(&value));
        }
    }

    #[test]
    fn a_bare_exponent_hides_nothing() {
        for (value, found) in [
            ("1' or 1.e(1)", Some("s&(1)")),
            ("abc or 2 1.e%2", Some("n&1")),
            ("1' or 2 1.E/1", Some("s&1")),
            ("1' or '1'='1", Some("s&sos")),
            ("version 1.e is out", None),
        ] {
            assert_eq!(sqli(value.as_bytes()).as_deref(), found.map(str::as_bytes), "{value}");
        }
    }
}
