//! `demo`: two pretend Exchange servers, a web server, the door in front, and commands to try. Unprivileged, on
//! 127.0.0.1 alone.

mod control;
mod guide;
mod stage;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::shell;
use crate::test::Outcome;
use crate::test::count::Counts;
use control::{Control, Order};
use guide::Step;
use stage::{Ports, Stage};

/// Where the folder of a demo is when it is not the usual one; the test of the demo has its own, so that it does not
/// meet one that somebody is looking at.
const FOLDER: &str = "TRANSOM_DEMO";

/// What to do with the demo.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run every command that is printed and compare it with what stands next to it.
    #[arg(long)]
    self_check: bool,
    #[command(subcommand)]
    order: Option<Order>,
}

/// The command line.
pub(crate) fn run(options: &Options) -> Result<bool> {
    match &options.order {
        Some(order) => control::send(&folder()?, order),
        None if options.self_check => {
            let outcome = area()?;
            print!("{}", outcome.output);
            println!("{}", outcome.counts);
            Ok(outcome.counts.failed == 0)
        }
        None => show(),
    }
}

/// Serves until somebody says it is enough.
fn show() -> Result<bool> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let folder = folder()?;
    if control::is_running(&folder) {
        bail!("a demo is running already; its folder is {}", folder.display());
    }
    eprintln!("Building the program; the first time that takes some minutes.");
    let stage = Stage::set(&folder, Ports::usual()?)?;
    let control = Control::listen(&folder, stage.servers())?;
    println!("{}", guide::introduction(&stage));
    for step in guide::steps(&stage) {
        println!("{}", step.printed());
    }
    println!("Ctrl-C ends it.");
    signals.forever().next();
    println!("\nThe door closes.");
    drop(control);
    stage.close()?;
    Ok(true)
}

/// The test area: every step is a test.
pub(crate) fn area() -> Result<Outcome> {
    let folder = shell::target_folder()?.join("demo-check");
    if control::is_running(&folder) {
        bail!("the demo is being checked already");
    }
    let stage = Stage::set(&folder, Ports::free()?)?;
    let control = Control::listen(&folder, stage.servers())?;
    let steps = guide::steps(&stage);
    let mut output = String::new();
    let mut failed = 0;
    for step in &steps {
        if let Err(fault) = try_step(step, &folder) {
            failed += 1;
            output.push_str(&format!("{}\n{fault:#}\n", step.printed()));
        }
    }
    if failed > 0 {
        output.push_str(&format!("the door wrote:\n{}", stage.log()));
    }
    drop(control);
    stage.close()?;
    Ok(Outcome {
        counts: Counts::of(steps.len(), failed),
        ran: "each command of ./x demo".to_owned(),
        output,
    })
}

/// Runs the command of a step as it is printed, until what it writes is what stands next to it. Only `./x` is replaced
/// by what it hands on to, this program, so that nothing is built again while the demo is watched.
fn try_step(step: &Step, folder: &Path) -> Result<()> {
    let own = format!("'{}' ", std::env::current_exe()?.display());
    let script = step.command.replace("./x ", &own);
    let deadline = std::time::Instant::now() + stage::SOON;
    loop {
        let mut command = std::process::Command::new("sh");
        command.current_dir(shell::root()).args(["-c", &script]).env(FOLDER, folder);
        let ended = shell::keep(&mut command)?;
        match step.fault(&ended.output) {
            None => return Ok(()),
            // A health check needs its time to see a server die or come back.
            Some(_) if std::time::Instant::now() < deadline => std::thread::sleep(stage::LOOK),
            Some(fault) => bail!("{fault}; it wrote:\n{}", ended.output),
        }
    }
}

/// Where the demo keeps its files.
fn folder() -> Result<PathBuf> {
    match std::env::var_os(FOLDER) {
        Some(folder) => Ok(folder.into()),
        None => Ok(shell::target_folder()?.join("demo")),
    }
}
