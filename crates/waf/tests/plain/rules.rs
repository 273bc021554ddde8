//! Rules as data: made from bytes, and written in their language.

use super::Source;
use std::fmt::Write as _;

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A variable or a whole collection.
    All(&'static str),
    /// A member.
    Named(&'static str, &'static str),
    /// Members whose names begin with an `a`, in any case.
    BeginningWithA(&'static str),
    /// How many there are.
    Count(&'static str),
    /// How many there are of a name.
    CountNamed(&'static str, &'static str),
    /// Not this one.
    Not(&'static str, &'static str),
}

/// How a value is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Rx(&'static str),
    Pm(&'static [&'static str]),
    Text(&'static str, &'static str),
    Number(&'static str, i64),
    /// Bytes that are not printable.
    ByteRange,
}

/// One rule of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) targets: Vec<Target>,
    pub(crate) negated: bool,
    pub(crate) test: Test,
    pub(crate) steps: Vec<&'static str>,
    pub(crate) multi_match: bool,
    /// Added to the score for every value that matches.
    pub(crate) score: i64,
}

/// What a match does besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Deny,
    SkipToEnd,
    Skip(usize),
    /// Takes away the rule of this id.
    Remove(u64),
    /// Takes ARGS:a away from the rule of this id.
    RemoveTarget(u64),
}

/// A chain.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: u64,
    pub(crate) phase: u8,
    pub(crate) links: Vec<Link>,
    pub(crate) effect: Effect,
}

const COLLECTIONS: &[&str] = &[
    "ARGS",
    "ARGS_NAMES",
    "ARGS_GET",
    "ARGS_POST",
    "REQUEST_HEADERS",
    "REQUEST_HEADERS_NAMES",
    "REQUEST_COOKIES",
    "REQUEST_COOKIES_NAMES",
];
const SINGLES: &[&str] = &[
    "REQUEST_METHOD",
    "REQUEST_URI",
    "REQUEST_FILENAME",
    "QUERY_STRING",
    "ARGS_COMBINED_SIZE",
    "REQUEST_BODY",
    "TX:anomaly_score",
];
const NAMES: &[&str] = &["a", "b", "id", "x-a", "select", "aa"];
const PATTERNS: &[&str] = &[
    "select.+from",
    "a",
    "^a",
    "b$",
    "[0-9]{2,}",
    "(?i)script",
    "\\.\\./",
    "^$",
    "[^a-z]",
    "a|b|",
    "x?y",
    "(?:%|\\+)",
    "\\x00",
    "^.{0,3}$",
    "\\bcat\\b",
    "(?:^|[^a])b",
    "(a|ab)(c|bcd)*$",
    "(?i)[a-c]{2}[^0-9]",
    "\\s",
    "[\\x80-\\xff]",
];
const PHRASES: &[&[&str]] =
    &[&["select", "cat"], &["a"], &["../", "<script", "from"], &["xyz", "ab", "b"], &["zz"]];
const TEXTS: &[&str] = &["contains", "streq", "beginsWith", "endsWith", "within"];
const WORDS: &[&str] = &["a", "ab", "select", "GET POST", "../", "12", "aab", "/"];
const NUMBERS: &[&str] = &["eq", "ge", "gt", "le", "lt"];
const STEPS: &[&str] = &[
    "lowercase",
    "uppercase",
    "urlDecode",
    "removeNulls",
    "replaceNulls",
    "removeWhitespace",
    "compressWhitespace",
    "trim",
    "hexEncode",
    "length",
];

/// Some rules, those of the first phase and of the second mixed.
pub(crate) fn generate(source: &mut Source<'_>) -> Vec<Rule> {
    let count = 1 + source.roll(6);
    (0..count)
        .map(|number| {
            let links = 1 + source.roll(5) / 3;
            let other = 10 + source.roll(8) as u64;
            Rule {
                id: 10 + number as u64,
                phase: 1 + source.roll(2) as u8,
                links: (0..links).map(|_| link(source)).collect(),
                effect: match source.roll(12) {
                    0 => Effect::Deny,
                    1 => Effect::SkipToEnd,
                    2 => Effect::Skip(1 + source.roll(2)),
                    3 => Effect::Remove(other),
                    4 => Effect::RemoveTarget(other),
                    _ => Effect::Nothing,
                },
            }
        })
        .collect()
}

