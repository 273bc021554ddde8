//! `transom-bench`: the door and its peers side by side, on CPU time per unit of work.
//!
//! See `docs/bench/README.md` for how to run it and how to read its table; `cargo xtask bench` builds everything and
//! runs it.

mod cell;
mod control;
mod cpu;
mod histogram;
mod load;
mod machine;
mod memory;
mod namespace;
mod peer;
mod poll;
mod process;
mod row;
mod run;
mod save;
mod serve;
mod speech;
mod table;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

/// Measures the door and its peers side by side
#[derive(Parser)]
#[command(name = "transom-bench")]
enum Arguments {
    /// Measure and print the table
    Run(run::RunArguments),
    /// Be the generator of one measurement
    #[command(hide = true)]
    Load {
        /// What to do, as JSON
        plan: String,
    },
    /// Be the servers of one measurement
    #[command(hide = true)]
    Serve {
        /// What to do, as JSON
        plan: String,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse() {
        Arguments::Run(arguments) => run::run(&arguments),
        Arguments::Load { plan } => {
            serde_json::from_str(&plan).context("no plan").and_then(load::load).map(|()| run::Outcome::Fine)
        }
        Arguments::Serve { plan } => serde_json::from_str(&plan)
            .context("no plan")
            .and_then(|plan| serve::serve(&plan))
            .map(|()| run::Outcome::Fine),
    };
    match outcome {
        Ok(run::Outcome::Fine) => ExitCode::SUCCESS,
        Ok(run::Outcome::Bad) => ExitCode::from(1),
        Err(error) => {
            let _nobody_reads = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::from(2)
        }
    }
}
