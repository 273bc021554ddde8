//! Golden files: what a test produces is compared with a file; `UPDATE=1` rewrites the file instead.

use std::fs;
use std::path::Path;

/// Compares `actual` with the file at `path`; with `UPDATE=1` in the environment writes it there instead.
///
/// # Panics
/// If they differ, naming the first line that does, and if the file cannot be read or written.
pub fn assert_golden(path: impl AsRef<Path>, actual: &str) {
    let path = path.as_ref();
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, actual));
        if let Err(error) = written {
            panic!("{}: {error}", path.display());
        }
        return;
    }
    match fs::read_to_string(path) {
        Err(error) => panic!("{}: {error}; UPDATE=1 writes it", path.display()),
        Ok(expected) => {
            if let Some(difference) = first_difference(&expected, actual) {
                panic!(
                    "{}: {difference}\nUPDATE=1 rewrites it; the whole of it now:\n{actual}",
                    path.display()
                );
            }
        }
    }
}

/// The first line in which two texts differ, for people.
pub fn first_difference(expected: &str, actual: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let (mut before, mut now) = (expected.lines(), actual.lines());
    for number in 1.. {
        match (before.next(), now.next()) {
            (None, None) => break,
            (expected, actual) if expected != actual => {
                let shown = |line: Option<&str>| line.map_or("(end)".to_owned(), |line| format!("{line:?}"));
                return Some(format!("line {number}: expected {}, got {}", shown(expected), shown(actual)));
            }
            _ => {}
        }
    }
    Some("only the ends of lines differ".to_owned())
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_line_that_differs_is_named() {
        let table = [
            ("a\nb\n", "a\nb\n", None),
            ("a\nb\n", "a\nc\n", Some("line 2: expected \"b\", got \"c\"")),
            ("a\n", "a\nb\n", Some("line 2: expected (end), got \"b\"")),
            ("a\nb", "a", Some("line 2: expected \"b\", got (end)")),
            ("a\n", "a", Some("only the ends of lines differ")),
        ];
        for (expected, actual, difference) in table {
            assert_eq!(first_difference(expected, actual).as_deref(), difference);
        }
    }
}
