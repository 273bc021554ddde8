//! What the TOML parser complains about, in words that say what to do.

use toml::de::Error;

use crate::report::{Code, Fault, Report};
use crate::source::{SourceFile, Span};

/// Reports the parser's complaints about a file, one a line. Returns whether what it read is to be trusted all the
/// same: a string without quotation marks or a key given twice leaves the rest as it was meant.
pub(super) fn report(errors: &[Error], source: &SourceFile, file: u32, report: &mut Report) -> bool {
    let mut complaints: Vec<Complaint<'_>> =
        errors.iter().map(|error| Complaint::new(error, source)).collect();
    complaints.sort_by_key(|complaint| complaint.range.start);
    complaints.dedup_by_key(|complaint| source.line(complaint.range.start as u32));
    for complaint in &complaints {
        report.push(complaint.fault(source, file));
    }
    errors.iter().all(|error| error.message().starts_with(UNQUOTED) || error.message() == DUPLICATE)
}

/// How the parser begins its complaint about a string without quotation marks.
const UNQUOTED: &str = "string values must be quoted";

/// How the parser complains about a key given twice.
const DUPLICATE: &str = "duplicate key";

/// One complaint and its place.
struct Complaint<'a> {
    message: &'a str,
    range: std::ops::Range<usize>,
}

impl<'a> Complaint<'a> {
    fn new(error: &'a Error, source: &SourceFile) -> Self {
        let end = source.text.len();
        let range = error.span().unwrap_or(0..0);
        Self { message: error.message(), range: range.start.min(end)..range.end.min(end) }
    }

    fn fault(&self, source: &SourceFile, file: u32) -> Fault {
        let span = Span::new(file, self.range.clone());
        let at = source.text.get(self.range.clone()).unwrap_or_default().trim();
        if self.message == DUPLICATE {
            return self.duplicate(at, source, file);
        }
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

    fn duplicate(&self, at: &str, source: &SourceFile, file: u32) -> Fault {
        let span = Span::new(file, self.range.clone());
        let fault = Fault::new(Code::DuplicateKey, span, format!("`{at}` is given twice"))
            .remedy("keep one of the two; what belongs together stands in one table");
        match earlier(source, self.range.start, at) {
            Some(range) => fault.also(Span::new(file, range), "first here"),
            None => fault,
        }
    }
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

/// Where a key or header that is given again at `offset` was given before: the nearest line above that begins alike.
fn earlier(source: &SourceFile, offset: usize, key: &str) -> Option<std::ops::Range<usize>> {
    let line = source.line_range(source.line(offset as u32));
    let this = source.text.get(line.clone())?.trim();
    let header = this.starts_with('[');
    let mut end = line.start;
    for text in source.text.get(..line.start)?.split_inclusive('\n').rev() {
        let start = end - text.len();
        end = start;
        let indent = text.len() - text.trim_start().len();
        let bare = text.trim();
        let same = if header {
            bare.split('#').next().map(str::trim) == this.split('#').next().map(str::trim)
        } else {
            bare.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
        };
        if same {
            let length = if header { bare.len() } else { key.len() };
            return Some(start + indent..start + indent + length);
        }
        if !header && bare.starts_with('[') {
            return None;
        }
    }
    None
}
