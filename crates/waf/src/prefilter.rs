//! What must be in a value before a pattern can match it.
//!
//! From the pattern's syntax tree comes a small formula over bytes: *one of these, and one of those, or
//! else …*. It is asked for up to 64 values at once: [`Lanes`] has for each byte a word whose bits say
//! in which values it occurs, so a formula is a handful of ANDs and ORs, whatever the number of values.

use crate::byteset::ByteSet;
use regex_syntax::hir::{Class, Hir, HirKind};

/// For each byte, in which of up to 64 values it occurs.
pub(crate) struct Lanes(Box<[u64; 256]>);

impl Lanes {
    /// How many values fit.
    pub(crate) const WIDTH: usize = 64;

    pub(crate) fn new() -> Self {
        Self(Box::new([0; 256]))
    }

    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.0.copy_from_slice(&other.0[..]);
    }

    /// Says that value `lane`, which had the bytes of `old`, has those of `new`.
    pub(crate) fn replace(&mut self, lane: usize, old: ByteSet, new: ByteSet) {
        let bit = 1u64 << (lane % Self::WIDTH);
        old.without(new).for_each(|byte| self.0[usize::from(byte)] &= !bit);
        self.insert(lane, new.without(old));
    }

    /// Says that value `lane` has the bytes of `set`.
    pub(crate) fn insert(&mut self, lane: usize, set: ByteSet) {
        let bit = 1u64 << (lane % Self::WIDTH);
        set.for_each(|byte| self.0[usize::from(byte)] |= bit);
    }
}

/// A formula over the bytes of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing is known: every value may match.
    Nothing,
    /// One of these bytes.
    Any(Vec<u8>),
    /// All of these.
    All(Vec<Needs>),
    /// One of these.
    Either(Vec<Needs>),
}

/// A class larger than this says too little to be worth a look.
const CLASS_BYTES_MAX: u32 = 24;
/// A formula larger than this is cut down: asking it must stay cheap beside running the pattern.
const SIZE_MAX: usize = 192;

impl Needs {
    /// What `hir` asks of a value.
    pub(crate) fn of(hir: &Hir) -> Self {
        let mut needs = build(hir);
        let mut width = 6;
        while needs.size() > SIZE_MAX && width > 0 {
            needs = needs.narrowed(width);
            width -= 1;
        }
        needs
    }

    /// What the phrases of a list ask, any of which will do; letters count in both cases.
    pub(crate) fn of_phrases<'p>(phrases: impl Iterator<Item = &'p [u8]>) -> Self {
        let mut needs = either(
            phrases
                .map(|phrase| {
                    let mut bytes: Vec<u8> = phrase.to_ascii_lowercase();
                    bytes.sort_unstable_by_key(|byte| (commonness(*byte), *byte));
                    bytes.dedup();
                    bytes.truncate(3);
                    all(bytes.into_iter().map(any_case).collect())
                })
                .collect(),
        );
        if needs.size() > SIZE_MAX {
            needs = needs.narrowed(2);
        }
        if needs.size() > SIZE_MAX { needs.narrowed(1) } else { needs }
    }

    /// Which of the values in `among` may match.
    pub(crate) fn ask(&self, lanes: &Lanes, among: u64) -> u64 {
        match self {
            Self::Nothing => among,
            Self::Any(bytes) => {
                among & bytes.iter().fold(0, |found, byte| found | lanes.0[usize::from(*byte)])
            }
            Self::All(parts) => {
                let mut left = among;
                for part in parts {
                    left = part.ask(lanes, left);
                    if left == 0 {
                        break;
                    }
                }
                left
            }
            Self::Either(parts) => {
                let mut left = among;
                for part in parts {
                    left &= !part.ask(lanes, left);
                    if left == 0 {
                        break;
                    }
                }
                among & !left
            }
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Any(bytes) => bytes.len(),
            Self::All(parts) | Self::Either(parts) => parts.iter().map(Self::size).sum(),
        }
    }

    /// Keeps of every conjunction the `width` parts that are rarest.
    fn narrowed(self, width: usize) -> Self {
        match self {
            Self::All(parts) => {
                let mut parts: Vec<Self> = parts.into_iter().map(|part| part.narrowed(width)).collect();
                parts.sort_by_key(Self::likelihood);
                parts.truncate(width);
                all(parts)
            }
            Self::Either(parts) => either(parts.into_iter().map(|part| part.narrowed(width)).collect()),
            other => other,
        }
    }

    /// How much of ordinary traffic satisfies this; only for comparing.
    fn likelihood(&self) -> u32 {
        match self {
            Self::Nothing => u32::MAX,
            Self::Any(bytes) => bytes.iter().map(|byte| commonness(*byte)).sum(),
            Self::All(parts) => parts.iter().map(Self::likelihood).min().unwrap_or(u32::MAX),
            Self::Either(parts) => parts.iter().fold(0, |sum, part| sum.saturating_add(part.likelihood())),
        }
    }
}

