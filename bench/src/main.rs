//! `transom-bench`: the door and its peers side by side, on CPU time per unit of work.
//!
//! See `docs/bench/README.md` for how to run it and how to read its table; `cargo xtask bench` builds everything and
//! runs it.

mod cell;
mod certificates;
mod control;
mod cpu;
mod grind;
mod histogram;
mod link;
mod load;
mod machine;
mod memory;
mod message;
mod namespace;
mod peer;
mod place;
mod poll;
mod process;
mod ratchet;
mod row;
mod rows;
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
    /// Show where the time of one row goes
    Where(place::WhereArguments),
    /// Count instructions for a unit of work and compare them with those kept
    Ratchet(ratchet::RatchetArguments),
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
        Arguments::Where(arguments) => run::bench(2.0, 0.8).and_then(|bench| place::look(&arguments, &bench)),
        Arguments::Ratchet(arguments) => {
            run::bench(1.0, 0.3).and_then(|bench| ratchet::ratchet(&arguments, &bench))
        }
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
