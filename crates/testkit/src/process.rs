//! Child processes whose output is kept and who end with their owner.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process, kill_process_group};

pub use rustix::process::Signal;

use crate::wait;

/// A running child. It leads a process group of its own; the whole group is killed when this is dropped.
pub struct Process {
    name: String,
    child: Child,
    pid: Pid,
    output: Arc<Output>,
    ended: Option<ExitStatus>,
}

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The standard output.
    Out,
    /// The standard error output.
    Err,
}

/// Everything a child wrote so far.
#[derive(Default)]
struct Output {
    lines: Mutex<Lines>,
    grew: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<(Stream, String)>,
    streams_ended: u8,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(self: &Arc<Self>, stream: Stream, from: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while let Ok(1..) = from.read_until(b'\n', &mut line) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                output.lock().lines.push((stream, text));
                output.grew.notify_all();
                line.clear();
            }
            output.lock().streams_ended += 1;
            output.grew.notify_all();
        });
    }
}

impl Process {
    /// Starts `command` with its standard input closed. `name` stands in messages.
    pub fn start(name: &str, mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child =
            command.spawn().map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        let output = Arc::new(Output::default());
        if let Some(out) = child.stdout.take() {
            output.follow(Stream::Out, out);
        }
        if let Some(err) = child.stderr.take() {
            output.follow(Stream::Err, err);
        }
        let pid = Pid::from_child(&child);
        Ok(Self { name: name.to_owned(), child, pid, output, ended: None })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has written a line that contains `text` (lines already written count) and returns that line.
    /// The error of a child that ended, or took too long, holds all that it wrote.
    pub fn wait_for_line(&self, text: &str, within: Duration) -> io::Result<String> {
        let deadline = Instant::now() + within;
        let mut seen = 0;
        let mut lines = self.output.lock();
        loop {
            if let Some((_, line)) = lines.lines.iter().skip(seen).find(|(_, line)| line.contains(text)) {
                return Ok(line.clone());
            }
            seen = lines.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.streams_ended == 2 {
                drop(lines);
                let why =
                    if left.is_zero() { format!("not within {within:?}") } else { "it ended".to_owned() };
                let message =
                    format!("{}: no line with {text:?}: {why}; it wrote:\n{}", self.name, self.log());
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            lines = self.output.grew.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All that it wrote, in the order it came.
    pub fn log(&self) -> String {
        self.output.lock().lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }

    /// The lines of one stream.
    pub fn lines(&self, stream: Stream) -> Vec<String> {
        let lines = self.output.lock();
        lines.lines.iter().filter(|(from, _)| *from == stream).map(|(_, line)| line.clone()).collect()
    }

    /// Sends a signal to it alone, not to its group.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match self.ended {
            Some(status) => Err(io::Error::other(format!("{}: ended already: {status}", self.name))),
            None => Ok(kill_process(self.pid, signal)?),
        }
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self, within: Duration) -> io::Result<ExitStatus> {
        let what = format!("end of {}", self.name);
        wait::for_some(&what, within, || self.ended().transpose())?
    }

    /// Asks it to end (SIGTERM) and waits.
    pub fn stop(&mut self, within: Duration) -> io::Result<ExitStatus> {
        if self.ended()?.is_none() {
            self.signal(Signal::TERM)?;
        }
        self.wait(within)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group may have members left after its leader ended; there is none when this fails.
        let _ = kill_process_group(self.pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Runs a command to its end and returns its standard output; a failure is an error that holds what it wrote.
pub fn run(command: &mut Command) -> io::Result<String> {
    let described = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{described}: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{described}: {}\n{text}{errors}", output.status)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Process, Signal, Stream, run};

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("script", command).unwrap()
    }

    #[test]
    fn lines_are_kept_by_stream_and_waited_for() {
        let mut process = shell("echo one; echo two >&2; sleep 600");
        assert_eq!(process.wait_for_line("tw", SOON).unwrap(), "two");
        assert_eq!(process.wait_for_line("one", SOON).unwrap(), "one");
        assert_eq!(process.lines(Stream::Err), ["two"]);
        assert_eq!(process.ended().unwrap(), None);
        process.signal(Signal::KILL).unwrap();
        assert!(!process.wait(SOON).unwrap().success());
        assert!(process.signal(Signal::TERM).is_err());
    }

    #[test]
    fn a_child_that_ended_without_the_line_is_not_waited_for() {
        let missing = shell("echo last words; exit 3").wait_for_line("ready", SOON).unwrap_err();
        assert!(missing.to_string().contains("it ended"), "{missing}");
        assert!(missing.to_string().contains("last words"), "{missing}");
    }

    #[test]
    fn the_whole_group_ends_with_its_owner() {
        let process = shell("sleep 600 & echo child $!; wait");
        let line = process.wait_for_line("child", SOON).unwrap();
        let pid = line.trim_start_matches("child ").to_owned();
        drop(process);
        let gone = || {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
        };
        crate::wait::until("end of the grandchild", SOON, gone).unwrap();
    }

    #[test]
    fn a_command_that_fails_tells_what_it_wrote() {
        assert_eq!(run(Command::new("echo").arg("fine")).unwrap(), "fine\n");
        let error = run(Command::new("sh").args(["-c", "echo broken >&2; exit 1"])).unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }
}
