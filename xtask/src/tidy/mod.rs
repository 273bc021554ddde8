//! `tidy`: what compilers do not check. Every rule is a function from files to findings.

mod arrows;
mod attributes;
mod code;
mod io;
mod layout;
mod links;
mod mask;
mod words;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::docs;
use crate::shell;
use crate::test::Outcome;
use crate::test::count::Counts;

/// A file of the project with its text.
pub(crate) struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

impl File {
    #[cfg(test)]
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether everything in it is test code.
    fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        parts
            .iter()
            .any(|part| matches!(*part, "tests" | "tests.rs" | "testing.rs" | "fixture.rs" | "fuzz_targets"))
    }

    /// The lines before the tests at the bottom, counted from 1, without the words of strings and comments.
    fn code_lines(&self) -> Vec<(usize, String)> {
        if self.is_test() {
            return Vec::new();
        }
        let masked = mask::mask(&self.text);
        let lines = masked.lines().zip(1..).take_while(|(line, _)| !line.starts_with("#[cfg(test)]"));
        lines.map(|(line, number)| (number, line.to_owned())).collect()
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding(String);

impl Finding {
    fn at(path: &str, line: usize, what: impl std::fmt::Display) -> Self {
        Self(format!("{path}:{line}: {what}"))
    }

    fn about(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

/// A rule by its name, and what it finds.
type Rule = (&'static str, fn(&[File]) -> Result<Vec<Finding>>);

const RULES: &[Rule] = &[
    ("arrows", |_| arrows::check(&shell::metadata()?)),
    ("unsafe", |files| Ok(code::no_unsafe(files))),
    ("prints", |files| Ok(code::no_prints(files))),
    ("no-io", |files| Ok(io::check(files))),
    ("attributes", |files| Ok(attributes::check(files))),
    ("size", |files| Ok(layout::size(files))),
    ("versions", |files| Ok(layout::versions(files))),
    ("words", |files| Ok(words::vocabulary(files))),
    ("places", |files| Ok(words::places(files))),
    ("links", |files| Ok(links::check(files))),
    ("generated", |_| generated()),
];

/// Pages written by code say what the code says.
fn generated() -> Result<Vec<Finding>> {
    let stale = docs::stale_paths()?;
    Ok(stale.into_iter().map(|path| Finding::about(format!("{path} is stale: ./x docs writes it"))).collect())
}

/// The command line.
pub(crate) fn run() -> Result<bool> {
    let outcome = area()?;
    print!("{}", outcome.output);
    println!("{}", outcome.counts);
    Ok(outcome.counts.failed == 0)
}

/// The test area: each rule is a test.
pub(crate) fn area() -> Result<Outcome> {
    let files = read(shell::files()?)?;
    let mut output = String::new();
    let mut failed = 0;
    for (name, rule) in RULES {
        let findings = rule(&files).with_context(|| format!("rule {name}"))?;
        failed += usize::from(!findings.is_empty());
        for Finding(finding) in findings {
            output.push_str(&format!("{name}: {finding}\n"));
        }
    }
    Ok(Outcome { counts: Counts::of(RULES.len(), failed), ran: format!("{} rules", RULES.len()), output })
}

/// Reads those that are text.
fn read(paths: Vec<PathBuf>) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        let bytes = fs::read(shell::root().join(&path)).with_context(|| path.display().to_string())?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_string_lossy().into_owned(), text });
        }
    }
    Ok(files)
}
