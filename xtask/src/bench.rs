//! `bench`: builds the door and the harness with optimisation, and measures (docs/bench/README.md). `bench packet` is
//! the packet plane's own: nanoseconds a packet by path, and NAT beside nftables.

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
    /// Rows and options of the harness, `--help` shows them. `packet`, with options of its own, measures the packet plane;
    /// `waf` alone the web application firewall.
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
    if let Some((first, rest)) = options.arguments.split_first()
        && first == "packet"
    {
        return packet(rest);
    }
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

/// Rounds of NAT beside nftables, where nobody says otherwise.
const NFTABLES_ROUNDS: &str = "20";

/// The paths of the packet program, then NAT beside nftables in the same run. `--rival FILE` measures another object
/// beside it, `--only TEXT` some paths alone and nothing beside nftables.
fn packet(arguments: &[String]) -> Result<bool> {
    let example =
        ["--release", "--package", "transom-packet", "--features", "root-tests", "--example", "bench"];
    let bench = |arguments: &[&str]| -> Result<bool> {
        let mut command = cargo(&["run", "--quiet", "--locked"]);
        let status = command.args(example).arg("--").args(arguments).status();
        Ok(status.context("cannot start the harness")?.success())
    };
    let given: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if given.contains(&"--nftables") {
        return bench(&given);
    }
    let measured = bench(&given)?;
    Ok(measured && (given.contains(&"--only") || bench(&["--nftables", NFTABLES_ROUNDS])?))
}

fn build(package: &str) -> Result<()> {
    let status = cargo(&["build", "--quiet", "--release", "--package", package]).status()?;
    if !status.success() {
        bail!("{package} does not build");
    }
    Ok(())
}
