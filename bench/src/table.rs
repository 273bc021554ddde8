//! What was found: samples by row and peer, their medians and ratios, as Markdown.

use std::fmt::Write as _;

use crate::cell::Sample;
use crate::load::Latency;
use crate::row::{GROWTH, Row};

/// One peer at one row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// The peer's name.
    pub(crate) peer: &'static str,
    /// One a repetition.
    pub(crate) samples: Vec<Sample>,
    /// What went wrong, if something did: then the row failed for this peer.
    pub(crate) failure: Option<String>,
    /// Times at a fixed rate.
    pub(crate) latency: Option<Latency>,
}

/// One row, without or with an access log.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// What was measured.
    pub(crate) row: Row,
    /// Whether with an access log.
    pub(crate) log: bool,
    /// One a peer.
    pub(crate) entries: Vec<Entry>,
    /// The rate of the latencies, exchanges a second.
    pub(crate) rate: Option<f64>,
}

/// How a gate was kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// None was set, or it cannot be told.
    None,
    /// The ratio is not above it.
    Held,
    /// The ratio is above it.
    Missed,
}

impl Entry {
    /// The median figure; `None` when anything failed.
    pub(crate) fn figure(&self) -> Option<f64> {
        if self.failure.is_some() {
            return None;
        }
        median(self.samples.iter().map(|sample| sample.figure))
    }
}

impl Line {
    fn entry(&self, peer: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.peer == peer)
    }

    /// Our figure divided by that of `peer`.
    pub(crate) fn ratio(&self, peer: &str) -> Option<f64> {
        Some(self.entry("transom")?.figure()? / self.entry(peer)?.figure()?)
    }

    /// Our figure divided by that of the row it is compared with.
    fn growth(&self, lines: &[Line]) -> Option<f64> {
        self.growth_of("transom", lines)
    }

    fn growth_of(&self, peer: &str, lines: &[Line]) -> Option<f64> {
        let base = lines.iter().find(|line| Some(line.row.name) == self.row.base && line.log == self.log)?;
        Some(self.entry(peer)?.figure()? / base.entry(peer)?.figure()?)
    }

    /// Whether it costs more than it may beside the row it is compared with.
    pub(crate) fn grows_too_much(&self, lines: &[Line]) -> bool {
        self.growth(lines).is_some_and(|ratio| ratio > GROWTH)
    }

    /// Whether the row's gate is held, against Debian's haproxy.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.row.gate.zip(self.ratio("haproxy")) {
            None => Verdict::None,
            Some((gate, ratio)) if ratio <= gate => Verdict::Held,
            Some(_) => Verdict::Missed,
        }
    }

    /// Whether anything failed.
    pub(crate) fn failed(&self) -> bool {
        self.entries.iter().any(|entry| entry.failure.is_some())
    }

    fn figure(&self, peer: &str) -> String {
        match self.entry(peer) {
            None => "–".into(),
            Some(entry) if entry.failure.is_some() => "failed".into(),
            Some(entry) => entry.figure().map_or("–".into(), |figure| self.row.unit().show(figure)),
        }
    }
}

/// The middle of `values`, or the mean of the two in the middle; `None` when there are none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The whole report below its heading.
pub(crate) fn render(lines: &[Line]) -> String {
    let mut text = figures(lines);
    text += &notes(lines);
    text += &growth(lines);
    text += &latencies(lines);
    text += &samples(lines);
    text
}

fn figures(lines: &[Line]) -> String {
    let mut text = String::from(
        "| row | log | unit | haproxy | nginx | transom | ÷ haproxy | ÷ nginx | gate |\n\
         |---|---|---|--:|--:|--:|--:|--:|---|\n",
    );
    for line in lines {
        let ratio = |peer| line.ratio(peer).map_or("–".into(), |ratio| format!("{ratio:.3}"));
        let gate = match (line.row.gate, line.verdict()) {
            (None, _) => "none".into(),
            (Some(gate), Verdict::None) => format!("≤ {gate}"),
            (Some(gate), Verdict::Held) => format!("≤ {gate} held"),
            (Some(gate), Verdict::Missed) => format!("≤ {gate} **not held**"),
        };
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {gate} |",
            line.row.name,
            on_off(line.log),
            line.row.unit().name(),
            line.figure("haproxy"),
            line.figure("nginx"),
            line.figure("transom"),
            ratio("haproxy"),
            ratio("nginx"),
        );
    }
    text
}

