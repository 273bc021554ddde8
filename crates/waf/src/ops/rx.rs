//! Patterns: linear time wherever it can be, a backtracker with a step limit where it cannot.

use super::pcre::respell;
use super::{CAPTURES_MAX, Captures};
use crate::prefilter::Needs;
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::syntax;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Room for the automaton of one pattern. The largest of the Core Rule Set needs a tenth.
const PATTERN_BYTES_MAX: usize = 64 << 20;
/// How many filled-in patterns of one rule are kept compiled.
const FILLED_PATTERNS_MAX: usize = 64;

/// A pattern could not be run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// More steps than `SecPcreMatchLimit` allows.
    TooManySteps,
    /// A variable made it no valid pattern.
    Invalid,
}

#[derive(Debug)]
enum Machine {
    Linear(Regex),
    Backtracking(fancy_regex::Regex),
}

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    machine: Machine,
    /// The same with capture groups; many patterns are only asked whether they match.
    capturing: Option<Regex>,
    needs: Needs,
    length_min: usize,
}

impl Pattern {
    /// Compiles a pattern written for PCRE.
    pub(crate) fn compile(pattern: &str, captures: bool, match_limit: usize) -> Result<Self, String> {
        let respelled = respell(pattern);
        if respelled.backtracks {
            let regex = fancy_regex::RegexBuilder::new(&respelled.pattern)
                .bytes_mode(fancy_regex::BytesMode::Ascii)
                .dot_matches_new_line(true)
                .multi_line(true)
                .backtrack_limit(match_limit)
                .build()
                .map_err(|error| format!("pattern: {error}"))?;
            let machine = Machine::Backtracking(regex);
            return Ok(Self { machine, capturing: None, needs: Needs::Nothing, length_min: 0 });
        }
        let syntax = syntax::Config::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .multi_line(true)
            .nest_limit(500);
        let hir =
            syntax::parse_with(&respelled.pattern, &syntax).map_err(|error| format!("pattern: {error}"))?;
        let build = |which| {
            Regex::builder()
                .configure(
                    Regex::config()
                        .utf8_empty(false)
                        .nfa_size_limit(Some(PATTERN_BYTES_MAX))
                        .which_captures(which),
                )
                .build_from_hir(&hir)
                .map_err(|error| format!("pattern: {error}"))
        };
        Ok(Self {
            machine: Machine::Linear(build(WhichCaptures::Implicit)?),
            capturing: if captures { Some(build(WhichCaptures::All)?) } else { None },
            needs: Needs::of(&hir),
            length_min: hir.properties().minimum_len().unwrap_or(0),
        })
    }

    pub(crate) fn needs(&self) -> &Needs {
        &self.needs
    }

    pub(crate) fn is_match(&self, value: &[u8]) -> Result<bool, PatternError> {
        match &self.machine {
            Machine::Linear(regex) => Ok(value.len() >= self.length_min && regex.is_match(value)),
            Machine::Backtracking(regex) => regex.is_match(value).map_err(|_| PatternError::TooManySteps),
        }
    }

    /// Where the first match at or after `start` is.
    pub(super) fn find_at(&self, value: &[u8], start: usize) -> Result<Option<Range<usize>>, PatternError> {
        match &self.machine {
            Machine::Linear(regex) => {
                let input = regex_automata::Input::new(value).range(start..);
                Ok(regex.search(&input).map(|found| found.range()))
            }
            Machine::Backtracking(regex) => match regex.find_from_pos(value, start) {
                Ok(found) => Ok(found.map(|found| found.range())),
                Err(_) => Err(PatternError::TooManySteps),
            },
        }
    }

    pub(super) fn captures(&self, value: &[u8]) -> Result<Captures, PatternError> {
        match (&self.machine, &self.capturing) {
            (Machine::Backtracking(regex), _) => {
                let found = regex.captures(value).map_err(|_| PatternError::TooManySteps)?;
                let Some(found) = found else { return Ok(Vec::new()) };
                let group = |n| found.get(n).map(|group| (n, value[group.range()].to_vec()));
                Ok((0..found.len().min(CAPTURES_MAX)).filter_map(group).collect())
            }
            (_, Some(regex)) => {
                let mut found = regex.create_captures();
                regex.captures(value, &mut found);
                let group = |n| found.get_group(n).map(|group| (n, value[group.range()].to_vec()));
                Ok((0..found.group_len().min(CAPTURES_MAX)).filter_map(group).collect())
            }
            _ => Ok(self.find_at(value, 0)?.map_or_else(Vec::new, |whole| vec![(0, value[whole].to_vec())])),
        }
    }
}

/// A pattern that was compiled, or found to be none.
type Compiled = Result<Arc<Pattern>, PatternError>;

/// A pattern with variables in it: compiled when it is first filled in, then kept.
pub(crate) struct Patterns {
    match_limit: usize,
    compiled: Mutex<HashMap<Vec<u8>, Compiled>>,
}

impl Patterns {
    pub(super) fn new(match_limit: usize) -> Self {
        Self { match_limit, compiled: Mutex::default() }
    }

    pub(super) fn get(&self, pattern: &[u8]) -> Result<Arc<Pattern>, PatternError> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = compiled.get(pattern) {
            return known.clone();
        }
        let text = String::from_utf8_lossy(pattern);
        let result = match Pattern::compile(&text, true, self.match_limit) {
            Ok(pattern) => Ok(Arc::new(pattern)),
            Err(_) => Err(PatternError::Invalid),
        };
        if compiled.len() >= FILLED_PATTERNS_MAX {
            compiled.clear();
        }
        compiled.insert(pattern.to_vec(), result.clone());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(pattern: &str, value: &str) -> Vec<(usize, String)> {
        let found = Pattern::compile(pattern, true, 1000).unwrap().captures(value.as_bytes()).unwrap();
        found.into_iter().map(|(n, bytes)| (n, String::from_utf8(bytes).unwrap())).collect()
    }

    #[test]
    fn captures_number_their_groups() {
        assert_eq!(captures("(a)(x)?(b)", "-ab"), [(0, "ab".into()), (1, "a".into()), (3, "b".into())]);
        assert_eq!(captures("(a)(?=b)", "-ab"), [(0, "a".into()), (1, "a".into())]);
    }

    #[test]
    fn dots_match_newlines_and_carets_their_beginnings() {
        let matches =
            |pattern: &str, value: &[u8]| Pattern::compile(pattern, false, 1000).unwrap().is_match(value);
        assert_eq!(matches("a.b", b"a\nb"), Ok(true));
        assert_eq!(matches("^b$", b"a\nb\nc"), Ok(true));
        assert_eq!(matches(r"\xbc", b"\xbc"), Ok(true));
        assert_eq!(matches("a(?!b)", b"ab\xff"), Ok(false));
    }

    #[test]
    fn a_backtracking_pattern_stops_at_its_limit() {
        let pattern = Pattern::compile(r"^(a|a)*\1?(?=b)c$", false, 1000).unwrap();
        assert_eq!(pattern.is_match(&[b'a'; 64]), Err(PatternError::TooManySteps));
    }

    #[test]
    fn filled_in_patterns_are_kept() {
        let patterns = Patterns::new(1000);
        assert!(patterns.get(b"^a$").unwrap().is_match(b"a").unwrap());
        assert!(Arc::ptr_eq(&patterns.get(b"^a$").unwrap(), &patterns.get(b"^a$").unwrap()));
        assert!(matches!(patterns.get(b"("), Err(PatternError::Invalid)));
    }
}
