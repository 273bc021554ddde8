//! Where the time of one row goes: share of user space and kernel, system calls, instructions and allocations of an
//! exchange.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cell::Bench;
use crate::machine::Facts;
use crate::peer::Peer;
use crate::ratchet;
use crate::row::Row;
use crate::rows::row;
use crate::run::Outcome;

/// What the command line asks for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct WhereArguments {
    /// The row
    row: String,
    /// With an access log
    #[arg(long)]
    log: bool,
    /// The program to look at
    #[arg(long, default_value = "target/release/transom")]
    bin: PathBuf,
    /// Write it to docs/bench/where-ROW.md
    #[arg(long)]
    save: bool,
}

/// Where a measurement's CPU time went, and the system calls beside it.
pub(crate) struct Shares {
    /// Seconds in user space.
    pub(crate) user: f64,
    /// Seconds in the kernel.
    pub(crate) kernel: f64,
    /// Exchanges while `calls` were counted.
    pub(crate) exchanges: u64,
    /// What `strace -c` wrote of them.
    pub(crate) calls: String,
}

/// Looks at one row.
///
/// # Errors
/// A sentence when something cannot be measured.
pub(crate) fn look(arguments: &WhereArguments, bench: &Bench) -> anyhow::Result<Outcome> {
    let row = row(&arguments.row).with_context(|| format!("there is no row `{}`", arguments.row))?;
    let program = std::path::absolute(&arguments.bin).context("cannot tell where we are")?;
    let peer = Peer::Transom(program);
    let facts = Facts::gather(vec![peer.version()?], "one worker; callgrind with one connection".into());
    let shares = bench.shares(row, arguments.log, &peer)?;
    let counted = ratchet::exchange(bench, row, arguments.log, &peer)?;
    let text = facts.render() + &render(row, arguments.log, &shares, counted);
    write!(io::stdout(), "{text}").context("nobody reads the standard output")?;
    if arguments.save {
        let path = Path::new("docs/bench").join(format!("where-{}.md", row.name));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Outcome::Fine)
}

fn render(row: &Row, log: bool, shares: &Shares, (instructions, allocations): (f64, f64)) -> String {
    let all = (shares.user + shares.kernel).max(f64::MIN_POSITIVE);
    let mut text = format!(
        "## {}, log {}: where the time goes\n\n{}\n\n- CPU time: {:.0} % user space, {:.0} % kernel\n- instructions an \
         exchange in user space: {instructions:.0}\n- allocations an exchange: {allocations:.2}\n\n| system call | an \
         exchange | of them errors |\n|---|--:|--:|\n",
        row.name,
        if log { "on" } else { "off" },
        row.what,
        shares.user / all * 100.0,
        shares.kernel / all * 100.0,
    );
    for (name, calls, errors) in calls(&shares.calls) {
        let each = |count: u64| count as f64 / shares.exchanges.max(1) as f64;
        let _infallible = writeln!(text, "| {name} | {:.3} | {:.3} |", each(calls), each(errors));
    }
    text
}

/// The lines of `strace -c`: name, calls, errors. Columns are `% time`, `seconds`, `usecs/call`, `calls`, `errors`
/// where there are any, `syscall`.
fn calls(text: &str) -> Vec<(&str, u64, u64)> {
    let line = |line: &'_ str| -> Option<(u64, u64)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let errors = if words.len() == 6 { words[4].parse().ok()? } else { 0 };
        Some((words.get(3)?.parse().ok()?, errors))
    };
    let named = |text| {
        let name = str::split_whitespace(text).next_back()?;
        let (calls, errors) = line(text)?;
        (name != "total").then_some((name, calls, errors))
    };
    text.lines().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRACE: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.060000           3     20000           sendto
 40.00    0.040000           2     20400       400 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.100000           2     40400       400 total
";

    #[test]
    fn system_calls_are_shown_for_each_exchange() {
        let shares = Shares { user: 0.2, kernel: 0.6, exchanges: 10_000, calls: STRACE.into() };
        let text = render(row("tcp-short").unwrap(), true, &shares, (6123.4, 0.0));
        for part in [
            "## tcp-short, log on: where the time goes\n",
            "- CPU time: 25 % user space, 75 % kernel\n",
            "in user space: 6123\n- allocations an exchange: 0.00\n",
            "| sendto | 2.000 | 0.000 |\n| recvfrom | 2.040 | 0.040 |\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("total"));
    }
}
