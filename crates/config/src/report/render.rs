//! The report for people, drawn by annotate-snippets. Only the lines in question are handed over, cut to a readable
//! length: a file may have one line of megabytes.

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
    let title = level.primary_title(clip(&fault.message)).id(fault.code.word());
    let mut group = Group::with_title(title);
    let primary = fault.span.map(|span| (span, String::new(), AnnotationKind::Primary));
    let related = fault.related.iter().map(|(span, label)| (*span, label.clone(), AnnotationKind::Context));
    for (span, label, kind) in primary.into_iter().chain(related) {
        let Some(source) = report.sources.get(span.file as usize) else { continue };
        let window = Window::around(source, span);
        let annotation = kind.span(window.range.clone());
        let annotation = if label.is_empty() { annotation } else { annotation.label(clip(&label)) };
        let path = source.path.display().to_string();
        let line = source.line(span.start) as usize;
        let snippet = Snippet::source(window.text).line_start(line).annotation(annotation);
        group = if window.cut {
            // The columns of what is left are not those of the file.
            let column = source.column(span.start) as usize;
            group.element(Origin::path(path).line(line).char_column(column)).element(snippet)
        } else {
            group.element(snippet.path(path))
        };
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
struct Window {
    text: String,
    range: std::ops::Range<usize>,
    /// Whether the line begins before it.
    cut: bool,
}

impl Window {
    /// The line in which `span` begins, cut around it, with passwords blotted out.
    fn around(source: &SourceFile, span: Span) -> Self {
        let line = source.line_range(source.line(span.start));
        let text = source.text.get(line.clone()).unwrap_or_default();
        let start = (span.start as usize).clamp(line.start, line.end) - line.start;
        let end = (span.end as usize).clamp(line.start + start, line.end) - line.start;
        let text = blot_passwords(text);
        let first = text[..start].char_indices().rev().nth(CONTEXT_CHARS - 1).map_or(0, |(at, _)| at);
        let last = text[start..].char_indices().nth(CONTEXT_CHARS).map_or(text.len(), |(at, _)| start + at);
        let range = start - first..end.min(last) - first;
        Self { text: text[first..last].to_owned(), range, cut: first > 0 }
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
        let source = SourceFile::new(Path::new("x"), &text);
        let at = text.find("HERE").expect("it is in there");
        let window = Window::around(&source, Span::new(0, at..at + 4));
        assert_eq!(&window.text[window.range.clone()], "HERE");
        assert!(window.text.chars().count() <= 2 * CONTEXT_CHARS);
        let all = Window::around(&source, Span::new(0, 0..text.len()));
        assert_eq!(all.range, 0..all.text.len());
    }
}
