//! Where in which file something was written.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A file and a line in it, as `transom.toml:12`, for messages that come after loading (a bind that is refused, say).
///
/// All places are equal: where something was written is no part of what it means, so that two configurations compare
/// equal when they ask for the same, and a pool counts as unchanged when only a comment above it grew.
#[derive(Debug, Clone, Eq)]
pub struct Place {
    /// The file as it was named on the command line or by `include`.
    pub file: Arc<PathBuf>,
    /// Line, counted from 1.
    pub line: u32,
}

impl PartialEq for Place {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl std::hash::Hash for Place {
    fn hash<H: std::hash::Hasher>(&self, _state: &mut H) {}
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}
