//! Numbers that carry their own check: credit cards and national identity numbers.

use super::rx::{Pattern, PatternError};
use std::ops::Range;

/// Which number is looked for; the rule's pattern finds candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// ISO/IEC 7812, checked by Luhn's sum.
    CreditCard,
    /// Brazil.
    Cpf,
    /// United States.
    Ssn,
    /// Austria.
    Svnr,
}

impl Kind {
    /// Where the first candidate is that passes its check.
    pub(super) fn find(self, pattern: &Pattern, value: &[u8]) -> Result<Option<Range<usize>>, PatternError> {
        let mut start = 0;
        while start <= value.len() {
            let Some(found) = pattern.find_at(value, start)? else { break };
            let digits: Vec<u32> = value[found.clone()]
                .iter()
                .filter(|byte| byte.is_ascii_digit())
                .map(|byte| u32::from(byte - b'0'))
                .collect();
            if self.checks(&digits) {
                return Ok(Some(found));
            }
            start = found.start + 1;
        }
        Ok(None)
    }

    fn checks(self, digits: &[u32]) -> bool {
        match self {
            Self::CreditCard => luhn(digits),
            Self::Cpf => cpf(digits),
            Self::Ssn => ssn(digits),
            Self::Svnr => svnr(digits),
        }
    }
}

fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| if at % 2 == 1 { doubled(*digit) } else { *digit })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

fn weighted(digits: &[u32], weights: impl Iterator<Item = u32>) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

fn cpf(digits: &[u32]) -> bool {
    let all_same = digits.windows(2).all(|pair| pair[0] == pair[1]);
    if digits.len() != 11 || all_same {
        return false;
    }
    let check = |count: u32| {
        let rest = weighted(&digits[..count as usize], (2..=count + 1).rev()) * 10 % 11;
        if rest == 10 { 0 } else { rest }
    };
    check(9) == digits[9] && check(10) == digits[10]
}

fn ssn(digits: &[u32]) -> bool {
    let number = |range: Range<usize>| digits[range].iter().fold(0, |n, digit| n * 10 + digit);
    if digits.len() != 9 {
        return false;
    }
    let (area, group, serial) = (number(0..3), number(3..5), number(5..9));
    let sequence =
        digits.windows(2).all(|pair| pair[1] == pair[0] + 1) || digits.windows(2).all(|p| p[0] == p[1]);
    area != 0 && area != 666 && area < 740 && group != 0 && serial != 0 && !sequence
}

fn svnr(digits: &[u32]) -> bool {
    if digits.len() != 10 || digits.windows(2).all(|pair| pair[0] == pair[1]) {
        return false;
    }
    let sum = weighted(digits, [3, 7, 9, 0, 5, 8, 4, 2, 1, 6].into_iter());
    sum % 11 == digits[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_pass_their_checks() {
        let digits = |text: &str| text.bytes().map(|b| u32::from(b - b'0')).collect::<Vec<_>>();
        for (kind, number, passes) in [
            (Kind::CreditCard, "5484605089158216", true),
            (Kind::CreditCard, "5484605089158217", false),
            (Kind::Cpf, "52998224725", true),
            (Kind::Cpf, "52998224724", false),
            (Kind::Cpf, "11111111111", false),
            (Kind::Ssn, "078051120", true),
            (Kind::Ssn, "666051120", false),
            (Kind::Svnr, "1237010180", true),
            (Kind::Svnr, "1238010180", false),
        ] {
            assert_eq!(kind.checks(&digits(number)), passes, "{number}");
        }
    }

    #[test]
    fn a_later_candidate_counts_too() {
        let pattern = Pattern::compile(r"\d{16}", false, 1000).unwrap();
        let found = Kind::CreditCard.find(&pattern, b"5484605089158217 5484605089158216").unwrap();
        assert_eq!(found, Some(17..33));
    }
}
