//! `transom decap`: the other end of `mode = "tunnel"`, on a server: unwraps what known balancers send.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use transom_packet::decap::{self, Decap, Options, Sender};

use crate::signals::{Signal, Signals};
use crate::systemd::{self, Tell};
use crate::{exit, terminal};

/// Exit code 0: it was told to stop; 2: it could not run.
#[derive(Args)]
pub(crate) struct Unwrap {
    /// Where wrapped packets come in; may be given again
    #[arg(short = 'i', long = "interface", value_name = "NAME", required = true)]
    interfaces: Vec<String>,
    /// A balancer that may send them, or a network of such; may be given again. All others' are dropped
    #[arg(long = "from", value_name = "ADDRESS[/BITS]", required = true, value_parser = sender)]
    senders: Vec<Sender>,
    /// A directory in a BPF file system: the program outlives this process, and the next one takes it over
    #[arg(long, value_name = "DIRECTORY")]
    pins: Option<PathBuf>,
}

impl Unwrap {
    /// Unwraps until it is told to stop.
    pub(crate) fn run(self) -> ExitCode {
        let Self { interfaces, senders, pins } = self;
        let started = Signals::catch()
            .map_err(|error| format!("signals cannot be caught: {error}"))
            .and_then(|signals| Ok((signals, start(&Options { pins, interfaces, senders })?)));
        let (mut signals, decap) = match started {
            Ok(started) => started,
            Err(sentence) => {
                terminal::err(&format!("error: {sentence}"));
                return exit::could_not_run();
            }
        };
        for one in decap.attached() {
            log::info!("unwrapping on {}, {}", one.interface, one.driver.word());
        }
        terminal::err("ready");
        systemd::tell(Tell::Ready);
        while signals.wait().is_ok_and(|caught| !caught.contains(&Signal::Stop)) {}
        end(decap)
    }
}

fn start(options: &Options) -> Result<Decap, String> {
    Decap::start(options).map_err(|fault| format!("{fault} ({})", fault.code()))
}

fn end(decap: Decap) -> ExitCode {
    match decap.reasons() {
        Ok(reasons) => {
            let told: Vec<String> =
                reasons.iter().map(|(reason, packets)| format!("{} {packets}", reason.name())).collect();
            log::info!("stopped; packets: {}", told.join(", "));
        }
        Err(fault) => log::warn!("{fault} ({})", fault.code()),
    }
    match decap.stop() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            terminal::err(&format!("error: {fault} ({})", fault.code()));
            exit::could_not_run()
        }
    }
}

fn sender(text: &str) -> Result<Sender, String> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is not an address"))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let Some(bits) = bits else { return Ok(decap::sender_of(address, 0)) };
    let bits = bits.parse().ok().filter(|bits| *bits <= most);
    let bits = bits.ok_or_else(|| format!("the bits after / are a number from 0 to {most}"))?;
    Ok(Sender { address, bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_or_a_network() {
        let of = |text: &str| sender(text).map(|sender| (sender.address.to_string(), sender.bits));
        assert_eq!(of("10.0.0.1"), Ok(("10.0.0.1".into(), 32)));
        assert_eq!(of("10.0.0.0/24"), Ok(("10.0.0.0".into(), 24)));
        assert_eq!(of("2001:db8::1"), Ok(("2001:db8::1".into(), 128)));
        for text in ["", "lb-1", "10.0.0.1/33", "10.0.0.1/x"] {
            assert!(sender(text).is_err(), "{text}");
        }
    }
}
