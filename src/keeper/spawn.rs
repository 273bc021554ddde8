//! Starting a worker: this program again, as another user, with the channel as its standard input.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use signal_hook::low_level::signal_name;

use super::channel::{self, FROM_WORKER, Receiver};
use crate::limits::{self, Files};
use crate::users::Identity;

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "worker";
/// A worker that takes nothing from the channel for this long hangs.
const SEND_LONGEST: Duration = Duration::from_secs(10);

/// A worker process.
pub(crate) struct Worker {
    /// The process; reaped here.
    pub(crate) child: Child,
    /// Our end of the channel.
    pub(crate) channel: UnixStream,
    /// What comes out of it.
    pub(crate) receiver: Receiver,
    /// When it was started.
    pub(crate) started: Instant,
    /// The limit of descriptors it was started with.
    pub(crate) files: Files,
    /// Whether it serves.
    pub(crate) serving: bool,
    /// Set when its end of the channel was closed.
    pub(crate) hung_up: Option<Instant>,
}

/// Starts a worker as `identity`: no other groups, its own process group (a terminal's interrupt is for the keeper),
/// nothing of our environment but what tells about crashes.
pub(crate) fn spawn(identity: &Identity) -> io::Result<Worker> {
    let (ours, theirs) = UnixStream::pair()?;
    channel::limit_sending(&ours, SEND_LONGEST)?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("transom")
        .arg(SUBCOMMAND)
        .uid(identity.uid)
        .gid(identity.gid)
        .process_group(0)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)));
    if let Some(value) = std::env::var_os("RUST_BACKTRACE") {
        command.env("RUST_BACKTRACE", value);
    }
    Ok(Worker {
        child: command.spawn()?,
        channel: ours,
        receiver: Receiver::new(FROM_WORKER),
        started: Instant::now(),
        files: limits::files(),
        serving: false,
        hung_up: None,
    })
}

/// How a process ended, in words.
pub(crate) fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (_, Some(signal)) => format!("was killed by {}", signal_name(signal).unwrap_or("a signal")),
        _ => "ended".to_owned(),
    }
}

/// How long to wait before the next worker: not at all, unless several died soon after their start.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Workers in a row that died young.
    young: u32,
}

impl Patience {
    /// A worker that lived longer did not die of its start.
    const YOUNG: Duration = Duration::from_secs(10);
    /// The longest wait.
    const LONGEST: Duration = Duration::from_secs(30);

    /// The wait after a worker that lived for so long.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        self.young = if lived < Self::YOUNG { self.young.saturating_add(1) } else { 0 };
        match self.young {
            0..=2 => Duration::ZERO,
            young => Duration::from_secs(1 << (young - 3).min(5)).min(Self::LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_workers_that_keep_dying_young_are_waited_for() {
        let mut patience = Patience::default();
        let lives = [60, 1, 1, 1, 1, 1, 1, 1, 1, 1, 60, 1];
        let waits = lives.map(|life| patience.after(Duration::from_secs(life)).as_secs());
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 0, 0]);
    }

    #[test]
    fn an_ending_is_a_sentence() {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(ending(ExitStatus::from_raw(2 << 8)), "ended with code 2");
        assert_eq!(ending(ExitStatus::from_raw(9)), "was killed by SIGKILL");
    }
}
