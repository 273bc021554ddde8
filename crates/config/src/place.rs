//! Where in which file something was written.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A file and a line in it, as `transom.toml:12`, for messages that come after loading (a bind that is refused, say).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file as it was named on the command line or by `include`.
    pub file: Arc<PathBuf>,
    /// Line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}
