//! `test`: every area this machine can run, one line each, and a count at the end.

mod areas;
pub(crate) mod count;
mod examples;
mod need;
pub(crate) mod python;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::shell;
use areas::{AREAS, Area};
use count::Counts;

/// Lines of an area's output shown when it failed; all of it is in its file.
const LINES_SHOWN: usize = 200;

/// How to test.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Anything that could not be run is an error.
    #[arg(long)]
    strict: bool,
    /// Ten minutes of each fuzz target instead of ten seconds.
    #[arg(long)]
    long: bool,
    /// Only these areas.
    areas: Vec<String>,
}

impl Options {
    /// All areas, nothing left out.
    pub(crate) fn strict() -> Self {
        Self { strict: true, long: false, areas: Vec::new() }
    }
}

/// What an area did.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    /// The command or commands, for people.
    pub(crate) ran: String,
    /// What they wrote.
    pub(crate) output: String,
}

/// Runs the areas and prints the count as the last line. False: something failed, or was not run and had to be.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let chosen = choose(&options.areas)?;
    let folder = shell::target_folder()?.join("xtask");
    fs::create_dir_all(&folder)?;
    let started = Instant::now();
    let mut total = Counts::default();
    for area in chosen {
        let began = Instant::now();
        if let Some(missing) = need::missing(area.needs) {
            total.skipped += 1;
            println!("{:<10} not run: needs {missing}", area.name);
            continue;
        }
        let outcome = (area.run)(options.long).unwrap_or_else(|error| Outcome {
            counts: Counts::one(false),
            ran: "could not be run".to_owned(),
            output: format!("{error:#}\n"),
        });
        let log = folder.join(format!("{}.log", area.name));
        fs::write(&log, &outcome.output)?;
        println!("{}", line(area, &outcome, began.elapsed()));
        if outcome.counts.failed > 0 {
            println!("{}", shown(&outcome.output));
            println!("(all of it: {})", log.display());
        }
        total += outcome.counts;
    }
    println!("in {}", spell(started.elapsed()));
    println!("{total}");
    Ok(total.failed == 0 && !(options.strict && total.skipped > 0))
}

fn choose(names: &[String]) -> Result<Vec<&'static Area>> {
    if names.is_empty() {
        return Ok(AREAS.iter().collect());
    }
    if let Some(unknown) = names.iter().find(|name| AREAS.iter().all(|area| area.name != **name)) {
        let known: Vec<&str> = AREAS.iter().map(|area| area.name).collect();
        bail!("there is no area {unknown:?}, there are: {}", known.join(", "));
    }
    Ok(AREAS.iter().filter(|area| names.iter().any(|name| name == area.name)).collect())
}

fn line(area: &Area, outcome: &Outcome, took: Duration) -> String {
    format!("{:<10} {} in {}: {}", area.name, outcome.counts, spell(took), outcome.ran)
}

/// The end of what a failed area wrote.
fn shown(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let left_out = lines.len().saturating_sub(LINES_SHOWN);
    lines.iter().skip(left_out).map(|line| format!("    {line}\n")).collect()
}

fn spell(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{choose, shown, spell};

    #[test]
    fn areas_are_chosen_by_name_in_their_order() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            choose(&names(&["tidy", "fmt"])).unwrap().iter().map(|area| area.name).collect::<Vec<_>>(),
            ["fmt", "tidy"]
        );
        assert!(choose(&names(&["nonsense"])).is_err());
        assert!(choose(&[]).unwrap().len() > 5);
    }

    #[test]
    fn times_and_long_outputs_are_made_short() {
        assert_eq!(spell(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(spell(Duration::from_secs(125)), "2 min 05 s");
        let output: String = (0..300).map(|line| format!("{line}\n")).collect();
        assert!(shown(&output).starts_with("    100\n"));
    }
}
