//! haproxy.cfg to a tree: sections of directives, words without their quoting (configuration manual, 2.1 to 2.4).

use std::collections::HashMap;

use crate::account::Account;
use crate::comments::Note;
use crate::format::SECTIONS;
use crate::outside::Outside;
use crate::units;

/// A line with its words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) line: u32,
    pub(crate) words: Vec<String>,
}

impl Directive {
    /// The word at an index, or nothing.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// The words from an index on.
    pub(crate) fn from(&self, index: usize) -> &[String] {
        self.words.get(index..).unwrap_or_default()
    }
}

/// A section with its lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Section {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The words behind the name.
    pub(crate) rest: Vec<String>,
    pub(crate) line: u32,
    /// The last line that holds something.
    pub(crate) end: u32,
    pub(crate) directives: Vec<Directive>,
}

/// The file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) sections: Vec<Section>,
    pub(crate) notes: Vec<Note>,
}

/// Why the words of a line cannot be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// A quotation mark without its other one.
    Quote(char),
    /// A variable without its end.
    Variable,
}

/// Reads a file.
pub(crate) fn parse(text: &str, outside: &dyn Outside, account: &mut Account) -> Source {
    let mut source = Source::default();
    let mut variables = Variables { set: HashMap::new(), outside };
    let mut comments: Vec<(u32, String)> = Vec::new();
    let mut conditional = 0u32;
    for (line, number) in text.lines().zip(1u32..) {
        let (words, comment) = match split(line, &mut |name| variables.get(name, number, account)) {
            Ok(split) => split,
            Err(unclear) => {
                account.unsupported(number, unclear.message());
                continue;
            }
        };
        if words.is_empty() {
            comments.extend(comment.map(|comment| (number, comment)));
            continue;
        }
        let all = comments.drain(..).map(|(_, comment)| comment).chain(comment);
        source.notes.extend(all.filter_map(|comment| Note::comment(&comment, number)));
        if in_condition(&words, &mut conditional, number, account) {
            continue;
        }
        variables.note(&words);
        let directive = Directive { line: number, words };
        add(&mut source, directive, account);
    }
    let last = source.sections.last().map_or(0, |section| section.end);
    source.notes.extend(comments.iter().filter_map(|(_, comment)| Note::comment(comment, last)));
    source
}

/// Puts a line into its section, or opens one.
fn add(source: &mut Source, directive: Directive, account: &mut Account) {
    if SECTIONS.contains(&directive.word(0)) && !is_directive(source, &directive) {
        source.sections.push(Section {
            kind: directive.word(0).to_owned(),
            name: directive.word(1).to_owned(),
            rest: directive.from(2).to_vec(),
            line: directive.line,
            end: directive.line,
            directives: Vec::new(),
        });
        return;
    }
    match source.sections.last_mut() {
        Some(section) => {
            section.end = directive.line;
            section.directives.push(directive);
        }
        None => account.unsupported(directive.line, "it stands in no section"),
    }
}

/// Whether a word that opens a section is a directive where it stands (`cache` never is, `peers` is one of `table`).
fn is_directive(source: &Source, directive: &Directive) -> bool {
    let section = source.sections.last().map_or("", |section| section.kind.as_str());
    matches!((section, directive.word(0)), ("fcgi-app" | "crt-store", "acme")) || directive.words.len() > 5
}

/// Lines between `.if` and `.endif` depend on where the file is read, and stay behind; messages are not needed.
fn in_condition(words: &[String], depth: &mut u32, line: u32, account: &mut Account) -> bool {
    match words.first().map_or("", String::as_str) {
        ".notice" | ".warning" | ".alert" | ".diag" => {
            account.not_needed(line, "it only prints");
            return true;
        }
        ".if" => *depth += 1,
        ".endif" => {
            *depth = depth.saturating_sub(1);
            account.unsupported(line, "which part holds is only known where the file is read");
            return true;
        }
        _ => {}
    }
    if *depth > 0 {
        account.unsupported(line, "which part holds is only known where the file is read");
    }
    *depth > 0
}

impl Unclear {
    fn message(&self) -> String {
        match self {
            Self::Quote(quote) => format!("the quotation mark {quote} has no other one"),
            Self::Variable => "the variable in it has no end".to_owned(),
        }
    }
}

/// Environment variables: those that the file sets, and those outside.
struct Variables<'a> {
    set: HashMap<String, String>,
    outside: &'a dyn Outside,
}

