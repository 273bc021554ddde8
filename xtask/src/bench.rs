//! `bench`: builds the door and the harness with optimisation, and measures (docs/bench/README.md).

mod waf;

use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, keep, root, target_folder};
use crate::test::Outcome;
use crate::test::count::Counts;

/// What to measure.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Rows and options of the harness; `--help` shows them. `waf` alone measures the web application firewall.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// How to count.
#[derive(clap::Args)]
pub(crate) struct RatchetOptions {
    /// Write what was counted into the file: it is meant to stay.
    #[arg(long)]
    update: bool,
}

/// The command line: builds, then hands on; true when all was measured.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if options.arguments == ["waf"] {
        return waf::run();
    }
    let (role, arguments) = match options.arguments.split_first() {
        Some((first, rest)) if first == "where" => ("where", rest),
        _ => ("run", &options.arguments[..]),
    };
    let has = |option: &str| {
        let alike = |given: &String| given.split('=').next() == Some(option);
        arguments.iter().any(alike)
    };
    let mut command = harness(role, !has("--bin") && !has("--help") && !has("--list"))?;
    ended(command.args(arguments).status().context("cannot start the harness")?)
}

/// Counts instructions for units of work; true when none of them grew.
pub(crate) fn ratchet(options: &RatchetOptions) -> Result<bool> {
    let mut command = harness("ratchet", true)?;
    if options.update {
        command.arg("--update");
    }
    ended(command.status().context("cannot start the harness")?)
}

/// The test area: each unit is a test.
pub(crate) fn ratchet_area() -> Result<Outcome> {
    let mut command = harness("ratchet", true)?;
    let done = keep(&mut command)?;
    let counts = Counts::read(&done.output, done.success);
    Ok(Outcome { counts, ran: "transom-bench ratchet".to_owned(), output: done.output })
}

/// The harness in a role, built, with the door it looks at where that is ours.
fn harness(role: &str, with_door: bool) -> Result<Command> {
    build("transom-bench")?;
    let release = target_folder()?.join("release");
    let mut command = Command::new(release.join("transom-bench"));
    command.current_dir(root()).arg(role);
    if with_door {
        build("transom")?;
        command.arg("--bin").arg(release.join("transom"));
    }
    Ok(command)
}

fn ended(status: ExitStatus) -> Result<bool> {
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => bail!("the harness could not measure ({status})"),
    }
}

fn build(package: &str) -> Result<()> {
    let status = cargo(&["build", "--quiet", "--release", "--package", package]).status()?;
    if !status.success() {
        bail!("{package} does not build");
    }
    Ok(())
}
