//! What the TOML parser complains about, in words that say what to do.

use std::collections::HashSet;
use std::ops::Range;

use toml::de::Error;

use crate::report::{Code, Fault, Report};
use crate::source::{SourceFile, Span};

/// What the parser's complaints come to.
pub(super) struct Syntax {
    /// Whether what was read is to be trusted all the same: a string without quotation marks or a key given twice
    /// leaves the rest as it was meant.
    pub(super) trusted: bool,
    /// The lines complained about: what else is wrong in them follows from that.
    pub(super) lines: HashSet<u32>,
}

/// Reports the parser's complaints about a file, one a line.
pub(super) fn report(errors: &[Error], source: &SourceFile, file: u32, report: &mut Report) -> Syntax {
    let mut complaints: Vec<Complaint<'_>> =
        errors.iter().map(|error| Complaint::new(error, source)).collect();
    complaints.sort_by_key(|complaint| complaint.range.start);
    complaints.dedup_by_key(|complaint| complaint.line);
    let mut table_twice = false;
    for (index, complaint) in complaints.iter().enumerate() {
        if report.is_full() {
            // Looking at each of a million lines costs more than anybody gains by it.
            report.count_more(complaints.len() - index);
            break;
        }
        if let Some(bracket) = complaint.bracket_left_open(source) {
            // Everything behind it was taken for the inside of a list.
            report.push(complaint.left_open(bracket, file));
            break;
        }
        if complaint.message != DUPLICATE {
            report.push(complaint.fault(source, file));
            continue;
        }
        // A key that stands in the other table of the same name is not given twice when that name is not.
        let first = earlier(source, complaint.range.start);
        if first.is_some() || !table_twice {
            report.push(complaint.duplicate(first, source, file));
        }
        table_twice |= complaint.header(source).is_some();
    }
    let trusted = |error: &Error| error.message().starts_with(UNQUOTED) || error.message() == DUPLICATE;
    Syntax {
        trusted: errors.iter().all(trusted),
        lines: complaints.iter().map(|complaint| complaint.line).collect(),
    }
}

/// How the parser begins its complaint about a string without quotation marks.
const UNQUOTED: &str = "string values must be quoted";

/// How the parser complains about a key given twice.
const DUPLICATE: &str = "duplicate key";

/// One complaint and its place.
struct Complaint<'a> {
    message: &'a str,
    range: Range<usize>,
    line: u32,
}

impl<'a> Complaint<'a> {
    fn new(error: &'a Error, source: &SourceFile) -> Self {
        let end = source.text.len();
        let range = error.span().unwrap_or(0..0);
        let range = range.start.min(end)..range.end.min(end);
        Self { message: error.message(), line: source.line(range.start as u32), range }
    }

    /// The line before, if this complaint is that a new line goes on with a list: its closing bracket was forgotten.
    fn bracket_left_open(&self, source: &SourceFile) -> Option<Range<usize>> {
        let comma = self.message.starts_with("missing comma between")
            || self.message.starts_with("unexpected `=` in");
        let line = source.line_range(self.line);
        let text = source.text.get(line.clone())?;
        let first = line.start + (text.len() - text.trim_start().len());
        let header_or_key = text.trim_start().starts_with('[') || text.contains('=');
        if !comma || self.range.start != first || !header_or_key {
            return None;
        }
        let before = (1..self.line).rev().map(|line| source.line_range(line));
        before
            .into_iter()
            .find(|range| source.text.get(range.clone()).is_some_and(|text| !text.trim().is_empty()))
    }

    fn left_open(&self, bracket: Range<usize>, file: u32) -> Fault {
        Fault::new(Code::Syntax, Span::new(file, self.range.clone()), "a list above this line is not closed")
            .remedy("put the missing `]` or `}` before this line; what follows is read once that is done")
            .also(Span::new(file, bracket), "after this line, perhaps")
    }