impl Variables<'_> {
    fn get(&self, name: &str, line: u32, account: &mut Account) -> String {
        let (name, default) =
            name.split_once('-').map_or((name, None), |(name, default)| (name, Some(default)));
        let value = self.set.get(name).cloned().or_else(|| self.outside.variable(name));
        match (value, default) {
            (Some(value), _) => {
                account.changed(line, format!("`{name}` has the value it has now"));
                value
            }
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                account.changed(line, format!("`{name}` is not set where this was imported, and is empty"));
                String::new()
            }
        }
    }

    /// `setenv` and `presetenv` in the file itself.
    fn note(&mut self, words: &[String]) {
        let [first, name, value] = words else { return };
        let known = self.set.contains_key(name) || self.outside.variable(name).is_some();
        if first == "setenv" || first == "presetenv" && !known {
            self.set.insert(name.clone(), value.clone());
        }
    }
}

/// The words of a line, and the comment at its end.
fn split(
    line: &str,
    variable: &mut dyn FnMut(&str) -> String,
) -> Result<(Vec<String>, Option<String>), Unclear> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '#' => {
                words.extend(word);
                return Ok((words, Some(rest.collect())));
            }
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => {
                let word = word.get_or_insert_default();
                match rest.next() {
                    Some('n') => word.push('\n'),
                    Some('r') => word.push('\r'),
                    Some('t') => word.push('\t'),
                    // Only these lose their backslash; in front of others it is a character of its own.
                    Some(next @ (' ' | '#' | '\\' | '"' | '\'')) => word.push(next),
                    Some(next) => word.extend(['\\', next]),
                    None => word.push('\\'),
                }
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') => break,
                        Some(next) => word.push(next),
                        None => return Err(Unclear::Quote('\'')),
                    }
                }
            }
            '"' => weak(&mut rest, word.get_or_insert_default(), variable)?,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok((words, None))
}

/// Text up to the closing `"`: variables and some escapes count.
fn weak(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    word: &mut String,
    variable: &mut dyn FnMut(&str) -> String,
) -> Result<(), Unclear> {
    loop {
        match rest.next().ok_or(Unclear::Quote('"'))? {
            '"' => return Ok(()),
            '\\' => match rest.next() {
                Some(next @ ('\\' | '"' | '$' | ' ' | '#' | '\'')) => word.push(next),
                Some('n') => word.push('\n'),
                Some('r') => word.push('\r'),
                Some('t') => word.push('\t'),
                Some(next) => word.extend(['\\', next]),
                None => return Err(Unclear::Quote('"')),
            },
            '$' => {
                let mut name = String::new();
                if rest.next_if_eq(&'{').is_some() {
                    loop {
                        match rest.next().ok_or(Unclear::Variable)? {
                            '}' => break,
                            next => name.push(next),
                        }
                    }
                } else {
                    while let Some(next) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                        name.push(next);
                    }
                }
                if name.is_empty() { word.push('$') } else { word.push_str(&variable(&name)) }
            }
            next => word.push(next),
        }
    }
}

/// A time in milliseconds, as directives have it: without a unit, milliseconds.
pub(crate) fn time(text: &str) -> Option<u64> {
    units::time(text, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::Nothing;

    fn words(line: &str) -> Vec<String> {
        split(line, &mut |name| format!("<{name}>")).expect("the line is clear").0
    }

    #[test]
    fn words_lose_their_quoting() {
        for (line, expected) in [
            ("server a 10.0.0.1:80 # x", vec!["server", "a", "10.0.0.1:80"]),
            (r"reqadd X-A:\ b", vec!["reqadd", "X-A: b"]),
            (r#"a "b c" 'd "e"' f"g"h"#, vec!["a", "b c", "d \"e\"", "fgh"]),
            (r#""${A}:443" '$A' $A"#, vec!["<A>:443", "$A", "$A"]),
            (r"path_reg \.php$", vec!["path_reg", r"\.php$"]),
            ("bind *:443 #alctl: x", vec!["bind", "*:443"]),
            (r#"x "" y"#, vec!["x", "", "y"]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }

    #[test]
    fn lines_without_an_end_are_unclear() {
        let mut none = |_: &str| String::new();
        assert_eq!(split("a \"b", &mut none), Err(Unclear::Quote('"')));
        assert_eq!(split("a 'b", &mut none), Err(Unclear::Quote('\'')));
        assert_eq!(split("a \"${b", &mut none), Err(Unclear::Variable));
    }

    #[test]
    fn sections_hold_their_lines() {
        let mut account = Account::default();
        let text =
            "global\n daemon\n\n# pool\nbackend b from d\n .if defined(X)\n mode tcp\n .endif\n mode http\n";
        let source = parse(text, &Nothing, &mut account);
        let kinds: Vec<_> =
            source.sections.iter().map(|s| (s.kind.as_str(), s.name.as_str(), s.line, s.end)).collect();
        assert_eq!(kinds, [("global", "", 1, 2), ("backend", "b", 5, 9)]);
        assert_eq!(source.sections[1].directives.len(), 1);
        assert_eq!(source.notes[0].about, 5);
        assert_eq!(account.kept().len(), 3);
    }
}