/// How our figures grow from row to row.
fn growth(lines: &[Line]) -> String {
    let mut rows = String::new();
    for line in lines {
        let Some((base, ratio)) = line.row.base.zip(line.growth(lines)) else { continue };
        let held = if ratio <= GROWTH { "held" } else { "**not held**" };
        let _infallible = writeln!(
            rows,
            "| {} | {} | {base} | {ratio:.3} | {} | ≤ {GROWTH} {held} |",
            line.row.name,
            on_off(line.log),
            line.growth_of("haproxy", lines).map_or("–".into(), |ratio| format!("{ratio:.3}")),
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "\n## How cost grows\n\n| row | log | divided by | transom | haproxy | gate |\n|---|---|---|--:|--:|---|\n{rows}"
    )
}

/// Failures, peers that have no column, and rows that wait for us.
fn notes(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        if let Some(reason) = line.row.waits {
            let _infallible =
                writeln!(text, "- {}, log {}, transom: {reason}", line.row.name, on_off(line.log));
        }
        for entry in &line.entries {
            let place = format!("{}, log {}, {}", line.row.name, on_off(line.log), entry.peer);
            if let Some(failure) = &entry.failure {
                let _infallible = writeln!(text, "- **failed**: {place}: {failure}");
            } else if !["haproxy", "nginx", "transom"].contains(&entry.peer) {
                let unit = line.row.unit().name();
                let _infallible = writeln!(text, "- {place}: {} {unit}", line.figure(entry.peer));
            }
        }
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn latencies(lines: &[Line]) -> String {
    let mut rows = String::new();
    for line in lines {
        for entry in &line.entries {
            if let Some((rate, latency)) = line.rate.zip(entry.latency) {
                let _infallible = writeln!(
                    rows,
                    "| {} | {} | {rate:.0} | {} | {:.0} | {:.0} | {:.0} |",
                    line.row.name,
                    on_off(line.log),
                    entry.peer,
                    latency.p50,
                    latency.p99,
                    latency.p999,
                );
            }
        }
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "\n## Time of an exchange at a fixed rate, µs\n\nHalf of what the slowest peer did; from when a request was \
         due.\n\n| row | log | a second | peer | p50 | p99 | p99.9 |\n|---|---|--:|---|--:|--:|--:|\n{rows}"
    )
}

fn samples(lines: &[Line]) -> String {
    let mut text = String::from(
        "\n## Repetitions\n\n| row | log | peer | each figure, in order | work done | errors |\n\
         |---|---|---|---|--:|--:|\n",
    );
    for line in lines {
        for entry in &line.entries {
            let unit = line.row.unit();
            let figures: Vec<_> = entry.samples.iter().map(|sample| unit.show(sample.figure)).collect();
            let done = entry.samples.iter().fold(0.0, |sum, sample| sum + sample.units);
            let _infallible = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                line.row.name,
                on_off(line.log),
                entry.peer,
                figures.join(" "),
                unit.show_amount(done),
                if entry.failure.is_some() { "failed" } else { "0" },
            );
        }
    }
    text
}

fn on_off(log: bool) -> &'static str {
    if log { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;

    fn entry(peer: &'static str, figures: &[f64]) -> Entry {
        let samples = figures.iter().map(|figure| Sample { figure: *figure, units: 1000.0, rate: 250.0 });
        Entry { peer, samples: samples.collect(), failure: None, latency: None }
    }

    fn line(ours: &[f64]) -> Line {
        let entries =
            vec![entry("haproxy", &[20.0, 19.0, 21.0]), entry("nginx", &[16.0]), entry("transom", ours)];
        Line { row: ROWS[0], log: true, entries, rate: None }
    }

    #[test]
    fn medians() {
        assert_eq!(median(std::iter::empty()), None);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
    }

    #[test]
    fn a_gate_is_held_up_to_its_ratio() {
        assert_eq!(line(&[19.0]).verdict(), Verdict::Held);
        assert_eq!(line(&[19.1]).verdict(), Verdict::Missed);
        let mut failed = line(&[1.0]);
        failed.entries[2].failure = Some("reset".into());
        assert_eq!((failed.verdict(), failed.failed()), (Verdict::None, true));
    }

    #[test]
    fn a_table_of_two_rows() {
        let mut second = line(&[]);
        second.entries[2].failure = Some("1 errors beside 7 exchanges".into());
        let text = render(&[line(&[10.0, 8.0]), second]);
        let expected = "\
| row | log | unit | haproxy | nginx | transom | ÷ haproxy | ÷ nginx | gate |
|---|---|---|--:|--:|--:|--:|--:|---|
| tcp-short | on | µs CPU | 20.00 | 16.00 | 9.00 | 0.450 | 0.562 | ≤ 0.95 held |
| tcp-short | on | µs CPU | 20.00 | 16.00 | failed | – | – | ≤ 0.95 |

- **failed**: tcp-short, log on, transom: 1 errors beside 7 exchanges

## Repetitions

| row | log | peer | each figure, in order | work done | errors |
|---|---|---|---|--:|--:|
| tcp-short | on | haproxy | 20.00 19.00 21.00 | 3000 | 0 |
| tcp-short | on | nginx | 16.00 | 1000 | 0 |
| tcp-short | on | transom | 10.00 8.00 | 2000 | 0 |
| tcp-short | on | haproxy | 20.00 19.00 21.00 | 3000 | 0 |
| tcp-short | on | nginx | 16.00 | 1000 | 0 |
| tcp-short | on | transom |  | 0 | failed |
";
        assert_eq!(text, expected);
    }

    #[test]
    fn growth_stands_beside_the_row_it_is_compared_with() {
        let named = |name| crate::rows::row(name).copied().unwrap();
        let base = Line { row: named("http-routes-10"), ..line(&[10.0]) };
        let sound = Line { row: named("http-routes-100"), ..line(&[11.0]) };
        let grown = Line { row: named("http-routes-1000"), ..line(&[11.1]) };
        let lines = [base, sound, grown];
        let text = render(&lines);
        assert!(
            text.contains("| http-routes-100 | on | http-routes-10 | 1.100 | 1.000 | ≤ 1.1 held |\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "| http-routes-1000 | on | http-routes-10 | 1.110 | 1.000 | ≤ 1.1 **not held** |\n"
            )
        );
        assert_eq!(lines.each_ref().map(|line| line.grows_too_much(&lines)), [false, false, true]);
    }

    #[test]
    fn a_row_that_waits_says_so() {
        let mut waiting = line(&[]);
        waiting.row.waits = Some("waits for HTTP/2");
        waiting.entries.pop();
        assert!(render(&[waiting]).contains("- tcp-short, log on, transom: waits for HTTP/2\n"));
    }

    #[test]
    fn latencies_stand_beside_their_rate() {
        let mut with = line(&[10.0]);
        with.rate = Some(5000.0);
        with.entries[0].latency = Some(Latency { p50: 80.4, p99: 201.0, p999: 950.9 });
        assert!(render(&[with]).contains("| tcp-short | on | 5000 | haproxy | 80 | 201 | 951 |\n"));
    }
}
