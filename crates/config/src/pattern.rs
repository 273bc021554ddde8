//! A regular expression of the file, compiled.

use regex::bytes::Regex;

/// An expression that `check` has compiled. Cheap to clone; equal to others of the same text.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles it; `None`: it is no expression. Letter case counts unless it says `(?i)`.
    pub fn new(text: &str) -> Option<Self> {
        let regex = Regex::new(text).ok()?;
        Some(Self { text: text.into(), regex })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Ready to search bytes.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
