//! The text of a file, and places in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Place;

/// A file that was read: its path as it was named, and its text. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The path as it was named on the command line or by `include`.
    pub path: Arc<PathBuf>,
    /// The text; bytes that are not UTF-8 stand here as U+FFFD.
    pub text: Arc<str>,
    /// Byte offsets at which lines start; the first is 0.
    lines: Arc<[u32]>,
}

impl SourceFile {
    /// Text that was read from `path`.
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32 + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self { path: Arc::new(path.to_owned()), text: text.into(), lines }
    }

    /// The line, counted from 1, in which the byte `offset` stands.
    pub(crate) fn line(&self, offset: u32) -> u32 {
        self.lines.partition_point(|start| *start <= offset) as u32
    }

    /// The column, counted in characters from 1, of the byte `offset`.
    pub(crate) fn column(&self, offset: u32) -> u32 {
        let start = self.line_range(self.line(offset)).start;
        let before = self.text.get(start..self.text.floor_char_boundary(offset as usize)).unwrap_or_default();
        before.chars().count() as u32 + 1
    }

    /// The bytes of a line counted from 1, without its line end.
    pub(crate) fn line_range(&self, line: u32) -> std::ops::Range<usize> {
        let index = line.saturating_sub(1) as usize;
        let start = self.lines.get(index).map_or(self.text.len(), |start| *start as usize);
        let end = self.lines.get(index + 1).map_or(self.text.len(), |next| *next as usize - 1);
        let text = self.text.get(start..end.max(start)).unwrap_or_default();
        start..start + text.trim_end_matches('\r').len()
    }
}

/// Bytes of one of the files that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Index of the file among those read.
    pub(crate) file: u32,
    /// First byte.
    pub(crate) start: u32,
    /// The byte after the last.
    pub(crate) end: u32,
}

impl Span {
    /// A range of a file. Files are at most [`crate::FILE_BYTES_MAX`] long, so that offsets fit.
    pub(crate) fn new(file: u32, range: std::ops::Range<usize>) -> Self {
        Self { file, start: range.start as u32, end: range.end as u32 }
    }

    /// File and line, for messages that come after loading.
    pub(crate) fn place(self, sources: &[SourceFile]) -> Place {
        sources.get(self.file as usize).map_or_else(
            || Place { file: Arc::new(PathBuf::new()), line: 0 },
            |source| Place { file: Arc::clone(&source.path), line: source.line(self.start) },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let source = SourceFile::new(Path::new("x"), "a\r\nbß c\n\nd");
        let at = |text: &str| source.text.find(text).expect("it is in there") as u32;
        assert_eq!((source.line(at("a")), source.column(at("a"))), (1, 1));
        assert_eq!((source.line(at("c")), source.column(at("c"))), (2, 4));
        assert_eq!((source.line(at("d")), source.column(at("d"))), (4, 1));
        assert_eq!(&source.text[source.line_range(1)], "a");
        assert_eq!(&source.text[source.line_range(3)], "");
        assert_eq!(&source.text[source.line_range(9)], "");
    }
}
