//! `/metrics`: one table of what there is, read from the world at each scrape, written as Prometheus text.
//!
//! The classic format, not OpenMetrics: there `transom_connections` (now) and `transom_connections_total` (ever) could
//! not both be, since a counter's family is named without its `_total`.

mod process;
mod table;

use std::fmt::{self, Write as _};

use transom_state::World;

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
}

/// What a scrape reads from.
struct Scrape<'a> {
    shared: &'a Shared,
    world: &'a World,
    process: &'a Process,
}

/// Values of one metric, with the values of its labels in the table's order.
#[derive(Debug, Default)]
struct Samples(Vec<(Vec<String>, f64)>);

impl Samples {
    fn one(&mut self, value: f64) {
        self.0.push((Vec::new(), value));
    }

    fn with<const N: usize>(&mut self, labels: [&str; N], value: f64) {
        self.0.push((labels.map(str::to_owned).into(), value));
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
        for (values, value) in &samples.0 {
            text.push_str(name);
            let mut before = '{';
            for (label, value) in labels.iter().zip(values) {
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
