//! `/metrics`: one table of what there is, read from the world at each scrape, written as Prometheus text.
//!
//! The classic format, not OpenMetrics: there `transom_connections` (now) and `transom_connections_total` (ever) could
//! not both be, since a counter's family is named without its `_total`.

mod process;
mod table;

use std::fmt::{self, Write as _};

use transom_state::{Histogram, World};

use crate::shared::Shared;
use process::Process;
use table::METRICS;

/// The content type of the [Prometheus text format](https://prometheus.io/docs/instrumenting/exposition_formats/).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One row of the table.
struct Metric {
    /// Counters end in `_total`, other units stand last.
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&Scrape<'_>, &mut Samples),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Only grows while the program runs.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Times in seconds, by how many took no longer than a bound.
    Histogram,
}

/// What a scrape reads from.
struct Scrape<'a> {
    shared: &'a Shared,
    world: &'a World,
    process: &'a Process,
}

/// Values of one metric.
#[derive(Debug, Default)]
struct Samples(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    /// Behind the metric's name: of the series of a histogram.
    suffix: &'static str,
    /// The values of its labels in the table's order.
    labels: Vec<String>,
    /// The upper bound of a histogram's bucket.
    bound: Option<String>,
    value: f64,
}

impl Samples {
    fn one(&mut self, value: f64) {
        self.with([], value);
    }

    fn with<const N: usize>(&mut self, labels: [&str; N], value: f64) {
        self.push("", labels, None, value);
    }

    fn histogram<const N: usize>(&mut self, labels: [&str; N], histogram: &Histogram) {
        let mut count = 0;
        for (bound, below) in histogram.cumulative() {
            count = below;
            let bound = bound.map_or("+Inf".to_owned(), |seconds| seconds.to_string());
            self.push("_bucket", labels, Some(bound), below as f64);
        }
        self.push("_sum", labels, None, histogram.total().as_secs_f64());
        self.push("_count", labels, None, count as f64);
    }

    fn push<const N: usize>(
        &mut self,
        suffix: &'static str,
        labels: [&str; N],
        bound: Option<String>,
        value: f64,
    ) {
        self.0.push(Sample { suffix, labels: labels.map(str::to_owned).into(), bound, value });
    }
}

/// Everything, as text.
pub(crate) fn text(shared: &Shared) -> String {
    let (world, process) = (shared.current.load_full(), Process::read());
    let scrape = Scrape { shared, world: &world, process: &process };
    let mut text = String::with_capacity(16 * 1024);
    for metric in METRICS {
        let mut samples = Samples::default();
        (metric.read)(&scrape, &mut samples);
        // Writing to a string cannot fail.
        let _ = metric.write(&mut text, &samples);
    }
    text
}

impl Metric {
    fn write(&self, text: &mut String, samples: &Samples) -> fmt::Result {
        if samples.0.is_empty() {
            return Ok(());
        }
        let Self { name, kind, help, labels, .. } = self;
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word())?;
        for Sample { suffix, labels: values, bound, value } in &samples.0 {
            write!(text, "{name}{suffix}")?;
            let mut before = '{';
            let bound = bound.iter().map(|bound| ("le", bound));
            for (label, value) in labels.iter().copied().zip(values).chain(bound) {
                write!(text, "{before}{label}=\"{}\"", Escaped(value))?;
                before = ',';
            }
            writeln!(text, "{}{value}", if before == ',' { "} " } else { " " })?;
        }
        Ok(())
    }
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The value of a label between its quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// docs/metrics.md: every metric, in Markdown.
pub fn reference() -> String {
    let mut text = String::from(
        "# Metrics\n\n`GET /metrics` at the admin socket or address answers in the Prometheus text format.\n\
         Counters start at zero with the program; a reload keeps them for listeners, pools and servers of the same name.\n\n\
         | metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in METRICS {
        let Metric { name, kind, help, .. } = metric;
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(text, "| `{name}` | {} | {} | {help} |", kind.word(), labels.join(", "));
    }
    text
}

#[cfg(test)]
mod tests;
