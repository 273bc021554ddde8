//! `bench`: builds the door and the harness with optimisation, and measures (docs/bench/README.md).

mod waf;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, root, target_folder};

/// What to measure.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Rows and options of the harness; `--help` shows them. `waf` alone measures the web application firewall.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// The command line: builds, then hands on; true when all was measured.
pub(crate) fn run(options: &Options) -> Result<bool> {
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

fn build(package: &str) -> Result<()> {
    let status = cargo(&["build", "--quiet", "--release", "--package", package]).status()?;
    if !status.success() {
        bail!("{package} does not build");
    }
    Ok(())
}
