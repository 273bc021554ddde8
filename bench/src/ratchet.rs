//! Instructions for a unit of work, counted by callgrind and kept in a file: they do not depend on the machine's mood.
//!
//! Each workload is a row of the benchmark with one connection, a fixed number of exchanges, run twice with different
//! numbers and subtracted, so that starting and ending do not count. A unit is a workload, or what one costs more than
//! another.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::cell::Bench;
use crate::peer::Peer;
use crate::row::Row;
use crate::rows::row;
use crate::run::Outcome;

/// Exchanges of the shorter and the longer run.
const EXCHANGES: [u64; 2] = [500, 12_500];
/// What a unit may grow by: a share, and so many instructions, where a unit is a small difference.
const GROWTH_SHARE: f64 = 0.03;
const GROWTH_LEAST: f64 = 100.0;

/// What the command line asks for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RatchetArguments {
    /// The program to count, built with optimisation
    #[arg(long, default_value = "target/release/transom")]
    bin: PathBuf,
    /// The file that keeps the figures
    #[arg(long, default_value = "bench/ratchet.toml")]
    file: PathBuf,
    /// Write what was counted into the file
    #[arg(long)]
    update: bool,
}

/// A workload: a row of the benchmark, with or without an access log.
type Workload = (&'static str, bool);

/// A unit of work: its name, its workload, and the one it is the difference to.
struct Unit {
    name: &'static str,
    of: Workload,
    less: Option<Workload>,
}

const HTTP: Workload = ("http-keep-alive-64", false);

const UNITS: &[Unit] = &[
    Unit { name: "http-keep-alive", of: HTTP, less: None },
    Unit { name: "tcp-relay", of: ("tcp-keep-alive-64", false), less: None },
    // A request and a response more: one record each. The difference alone is not the same from run to run.
    Unit { name: "tls-keep-alive", of: ("tls-keep-alive", false), less: None },
    // By name in a thousand routes, against a listener without any.
    Unit { name: "route-lookup", of: ("http-routes-1000", false), less: Some(HTTP) },
    Unit { name: "stick-lookup", of: ("http-stick", false), less: Some(HTTP) },
    Unit { name: "log-line", of: ("http-keep-alive-64", true), less: Some(HTTP) },
];

/// Counts all units and compares them with the file.
///
/// # Errors
/// A sentence when something cannot be counted.
pub(crate) fn ratchet(arguments: &RatchetArguments, bench: &Bench) -> anyhow::Result<Outcome> {
    let program = std::path::absolute(&arguments.bin).context("cannot tell where we are")?;
    let peer = Peer::Transom(program);
    let kept = if arguments.file.exists() { read(&arguments.file)? } else { BTreeMap::new() };
    let mut counted: BTreeMap<Workload, f64> = BTreeMap::new();
    let (mut found, mut failed) = (BTreeMap::new(), 0);
    for unit in UNITS {
        for workload in [Some(unit.of), unit.less].into_iter().flatten() {
            if let Entry::Vacant(vacant) = counted.entry(workload) {
                vacant.insert(instructions(bench, &peer, workload)?);
            }
        }
        let less = unit.less.map_or(0.0, |less| counted[&less]);
        let now = (counted[&unit.of] - less).round();
        let before = kept.get(unit.name).copied();
        let fine = arguments.update || before.is_some_and(|before| is_held(before, now));
        failed += usize::from(!fine);
        let verdict = if fine { "ok" } else { "FAILED" };
        let before = before.map_or("nothing".to_owned(), |before| before.to_string());
        writeln!(io::stdout(), "{}: {now} instructions, {before} kept: {verdict}", unit.name)?;
        found.insert(unit.name, now);
    }
    if arguments.update {
        fs::write(&arguments.file, render(&found)).context("cannot write the file")?;
    }
    // As Rust's test runner says it, so that whoever counts tests counts these.
    let outcome = if failed == 0 { "ok" } else { "FAILED" };
    let passed = UNITS.len() - failed;
    writeln!(io::stdout(), "test result: {outcome}. {passed} passed; {failed} failed; 0 ignored")?;
    if failed > 0 {
        writeln!(io::stdout(), "`./x ratchet --update` writes down what is meant to stay")?;
    }
    Ok(if failed == 0 { Outcome::Fine } else { Outcome::Bad })
}

/// Instructions of one exchange.
fn instructions(bench: &Bench, peer: &Peer, (name, log): Workload) -> anyhow::Result<f64> {
    let row: &Row = row(name).with_context(|| format!("there is no row {name}"))?;
    Ok(exchange(bench, row, log, peer)?.0)
}

/// Instructions and allocations of one exchange of a row.
///
/// # Errors
/// A sentence when it cannot be counted.
pub(crate) fn exchange(bench: &Bench, row: &Row, log: bool, peer: &Peer) -> anyhow::Result<(f64, f64)> {
    let [few, many] = EXCHANGES;
    let short = bench.grind(row, log, peer, few)?;
    let long = bench.grind(row, log, peer, many)?;
    Ok(long.each_since(&short, many - few))
}

fn is_held(before: f64, now: f64) -> bool {
    now - before <= (before * GROWTH_SHARE).max(GROWTH_LEAST)
}

fn read(path: &Path) -> anyhow::Result<BTreeMap<String, f64>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Lines `name = number`; comments and the heading are passed over.
fn parse(text: &str) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut kept = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
        let Some((name, number)) = line.split_once('=') else { bail!("`{line}` is no figure") };
        let number = number.trim().parse().with_context(|| format!("`{line}` has no number"))?;
        kept.insert(name.trim().to_owned(), number);
    }
    Ok(kept)
}

fn render(found: &BTreeMap<&str, f64>) -> String {
    let mut text = String::from(
        "# Instructions in user space for a unit of work (callgrind, docs/bench/README.md). `./x ratchet` fails when one\n\
         # grows by more than 3 %; `./x ratchet --update` writes what was counted.\n[instructions]\n",
    );
    for (name, number) in found {
        let _infallible = writeln!(text, "{name} = {number}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_percent_are_held_and_less_is_always_fine() {
        let table = [(10_000.0, 10_300.0, true), (10_000.0, 10_301.0, false), (10_000.0, 5.0, true)];
        for (before, now, held) in table {
            assert_eq!(is_held(before, now), held, "{before} {now}");
        }
        assert!(is_held(500.0, 600.0) && !is_held(500.0, 601.0), "a small difference has its own measure");
    }

    #[test]
    fn what_is_written_is_read() {
        let text = render(&[("tcp-relay", 2000.0), ("log-line", 1500.0)].into());
        let kept = parse(&text).unwrap();
        assert_eq!(
            kept.into_iter().collect::<Vec<_>>(),
            [("log-line".into(), 1500.0), ("tcp-relay".into(), 2000.0)]
        );
        assert!(parse("tcp-relay: 5\n").is_err());
    }

    #[test]
    fn every_unit_has_its_rows() {
        for unit in UNITS {
            for (name, _) in [Some(unit.of), unit.less].into_iter().flatten() {
                assert!(row(name).is_some_and(|row| row.waits.is_none()), "{name}");
            }
        }
    }
}
