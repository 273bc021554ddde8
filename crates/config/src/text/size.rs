//! Numbers of bytes with a unit.

use super::Problem;
use crate::report::Code;

/// Units and the bytes of each, longest first.
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `"512B"`, `"64KiB"`, `"150MiB"`, `"2GiB"` within a range.
pub(crate) fn bytes(text: &str, min: u64, max: u64) -> Result<u64, Problem> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let range = || format!("write \"{}\" to \"{}\"", written(min), written(max));
    let Some((_, size)) = UNITS.iter().find(|(word, _)| *word == unit).filter(|_| !number.is_empty()) else {
        let (code, message) = match (number.is_empty(), unit.is_empty()) {
            (false, true) => (Code::MissingUnit, format!("`{text}` has no unit")),
            _ => (Code::BadSize, format!("`{text}` is not a number of bytes")),
        };
        return Err(Problem::new(code, message, meant(number, unit)));
    };
    let all = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*size));
    match all {
        Some(all) if (min..=max).contains(&all) => Ok(all),
        Some(all) if all < min => {
            Err(Problem::new(Code::OutOfRange, format!("`{text}` is too small"), range()))
        }
        _ => Err(Problem::new(Code::OutOfRange, format!("`{text}` is too large"), range())),
    }
}

/// What to write.
fn meant(number: &str, unit: &str) -> String {
    let unit = unit.trim().to_lowercase();
    let first = unit.chars().next();
    let better = UNITS.iter().map(|(word, _)| *word).find(|word| {
        let letter = word.chars().next().map(|c| c.to_ascii_lowercase());
        first == letter && unit.chars().all(|c| c.is_ascii_alphabetic())
    });
    match better.or(unit.is_empty().then_some("B")).filter(|_| !number.is_empty()) {
        Some(word) => format!("write \"{number}{word}\": a whole number and one of B, KiB, MiB, GiB, TiB"),
        None => "write a whole number and one of B, KiB, MiB, GiB, TiB, such as \"150MiB\"".to_owned(),
    }
}

/// The number as it is written: the longest unit that leaves no rest.
pub(crate) fn written(bytes: u64) -> String {
    let whole = UNITS.iter().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size));
    whole.map_or_else(|| "0B".to_owned(), |(word, size)| format!("{}{word}", bytes / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        for (text, size) in
            [("0B", 0), ("512B", 512), ("64KiB", 65_536), ("150MiB", 157_286_400), ("2GiB", 1 << 31)]
        {
            assert_eq!(bytes(text, 0, u64::MAX), Ok(size));
            assert_eq!(written(size), text);
        }
    }

    #[test]
    fn others_get_what_was_meant() {
        for (text, code, remedy) in [
            ("64", Code::MissingUnit, "\"64B\""),
            ("64k", Code::BadSize, "\"64KiB\""),
            ("64 MB", Code::BadSize, "\"64MiB\""),
            ("1.5MiB", Code::BadSize, "whole number"),
            ("MiB", Code::BadSize, "\"150MiB\""),
            ("", Code::BadSize, "\"150MiB\""),
            ("99999999999999TiB", Code::OutOfRange, "\"1GiB\""),
            ("1B", Code::OutOfRange, "\"1KiB\""),
        ] {
            let problem = bytes(text, 1024, 1 << 30).expect_err(text);
            assert_eq!(problem.code, code, "{text}");
            assert!(problem.remedy.contains(remedy), "{text}: {}", problem.remedy);
        }
    }
}
