//! Quantities with a unit: durations.

use std::time::Duration;

/// Why a text is not a duration; `better` is a text that is one and was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotDuration {
    /// A number without a unit.
    MissingUnit {
        /// The number with seconds as its unit.
        better: String,
    },
    /// Something else.
    Malformed {
        /// What was probably meant.
        better: Option<String>,
    },
    /// More than can be counted.
    TooLong,
}

/// Units and the milliseconds of each, longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `"250ms"`, `"5s"`, `"15m"`, `"1h"`, `"2d"`: a whole number and one unit.
pub(crate) fn duration(text: &str) -> Result<Duration, NotDuration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(NotDuration::Malformed { better: None });
    }
    if unit.is_empty() {
        return Err(NotDuration::MissingUnit { better: format!("{number}s") });
    }
    let Some((_, milliseconds)) = UNITS.iter().find(|(word, _)| *word == unit) else {
        return Err(NotDuration::Malformed { better: meant(number, unit) });
    };
    let number: u64 = number.parse().map_err(|_| NotDuration::TooLong)?;
    number.checked_mul(*milliseconds).map(Duration::from_millis).ok_or(NotDuration::TooLong)
}

/// The duration as it is written: the longest unit that leaves no rest.
pub(crate) fn written(duration: Duration) -> String {
    let total = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = UNITS.iter().find(|(_, milliseconds)| total > 0 && total.is_multiple_of(*milliseconds));
    whole.map_or_else(|| "0s".to_owned(), |(word, milliseconds)| format!("{}{word}", total / milliseconds))
}

/// What somebody meant who wrote a unit in another way.
fn meant(number: &str, unit: &str) -> Option<String> {
    let unit = unit.trim().to_lowercase();
    let word = match unit.as_str() {
        "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return fraction(number, &unit).or_else(|| sum(number, &unit)),
    };
    Some(format!("{number}{word}"))
}

/// `1.5s` is `1500ms`.
fn fraction(number: &str, rest: &str) -> Option<String> {
    let digits = rest.strip_prefix('.')?.bytes().take_while(u8::is_ascii_digit).count();
    let (decimals, unit) = rest.get(1..)?.split_at(digits);
    let (_, milliseconds) = UNITS.iter().find(|(word, _)| *word == unit)?;
    let value: f64 = format!("{number}.{decimals}").parse().ok()?;
    let total = value * *milliseconds as f64;
    (total < 1e15).then(|| written(Duration::from_millis(total.round() as u64)))
}

/// `1h30m` is `90m`.
fn sum(number: &str, rest: &str) -> Option<String> {
    let unit =
        UNITS.iter().map(|(word, _)| *word).filter(|word| rest.starts_with(word)).max_by_key(|w| w.len())?;
    let head = duration(&format!("{number}{unit}")).ok()?;
    let tail = duration(&rest[unit.len()..]).ok()?;
    Some(written(head.checked_add(tail)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("250ms", 250),
            ("5s", 5_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_gets_the_one_that_was_meant() {
        for (text, better) in [
            ("5 s", Some("5s")),
            ("5S", Some("5s")),
            ("30 seconds", Some("30s")),
            ("5min", Some("5m")),
            ("1.5s", Some("1500ms")),
            ("0.5h", Some("30m")),
            ("1h30m", Some("90m")),
            ("1m500ms", Some("60500ms")),
            ("s", None),
            ("", None),
            ("-5s", None),
            ("5 parsecs", None),
            ("5µs", None),
        ] {
            let better = better.map(str::to_owned);
            assert_eq!(duration(text), Err(NotDuration::Malformed { better }), "{text}");
        }
        assert_eq!(duration("5"), Err(NotDuration::MissingUnit { better: "5s".to_owned() }));
        assert_eq!(duration("99999999999999999999s"), Err(NotDuration::TooLong));
        assert_eq!(duration("9999999999999999999d"), Err(NotDuration::TooLong));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for (milliseconds, text) in
            [(0, "0s"), (1, "1ms"), (1_500, "1500ms"), (60_000, "1m"), (3_900_000, "65m"), (86_400_000, "1d")]
        {
            assert_eq!(written(Duration::from_millis(milliseconds)), text);
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)));
        }
    }
}
