//! Rates: so many in so long.

use std::time::Duration;

use super::Problem;
use crate::Rate;
use crate::report::Code;

/// Units and the seconds of each.
const UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];

/// Reads `"50/s"`, `"100/m"`, `"1000/h"`.
pub(crate) fn rate(text: &str) -> Result<Rate, Problem> {
    let read = || {
        let (count, unit) = text.split_once('/')?;
        let (_, seconds) = UNITS.iter().find(|(word, _)| *word == unit)?;
        let count = count.parse::<u32>().ok().filter(|count| *count > 0)?;
        Some(Rate { count, per: Duration::from_secs(*seconds) })
    };
    read().ok_or_else(|| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        let number = if digits.is_empty() { "50" } else { &digits };
        let remedy =
            format!("write \"{number}/s\", \"{number}/m\" or \"{number}/h\": in a second, a minute, an hour");
        Problem::new(Code::BadRate, format!("`{text}` is not a rate"), remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_in_a_time() {
        for text in ["50/s", "100/m", "1/h"] {
            assert_eq!(rate(text).map(|rate| rate.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "50", "50/d", "0/s", "1.5/s", "5k/s", "/s", "99999999999/s", "5 / s"] {
            assert!(rate(text).is_err_and(|problem| problem.remedy.contains("/s\"")), "{text}");
        }
    }
}
