//! CPU time of a process and all that descend from it.
//!
//! `schedstat` counts nanoseconds per thread; `stat` counts clock ticks (10 ms) per process and keeps the time of
//! threads that ended. The first is the figure, the second the proof that nothing was missed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::process::{ProcessId, Stat, family};

/// CPU time used since the processes began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CpuTime {
    processes: BTreeSet<ProcessId>,
    /// Of the threads that live.
    threads: Duration,
    /// As whole clock ticks, of all threads there ever were.
    ticks: Duration,
}

impl CpuTime {
    /// Reads what `root` and its descendants have used.
    pub(crate) fn read(root: i32) -> anyhow::Result<CpuTime> {
        let processes: BTreeSet<ProcessId> = family(root)?.into_iter().collect();
        let (mut threads, mut ticks) = (Duration::ZERO, Duration::ZERO);
        for process in &processes {
            threads += of_threads(process.pid)?;
            ticks += in_ticks(Stat::read(process.pid)?.ticks, rustix::param::clock_ticks_per_second());
        }
        Ok(CpuTime { processes, threads, ticks })
    }

    /// What was used since `earlier`.
    ///
    /// # Errors
    /// A sentence when processes came or went, or when the two ways to count differ by more than their rounding.
    pub(crate) fn since(&self, earlier: &CpuTime) -> anyhow::Result<Duration> {
        if self.processes != earlier.processes {
            bail!("processes of the door came or went while it was measured: the CPU time cannot be told");
        }
        let sum =
            self.threads.checked_sub(earlier.threads).context("a thread ended while it was measured")?;
        let ticks = self.ticks.saturating_sub(earlier.ticks);
        // User and system time of each process are each cut to a tick, at both ends.
        let rounding = Duration::from_millis(20 * self.processes.len() as u64 + 10) + sum / 50;
        if sum.abs_diff(ticks) > rounding {
            bail!("schedstat counts {sum:?} of CPU time, utime and stime {ticks:?}: a thread came or went");
        }
        Ok(sum)
    }
}

fn of_threads(pid: i32) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while we look; `since` notices.
        if let Ok(text) = fs::read_to_string(entry?.path().join("schedstat")) {
            sum += schedstat(&text)?;
        }
    }
    Ok(sum)
}

/// The first number is the time on a CPU in nanoseconds.
fn schedstat(text: &str) -> io::Result<Duration> {
    let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
    first.map(Duration::from_nanos).ok_or_else(|| io::Error::other("schedstat does not begin with a number"))
}

fn in_ticks(ticks: u64, per_second: u64) -> Duration {
    Duration::from_nanos(ticks * (1_000_000_000 / per_second.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn used(threads_ms: u64, ticks_ms: u64) -> CpuTime {
        let (threads, ticks) = (Duration::from_millis(threads_ms), Duration::from_millis(ticks_ms));
        CpuTime { processes: BTreeSet::new(), threads, ticks }
    }

    #[test]
    fn schedstat_and_ticks_are_read_as_time() {
        assert_eq!(schedstat("58197001 12 3\n").unwrap(), Duration::from_nanos(58_197_001));
        assert!(schedstat("\n").is_err());
        assert_eq!(in_ticks(380, 100), Duration::from_millis(3800));
    }

    #[test]
    fn the_two_counts_must_agree() {
        assert_eq!(used(5003, 5000).since(&used(1001, 1000)).unwrap(), Duration::from_millis(4002));
        let lost = used(3000, 5000).since(&used(1000, 1000)).unwrap_err();
        assert!(lost.to_string().contains("a thread came or went"), "{lost}");
        assert!(used(900, 1000).since(&used(1000, 1000)).is_err());
    }

    #[test]
    fn a_process_that_appears_is_an_error() {
        let own: i32 = std::process::id().try_into().unwrap();
        let mut later = used(2000, 2000);
        later.processes = family(own).unwrap().into_iter().collect();
        assert!(later.since(&used(1000, 1000)).is_err());
    }

    #[test]
    fn work_of_a_child_is_counted() {
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let pid = child.id().try_into().unwrap();
        let first = CpuTime::read(pid).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut sum = Duration::ZERO;
        while sum < Duration::from_millis(30) && Instant::now() < deadline {
            sum = CpuTime::read(pid).unwrap().since(&first).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(sum >= Duration::from_millis(30), "{sum:?}");
    }
}
