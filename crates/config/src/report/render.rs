//! The report for people, drawn by annotate-snippets. Only the lines in question are handed over, cut to a readable
//! length: a file may have one line of megabytes.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Fault, Report, Severity};
use crate::source::{SourceFile, Span};

/// Characters of a line shown before and after the place in question.
const CONTEXT_CHARS: usize = 90;

/// Characters of a message, label or remedy at most.
const MESSAGE_CHARS_MAX: usize = 600;

/// What a key of a password begins with, well or badly spelled, in lower case.
const SECRET: [&str; 5] = ["passw", "pasw", "pass =", "pass=", "secret"];

/// Draws every fault and a last line with the sums.
pub(super) fn render(report: &Report, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for fault in report.faults() {
        text.push_str(renderer.render(&[group(report, fault)]).trim_end());
        text.push_str("\n\n");
    }
    if report.left_out() > 0 {
        text.push_str(&format!("and {} more\n", report.left_out()));
    }
    if let Some(sums) = sums(report) {
        text.push_str(&sums);
        text.push('\n');
    }
    text
}

/// `2 errors, 1 warning`
fn sums(report: &Report) -> Option<String> {
    let plural = |count: usize, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{count} {word}s")),
    };
    let parts = [plural(report.errors(), "error"), plural(report.warnings(), "warning")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// One fault: title, its place, related places, remedy.
fn group(report: &Report, fault: &Fault) -> Group<'static> {
    let level = match fault.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(clip(&fault.message)).id(fault.code.word()));
    if let Some(span) = fault.span
        && let Some(window) = Window::around(&report.sources, span)
    {
        // What stands in the same line is marked in the same picture.
        let (near, far): (Vec<_>, Vec<_>) =
            fault.related.iter().partition(|(span, _)| window.range(*span).is_some());
        group = window.draw(group, span, None, &near);
        for (span, label) in far {
            if let Some(window) = Window::around(&report.sources, *span) {
                group = window.draw(group, *span, Some(label), &[]);
            }
        }
    }
    group.element(Level::HELP.message(clip(&fault.remedy)))
}

/// A message no longer than a screen: values from the file stand in it.
fn clip(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The part of a line that is shown.
struct Window<'a> {
    source: &'a SourceFile,
    file: u32,
    /// Line, counted from 1.
    line: u32,
    /// What is shown of the line, in bytes of the file.
    shown: Range<usize>,
    /// The whole line with passwords blotted out, byte for byte.
    text: String,
    /// First byte of the line.
    start: usize,
}

impl<'a> Window<'a> {
    /// The line in which `span` begins, cut around it.
    fn around(sources: &'a [SourceFile], span: Span) -> Option<Self> {
        let source = sources.get(span.file as usize)?;
        let line = source.line(span.start);
        let range = source.line_range(line);
        let text = blot_passwords(source.text.get(range.clone()).unwrap_or_default());
        let at = text.floor_char_boundary((span.start as usize).saturating_sub(range.start));
        let first = text[..at].char_indices().rev().nth(CONTEXT_CHARS - 1).map_or(0, |(first, _)| first);
        let last = text[at..].char_indices().nth(CONTEXT_CHARS).map_or(text.len(), |(last, _)| at + last);
        Some(Self { source, file: span.file, line, shown: first..last, text, start: range.start })
    }

    /// Where `span` is in what is shown, cut to it; `None` if it begins elsewhere.
    fn range(&self, span: Span) -> Option<Range<usize>> {
        let start =
            (span.start as usize).checked_sub(self.start).filter(|start| *start <= self.text.len())?;
        // The parser may point into the middle of a character.
        let start = self.text.floor_char_boundary(start);
        let end = self.text.ceil_char_boundary((span.end as usize).checked_sub(self.start)?.max(start));
        let here = span.file == self.file && (self.shown.start..=self.shown.end).contains(&start);
        here.then(|| start - self.shown.start..end.min(self.shown.end) - self.shown.start)
    }

