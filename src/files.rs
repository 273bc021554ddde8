//! The files a configuration is made of: read from disk and remembered, so that another process can be given the same.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use transom_config::Files;

/// A file longer than this is no part of a configuration.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// All files of a configuration together.
const ALL_BYTES_MAX: usize = 128 << 20;

/// What was read: files with their contents, patterns with the paths that matched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// Each file once.
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
    /// Each pattern once.
    pub(crate) patterns: Vec<Pattern>,
}

/// A pattern of `include` and what it matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pattern {
    /// As it was asked.
    pub(crate) pattern: PathBuf,
    /// What matched, sorted.
    pub(crate) paths: Vec<PathBuf>,
}

impl Files for Remembered {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.files.iter().find(|(known, _)| known == path);
        found.map(|(_, contents)| contents.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let found = self.patterns.iter().find(|known| known.pattern == pattern);
        found.map(|known| known.paths.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Reads from disk and remembers what it read.
#[derive(Default)]
pub(crate) struct Disk {
    remembered: RefCell<Remembered>,
}

impl Disk {
    /// One on which this file is as if it had been read already.
    pub(crate) fn holding(path: PathBuf, contents: Vec<u8>) -> Self {
        let remembered = Remembered { files: vec![(path, contents)], patterns: Vec::new() };
        Self { remembered: RefCell::new(remembered) }
    }

    /// Everything that was read.
    pub(crate) fn into_remembered(self) -> Remembered {
        self.remembered.into_inner()
    }
}

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if let Ok(contents) = self.remembered.borrow().read(path) {
            return Ok(contents);
        }
        let contents = read_bounded(path)?;
        let mut remembered = self.remembered.borrow_mut();
        let all: usize = remembered.files.iter().map(|(_, contents)| contents.len()).sum();
        if all + contents.len() > ALL_BYTES_MAX {
            return Err(io::Error::other("the files of the configuration are over 128 MiB together"));
        }
        remembered.files.push((path.to_owned(), contents.clone()));
        Ok(contents)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let paths = expand(pattern)?;
        let known = Pattern { pattern: pattern.to_owned(), paths: paths.clone() };
        self.remembered.borrow_mut().patterns.push(known);
        Ok(paths)
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut contents = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("the file is over 16 MiB"));
    }
    Ok(contents)
}

/// The existing paths that match `pattern`, sorted. `*` and `?` stand for characters within one part of the path.
fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let mut next = Vec::new();
        for base in &found {
            match part {
                Component::Normal(name) if is_pattern(&name.to_string_lossy()) => {
                    next.extend(matching(base, &name.to_string_lossy())?);
                }
                part => next.push(base.join(part)),
            }
        }
        found = next;
    }
    found.retain(|path| path.exists());
    found.sort();
    Ok(found)
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Entries of `directory` whose names match; hidden ones only where the pattern begins with a dot. A directory that
/// does not exist has none.
fn matching(directory: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let read = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let entries = match std::fs::read_dir(read) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if matches(pattern, &text) && (pattern.starts_with('.') || !text.starts_with('.')) {
            found.push(directory.join(&name));
        }
    }
    Ok(found)
}

/// Whether `name` is meant by `pattern`. Takes time in proportion to the product of their lengths at most: on a
/// mismatch only the last `*` is given one character more.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(letter) if *letter == '?' || *letter == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                at = after + 1;
                seen = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_letters_and_a_question_mark_one() {
        let cases = [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "a.tom", false),
            ("??-*", "10-mail.toml", true),
            ("??-*", "1-mail", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*", "", true),
            ("", "a", false),
            ("ä?", "äö", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_find_files_in_order_and_not_hidden_ones() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.toml", ".c.toml", "d.txt"] {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        let found = Disk::default().glob(&directory.path().join("*.toml")).unwrap();
        assert_eq!(found, [directory.path().join("a.toml"), directory.path().join("b.toml")]);
        let none = Disk::default().glob(&directory.path().join("none/*.toml")).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn what_was_read_is_given_again_without_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.toml");
        std::fs::write(&path, "one").unwrap();
        let disk = Disk::default();
        assert_eq!(disk.read(&path).unwrap(), b"one");
        assert_eq!(disk.glob(&directory.path().join("*")).unwrap(), std::slice::from_ref(&path));
        drop(directory);
        let remembered = disk.into_remembered();
        assert_eq!(remembered.read(&path).unwrap(), b"one");
        assert_eq!(remembered.glob(&path.with_file_name("*")).unwrap(), [path]);
        assert!(remembered.read(Path::new("/etc/hostname")).is_err(), "nothing else is to be had");
    }
}
