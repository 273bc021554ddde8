//! Signals, turned into something a poll or a blocking read can wait for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// A signal that means something to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
    /// SIGCHLD.
    Child,
}

/// The signals caught since the last look. Those of one kind that come together count once.
pub(crate) struct Signals {
    /// Holds at least one byte after a flag was set.
    pipe: UnixStream,
    flags: Vec<(Signal, Arc<AtomicBool>)>,
}

impl Signals {
    /// Catches SIGTERM, SIGINT, SIGHUP and SIGCHLD from here on.
    pub(crate) fn catch() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let mut flags = Vec::new();
        let kinds = [
            (SIGTERM, Signal::Stop),
            (SIGINT, Signal::Stop),
            (SIGHUP, Signal::Reload),
            (SIGCHLD, Signal::Child),
        ];
        for (number, signal) in kinds {
            let flag = Arc::new(AtomicBool::new(false));
            // In this order: whoever reads the byte finds the flag set.
            signal_hook::flag::register(number, Arc::clone(&flag))?;
            pipe::register(number, write.try_clone()?)?;
            flags.push((signal, flag));
        }
        Ok(Self { pipe: read, flags })
    }

    /// Takes what was caught, without waiting.
    pub(crate) fn taken(&mut self) -> Vec<Signal> {
        let mut scratch = [0; 256];
        while matches!(
            rustix::net::recv(&self.pipe, &mut scratch, rustix::net::RecvFlags::DONTWAIT),
            Ok((read, _)) if read > 0
        ) {}
        self.raised()
    }

    /// Waits until something was caught and takes it. Empty when another thread got there first.
    pub(crate) fn wait(&mut self) -> io::Result<Vec<Signal>> {
        let mut scratch = [0; 256];
        match self.pipe.read(&mut scratch) {
            Ok(_) => Ok(self.raised()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn raised(&self) -> Vec<Signal> {
        let mut raised = Vec::new();
        for (signal, flag) in &self.flags {
            if flag.swap(false, Ordering::AcqRel) && !raised.contains(signal) {
                raised.push(*signal);
            }
        }
        raised
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_raised_is_taken_once() {
        let mut signals = Signals::catch().unwrap();
        signal_hook::low_level::raise(SIGHUP).unwrap();
        signal_hook::low_level::raise(SIGHUP).unwrap();
        signal_hook::low_level::raise(SIGCHLD).unwrap();
        assert_eq!(signals.wait().unwrap(), [Signal::Reload, Signal::Child]);
        assert_eq!(signals.taken(), []);
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(signals.taken(), [Signal::Stop]);
    }
}
