//! Transom, the front door: arguments, dispatch, exit codes.

mod admin_socket;
mod cmd;
mod engine;
mod exit;
mod files;
mod foreign;
mod gather;
mod keeper;
mod limits;
mod log;
mod named;
mod overrides;
mod packet;
mod panic;
mod run;
mod serve;
mod signals;
mod sources;
mod supply;
mod systemd;
mod terminal;
mod tls;
mod users;
mod waf;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The front door for Microsoft Exchange and every other site behind the same address.
#[derive(Parser)]
#[command(name = "transom", version, max_term_width = 100, subcommand_required = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve, in the foreground: SIGHUP reloads, SIGTERM drains, a second one cuts
    Run(Run),
    /// Check a configuration: everything `run` does, except bind and connect
    Check(cmd::check::Check),
    /// Turn haproxy.cfg, an ALOHA's file or squid.conf into a configuration, with an account of every line
    Import(cmd::import::Import),
    /// Ask or tell a running transom: what is up, drain a server, reload
    Ctl(cmd::ctl::Ctl),
    /// On a server of a packet listener with `mode = "tunnel"`: unwrap what known balancers send
    Decap(cmd::decap::Unwrap),
    /// Take a packet program off its interfaces although nobody runs it
    Detach(cmd::detach::Detach),
    /// Firewalls: why a request was refused, and whether rules do what tests say
    Waf(cmd::waf::Waf),
    /// The unprivileged process that the keeper starts
    #[command(name = keeper::spawn::SUBCOMMAND, hide = true)]
    Worker,
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    file: cmd::file::Named,
    /// Where this node stands, whatever the file says
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Worker threads, whatever the file says [default: the CPUs the process may run on]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
}

/// Bad arguments end here with 2, which is clap's own code for them.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::install();
    match arguments.command {
        Command::Run(Run { file, zone, workers }) => run::run(file.request(zone, workers)),
        Command::Check(check) => check.run(),
        Command::Import(import) => import.run(),
        Command::Ctl(ctl) => ctl.run(),
        Command::Decap(decap) => decap.run(),
        Command::Detach(detach) => detach.run(),
        Command::Waf(waf) => waf.run(),
        Command::Worker => keeper::worker::work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
