//! The account: what became of every line of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// `-`: nothing is needed for it here; the reason says why.
    NotNeeded,
    /// `=`: it means the same here.
    Exact,
    /// `~`: it was carried over, and something is different; the reason says what.
    Changed,
    /// `!`: it has no counterpart. It stands as a comment in the result.
    Unsupported,
}

impl Verdict {
    /// The sign at the start of an account's line.
    pub fn sign(self) -> char {
        match self {
            Self::NotNeeded => '-',
            Self::Exact => '=',
            Self::Changed => '~',
            Self::Unsupported => '!',
        }
    }

    /// The word in the JSON form.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotNeeded => "not-needed",
            Self::Exact => "exact",
            Self::Changed => "changed",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A line of the source that holds something, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, counted from 1.
    pub number: u32,
    /// As it was written, without the blanks around it.
    pub text: String,
    /// What became of it.
    pub verdict: Verdict,
    /// How it differs, why it is not needed, why it cannot be: sentences without a final dot.
    pub reasons: Vec<String>,
}

/// Something in the source that is probably a mistake, or dangerous in front of Exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line it was seen in, counted from 1.
    pub line: u32,
    /// A word that never changes its meaning.
    pub code: &'static str,
    /// What was seen, and what to do about it.
    pub text: String,
}

/// How many lines there are of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// `=`
    pub exact: usize,
    /// `~`
    pub changed: usize,
    /// `-`
    pub not_needed: usize,
    /// `!`
    pub unsupported: usize,
}

/// What became of every line, and what is worth knowing.
#[derive(Debug, Clone, Default)]
pub struct Account {
    lines: Vec<Line>,
    marks: BTreeMap<u32, (Verdict, Vec<String>)>,
    findings: Vec<Finding>,
    features: BTreeSet<String>,
}

impl Account {
    /// Every line that holds something, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Mistakes and dangers that were seen, by line.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The directives and options that the source uses, as the table of `coming_from` has them.
    pub fn features(&self) -> &BTreeSet<String> {
        &self.features
    }

    /// How many lines there are of each verdict.
    pub fn counts(&self) -> Counts {
        let count = |verdict| self.lines.iter().filter(|line| line.verdict == verdict).count();
        Counts {
            exact: count(Verdict::Exact),
            changed: count(Verdict::Changed),
            not_needed: count(Verdict::NotNeeded),
            unsupported: count(Verdict::Unsupported),
        }
    }

    /// Whether no line is unsupported.
    pub fn is_whole(&self) -> bool {
        self.counts().unsupported == 0
    }

