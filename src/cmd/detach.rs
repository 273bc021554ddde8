//! `transom detach`: takes a packet program off its interfaces although nobody runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use transom_packet::load;

use crate::{exit, terminal};

/// Exit code 0: it is off; 1: there was none; 2: it could not be taken off.
#[derive(Args)]
pub(crate) struct Detach {
    /// Where it was kept: `[packet] pins` of its configuration, or `--pins` of `transom decap`
    #[arg(long, value_name = "DIRECTORY", default_value = load::PINS)]
    pins: PathBuf,
}

impl Detach {
    /// Takes it off. A transom that runs meanwhile goes on, but its packet listeners are no longer served.
    pub(crate) fn run(self) -> ExitCode {
        let place = self.pins.display();
        if !self.pins.exists() {
            terminal::err(&format!("there is no packet program at {place}"));
            return exit::found_something();
        }
        match load::detach(&self.pins) {
            Ok(()) => {
                terminal::out(&format!("the packet program of {place} is off its interfaces"));
                ExitCode::SUCCESS
            }
            Err(fault) => {
                terminal::err(&format!("error: {fault} ({})", fault.code()));
                exit::could_not_run()
            }
        }
    }
}
