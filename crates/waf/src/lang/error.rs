//! Where something stands in a rule file, and what is wrong with it.

use std::fmt;
use std::sync::Arc;

/// A line of a rule file.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named by whoever included it.
    pub file: Arc<str>,
    /// Counted from one; the first line of a directive that is continued over several.
    pub line: u32,
}

impl Place {
    /// The place of line `line` in `file`.
    pub fn new(file: &Arc<str>, line: u32) -> Self {
        Self { file: Arc::clone(file), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Something the engine cannot honour. Nothing unknown is ever skipped: a rule that silently does not
/// run is worse than one that refuses to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Where.
    pub place: Place,
    /// What, in words for the person who wrote the file.
    pub message: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for LoadError {}

/// Something that loads but does less than it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A name an operator can look up: `waf-rbl-never-matches`, say.
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// What, in words.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.place, self.message, self.code)
    }
}
