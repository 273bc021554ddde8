//! Transformations: what `t:` does to a value before an operator sees it.
//!
//! Each one has a set of *triggers*: a value that holds none of those bytes leaves the transformation
//! as it came, and is not even copied. That is the common case by far.

mod comments;
mod digest;
mod escapes;
mod path;
mod space;
mod unicode;
pub(crate) mod url;

pub(crate) use unicode::UnicodeMap;

use crate::byteset::ByteSet;

/// A transformation, by its name in the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the transformation of that name in the SecLang reference")]
pub enum Xform {
    Base64Decode,
    Base64DecodeExt,
    Base64Encode,
    CmdLine,
    CompressWhitespace,
    CssDecode,
    EscapeSeqDecode,
    HexDecode,
    HexEncode,
    HtmlEntityDecode,
    JsDecode,
    Length,
    Lowercase,
    Md5,
    NormalizePath,
    NormalizePathWin,
    ParityEven7bit,
    ParityOdd7bit,
    ParityZero7bit,
    RemoveComments,
    RemoveCommentsChar,
    RemoveNulls,
    RemoveWhitespace,
    ReplaceComments,
    ReplaceNulls,
    Sha1,
    SqlHexDecode,
    Trim,
    TrimLeft,
    TrimRight,
    Uppercase,
    UrlDecode,
    UrlDecodeUni,
    UrlEncode,
    Utf8ToUnicode,
}

const NAMES: &[(&str, Xform)] = &[
    ("base64Decode", Xform::Base64Decode),
    ("base64DecodeExt", Xform::Base64DecodeExt),
    ("base64Encode", Xform::Base64Encode),
    ("cmdLine", Xform::CmdLine),
    ("compressWhitespace", Xform::CompressWhitespace),
    ("cssDecode", Xform::CssDecode),
    ("escapeSeqDecode", Xform::EscapeSeqDecode),
    ("hexDecode", Xform::HexDecode),
    ("hexEncode", Xform::HexEncode),
    ("htmlEntityDecode", Xform::HtmlEntityDecode),
    ("jsDecode", Xform::JsDecode),
    ("length", Xform::Length),
    ("lowercase", Xform::Lowercase),
    ("md5", Xform::Md5),
    ("normalizePath", Xform::NormalizePath),
    ("normalisePath", Xform::NormalizePath),
    ("normalizePathWin", Xform::NormalizePathWin),
    ("normalisePathWin", Xform::NormalizePathWin),
    ("parityEven7bit", Xform::ParityEven7bit),
    ("parityOdd7bit", Xform::ParityOdd7bit),
    ("parityZero7bit", Xform::ParityZero7bit),
    ("removeComments", Xform::RemoveComments),
    ("removeCommentsChar", Xform::RemoveCommentsChar),
    ("removeNulls", Xform::RemoveNulls),
    ("removeWhitespace", Xform::RemoveWhitespace),
    ("replaceComments", Xform::ReplaceComments),
    ("replaceNulls", Xform::ReplaceNulls),
    ("sha1", Xform::Sha1),
    ("sqlHexDecode", Xform::SqlHexDecode),
    ("trim", Xform::Trim),
    ("trimLeft", Xform::TrimLeft),
    ("trimRight", Xform::TrimRight),
    ("uppercase", Xform::Uppercase),
    ("urlDecode", Xform::UrlDecode),
    ("urlDecodeUni", Xform::UrlDecodeUni),
    ("urlEncode", Xform::UrlEncode),
    ("utf8toUnicode", Xform::Utf8ToUnicode),
];