/// How common a byte is in requests, roughly: letters of English words, then digits, then the rest.
fn commonness(byte: u8) -> u32 {
    match byte.to_ascii_lowercase() {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 100,
        b'l' | b'c' | b'd' | b'u' | b'm' | b'p' | b'h' | b'g' => 70,
        b'a'..=b'z' => 30,
        b' ' | b'/' | b'.' | b'-' => 50,
        b'0'..=b'9' => 30,
        b'=' | b'&' | b',' | b':' | b';' | b'_' | b'(' | b')' => 20,
        _ => 5,
    }
}

fn any_case(byte: u8) -> Needs {
    let (lower, upper) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
    Needs::Any(if lower == upper { vec![byte] } else { vec![upper, lower] })
}

fn any(set: ByteSet) -> Needs {
    if set.len() > CLASS_BYTES_MAX { Needs::Nothing } else { Needs::Any(set.iter().collect()) }
}

fn all(parts: Vec<Needs>) -> Needs {
    let mut flat: Vec<Needs> = Vec::new();
    for part in parts {
        let inner = if let Needs::All(inner) = part { inner } else { vec![part] };
        for part in inner {
            if part != Needs::Nothing && !flat.contains(&part) {
                flat.push(part);
            }
        }
    }
    // The rarest first, so that asking ends early.
    flat.sort_by_key(Needs::likelihood);
    match flat.len() {
        0 => Needs::Nothing,
        1 => flat.remove(0),
        _ => Needs::All(flat),
    }
}

fn either(parts: Vec<Needs>) -> Needs {
    let mut flat: Vec<Needs> = Vec::new();
    let mut single = ByteSet::EMPTY;
    for part in parts {
        match part {
            Needs::Nothing => return Needs::Nothing,
            Needs::Any(bytes) => bytes.into_iter().for_each(|byte| single.insert(byte)),
            Needs::Either(inner) => flat.extend(inner),
            part if flat.contains(&part) => {}
            part => flat.push(part),
        }
    }
    if single != ByteSet::EMPTY {
        match any(single) {
            Needs::Nothing => return Needs::Nothing,
            part => flat.push(part),
        }
    }
    // The likeliest first, so that asking ends early.
    flat.sort_by_key(|part| std::cmp::Reverse(part.likelihood()));
    match flat.len() {
        0 => Needs::Nothing,
        1 => flat.remove(0),
        _ => Needs::Either(flat),
    }
}

fn build(hir: &Hir) -> Needs {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Needs::Nothing,
        HirKind::Literal(literal) => all(literal.0.iter().map(|byte| Needs::Any(vec![*byte])).collect()),
        HirKind::Class(class) => any(class_bytes(class)),
        HirKind::Repetition(repetition) => {
            if repetition.min == 0 {
                Needs::Nothing
            } else {
                build(&repetition.sub)
            }
        }
        HirKind::Capture(capture) => build(&capture.sub),
        HirKind::Concat(parts) => all(parts.iter().map(build).collect()),
        HirKind::Alternation(parts) => either(parts.iter().map(build).collect()),
    }
}

/// The bytes a class can begin with; every match of it holds one of them.
fn class_bytes(class: &Class) -> ByteSet {
    let mut set = ByteSet::EMPTY;
    match class {
        Class::Bytes(class) => {
            for range in class.iter() {
                set = set.union(ByteSet::range(range.start(), range.end()));
            }
        }
        Class::Unicode(class) => {
            for range in class.iter() {
                if !range.end().is_ascii() {
                    return ByteSet::FULL;
                }
                set = set.union(ByteSet::range(range.start() as u8, range.end() as u8));
            }
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_match(pattern: &str, value: &str) -> bool {
        let hir =
            regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap();
        let mut lanes = Lanes::new();
        lanes.insert(3, ByteSet::of(value.as_bytes()));
        Needs::of(&hir).ask(&lanes, u64::MAX) & 1 << 3 != 0
    }

    #[test]
    fn rules_out_what_cannot_match() {
        assert!(!may_match("(?i)select.*from", "hello world"));
        assert!(may_match("(?i)select.*from", "SELECT a FROM b"));
        assert!(!may_match("<script|onload=", "a plain sentence of words"));
        assert!(may_match("a?b*", ""));
        assert!(!may_match("[0-9]{3}", "abc"));
        assert!(may_match("^[^a]$", "z"));
    }

    #[test]
    fn phrases_ask_for_their_rarest_bytes() {
        let needs = Needs::of_phrases([&b"/etc/passwd"[..], b"boot.ini"].into_iter());
        let ask = |value: &str| {
            let mut lanes = Lanes::new();
            lanes.insert(0, ByteSet::of(value.as_bytes()));
            needs.ask(&lanes, 1) != 0
        };
        assert!(ask("x/ETC/PASSWD") && ask("BOOT.INI") && !ask("password"));
    }

    #[test]
    fn a_huge_formula_is_cut_down() {
        let words: Vec<String> = (0..2000).map(|n| format!("word{n}xyz")).collect();
        let hir = regex_syntax::parse(&words.join("|")).unwrap();
        assert!(Needs::of(&hir).size() <= SIZE_MAX);
    }
}