fn link(source: &mut Source<'_>) -> Link {
    let targets = (0..=source.roll(3)).map(|_| target(source)).collect();
    let test = match source.roll(8) {
        0 => Test::Pm(source.pick(PHRASES)),
        1 | 2 => Test::Text(source.pick(TEXTS), source.pick(WORDS)),
        3 => Test::Number(source.pick(NUMBERS), source.roll(14) as i64),
        4 => Test::ByteRange,
        _ => Test::Rx(source.pick(PATTERNS)),
    };
    Link {
        targets,
        negated: source.once_in(5),
        test,
        steps: (0..source.roll(4)).map(|_| source.pick(STEPS)).collect(),
        multi_match: source.once_in(4),
        score: source.roll(3) as i64,
    }
}

fn target(source: &mut Source<'_>) -> Target {
    match source.roll(10) {
        0 => Target::All(source.pick(SINGLES)),
        1 => Target::Named(source.pick(COLLECTIONS), source.pick(NAMES)),
        2 => Target::BeginningWithA(source.pick(COLLECTIONS)),
        3 => Target::Count(source.pick(COLLECTIONS)),
        4 => Target::CountNamed(source.pick(COLLECTIONS), source.pick(NAMES)),
        5 => Target::Not(source.pick(COLLECTIONS), source.pick(NAMES)),
        _ => Target::All(source.pick(COLLECTIONS)),
    }
}

impl Rule {
    /// Appends the rule in its language.
    pub(crate) fn write(&self, out: &mut String) {
        for (number, link) in self.links.iter().enumerate() {
            let _ = write!(out, "SecRule {} \"", link.targets_text());
            link.write_test(out);
            out.push_str("\" \"t:none");
            if number == 0 {
                let _ = write!(out, ",id:{},phase:{},log,pass", self.id, self.phase);
                self.write_effect(out);
            }
            for step in &link.steps {
                let _ = write!(out, ",t:{step}");
            }
            if link.multi_match {
                out.push_str(",multiMatch");
            }
            let _ = write!(out, ",setvar:tx.anomaly_score=+{}", link.score);
            out.push_str(if number + 1 < self.links.len() { ",chain\"\n" } else { "\"\n" });
        }
    }

    fn write_effect(&self, out: &mut String) {
        let _ = match self.effect {
            Effect::Nothing => Ok(()),
            Effect::Deny => write!(out, ",deny,status:403"),
            Effect::SkipToEnd => write!(out, ",skipAfter:END"),
            Effect::Skip(count) => write!(out, ",skip:{count}"),
            Effect::Remove(id) => write!(out, ",ctl:ruleRemoveById={id}"),
            Effect::RemoveTarget(id) => write!(out, ",ctl:ruleRemoveTargetById={id};ARGS:a"),
        };
    }
}

impl Link {
    fn targets_text(&self) -> String {
        let text = |target: &Target| match target {
            Target::All(name) => (*name).to_owned(),
            Target::Named(collection, name) => format!("{collection}:{name}"),
            Target::BeginningWithA(collection) => format!("{collection}:/^a/"),
            Target::Count(collection) => format!("&{collection}"),
            Target::CountNamed(collection, name) => format!("&{collection}:{name}"),
            Target::Not(collection, name) => format!("!{collection}:{name}"),
        };
        self.targets.iter().map(text).collect::<Vec<_>>().join("|")
    }

    fn write_test(&self, out: &mut String) {
        if self.negated {
            out.push('!');
        }
        let _ = match self.test {
            Test::Rx(pattern) => write!(out, "@rx {pattern}"),
            Test::Pm(phrases) => write!(out, "@pm {}", phrases.join(" ")),
            Test::Text(name, argument) => write!(out, "@{name} {argument}"),
            Test::Number(name, argument) => write!(out, "@{name} {argument}"),
            Test::ByteRange => write!(out, "@validateByteRange 32-126"),
        };
    }
}
