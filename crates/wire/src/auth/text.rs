//! Names that strangers wrote, made fit for a log line.

use std::fmt;

/// Characters of a name that are kept. Windows allows 256 for a user, 255 for a DNS name.
pub const NAME_CHARS_MAX: usize = 256;

/// A name out of a login message, safe to print: no control characters, nothing that changes the direction or the line
/// of a text, at most [`NAME_CHARS_MAX`] characters. What had to go is U+FFFD; a cut is an ellipsis at the end.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct SafeText(Box<str>);

impl SafeText {
    /// Takes over the characters that may be printed.
    pub fn new(characters: impl IntoIterator<Item = char>) -> Self {
        let mut kept = String::new();
        for (count, character) in characters.into_iter().enumerate() {
            if count == NAME_CHARS_MAX {
                kept.pop();
                kept.push('…');
                break;
            }
            kept.push(if may_print(character) { character } else { char::REPLACEMENT_CHARACTER });
        }
        Self(kept.into())
    }

    /// From UTF-8; what is not is replaced.
    pub(super) fn from_utf8(bytes: &[u8]) -> Self {
        // Four bytes a character at most: more of them would be cut anyway.
        let bytes = bytes.get(..NAME_CHARS_MAX * 4 + 4).unwrap_or(bytes);
        Self::new(String::from_utf8_lossy(bytes).chars())
    }

    /// From UTF-16 with the low byte first; unpaired surrogates are replaced. `None`: half a unit at the end.
    pub(super) fn from_utf16(bytes: &[u8]) -> Option<Self> {
        let (units, rest) = bytes.as_chunks::<2>();
        let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
        let decoded = char::decode_utf16(units).map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest.is_empty().then(|| Self::new(decoded))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Neither a control character nor one that only changes how others are shown: line and paragraph separators, marks and
/// overrides of direction, characters without width, and what may not be exchanged between programs.
fn may_print(character: char) -> bool {
    let hidden = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}');
    !character.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_forge_a_log_line_is_replaced() {
        for (bytes, text) in [
            (&b"alice"[..], "alice"),
            (b"", ""),
            (b"a\r\nb", "a\u{fffd}\u{fffd}b"),
            (b"\x1b[31m", "\u{fffd}[31m"),
            ("Zo\u{eb} \u{4f60}".as_bytes(), "Zo\u{eb} \u{4f60}"),
            ("a\u{202e}b\u{2028}c\u{feff}".as_bytes(), "a\u{fffd}b\u{fffd}c\u{fffd}"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"\x00\x7f\xc2\x85", "\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(SafeText::from_utf8(bytes).as_str(), text, "{bytes:?}");
        }
    }

    #[test]
    fn utf_16_is_read_in_whole_units() {
        assert_eq!(SafeText::from_utf16(b"a\0l\0").unwrap().as_str(), "al");
        assert_eq!(SafeText::from_utf16(b"\x3d\xd8\x00\xde").unwrap().as_str(), "\u{1f600}");
        assert_eq!(SafeText::from_utf16(b"\x3d\xd8x\0").unwrap().as_str(), "\u{fffd}x");
        assert_eq!(SafeText::from_utf16(b"a\0b"), None);
    }

    #[test]
    fn long_names_are_cut() {
        let whole = "n".repeat(NAME_CHARS_MAX);
        assert_eq!(SafeText::from_utf8(whole.as_bytes()).as_str(), whole);
        let cut = SafeText::from_utf8("n".repeat(100_000).as_bytes());
        assert_eq!(cut.as_str().chars().count(), NAME_CHARS_MAX);
        assert!(cut.as_str().ends_with("n…"));
    }
}