impl Xform {
    /// Every one, in the order of the variants.
    pub const ALL: [Self; 35] = [
        Self::Base64Decode,
        Self::Base64DecodeExt,
        Self::Base64Encode,
        Self::CmdLine,
        Self::CompressWhitespace,
        Self::CssDecode,
        Self::EscapeSeqDecode,
        Self::HexDecode,
        Self::HexEncode,
        Self::HtmlEntityDecode,
        Self::JsDecode,
        Self::Length,
        Self::Lowercase,
        Self::Md5,
        Self::NormalizePath,
        Self::NormalizePathWin,
        Self::ParityEven7bit,
        Self::ParityOdd7bit,
        Self::ParityZero7bit,
        Self::RemoveComments,
        Self::RemoveCommentsChar,
        Self::RemoveNulls,
        Self::RemoveWhitespace,
        Self::ReplaceComments,
        Self::ReplaceNulls,
        Self::Sha1,
        Self::SqlHexDecode,
        Self::Trim,
        Self::TrimLeft,
        Self::TrimRight,
        Self::Uppercase,
        Self::UrlDecode,
        Self::UrlDecodeUni,
        Self::UrlEncode,
        Self::Utf8ToUnicode,
    ];

    /// The transformation of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, xform)| *xform)
    }

    /// The name as the reference writes it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, xform)| *xform == self).map_or("", |(name, _)| name)
    }

    /// A value without any of these bytes is not changed. An empty value never is, except by those
    /// whose result is a digest, a number or an encoding: they trigger on everything.
    pub(crate) fn triggers(self) -> ByteSet {
        TRIGGERS[self as usize]
    }

    const fn find_triggers(self) -> ByteSet {
        const SPACE: ByteSet = ByteSet::of(b" \t\n\x0b\x0c\r");
        match self {
            Self::CmdLine => ByteSet::of(b"\"'\\^ ,;\t\r\n/(").union(ByteSet::range(b'A', b'Z')),
            Self::CompressWhitespace | Self::Trim | Self::TrimLeft | Self::TrimRight => SPACE,
            Self::RemoveWhitespace => SPACE.union(ByteSet::of(b"\xa0")),
            Self::CssDecode | Self::EscapeSeqDecode | Self::JsDecode => ByteSet::of(b"\\"),
            Self::HtmlEntityDecode => ByteSet::of(b"&"),
            Self::Lowercase => ByteSet::range(b'A', b'Z'),
            Self::Uppercase => ByteSet::range(b'a', b'z'),
            Self::NormalizePath => ByteSet::of(b"/."),
            Self::NormalizePathWin => ByteSet::of(b"/.\\"),
            Self::ParityZero7bit | Self::Utf8ToUnicode => ByteSet::range(0x80, 0xff),
            Self::RemoveComments | Self::RemoveCommentsChar => ByteSet::of(b"/<-#*"),
            Self::RemoveNulls | Self::ReplaceNulls => ByteSet::of(b"\0"),
            Self::ReplaceComments => ByteSet::of(b"/"),
            Self::SqlHexDecode => ByteSet::of(b"0"),
            Self::UrlDecode | Self::UrlDecodeUni => ByteSet::of(b"%+"),
            _ => ByteSet::FULL,
        }
    }

    /// Whether even the empty value is changed: the digests, encodings and `length`.
    pub(crate) fn changes_empty(self) -> bool {
        matches!(self, Self::Length | Self::Md5 | Self::Sha1)
    }

    /// What it makes of `input`, without a code page.
    pub fn transform(self, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.apply(input, None, &mut out);
        out
    }

    /// Whether it is known without looking further that `input` stays as it is.
    pub fn leaves(self, input: &[u8]) -> bool {
        let touched = ByteSet::of_value(input).meets(self.triggers());
        !touched && (!input.is_empty() || !self.changes_empty())
    }

    /// Writes the transformed `input` to `out`, which is empty.
    pub(crate) fn apply(self, input: &[u8], unicode: Option<&UnicodeMap>, out: &mut Vec<u8>) {
        match self {
            Self::Base64Decode => digest::base64_decode(input, false, out),
            Self::Base64DecodeExt => digest::base64_decode(input, true, out),
            Self::Base64Encode => digest::base64_encode(input, out),
            Self::CmdLine => space::cmd_line(input, out),
            Self::CompressWhitespace => space::compress(input, out),
            Self::CssDecode => escapes::css(input, out),
            Self::EscapeSeqDecode => escapes::ansi_c(input, out),
            Self::HexDecode => digest::hex_decode(input, out),
            Self::HexEncode => digest::hex_encode(input, out),
            Self::HtmlEntityDecode => escapes::html(input, out),
            Self::JsDecode => escapes::javascript(input, out),
            Self::Length => out.extend_from_slice(input.len().to_string().as_bytes()),
            Self::Lowercase => out.extend(input.iter().map(u8::to_ascii_lowercase)),
            Self::Md5 => digest::md5(input, out),
            Self::NormalizePath => path::normalize(input, false, out),
            Self::NormalizePathWin => path::normalize(input, true, out),
            Self::ParityEven7bit => out.extend(input.iter().map(|byte| parity(*byte, 0))),
            Self::ParityOdd7bit => out.extend(input.iter().map(|byte| parity(*byte, 1))),
            Self::ParityZero7bit => out.extend(input.iter().map(|byte| byte & 0x7f)),
            Self::RemoveComments => comments::remove(input, out),
            Self::RemoveCommentsChar => comments::remove_marks(input, out),
            Self::RemoveNulls => out.extend(input.iter().filter(|byte| **byte != 0)),
            Self::RemoveWhitespace => space::remove(input, out),
            Self::ReplaceComments => comments::replace(input, out),
            Self::ReplaceNulls => out.extend(input.iter().map(|byte| if *byte == 0 { b' ' } else { *byte })),
            Self::Sha1 => digest::sha1(input, out),
            Self::SqlHexDecode => digest::sql_hex_decode(input, out),
            Self::Trim => out.extend_from_slice(space::trim(input, true, true)),
            Self::TrimLeft => out.extend_from_slice(space::trim(input, true, false)),
            Self::TrimRight => out.extend_from_slice(space::trim(input, false, true)),
            Self::Uppercase => out.extend(input.iter().map(u8::to_ascii_uppercase)),
            Self::UrlDecode => url::decode(input, out),
            Self::UrlDecodeUni => url::decode_unicode(input, unicode, out),
            Self::UrlEncode => url::encode(input, out),
            Self::Utf8ToUnicode => unicode::from_utf8(input, out),
        }
    }
}

