//! Developer commands: `./x COMMAND` or `cargo xtask COMMAND`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool talks to the terminal")]

mod bench;
mod demo;
mod docs;
mod fuzz;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of Transom.
#[derive(Parser)]
#[command(name = "x", bin_name = "./x")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What must be green before anything is shared: `test --strict`.
    Ci,
    /// Runs every test this machine can, one line an area, and counts what it could not.
    Test(test::Options),
    /// Checks what compilers do not: arrows between crates, words, sizes, stale generated pages.
    Tidy,
    /// Serves two pretend Exchange servers and a web server behind the door, and prints what to try.
    Demo(demo::Options),
    /// Writes the generated pages: reference, JSON Schema, faults, metrics, admin API.
    Docs(docs::Options),
    /// Feeds the parsers with made-up bytes.
    Fuzz(fuzz::Options),
    /// Measures the door beside haproxy and nginx: CPU time for a unit of work (docs/bench/README.md).
    Bench(bench::Options),
    /// Counts instructions for units of work and fails when one grew (docs/bench/README.md).
    Ratchet(bench::RatchetOptions),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Ci => test::run(&test::Options::strict()),
        Command::Test(options) => test::run(&options),
        Command::Tidy => tidy::run(),
        Command::Demo(options) => demo::run(&options),
        Command::Docs(options) => docs::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Ratchet(options) => bench::ratchet(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