    fn fault(&self, source: &SourceFile, file: u32) -> Fault {
        let span = Span::new(file, self.range.clone());
        let at = source.text.get(self.range.clone()).unwrap_or_default().trim();
        if self.message.starts_with(UNQUOTED) {
            return unquoted(at, span);
        }
        let (what, expected) = self.message.split_once(", expected ").unwrap_or((self.message, ""));
        let remedy = match what {
            "extra `=`" => "write one `=`".to_owned(),
            "unclosed table" => "close the header of the table: `[pool.web]`".to_owned(),
            "unclosed array table" => "close the header of the table: `[[pool.web.servers]]`".to_owned(),
            "unclosed array" | "unclosed inline table" => {
                format!("close what was opened: {expected} is missing")
            }
            "key with no value" | "missing value for key" => "write `key = value`".to_owned(),
            "unexpected key or value" => {
                "one key and its value a line; text stands in quotation marks, a comment behind `#`"
                    .to_owned()
            }
            "missing comma between array elements" | "missing comma between key-value pairs" => {
                "put a comma between the two".to_owned()
            }
            _ if what.contains("recurs") => "nothing in this file needs such deep nesting".to_owned(),
            _ if what.contains("string") => {
                "close the quotation mark on the same line; write \\\\ for a backslash, or use '…'".to_owned()
            }
            _ if what.contains("carriage return") => {
                "end lines with a line feed, or carriage return and line feed".to_owned()
            }
            _ if what.starts_with("cannot extend value") => {
                "a key has one value: put what belongs to it into one table".to_owned()
            }
            _ if !expected.is_empty() && expected != "nothing" => format!("expected here: {expected}"),
            _ => "write it as TOML has it: `key = \"text\"`, `key = 5`, `key = [\"a\", \"b\"]`, `[table]`"
                .to_owned(),
        };
        Fault::new(Code::Syntax, span, what).remedy(remedy)
    }

    /// The header of a table that the complaint is about.
    fn header<'s>(&self, source: &'s SourceFile) -> Option<&'s str> {
        header(source.text.get(source.line_range(self.line))?)
    }

    fn duplicate(&self, first: Option<Range<usize>>, source: &SourceFile, file: u32) -> Fault {
        let key = source.text.get(self.range.clone()).unwrap_or_default().trim();
        let what = self.header(source).unwrap_or(key);
        let span = Span::new(file, self.range.clone());
        let fault = Fault::new(Code::DuplicateKey, span, format!("`{what}` is given twice"))
            .remedy("keep one of the two; what belongs together stands in one table");
        match first {
            Some(range) => fault.also(Span::new(file, range), "first here"),
            None => fault,
        }
    }
}

/// The header in a line, if it has one: `[pool.web]`.
fn header(line: &str) -> Option<&str> {
    let line = line.trim();
    line.starts_with('[').then(|| line.split('#').next().unwrap_or_default().trim())
}

/// A value without quotation marks.
fn unquoted(at: &str, span: Span) -> Fault {
    if at.is_empty() {
        return Fault::new(Code::Syntax, span, "there is no value behind the `=`")
            .remedy("write one, such as `key = \"text\"`, or take the line out");
    }
    let truth = match at.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some("true"),
        "false" | "no" | "off" => Some("false"),
        _ => None,
    };
    let remedy = match truth {
        Some(truth) => format!("write `{truth}`, or \"{at}\" where text is meant"),
        None => format!("write \"{at}\""),
    };
    Fault::new(Code::Syntax, span, "text stands in quotation marks").remedy(remedy)
}

/// Where what is given again at `offset` was given before: the nearest line above that begins alike.
fn earlier(source: &SourceFile, offset: usize) -> Option<Range<usize>> {
    let line = source.line_range(source.line(offset as u32));
    let this = source.text.get(line.clone())?;
    let key = this.trim().split(['=', ' ', '\t']).next().unwrap_or_default();
    let mut end = line.start;
    for text in source.text.get(..line.start)?.split_inclusive('\n').rev() {
        let start = end - text.len() + (text.len() - text.trim_start().len());
        end -= text.len();
        let length = match (header(this), header(text)) {
            (Some(this), Some(other)) if this == other => other.len(),
            (None, None) if begins_with_key(text, key) => key.len(),
            // Keys above the header of the table belong to another.
            (None, Some(_)) => return None,
            _ => continue,
        };
        return Some(start..start + length);
    }
    None
}

fn begins_with_key(line: &str, key: &str) -> bool {
    let rest = line.trim_start().strip_prefix(key);
    !key.is_empty() && rest.is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
}
