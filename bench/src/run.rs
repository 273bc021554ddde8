//! A whole run: rows by peers by repetitions, in turn.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cell::Bench;
use crate::machine::Facts;
use crate::peer::Peer;
use crate::row::Row;
use crate::rows::ROWS;
use crate::save::save;
use crate::table::{Entry, Line, Verdict, render};

/// What the command line asks for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArguments {
    /// Rows to measure, by name, with `/log` or `/no-log` to take one of the two; all without any
    rows: Vec<String>,
    /// Repetitions of each measurement
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Short measurements, three times: to see that all works, not to compare
    #[arg(long)]
    quick: bool,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Write the table to docs/bench/ and link it there
    #[arg(long)]
    save: bool,
    /// End with 1 when a gate is not held
    #[arg(long)]
    gates: bool,
    /// Do not measure times at a fixed rate
    #[arg(long)]
    no_latency: bool,
    /// The program to measure
    #[arg(long, default_value = "target/release/transom")]
    bin: PathBuf,
    /// Peers to measure
    #[arg(long, value_delimiter = ',', default_value = "haproxy,nginx,transom")]
    peers: Vec<String>,
    /// List the rows and end
    #[arg(long)]
    list: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All was measured.
    Fine,
    /// Something failed, or a gate was asked for and not held.
    Bad,
}

/// Measures what is asked for and prints the table.
///
/// # Errors
/// A sentence when it cannot be begun, or was interrupted.
pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<Outcome> {
    if arguments.list {
        ROWS.iter().try_for_each(|row| writeln!(io::stdout(), "{:<22} {}", row.name, row.what))?;
        return Ok(Outcome::Fine);
    }
    let chosen = chosen(&arguments.rows)?;
    let peers = peers(&arguments.peers, &arguments.bin)?;
    let versions = peers
        .iter()
        .filter(|peer| !matches!(peer, Peer::TransomHaproxyLines(_)))
        .map(Peer::version)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (seconds, warm_up) = if arguments.quick { (1.0, 0.3) } else { (arguments.seconds, 0.8) };
    let bench = bench(seconds, warm_up)?;
    let runs = if arguments.quick { arguments.runs.min(3) } else { arguments.runs };
    let facts = Facts::gather(versions, how(&bench, runs));

    let mut lines = Vec::new();
    for (row, log) in chosen {
        let latency = !arguments.no_latency && row.has_latency();
        lines.push(measure(&bench, row, log, &peers, runs, latency)?);
    }
    let text = facts.render() + &render(&lines);
    write!(io::stdout(), "{text}").context("nobody reads the standard output")?;
    if arguments.save {
        let path = save(Path::new("docs/bench"), &facts.day, &facts.commit, &text)?;
        say(&format!("written to {}", path.display()));
    }
    Ok(outcome(&lines, arguments.gates))
}

fn outcome(lines: &[Line], gates: bool) -> Outcome {
    let missed =
        lines.iter().filter(|line| line.verdict() == Verdict::Missed || line.grows_too_much(lines)).count();
    let failed = lines.iter().filter(|line| line.failed()).count();
    if failed > 0 {
        say(&format!("{failed} rows failed"));
    }
    if gates && missed > 0 {
        say(&format!("{missed} gates are not held"));
    }
    if failed > 0 || (gates && missed > 0) { Outcome::Bad } else { Outcome::Fine }
}

/// What this machine lets us measure with.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn bench(seconds: f64, warm_up: f64) -> anyhow::Result<Bench> {
    let cores: Vec<usize> = {
        let set = rustix::thread::sched_getaffinity(None).context("cannot tell the CPUs")?;
        (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    };
    let [load_core, .., door_core] = cores[..] else {
        bail!("two CPUs are needed, one for the door and one for the load; there is one");
    };
    if !rustix::process::geteuid().is_root() {
        bail!("a network namespace needs root: run it as root");
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("cannot catch signals")?;
    }
    Ok(Bench {
        door_core,
        load_core,
        shared_cores: shared_cores(&cores),
        window: Duration::try_from_secs_f64(seconds).context("--seconds is no length of time")?,
        warm_up: Duration::from_secs_f64(warm_up),
        files: raise_files()?,
        interrupted,
    })
}

/// The CPUs of doors that may have two workers: the last two, one of them the load's where there are no more.
fn shared_cores(cores: &[usize]) -> [usize; 2] {
    [cores[cores.len() - 2], cores[cores.len() - 1]]
}

/// Raises the limit of open files, for all that we start, as far as we may.
fn raise_files() -> anyhow::Result<usize> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise RLIMIT_NOFILE")?;
    Ok(maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX)))
}

fn how(bench: &Bench, runs: usize) -> String {
    format!(
        "the door on CPU {}, generator and servers on CPU {}, doors of \
         http-workers rows on CPUs {} and {}; {runs} repetitions of {:.1} s in turn, medians; \
         {} open files a process",
        bench.door_core,
        bench.load_core,
        bench.shared_cores[0],
        bench.shared_cores[1],
        bench.window.as_secs_f64(),
        bench.files
    )
}