    /// One line for each line of the source, then the findings, then the summary.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let _ = write!(text, "{:>5} {} {}", line.number, line.verdict.sign(), line.text);
            let reasons = line.reasons.join("; ");
            let _ = if reasons.is_empty() { writeln!(text) } else { writeln!(text, "\n        {reasons}") };
        }
        for finding in &self.findings {
            let _ = writeln!(text, "\nline {}: {}: {}", finding.line, finding.code, finding.text);
        }
        let _ = writeln!(text, "\n{}", self.summary());
        text
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let counts = self.counts();
        format!(
            "{} lines: {} exact, {} changed, {} not needed, {} unsupported; {} to look at",
            self.lines.len(),
            counts.exact,
            counts.changed,
            counts.not_needed,
            counts.unsupported,
            self.findings.len()
        )
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let counts = self.counts();
        let line = |line: &Line| {
            json!({
                "line": line.number,
                "verdict": line.verdict.word(),
                "text": line.text,
                "reasons": line.reasons,
            })
        };
        let finding =
            |finding: &Finding| json!({ "line": finding.line, "code": finding.code, "text": finding.text });
        json!({
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "summary": {
                "exact": counts.exact,
                "changed": counts.changed,
                "not-needed": counts.not_needed,
                "unsupported": counts.unsupported,
            },
        })
    }

    /// Says something of a line. What is said first stays first; the worst verdict counts.
    pub(crate) fn mark(&mut self, line: u32, verdict: Verdict, reason: &str) {
        let (own, reasons) = self.marks.entry(line).or_insert((verdict, Vec::new()));
        *own = verdict.max(*own);
        if !reason.is_empty() && !reasons.iter().any(|known| known == reason) {
            reasons.push(reason.to_owned());
        }
    }

    /// Means the same here.
    pub(crate) fn exact(&mut self, line: u32) {
        self.mark(line, Verdict::Exact, "");
    }

    /// Was carried over with a difference.
    pub(crate) fn changed(&mut self, line: u32, how: impl AsRef<str>) {
        self.mark(line, Verdict::Changed, how.as_ref());
    }

    /// Nothing is needed for it.
    pub(crate) fn not_needed(&mut self, line: u32, why: impl AsRef<str>) {
        self.mark(line, Verdict::NotNeeded, why.as_ref());
    }

    /// Has no counterpart.
    pub(crate) fn unsupported(&mut self, line: u32, why: impl AsRef<str>) {
        self.mark(line, Verdict::Unsupported, why.as_ref());
    }

    /// Something that a person should look at. Said once a line and code.
    pub(crate) fn finding(&mut self, line: u32, code: &'static str, text: impl Into<String>) {
        let known = self.findings.iter().any(|own| own.line == line && own.code == code);
        if !known && self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { line, code, text: text.into() });
        }
    }

    /// The source uses this row of the table.
    pub(crate) fn uses(&mut self, feature: String) {
        self.features.insert(feature);
    }

    /// The lines that are unsupported, with the reasons.
    pub(crate) fn kept(&self) -> Vec<(u32, String)> {
        let unsupported = self.marks.iter().filter(|(_, (verdict, _))| *verdict == Verdict::Unsupported);
        unsupported.map(|(line, (_, reasons))| (*line, reasons.join("; "))).collect()
    }

    /// The account of this text. A line that nobody said anything of is unsupported: better loud than lost.
    pub(crate) fn close(&mut self, text: &str) {
        self.findings.sort_by_key(|finding| finding.line);
        for (line, number) in text.lines().zip(1u32..) {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let comment = line.starts_with('#') || line.starts_with(';');
            let (verdict, reasons) = match self.marks.remove(&number) {
                Some(mark) => mark,
                None if comment => (Verdict::Exact, Vec::new()),
                None => (Verdict::Unsupported, vec!["nothing here reads it".to_owned()]),
            };
            self.lines.push(Line { number, text: shortened(line), verdict, reasons });
        }
    }
}

/// Findings that are kept at most.
const FINDINGS_MAX: usize = 1000;

/// Characters of a line that the account shows at most.
const SHOWN_MAX: usize = 400;

/// A line that can be shown: not too long, and without control characters, which could steer a terminal.
pub(crate) fn shortened(line: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = line.chars().map(plain).take(SHOWN_MAX).collect();
    if line.chars().nth(SHOWN_MAX).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_that_is_said_of_a_line_counts() {
        let mut account = Account::default();
        account.exact(1);
        account.not_needed(2, "x");
        account.exact(2);
        account.changed(3, "a");
        account.exact(3);
        account.changed(3, "b");
        account.close("one\ntwo\nthree\n\n# comment\nfour");
        let signs: String = account.lines().iter().map(|line| line.verdict.sign()).collect();
        assert_eq!(signs, "==~=!");
        assert_eq!(account.lines()[2].reasons, ["a", "b"]);
        assert!(!account.is_whole());
        assert_eq!(
            account.summary(),
            "5 lines: 3 exact, 1 changed, 0 not needed, 1 unsupported; 0 to look at"
        );
    }

    #[test]
    fn lines_are_shown_without_what_steers_terminals() {
        assert_eq!(shortened("a\u{1b}[31mb"), "a [31mb");
        assert_eq!(shortened(&"x".repeat(500)).chars().count(), SHOWN_MAX + 1);
    }
}
