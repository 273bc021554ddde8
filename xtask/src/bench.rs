//! `bench`: builds the door and the harness with optimisation, and measures (docs/bench/README.md). `bench packet` is
//! the packet plane's own: nanoseconds a packet by path, and NAT beside nftables.

mod waf;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, root, target_folder};

/// What to measure.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Rows and options of the harness, `--help` shows them. `packet`, with options of its own, measures the packet plane;
    /// `waf` alone the web application firewall.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
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
    let has = |option: &str| {
        let alike = |given: &String| given.split('=').next() == Some(option);
        options.arguments.iter().any(alike)
    };
    build("transom-bench")?;
    let release = target_folder()?.join("release");
    let mut command = std::process::Command::new(release.join("transom-bench"));
    command.current_dir(root()).arg("run");
    if !has("--bin") && !has("--help") && !has("--list") {
        build("transom")?;
        command.arg("--bin").arg(release.join("transom"));
    }
    let status = command.args(&options.arguments).status().context("cannot start the harness")?;
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
