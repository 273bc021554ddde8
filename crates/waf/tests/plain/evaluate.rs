//! Runs rules the way one would by hand.

use super::request::{Pair, Request, arguments, decode};
use super::rules::{Effect, Link, Rule, Target, Test};
use super::{Outcome, kept};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::cell::RefCell;
use std::collections::HashMap;

/// A value with the names of the collection and the member it comes from.
#[derive(Clone)]
struct Value {
    collection: &'static str,
    name: Vec<u8>,
    value: Vec<u8>,
    is_count: bool,
}

struct State<'r> {
    request: &'r Request,
    phase: u8,
    score: i64,
    removed: Vec<u64>,
    /// Rules that are not to look at ARGS:a.
    exempt: Vec<u64>,
}

/// What comes of a request.
pub(crate) fn evaluate(rules: &[Rule], request: &Request) -> Outcome {
    let mut state = State { request, phase: 0, score: 0, removed: Vec::new(), exempt: Vec::new() };
    let mut outcome = Outcome::default();
    for phase in 1..=2 {
        state.phase = phase;
        let steps: Vec<&Rule> = rules.iter().filter(|rule| rule.phase == phase).collect();
        let mut at = 0;
        while at < steps.len() && outcome.refused.is_none() {
            let rule = steps[at];
            at += 1;
            if state.removed.contains(&rule.id) {
                continue;
            }
            let Some(matched) = state.rule(rule) else { continue };
            outcome.matches.push(kept(rule.id, matched));
            match rule.effect {
                Effect::Nothing => {}
                Effect::Deny => outcome.refused = Some(rule.id),
                Effect::SkipToEnd => at = steps.len(),
                Effect::Skip(count) => at += count,
                Effect::Remove(id) => state.removed.push(id),
                Effect::RemoveTarget(id) => state.exempt.push(id),
            }
        }
    }
    outcome.score = state.score;
    outcome
}

impl State<'_> {
    /// What a rule matched, if all of its chain did.
    fn rule(&mut self, rule: &Rule) -> Option<Vec<(String, String)>> {
        let mut matched = Vec::new();
        for link in &rule.links {
            let before = matched.len();
            for value in self.values(link) {
                let spared = self.exempt.contains(&rule.id)
                    && value.collection == "ARGS"
                    && !value.is_count
                    && value.name.eq_ignore_ascii_case(b"a");
                if spared {
                    continue;
                }
                for stage in stages(&value.value, link) {
                    if holds(&link.test, &stage) != link.negated {
                        matched.push((full_name(&value), String::from_utf8_lossy(&stage).into_owned()));
                        self.score += link.score;
                    }
                }
            }
            if matched.len() == before {
                return None;
            }
        }
        matched.sort();
        Some(matched)
    }

    fn values(&self, link: &Link) -> Vec<Value> {
        let mut found = Vec::new();
        for target in &link.targets {
            match *target {
                Target::All(name) => found.extend(self.all(name)),
                Target::Named(collection, name) => found.extend(self.named(collection, name)),
                Target::BeginningWithA(collection) => {
                    let mut values = self.all(collection);
                    values.retain(|value| begins_with_a(&value.name));
                    found.extend(values);
                }
                Target::Count(collection) => found.push(count(collection, b"", self.all(collection).len())),
                Target::CountNamed(collection, name) => {
                    found.push(count(collection, name.as_bytes(), self.named(collection, name).len()));
                }
                Target::Not(..) => {}
            }
        }
        for target in &link.targets {
            if let Target::Not(collection, name) = *target {
                found.retain(|value| {
                    value.is_count
                        || value.collection != collection
                        || !value.name.eq_ignore_ascii_case(name.as_bytes())
                });
            }
        }
        found
    }

    fn named(&self, collection: &'static str, name: &str) -> Vec<Value> {
        let is = |value: &Value| value.name.eq_ignore_ascii_case(name.as_bytes());
        self.all(collection).into_iter().filter(is).collect()
    }

    /// Every value of a variable, as far as it is there in this phase.
    fn all(&self, variable: &'static str) -> Vec<Value> {
        let request = self.request;
        let get = arguments(&request.query);
        let post = if self.phase == 2 { arguments(&request.body) } else { Vec::new() };
        let headers =
            request.headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())).collect();
        let both: Vec<Pair> = get.iter().chain(&post).cloned().collect();
        let size: usize = both.iter().map(|(name, value)| name.len() + value.len()).sum();
        let pairs = match variable {
            "ARGS" => both,
            "ARGS_NAMES" => names(both),
            "ARGS_GET" => get,
            "ARGS_POST" => post,
            "REQUEST_HEADERS" => headers,
            "REQUEST_HEADERS_NAMES" => names(headers),
            "REQUEST_COOKIES" => request.cookies(),
            "REQUEST_COOKIES_NAMES" => names(request.cookies()),
            "REQUEST_METHOD" => single(request.method.as_bytes()),
            "REQUEST_URI" => single(&request.uri()),
            "REQUEST_FILENAME" => single(&decode(request.path.as_bytes(), false)),
            "QUERY_STRING" => single(&request.query),
            "ARGS_COMBINED_SIZE" => single(size.to_string().as_bytes()),
            "REQUEST_BODY" if self.phase == 2 && request.has_form() => single(&request.body),
            "REQUEST_BODY" => Vec::new(),
            _ => {
                let score = (b"anomaly_score".to_vec(), self.score.to_string().into_bytes());
                return vec![value("TX", score)];
            }
        };
        pairs.into_iter().map(|pair| value(variable, pair)).collect()
    }
}

