//! Comparing text.

use memchr::memmem;

/// How a value and the argument are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    BeginsWith,
    Contains,
    ContainsWord,
    EndsWith,
    Equals,
    Within,
}

impl Text {
    pub(super) fn holds(self, value: &[u8], argument: &[u8]) -> bool {
        match self {
            Self::BeginsWith => value.starts_with(argument),
            Self::Contains => memmem::find(value, argument).is_some(),
            Self::ContainsWord => contains_word(value, argument),
            Self::EndsWith => value.ends_with(argument),
            Self::Equals => value == argument,
            Self::Within => memmem::find(argument, value).is_some(),
        }
    }
}

/// The argument, with no letter, digit or underscore on either side.
fn contains_word(value: &[u8], word: &[u8]) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    word.is_empty()
        || memmem::find_iter(value, word).any(|at| {
            !is_word(at.checked_sub(1).and_then(|before| value.get(before)))
                && !is_word(value.get(at + word.len()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares() {
        for (how, value, argument, holds) in [
            (Text::Contains, "abc", "b", true),
            (Text::Contains, "abc", "", true),
            (Text::ContainsWord, "a_bc d", "bc", false),
            (Text::ContainsWord, "xbc bc d", "bc", true),
            (Text::Within, "GET", "GET POST", true),
            (Text::Within, "", "GET", true),
            (Text::Within, "GETS", "GET POST", false),
            (Text::Equals, "a", "A", false),
            (Text::EndsWith, "abc", "bc", true),
            (Text::BeginsWith, "abc", "bc", false),
        ] {
            assert_eq!(how.holds(value.as_bytes(), argument.as_bytes()), holds, "{how:?} {value} {argument}");
        }
    }
}