/// [`Xform::triggers`], looked up often enough to be laid out beforehand.
static TRIGGERS: [ByteSet; Xform::ALL.len()] = {
    let mut table = [ByteSet::EMPTY; Xform::ALL.len()];
    let mut at = 0;
    while at < table.len() {
        table[Xform::ALL[at] as usize] = Xform::ALL[at].find_triggers();
        at += 1;
    }
    table
};

/// Sets the eighth bit so that the number of ones is even, or odd when `odd` is one.
fn parity(byte: u8, odd: u32) -> u8 {
    let low = byte & 0x7f;
    if low.count_ones() % 2 == odd { low } else { low | 0x80 }
}

/// C's `isspace` in the C locale.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The value of a hexadecimal digit.
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// The byte that two hexadecimal digits at `at` stand for.
pub(crate) fn hex_pair(input: &[u8], at: usize) -> Option<u8> {
    Some(hex_digit(*input.get(at)?)? << 4 | hex_digit(*input.get(at + 1)?)?)
}

#[cfg(test)]
pub(crate) fn run(xform: Xform, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    xform.apply(input, None, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_transformation() {
        for (name, xform) in NAMES {
            assert_eq!(Xform::named(&name.to_uppercase()), Some(*xform));
        }
    }

    #[test]
    fn a_value_without_triggers_is_left_as_it_came() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for (_, xform) in NAMES {
            let triggers = xform.triggers();
            for length in 0..40 {
                let value: Vec<u8> = std::iter::repeat_with(|| {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    seed as u8
                })
                .filter(|byte| !triggers.contains(*byte))
                .take(if triggers == ByteSet::FULL { 0 } else { length })
                .collect();
                if !(value.is_empty() && xform.changes_empty()) {
                    assert_eq!(run(*xform, &value), value, "{}", xform.name());
                }
            }
        }
    }

    #[test]
    fn parities() {
        assert_eq!(run(Xform::ParityEven7bit, b"abc"), [0xe1, 0xe2, b'c']);
        assert_eq!(run(Xform::ParityOdd7bit, b"abc"), [b'a', b'b', 0xe3]);
        assert_eq!(run(Xform::ParityZero7bit, &[0xe1, b'b']), b"ab");
    }
}