/// In any case; and patterns look at lines, so that a name may begin anew after a line feed.
fn begins_with_a(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'\n').any(|line| matches!(line.first(), Some(b'a' | b'A')))
}

fn value(collection: &'static str, (name, value): Pair) -> Value {
    Value { collection, name, value, is_count: false }
}

fn single(value: &[u8]) -> Vec<Pair> {
    vec![(Vec::new(), value.to_vec())]
}

fn names(pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.into_iter().map(|(name, _)| (name.clone(), name)).collect()
}

fn count(collection: &'static str, name: &[u8], count: usize) -> Value {
    Value { collection, name: name.to_vec(), value: count.to_string().into_bytes(), is_count: true }
}

fn full_name(value: &Value) -> String {
    match value.name.as_slice() {
        b"" => value.collection.to_owned(),
        name => format!("{}:{}", value.collection, String::from_utf8_lossy(name)),
    }
}

/// What is tested: the end of the chain of transformations, or with `multiMatch` each stage that changed something.
fn stages(value: &[u8], link: &Link) -> Vec<Vec<u8>> {
    let mut stages = vec![value.to_vec()];
    for step in &link.steps {
        let next = transform(step, &stages[stages.len() - 1]);
        if next != stages[stages.len() - 1] {
            stages.push(next);
        }
    }
    if !link.multi_match {
        stages.drain(..stages.len() - 1);
    }
    stages
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn transform(step: &str, value: &[u8]) -> Vec<u8> {
    match step {
        "lowercase" => value.to_ascii_lowercase(),
        "uppercase" => value.to_ascii_uppercase(),
        "urlDecode" => decode(value, true),
        "removeNulls" => value.iter().copied().filter(|byte| *byte != 0).collect(),
        "replaceNulls" => value.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect(),
        "removeWhitespace" => value.iter().copied().filter(|byte| !is_blank(byte) && *byte != 0xa0).collect(),
        "compressWhitespace" => {
            let mut out: Vec<u8> = Vec::new();
            for (at, byte) in value.iter().enumerate() {
                if !is_blank(byte) {
                    out.push(*byte);
                } else if at == 0 || !is_blank(&value[at - 1]) {
                    out.push(b' ');
                }
            }
            out
        }
        "trim" => {
            let first = value.iter().position(|byte| !is_blank(byte)).unwrap_or(value.len());
            let last = value.iter().rposition(|byte| !is_blank(byte)).map_or(first, |last| last + 1);
            value[first..last].to_vec()
        }
        "hexEncode" => value.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
        "length" => value.len().to_string().into_bytes(),
        _ => unreachable!("no such step: {step}"),
    }
}

thread_local! {
    /// Patterns are compiled once: a fuzzer asks millions of times.
    static PATTERNS: RefCell<HashMap<&'static str, Regex>> = RefCell::default();
}

fn is_match(pattern: &'static str, value: &[u8]) -> bool {
    let compile = || {
        let lines =
            syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true).multi_line(true);
        let config = Regex::config().utf8_empty(false);
        let regex = Regex::builder().syntax(lines).configure(config).build(pattern);
        regex.expect("the patterns are written here")
    };
    PATTERNS.with_borrow_mut(|patterns| patterns.entry(pattern).or_insert_with(compile).is_match(value))
}

fn holds(test: &Test, value: &[u8]) -> bool {
    let contains = |value: &[u8], word: &[u8]| (0..=value.len()).any(|at| value[at..].starts_with(word));
    match *test {
        Test::Rx(pattern) => is_match(pattern, value),
        Test::Pm(phrases) => {
            let value = value.to_ascii_lowercase();
            phrases.iter().any(|phrase| contains(&value, phrase.as_bytes()))
        }
        Test::Text(how, argument) => {
            let argument = argument.as_bytes();
            match how {
                "contains" => contains(value, argument),
                "streq" => value == argument,
                "beginsWith" => value.starts_with(argument),
                "endsWith" => value.ends_with(argument),
                _ => contains(argument, value),
            }
        }
        Test::Number(how, argument) => {
            let number = number(value);
            match how {
                "eq" => number == argument,
                "ge" => number >= argument,
                "gt" => number > argument,
                "le" => number <= argument,
                _ => number < argument,
            }
        }
        Test::ByteRange => value.iter().any(|byte| !(32..=126).contains(byte)),
    }
}

/// The number a text begins with.
fn number(text: &[u8]) -> i64 {
    let text: String = text.iter().map(|byte| char::from(*byte)).collect();
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let size = digits[..end].parse::<i64>();
    sign * size.unwrap_or(if end == 0 { 0 } else { i64::MAX })
}
