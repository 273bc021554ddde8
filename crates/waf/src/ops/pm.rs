//! Phrase lists: one automaton finds any of thousands of phrases in one pass.

use crate::prefilter::Needs;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// The phrases of a `pm`, without regard to case.
pub(crate) struct Phrases {
    automaton: AhoCorasick,
    phrases: Vec<Vec<u8>>,
    needs: Needs,
    length_min: usize,
}

impl Phrases {
    /// The words of an argument; bytes may be written in hexadecimal between bars: `a|0d 0a|b`.
    pub(super) fn from_words(argument: &str) -> Result<Self, String> {
        Self::new(words(argument)?)
    }

    /// The lines of a file, but for empty ones and comments.
    pub(super) fn from_lines(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(|line| line.trim_end_matches('\r'));
        let lines = lines.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        Self::new(lines.map(|line| line.as_bytes().to_vec()).collect())
    }

    fn new(phrases: Vec<Vec<u8>>) -> Result<Self, String> {
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind((phrases.len() > 64).then_some(AhoCorasickKind::ContiguousNFA))
            .build(&phrases)
            .map_err(|error| error.to_string())?;
        let needs = Needs::of_phrases(phrases.iter().map(Vec::as_slice));
        let length_min = automaton.min_pattern_len();
        Ok(Self { automaton, phrases, needs, length_min })
    }

    pub(super) fn needs(&self) -> &Needs {
        &self.needs
    }

    pub(super) fn is_match(&self, value: &[u8]) -> bool {
        value.len() >= self.length_min && self.automaton.is_match(value)
    }

    /// The phrase that is found first.
    pub(super) fn first(&self, value: &[u8]) -> Option<&[u8]> {
        let found = self.automaton.find(value)?;
        self.phrases.get(found.pattern().as_usize()).map(Vec::as_slice)
    }
}

fn words(argument: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    let mut word = Vec::new();
    let mut rest = argument.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'|' => {
                let end =
                    memchr::memchr(b'|', rest).ok_or("a | opens hexadecimal bytes and is never closed")?;
                for pair in rest[..end].split(|byte| *byte == b' ').filter(|pair| !pair.is_empty()) {
                    let byte = crate::xform::hex_pair(pair, 0).filter(|_| pair.len() == 2);
                    word.push(byte.ok_or("between bars stand hexadecimal bytes")?);
                }
                rest = &rest[end + 1..];
            }
            b' ' | b'\t' => {
                if !word.is_empty() {
                    found.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(byte),
        }
    }
    if !word.is_empty() {
        found.push(word);
    }
    if found.is_empty() { Err("@pm needs phrases".to_owned()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_phrases_in_any_case() {
        let phrases = Phrases::from_words("abc |0d 0a|x").unwrap();
        assert!(phrases.is_match(b"--ABC--") && phrases.is_match(b"\r\nX") && !phrases.is_match(b"ab"));
        assert_eq!(phrases.first(b"--ABC--"), Some(&b"abc"[..]));
    }

    #[test]
    fn files_have_comments_and_empty_lines() {
        let phrases = Phrases::from_lines("# c\n\nfoo bar\r\n").unwrap();
        assert_eq!(phrases.phrases, [b"foo bar"]);
    }
}