    /// Adds the picture of the line to a group: `span` is what it is about, `near` are others in it.
    fn draw(
        &self,
        group: Group<'static>,
        span: Span,
        label: Option<&str>,
        near: &[&(Span, String)],
    ) -> Group<'static> {
        let (cut_left, cut_right) = (self.shown.start > 0, self.shown.end < self.text.len());
        let (left, right) = (if cut_left { "…" } else { "" }, if cut_right { "…" } else { "" });
        let text = format!("{left}{}{right}", &self.text[self.shown.clone()]);
        let shift = |range: Range<usize>| range.start + left.len()..range.end + left.len();
        let kind = if label.is_some() { AnnotationKind::Context } else { AnnotationKind::Primary };
        let primary = kind.span(shift(self.range(span).unwrap_or(0..0)));
        let primary = match label {
            Some(label) => primary.label(clip(label)),
            None => primary,
        };
        let near = near.iter().filter_map(|(span, label)| {
            Some(AnnotationKind::Context.span(shift(self.range(*span)?)).label(clip(label)))
        });
        let snippet =
            Snippet::source(text).line_start(self.line as usize).annotation(primary).annotations(near);
        let path = self.source.path.display().to_string();
        if cut_left {
            // The columns of what is left are not those of the file.
            let column = self.source.column(span.start) as usize;
            group.element(Origin::path(path).line(self.line as usize).char_column(column)).element(snippet)
        } else {
            group.element(snippet.path(path))
        }
    }
}

/// The line with stars for what is quoted after a key that speaks of a password, byte for byte. Of an argon2id hash,
/// algorithm and costs stay.
fn blot_passwords(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let mut bytes = line.as_bytes().to_vec();
    let mut from = 0;
    while let Some(at) = SECRET.iter().filter_map(|word| lower[from..].find(word)).min() {
        from += at;
        let Some(equals) = lower[from..].find('=') else { break };
        let value = from + equals + 1;
        let Some(open) = lower[value..].find(['"', '\'']).map(|open| value + open) else { break };
        let quote = if line[open..].starts_with('"') { '"' } else { '\'' };
        let end = line[open + 1..].find(quote).map_or(line.len(), |length| open + 1 + length);
        let secret = &line[open + 1..end];
        let costs = secret.match_indices('$').nth(3).filter(|_| secret.starts_with("$argon2"));
        bytes[open + 1 + costs.map_or(0, |(at, _)| at + 1)..end].fill(b'*');
        from = end;
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn passwords_are_never_shown() {
        for (line, shown) in [
            ("password = \"hunter2\"", "password = \"*******\""),
            (
                "users = [{ name = \"a\", PassWord = 'x' }, { pass=\"yy\", n = 1 }]",
                "users = [{ name = \"a\", PassWord = '*' }, { pass=\"**\", n = 1 }]",
            ),
            (
                "password-hash = \"$argon2id$v=19$m=1,t=2,p=1$abc$def\"",
                "password-hash = \"$argon2id$v=19$m=1,t=2,p=1$*******\"",
            ),
            ("password = \"unclosed", "password = \"********"),
            ("password = \"ß\"", "password = \"**\""),
            ("mode = \"passthrough\"", "mode = \"passthrough\""),
            ("mode = \"passthrough\", pool = \"x\"", "mode = \"passthrough\", pool = \"x\""),
        ] {
            assert_eq!(blot_passwords(line), shown);
        }
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}HERE{}", "ä".repeat(100_000), "z".repeat(100_000));
        let sources = [SourceFile::new(Path::new("x"), &text)];
        let at = text.find("HERE").expect("it is in there");
        let span = Span::new(0, at..at + 4);
        let window = Window::around(&sources, span).expect("there is such a file");
        assert_eq!(&window.text[window.shown.clone()][window.range(span).expect("it is shown")], "HERE");
        assert!(window.text[window.shown.clone()].chars().count() <= 2 * CONTEXT_CHARS);
        let all = Window::around(&sources, Span::new(0, 0..text.len())).expect("there is such a file");
        assert_eq!(all.range(Span::new(0, 0..text.len())), Some(all.shown.clone()));
    }
}
