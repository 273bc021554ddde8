//! `application/x-www-form-urlencoded`, which is also what a query string is
//! (WHATWG URL, section 5.1; forgiving of what is not valid).

use super::Pair;
use crate::xform::hex_pair;

/// The arguments, and whether a `%` among them was not followed by two digits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) invalid_encoding: bool,
    /// There were more than allowed; the rest was left out.
    pub(crate) over_limit: bool,
}

/// Cuts `text` into arguments, at most `limit` of them.
pub(crate) fn parse(text: &[u8], separator: u8, limit: usize) -> Form {
    let mut form = Form::default();
    if text.is_empty() {
        return form;
    }
    for part in text.split(|byte| *byte == separator).filter(|part| !part.is_empty()) {
        if form.pairs.len() >= limit {
            form.over_limit = true;
            break;
        }
        let (name, value) = match memchr::memchr(b'=', part) {
            Some(at) => (&part[..at], &part[at + 1..]),
            None => (part, &b""[..]),
        };
        let pair = (decode(name, &mut form.invalid_encoding), decode(value, &mut form.invalid_encoding));
        form.pairs.push(pair);
    }
    form
}

fn decode(text: &[u8], invalid: &mut bool) -> Vec<u8> {
    *invalid |= memchr::memchr_iter(b'%', text).any(|at| hex_pair(text, at + 1).is_none());
    let mut out = Vec::with_capacity(text.len());
    crate::xform::url::decode(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_and_decodes() {
        let form = parse(b"a=1&b=%41+%4&c&&=x", b'&', 9);
        let expected: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b"A %4"), (b"c", b""), (b"", b"x")];
        let found: Vec<(&[u8], &[u8])> =
            form.pairs.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        assert_eq!(found, expected);
        assert!(form.invalid_encoding && !form.over_limit);
        assert!(parse(b"a&b&c", b'&', 2).over_limit);
    }
}
