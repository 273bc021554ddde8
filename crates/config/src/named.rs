//! Files that a key names: read when the configuration is, so that one loading sees one state of everything.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A file named by a key, with what it held. Two are equal when path and contents are: a configuration whose certificate
/// was renewed is another one.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// As it was written.
    pub path: Arc<Path>,
    /// What it held when the configuration was loaded; may be secret, and is never printed.
    pub contents: Arc<[u8]>,
}

impl fmt::Debug for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedFile({}, {} bytes)", self.path.display(), self.contents.len())
    }
}