/// The rows meant by `names`, each with whether it is measured with a log.
fn chosen(names: &[String]) -> anyhow::Result<Vec<(Row, bool)>> {
    let all = ROWS.iter().flat_map(|row| [(*row, false), (*row, true)]);
    if names.is_empty() {
        return Ok(all.collect());
    }
    let asked = |row: &Row, log: bool| {
        names.iter().any(|name| match name.split_once('/') {
            None => name == row.name,
            Some((name, "log")) => name == row.name && log,
            Some((name, _)) => name == row.name && !log,
        })
    };
    for name in names {
        let (row, log) = name.split_once('/').unwrap_or((name, "log"));
        if !ROWS.iter().any(|one| one.name == row) || !["log", "no-log"].contains(&log) {
            let known: Vec<_> = ROWS.iter().map(|row| row.name).collect();
            bail!(
                "there is no row `{name}`; there are {}, each also as ROW/log and ROW/no-log",
                known.join(", ")
            );
        }
    }
    Ok(all.filter(|(row, log)| asked(row, *log)).collect())
}

fn peers(names: &[String], program: &Path) -> anyhow::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for name in names {
        match name.as_str() {
            "haproxy" => peers.push(Peer::Haproxy),
            "nginx" => peers.push(Peer::Nginx),
            "transom" => {
                let program = std::path::absolute(program).context("cannot tell where we are")?;
                peers.extend([Peer::Transom(program.clone()), Peer::TransomHaproxyLines(program)]);
            }
            other => bail!("there is no peer `{other}`: haproxy, nginx, transom"),
        }
    }
    Ok(peers)
}

/// Measures one row: A B C A B C …, then the times at half of what the slowest did.
fn measure(
    bench: &Bench,
    row: Row,
    log: bool,
    peers: &[Peer],
    runs: usize,
    latency: bool,
) -> anyhow::Result<Line> {
    let peers: Vec<&Peer> = peers.iter().filter(|peer| peer.takes_part(&row, log)).collect();
    let entries = peers.iter().map(|peer| Entry { peer: peer.name(), ..Entry::default() }).collect();
    let mut line = Line { row, log, entries, rate: None };
    for _ in 0..runs {
        for (peer, entry) in peers.iter().zip(&mut line.entries).filter(|(_, entry)| entry.failure.is_none())
        {
            let sample = bench.measure(&row, log, peer);
            progress(&row, log, entry.peer, sample.as_ref().map(|sample| row.unit().show(sample.figure)));
            match sample {
                Ok(sample) => entry.samples.push(sample),
                Err(error) => entry.failure = Some(format!("{error:#}")),
            }
            check_interrupted(bench)?;
        }
    }
    let slowest = line.entries.iter().flat_map(|entry| &entry.samples).map(|sample| sample.rate);
    line.rate = Some(slowest.fold(f64::INFINITY, f64::min) / 2.0).filter(|rate| latency && rate.is_finite());
    if let Some(rate) = line.rate {
        for (peer, entry) in peers.iter().zip(&mut line.entries).filter(|(_, entry)| entry.failure.is_none())
        {
            match bench.latency(&row, log, peer, rate) {
                Ok(latency) => entry.latency = Some(latency),
                Err(error) => entry.failure = Some(format!("at {rate:.0} a second: {error:#}")),
            }
            check_interrupted(bench)?;
        }
    }
    Ok(line)
}

fn check_interrupted(bench: &Bench) -> anyhow::Result<()> {
    if bench.interrupted.load(Ordering::Relaxed) {
        bail!("interrupted; what was started is ended");
    }
    Ok(())
}

fn progress(row: &Row, log: bool, peer: &str, figure: Result<String, &anyhow::Error>) {
    let log = if log { "log" } else { "no-log" };
    match figure {
        Ok(figure) => say(&format!("{}/{log} {peer}: {figure} {}", row.name, row.unit().name())),
        Err(error) => say(&format!("{}/{log} {peer}: FAILED: {error:#}", row.name)),
    }
}

/// A line on the standard error, which nobody has to read.
fn say(line: &str) {
    let _nobody_reads = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Vec<(&'static str, bool)> {
        let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
        chosen(&asked).unwrap().iter().map(|(row, log)| (row.name, *log)).collect()
    }

    #[test]
    fn rows_are_chosen_by_name_with_and_without_a_log() {
        assert_eq!(names(&[]).len(), 2 * ROWS.len());
        assert_eq!(names(&["tcp-short"]), [("tcp-short", false), ("tcp-short", true)]);
        assert_eq!(
            names(&["tcp-bulk-up/log", "tcp-short/no-log"]),
            [("tcp-short", false), ("tcp-bulk-up", true)]
        );
    }

    #[test]
    fn an_unknown_row_is_an_error_that_lists_them() {
        let error = chosen(&["tcp-shorts".into()]).unwrap_err().to_string();
        assert!(error.contains("tcp-shorts") && error.contains("passthrough-short"), "{error}");
        assert!(chosen(&["tcp-short/loud".into()]).is_err());
    }

    #[test]
    fn an_unknown_peer_is_an_error() {
        assert!(peers(&["squid".into()], Path::new("transom")).is_err());
        assert_eq!(peers(&["transom".into()], Path::new("transom")).unwrap().len(), 2);
    }
}
