//! The worker: the unprivileged process that serves what the keeper hands over.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::Sender;

use rustix::process::DumpableBehavior;

use super::channel::{FROM_KEEPER, Receiver};
use super::message::{ToKeeper, ToWorker};
use crate::engine::{Engine, Taken};
use crate::serve::{Event, Serve, Supplier, commands, stock, watch_signals};
use crate::signals::Signals;
use crate::{exit, panic};

/// Serves until the keeper says otherwise or is gone.
pub(crate) fn work() -> ExitCode {
    match start() {
        Ok((serve, inbox)) => serve.until_the_end(&inbox),
        Err(Failed::Told) => exit::could_not_run(),
        Err(Failed::Untold(sentence)) => {
            log::error!("the worker cannot start: {sentence}");
            exit::could_not_run()
        }
    }
}

/// Why there is no worker.
enum Failed {
    /// The keeper knows.
    Told,
    /// It does not: a sentence for the log.
    Untold(String),
}

impl From<String> for Failed {
    fn from(sentence: String) -> Self {
        Self::Untold(sentence)
    }
}

fn start() -> Result<(Serve, std::sync::mpsc::Receiver<Event>), Failed> {
    panic::install();
    let channel =
        channel().map_err(|error| format!("`transom worker` is started by the keeper alone: {error}"))?;
    seal().map_err(|error| format!("privileges cannot be given up: {error}"))?;
    let signals = Signals::catch().map_err(|error| format!("signals cannot be caught: {error}"))?;
    let (events, inbox) = std::sync::mpsc::channel();
    let mut receiver = Receiver::new(FROM_KEEPER);
    let first = next(&mut receiver, &channel).map_err(|error| error.to_string())?;
    let Some(ToWorker::Serve(supply)) = first else {
        return Err(Failed::Untold("the keeper sent no supply".into()));
    };
    let addresses = supply.addresses();
    let (engine, taken) = match Engine::start(*supply, commands(&events), stock(&events)) {
        Ok(started) => started,
        Err(report) => {
            let told = ToKeeper::NotTaken { report: report.clone() }.send(&channel);
            return Err(told.map_or(Failed::Untold(report), |()| Failed::Told));
        }
    };
    let Taken { generation } = taken;
    ToKeeper::Taken { generation }.send(&channel).map_err(|error| error.to_string())?;
    let reading = channel.try_clone().map_err(|error| error.to_string())?;
    watch_signals(signals, events.clone());
    watch_keeper(receiver, reading, events);
    Ok((Serve::new(engine, Supplier::Keeper(channel), addresses), inbox))
}

/// The keeper's channel, which is this process's standard input. From here on that is `/dev/null`.
fn channel() -> io::Result<UnixStream> {
    let channel: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::net::sockopt::socket_domain(&channel)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(channel.into())
}

/// Nothing started from here gains privileges, and nobody of the same user reads this memory.
fn seal() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

fn next(receiver: &mut Receiver, channel: &UnixStream) -> io::Result<Option<ToWorker>> {
    receiver.wait(channel)?.map(ToWorker::parse).transpose()
}

/// Hands what the keeper says on to the loop, from a thread of its own.
fn watch_keeper(mut receiver: Receiver, channel: UnixStream, events: Sender<Event>) {
    std::thread::spawn(move || {
        loop {
            let event = match next(&mut receiver, &channel) {
                Ok(Some(message)) => Event::Keeper(message),
                Ok(None) => Event::KeeperGone,
                Err(error) => {
                    log::error!("the keeper cannot be understood: {error}");
                    Event::KeeperGone
                }
            };
            let last = matches!(event, Event::KeeperGone);
            if events.send(event).is_err() || last {
                return;
            }
        }
    });
}
