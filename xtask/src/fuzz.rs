//! `fuzz`: every target for a while, on a copy of its corpus, so that the tree stays clean.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::shell::{self, Ended, keep};
use crate::test::Outcome;
use crate::test::count::Counts;

/// Seconds a target runs when nobody says otherwise, and when there is much time.
const SECONDS: u64 = 10;
const SECONDS_LONG: u64 = 600;
/// Targets that have more to search, and how many times as long they run when there is much time.
const LONGER: &[(&str, u64)] = &[("waf_engine", 3)];

/// Seconds a target may take longer than it was told to, before it counts as hanging.
const GRACE: u64 = 60;

/// Folders whose files are seeds as well: what tests keep anyway.
const MORE_SEEDS: &[(&str, &str)] = &[
    ("config", "examples"),
    ("config", "crates/config/tests/broken"),
    ("import_haproxy", "crates/import/tests/haproxy"),
    ("import_aloha", "crates/import/tests/aloha"),
    ("import_squid", "crates/import/tests/squid"),
];

/// What to fuzz.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = SECONDS)]
    seconds: u64,
    /// Only these targets.
    targets: Vec<String>,
}

/// The command line: shows all that is written.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let outcome = fuzz(&options.targets, options.seconds)?;
    print!("{}", outcome.output);
    println!("{}", outcome.counts);
    Ok(outcome.counts.failed == 0)
}

/// The test area.
pub(crate) fn area(long: bool) -> Result<Outcome> {
    fuzz(&[], if long { SECONDS_LONG } else { SECONDS })
}

/// Builds once, then runs the targets, as many at a time as there are processors.
fn fuzz(only: &[String], seconds: u64) -> Result<Outcome> {
    let targets = choose(only)?;
    let folder = shell::target_folder()?.join("fuzz");
    let built = keep(&mut cargo_fuzz("build", &folder))?;
    if !built.success {
        return Ok(Outcome {
            counts: Counts::one(false),
            ran: "cargo fuzz build".to_owned(),
            output: built.output,
        });
    }
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut ended: Vec<Result<Ended>> = Vec::new();
    for some in targets.chunks(workers) {
        let folder = folder.as_path();
        thread::scope(|scope| {
            let started: Vec<_> = some
                .iter()
                .map(|target| scope.spawn(move || fuzz_one(target, folder, time(target, seconds))))
                .collect();
            let results =
                started.into_iter().map(|thread| thread.join().expect("a thread here does not panic"));
            ended.extend(results);
        });
    }
    let mut output = String::new();
    let mut failed = 0;
    for (target, ended) in targets.iter().zip(ended) {
        let ended = ended?;
        failed += usize::from(!ended.success);
        output.push_str(&summary(target, &ended));
    }
    let ran = format!("{} for {seconds} s each", targets.join(", "));
    Ok(Outcome { counts: Counts::of(targets.len(), failed), ran, output })
}

/// How long a target runs when most run for `seconds`.
fn time(target: &str, seconds: u64) -> u64 {
    let times = LONGER.iter().find(|(name, _)| *name == target && seconds >= SECONDS_LONG);
    seconds * times.map_or(1, |(_, times)| *times)
}

/// All targets there are, or those asked for.
fn choose(only: &[String]) -> Result<Vec<String>> {
    let folder = shell::root().join("fuzz/fuzz_targets");
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            all.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    all.sort();
    if let Some(unknown) = only.iter().find(|name| !all.contains(name)) {
        bail!("there is no fuzz target {unknown:?}, there are: {}", all.join(", "));
    }
    all.retain(|target| only.is_empty() || only.contains(target));
    Ok(all)
}

fn fuzz_one(target: &str, folder: &Path, seconds: u64) -> Result<Ended> {
    let corpus = folder.join("corpus").join(target);
    if corpus.exists() {
        fs::remove_dir_all(&corpus)?;
    }
    fs::create_dir_all(&corpus)?;
    let more =
        MORE_SEEDS.iter().filter(|(own, _)| *own == target).map(|(_, folder)| shell::root().join(folder));
    let folders = [shell::root().join("fuzz/corpus").join(target)].into_iter().chain(more);
    for (number, seeds) in folders.enumerate() {
        let entries =
            fs::read_dir(&seeds).with_context(|| format!("seeds of {target}: {}", seeds.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = format!("{number}-{}", entry.file_name().to_string_lossy());
            fs::copy(entry.path(), corpus.join(name))?;
        }
    }
    // An input that takes ten seconds is a fault as well.
    let limits =
        [format!("-max_total_time={seconds}"), "-timeout=10".to_owned(), "-max_len=20000".to_owned()];
    let patience = Duration::from_secs(seconds + GRACE);
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &patience.as_secs().to_string()]);
    let fuzz = cargo_fuzz("run", folder);
    command.arg(fuzz.get_program()).args(fuzz.get_args()).current_dir(shell::root());
    clean(&mut command);
    keep(command.arg(target).arg(&corpus).arg("--").args(limits))
}

/// `cargo fuzz` under the nightly toolchain, building where everything is built.
fn cargo_fuzz(subcommand: &str, folder: &Path) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz", subcommand, "--target-dir"]).arg(folder);
    command.current_dir(shell::root());
    clean(&mut command);
    command
}

/// The stable toolchain that runs us must not shine through.
fn clean(command: &mut Command) {
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
}

/// One line for a target that ran, everything for one that failed.
fn summary(target: &str, ended: &Ended) -> String {
    if !ended.success {
        return format!(
            "{target}: FAILED; put the input below fuzz/corpus/{target} under a name\n{}\n",
            ended.output
        );
    }
    let done =
        ended.output.lines().rfind(|line| line.starts_with("Done ")).unwrap_or("it did not say how often");
    format!("{target}: {done}\n")
}

#[cfg(test)]
mod tests {
    use super::{choose, summary, time};
    use crate::shell::{Ended, root};

    #[test]
    fn every_target_is_built_and_has_seeds() {
        let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        for target in choose(&[]).unwrap() {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in fuzz/Cargo.toml");
            let seeds = std::fs::read_dir(root().join("fuzz/corpus").join(&target)).unwrap().count();
            assert!(seeds > 0, "{target} has no seeds");
        }
        assert!(choose(&["nonsense".to_owned()]).is_err());
    }

    #[test]
    fn the_differential_target_runs_longer_when_there_is_time() {
        assert_eq!((time("waf_engine", 600), time("waf_engine", 10), time("sniff", 600)), (1800, 10, 600));
    }

    #[test]
    fn a_crash_is_shown_whole() {
        let ended = |success, output: &str| Ended { success, output: output.to_owned() };
        assert_eq!(
            summary("sniff", &ended(true, "a\nDone 9 runs in 10 second(s)\n")),
            "sniff: Done 9 runs in 10 second(s)\n"
        );
        assert!(summary("sniff", &ended(false, "panicked at x")).contains("panicked at x"));
    }
}
