//! Reads the file and all it includes.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::report::{Code, Fault};
use crate::source::{SourceFile, Span};
use crate::{FILE_BYTES_MAX, FILES_MAX, Files};

/// What was gathered: every file in the order in which it was named, and what was wrong on the way.
pub(crate) struct Gathered {
    /// The files.
    pub(crate) sources: Vec<SourceFile>,
    /// Faults of reading and including.
    pub(crate) faults: Vec<Fault>,
}

/// Reads the file at `path` and what it includes, depth first.
pub(crate) fn gather(path: &Path, files: &dyn Files) -> Gathered {
    let mut gatherer = Gatherer {
        files,
        gathered: Gathered { sources: Vec::new(), faults: Vec::new() },
        known: HashMap::new(),
        open: HashSet::new(),
    };
    gatherer.read(path, None);
    gatherer.gathered
}

struct Gatherer<'a> {
    files: &'a dyn Files,
    gathered: Gathered,
    /// Files read already, by path without `.` and `..`, and where they were included.
    known: HashMap<PathBuf, Option<Span>>,
    /// Those whose includes are being followed.
    open: HashSet<PathBuf>,
}

impl Gatherer<'_> {
    fn fault(&mut self, fault: Fault) {
        self.gathered.faults.push(fault);
    }

    /// Reads a file and follows its includes; `asked` is where it was included.
    fn read(&mut self, path: &Path, asked: Option<Span>) {
        let identity = plain(path);
        if self.again(&identity, path, asked) {
            return;
        }
        if self.gathered.sources.len() >= FILES_MAX {
            let message = format!("more than {FILES_MAX} files are included");
            self.fault(at(asked, Code::TooManyFiles, message).remedy("put some of them together"));
            return;
        }
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => return self.unreadable(path, asked, &error),
        };
        self.known.insert(identity.clone(), asked);
        let file = self.gathered.sources.len() as u32;
        let text = self.decode(path, &bytes, file);
        self.gathered.sources.push(SourceFile::new(path, &text));
        let includes = includes(&text);
        self.open.insert(identity.clone());
        for (pattern, range) in includes {
            self.include(path, &pattern, Span::new(file, range));
        }
        self.open.remove(&identity);
    }

    /// Whether the file was read before; if so, says that it should not be named again.
    fn again(&mut self, identity: &Path, path: &Path, asked: Option<Span>) -> bool {
        let Some(first) = self.known.get(identity).copied() else { return false };
        let (code, what, remedy) = if self.open.contains(identity) {
            (Code::IncludeCycle, "includes itself", "take this include out")
        } else {
            (Code::IncludedTwice, "is included twice", "include it in one place only")
        };
        let mut fault = at(asked, code, format!("{} {what}", path.display())).remedy(remedy);
        if let Some(first) = first {
            fault = fault.also(first, "included here first");
        }
        self.fault(fault);
        true
    }

    fn unreadable(&mut self, path: &Path, asked: Option<Span>, error: &io::Error) {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound if asked.is_some() => {
                "check the path, which starts at the directory of the including file; or take it out"
            }
            io::ErrorKind::NotFound => "check the path given with -c",
            io::ErrorKind::PermissionDenied => "let the user that starts the program read it",
            _ => "make it a file that can be read",
        };
        let message = format!("cannot read {}: {error}", path.display());
        self.fault(at(asked, Code::FileUnreadable, message).remedy(remedy));
    }

    /// The text of a file; empty where it has none that could be read on.
    fn decode(&mut self, path: &Path, bytes: &[u8], file: u32) -> String {
        let start = Span::new(file, 0..0);
        if bytes.len() > FILE_BYTES_MAX {
            let message =
                format!("{} has {} bytes; the most is {FILE_BYTES_MAX}", path.display(), bytes.len());
            self.fault(
                Fault::new(Code::FileTooLarge, start, message).remedy("split it, and `include` the parts"),
            );
            return String::new();
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            let message = format!("{} is text in UTF-16", path.display());
            self.fault(Fault::new(Code::NotText, start, message).remedy("save it as UTF-8"));
            return String::new();
        }
        if bytes.contains(&0) {
            let message = format!("{} has zero bytes in it and is not text", path.display());
            self.fault(Fault::new(Code::NotText, start, message).remedy("name a text file, saved as UTF-8"));
            return String::new();
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                let good = error.valid_up_to();
                let line = bytes.iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
                let message = format!("{} is not UTF-8 from line {line} on", path.display());
                let range = Span::new(file, good..good + 1);
                self.fault(Fault::new(Code::NotText, range, message).remedy("save it as UTF-8"));
                String::from_utf8_lossy(bytes).into_owned()
            }
        }
    }

    /// Follows one entry of `include`.
    fn include(&mut self, from: &Path, pattern: &str, span: Span) {
        // Through its components, for a name without `./` in it.
        let path: PathBuf = from.parent().unwrap_or(Path::new("")).join(pattern).components().collect();
        if !pattern.contains(['*', '?', '[']) {
            self.read(&path, Some(span));
            return;
        }
        match self.files.glob(&path) {
            Ok(mut paths) => {
                paths.sort();
                for path in paths {
                    self.read(&path, Some(span));
                }
            }
            Err(error) => self.unreadable(&path, Some(span), &error),
        }
    }
}

/// The patterns of `include` and where they stand. What is not a list of strings is reported when the file is read by
/// the model.
fn includes(text: &str) -> Vec<(String, std::ops::Range<usize>)> {
    // Most files include nothing: no need to read those twice.
    if !text.contains("include") {
        return Vec::new();
    }
    let (tree, _) = DeTable::parse_recoverable(text);
    let array = tree.get_ref().get("include").and_then(|value| value.get_ref().as_array());
    let patterns = array.into_iter().flatten().filter_map(|entry| match entry.get_ref() {
        DeValue::String(pattern) if !pattern.is_empty() => Some((pattern.clone().into_owned(), entry.span())),
        _ => None,
    });
    patterns.collect()
}

/// A fault at the place that asked for a file, or of the file as a whole.
fn at(asked: Option<Span>, code: Code, message: String) -> Fault {
    asked
        .map_or_else(|| Fault::of_file(code, message.clone()), |span| Fault::new(code, span, message.clone()))
}

/// The path without `.` and with `..` resolved in words; links are not followed, as this crate reads no directories.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
