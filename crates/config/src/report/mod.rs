//! All that is wrong with a configuration, at once: what, where, and what to write instead.

mod code;
mod render;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

pub use code::{Code, Severity};

use crate::source::{SourceFile, Span};
use crate::text::Problem;
use crate::text::spelling;

/// Faults of one severity that are kept; those beyond are counted. Nobody reads more, and a broken file could have a
/// million.
pub const FAULTS_MAX: usize = 100;

/// One fault of a configuration.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its code.
    pub code: Code,
    /// What is wrong, as a sentence without its stop.
    pub message: String,
    /// What to do about it; never empty.
    pub remedy: String,
    /// Where it is; `None` for a file that could not be read at all.
    span: Option<Span>,
    /// Other places that belong to it.
    related: Vec<(Span, String)>,
}

impl Fault {
    /// A fault at a place.
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        let (message, span) = (message.into(), Some(span));
        Self { code, message, remedy: String::new(), span, related: Vec::new() }
    }

    /// A fault of a file as a whole.
    pub(crate) fn of_file(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), remedy: String::new(), span: None, related: Vec::new() }
    }

    /// What is wrong with the text at `span`.
    pub(crate) fn from_problem(problem: Problem, span: Span) -> Self {
        Self::new(problem.code, span, problem.message).remedy(problem.remedy)
    }

    /// With what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// With another place that belongs to it.
    pub(crate) fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

/// What came out of reading a configuration: errors, which keep it from being used, and warnings, which do not.
#[derive(Debug, Clone)]
pub struct Report {
    errors: Kept,
    warnings: Kept,
    sources: Arc<[SourceFile]>,
    /// File and line of which nothing more is taken.
    mute: HashSet<(u32, u32)>,
}

/// Faults of one severity: the first [`FAULTS_MAX`], and how many there were.
#[derive(Debug, Clone, Default)]
struct Kept {
    faults: Vec<Fault>,
    count: usize,
}

impl Report {
    /// A report without faults on these files.
    pub(crate) fn new(sources: Arc<[SourceFile]>) -> Self {
        Self { errors: Kept::default(), warnings: Kept::default(), sources, mute: HashSet::new() }
    }

    /// How many errors there are; with any, there is no configuration.
    pub fn errors(&self) -> usize {
        self.errors.count
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.warnings.count
    }

    /// The faults that were kept, in the order of the files; at most [`FAULTS_MAX`] of each severity.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        let mut faults: Vec<&Fault> = self.errors.faults.iter().chain(&self.warnings.faults).collect();
        faults.sort_by_key(|fault| fault.span.map(|span| (span.file, span.start)));
        faults.into_iter()
    }

    /// Where a fault stands: file, line and column, both counted from 1; `None` for a file that could not be read.
    pub fn location(&self, fault: &Fault) -> Option<Location> {
        fault.span.and_then(|span| self.locate(span))
    }

    /// The report for people: each fault with its line, a caret under the place, and the remedy. With `color`, ANSI
    /// escapes as a terminal knows them.
    pub fn render(&self, color: bool) -> String {
        render::render(self, color)
    }

    /// The report for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "errors": self.errors(),
            "warnings": self.warnings(),
            "left-out": self.left_out(),
            "faults": self.faults().map(|fault| self.fault_json(fault)).collect::<Vec<_>>(),
        })
    }

    /// Puts a fault down.
    pub(crate) fn push(&mut self, fault: Fault) {
        if let Some(span) = fault.span
            && !self.mute.is_empty()
            && self.mute.contains(&(
                span.file,
                self.sources.get(span.file as usize).map_or(0, |s| s.line(span.start)),
            ))
        {
            return;
        }
        debug_assert!(!fault.remedy.is_empty(), "every fault says what to do: {fault:?}");
        let kept = match fault.code.severity() {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        // What one line stands for, several pools of an application say, is at fault once.
        let same =
            |one: &Fault| one.span == fault.span && one.code == fault.code && one.message == fault.message;
        if kept.faults.iter().any(same) {
            return;
        }
        kept.count += 1;
        if kept.faults.len() < FAULTS_MAX {
            kept.faults.push(fault);
        }
    }

    /// Whether errors are only counted from now on.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.count >= FAULTS_MAX
    }

    /// Counts errors of a full report that nobody looked at.
    pub(crate) fn count_more(&mut self, errors: usize) {
        self.errors.count += errors;
    }

    /// Takes no more faults of these lines: what is wrong with them has been said.
    pub(crate) fn mute(&mut self, file: u32, lines: HashSet<u32>) {
        self.mute.extend(lines.into_iter().map(|line| (file, line)));
    }

    /// The candidate spelled most like `word`. Not looked for any more once the report is full, as it is dear.
    pub(crate) fn nearest<'a>(
        &self,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        if self.is_full() { None } else { spelling::nearest(word, candidates) }
    }

    /// The files the report speaks of.
    pub(crate) fn sources(&self) -> &Arc<[SourceFile]> {
        &self.sources
    }

    /// How many faults were counted but not kept.
    fn left_out(&self) -> usize {
        [&self.errors, &self.warnings].iter().map(|kept| kept.count - kept.faults.len()).sum()
    }

    fn locate(&self, span: Span) -> Option<Location> {
        let source = self.sources.get(span.file as usize)?;
        let path = source.path.display().to_string();
        Some(Location { path, line: source.line(span.start), column: source.column(span.start) })
    }

    fn fault_json(&self, fault: &Fault) -> Value {
        let related = fault.related.iter().filter_map(|(span, label)| {
            let at = self.locate(*span)?;
            Some(json!({ "file": at.path, "line": at.line, "column": at.column, "message": label }))
        });
        let at = self.location(fault);
        json!({
            "code": fault.code.word(),
            "severity": fault.code.severity().word(),
            "message": fault.message,
            "file": at.as_ref().map(|at| &at.path),
            "line": at.as_ref().map(|at| at.line),
            "column": at.as_ref().map(|at| at.column),
            "remedy": fault.remedy,
            "related": related.collect::<Vec<_>>(),
        })
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file as it was named.
    pub path: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
}
