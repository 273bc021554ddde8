//! Processes that a measurement starts, and only those it ends.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a process has to end by itself after it was asked to.
const GRACE: Duration = Duration::from_secs(20);

/// A process of the system, told apart from later ones with the same number by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessId {
    /// Its number.
    pub(crate) pid: i32,
    /// Clock ticks since boot.
    started: u64,
}

/// Where a process runs.
pub(crate) struct Place<'a> {
    /// Network namespace.
    pub(crate) namespace: &'a str,
    /// The only CPUs it may use.
    pub(crate) cores: &'a [usize],
    /// Its working directory, where its standard error goes to a file.
    pub(crate) dir: &'a Path,
}

/// A process we started; it is ended when this is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    stderr: PathBuf,
}

impl Process {
    /// Starts `program` with its output appended to `stdout`, a file in its directory.
    pub(crate) fn start(
        name: &str,
        place: &Place<'_>,
        command: &[String],
        stdout: &str,
    ) -> anyhow::Result<Process> {
        let path = place.dir.join(stdout);
        let stdout = OpenOptions::new().create(true).append(true).open(&path);
        let stdout = stdout.with_context(|| format!("cannot write {}", path.display()))?;
        start(name, place, command, Stdio::null(), stdout.into())
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().expect("Linux process numbers are below 2^22")
    }

    /// A sentence with its last words if it has ended.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => bail!("{} ended ({status}){}", self.name, self.last_words()),
            Err(error) => bail!("cannot ask after {}: {error}", self.name),
        }
    }

    /// The last lines of its standard error, as a continuation of a sentence.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.stderr).unwrap_or_default();
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        match lines.as_slice() {
            [] => String::new(),
            lines => format!(": {}", lines[lines.len().saturating_sub(4)..].join(" | ")),
        }
    }

    /// Asks it to end and waits; what is left of it and its children after a while is killed.
    pub(crate) fn stop(&mut self) {
        let family = family(self.pid()).unwrap_or_default();
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.pid(), Signal::TERM);
        }
        let deadline = Instant::now() + GRACE;
        while family.iter().any(|one| one.lives()) || matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                family.iter().filter(|one| one.lives()).for_each(|one| signal(one.pid, Signal::KILL));
                let _ended = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
            // Reaps the parent, so that it no longer counts as living.
            let _status = self.child.try_wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A process of this program that answers orders.
pub(crate) struct Helper {
    process: Process,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts this program as `role` with `plan`, and waits until it is ready.
    pub(crate) fn start(
        role: &str,
        place: &Place<'_>,
        plan: &impl serde::Serialize,
    ) -> anyhow::Result<Helper> {
        let own = std::env::current_exe().context("cannot find this program")?;
        let plan = serde_json::to_string(plan).context("cannot write the plan")?;
        let command = [own.display().to_string(), role.to_owned(), plan];
        let mut process = start(role, place, &command, Stdio::piped(), Stdio::piped())?;
        let orders = process.child.stdin.take();
        let answers = process.child.stdout.take().context("the helper has no output")?;
        let mut helper = Helper { process, orders, answers: BufReader::new(answers) };
        match helper.answer()?.as_str() {
            "ready" => Ok(helper),
            other => bail!("the {role} process said `{other}` instead of `ready`"),
        }
    }

    /// Gives an order.
    pub(crate) fn order(&mut self, order: crate::control::Order) -> anyhow::Result<()> {
        let orders = self.orders.as_mut().context("no orders are taken any more")?;
        writeln!(orders, "{order}").with_context(|| format!("{} takes no orders", self.process.name))
    }

    /// Waits for one line.
    pub(crate) fn answer(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => bail!("the {} process ended{}", self.process.name, self.process.last_words()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => bail!("cannot hear the {} process: {error}", self.process.name),
        }
    }

    /// A sentence if it has ended.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        self.process.check_alive()
    }
}

fn start(
    name: &str,
    place: &Place<'_>,
    command: &[String],
    stdin: Stdio,
    stdout: Stdio,
) -> anyhow::Result<Process> {
    let cores: Vec<_> = place.cores.iter().map(ToString::to_string).collect();
    let stderr = place.dir.join(format!("{name}.stderr"));
    let errors = File::create(&stderr).with_context(|| format!("cannot write {}", stderr.display()))?;
    // Each of these replaces itself by the next: the child is `command` itself. It ends with us, however we end.
    let child = Command::new("ip")
        .args(["netns", "exec", place.namespace])
        .args(["setpriv", "--pdeathsig", "TERM"])
        .args(["taskset", "-c", &cores.join(",")])
        .args(command)
        .current_dir(place.dir)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot start {name} through `ip netns exec`: is iproute2 installed?"))?;
    Ok(Process { name: name.to_owned(), child, stderr })
}

/// Interrupts a child, as Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    signal(child.id().try_into().expect("Linux process numbers are below 2^22"), Signal::INT);
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _gone_already = kill_process(pid, signal);
    }
}

impl ProcessId {
    fn lives(self) -> bool {
        matches!(Stat::read(self.pid), Ok(stat) if stat.id == self && stat.state != 'Z')
    }
}

/// What `/proc/PID/stat` says (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The process.
    pub(crate) id: ProcessId,
    /// The process that started it.
    pub(crate) parent: i32,
    /// `R`, `S`, `Z`, …
    pub(crate) state: char,
    /// User and system time of all its threads, those that ended as well, in clock ticks.
    pub(crate) ticks: u64,
    /// The user time in it.
    pub(crate) user: u64,
}

impl Stat {
    /// Of the process `pid`.
    pub(crate) fn read(pid: i32) -> io::Result<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Stat::parse(&text).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not as documented")))
    }

    fn parse(text: &str) -> Option<Stat> {
        let pid = text.split_once(' ')?.0.parse().ok()?;
        // The name stands in brackets and may hold anything, brackets and spaces as well.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Stat {
            id: ProcessId { pid, started: number(22)? },
            parent: fields.get(1)?.parse().ok()?,
            state: fields.first()?.chars().next()?,
            ticks: number(14)? + number(15)?,
            user: number(14)?,
        })
    }
}

/// The process `root` and all that descend from it, in order of their numbers.
pub(crate) fn family(root: i32) -> io::Result<Vec<ProcessId>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // One may end while we look.
        if let Ok(stat) = Stat::read(pid) {
            all.insert(pid, stat);
        }
    }
    let descends = |mut pid: i32| loop {
        match all.get(&pid) {
            _ if pid == root => return true,
            Some(stat) if stat.parent > 1 => pid = stat.parent,
            _ => return false,
        }
    };
    Ok(all.values().filter(|stat| descends(stat.id.pid)).map(|stat| stat.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_holds() {
        let line = "4711 (a) b (c) S 42 4711 42 0 -1 4194560 1 2 3 4 250 130 7 8 20 0 3 0 98765 1 2 3";
        let stat = Stat::parse(line).unwrap();
        let id = ProcessId { pid: 4711, started: 98765 };
        assert_eq!(stat, Stat { id, parent: 42, state: 'S', ticks: 380, user: 250 });
        assert_eq!(Stat::parse("4711 (short) S 42"), None);
    }

    #[test]
    fn a_family_is_a_process_and_its_children() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let own = std::process::id().try_into().unwrap();
        let pids: Vec<i32> = family(own).unwrap().iter().map(|one| one.pid).collect();
        assert!(pids.contains(&own) && pids.contains(&child.id().try_into().unwrap()));
        assert!(!pids.contains(&1));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
