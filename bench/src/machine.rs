//! Facts about the machine and the programs that a figure means nothing without.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

/// What stands above a table.
pub(crate) struct Facts {
    /// The day, as 2026-11-20.
    pub(crate) day: String,
    /// The commit, short; with `+` when files differ from it.
    pub(crate) commit: String,
    /// The CPU's name.
    cpu: String,
    /// The kernel's release.
    kernel: String,
    /// What each peer says of itself.
    versions: Vec<String>,
    /// How it was measured.
    how: String,
    /// Processes that wanted a CPU in the minute before: more than a few tenths, and figures are noise.
    load: String,
}

impl Facts {
    /// Gathers them; what cannot be found is said to be unknown.
    pub(crate) fn gather(versions: Vec<String>, how: String) -> Facts {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_else(|_| "unknown".into());
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        Facts {
            day: today.to_string(),
            commit: commit(),
            cpu: cpu_name(&cpuinfo),
            kernel: kernel.trim().to_owned(),
            versions,
            how,
            load: load(&fs::read_to_string("/proc/loadavg").unwrap_or_default()),
        }
    }

    /// As Markdown.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("# {}, commit {}\n\n", self.day, self.commit);
        let _infallible =
            write!(text, "- {}; Linux {}\n- {}\n", self.cpu, self.kernel, self.versions.join("; "));
        let _infallible = writeln!(text, "- {}\n- load average before it began: {}\n", self.how, self.load);
        text
    }
}

/// The model, and how many there are.
fn cpu_name(cpuinfo: &str) -> String {
    let models: Vec<_> = cpuinfo.lines().filter(|line| line.starts_with("model name")).collect();
    let name =
        models.first().and_then(|line| line.split_once(':')).map_or("unknown CPU", |(_, name)| name.trim());
    format!("{} × {name}", models.len().max(1))
}

/// The average over the last minute.
fn load(loadavg: &str) -> String {
    loadavg.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".into() };
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|files| !files.is_empty());
    if changed { commit + "+" } else { commit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_named_once_and_counted() {
        let text = "processor: 0\nmodel name\t: Fast CPU\nprocessor: 1\nmodel name\t: Fast CPU\n";
        assert_eq!(cpu_name(text), "2 × Fast CPU");
        assert_eq!(cpu_name(""), "1 × unknown CPU");
    }

    #[test]
    fn facts_stand_above_the_table() {
        let facts = Facts {
            day: "2026-11-20".into(),
            commit: "413b1f7".into(),
            cpu: "2 × Fast CPU".into(),
            kernel: "6.1.0".into(),
            versions: vec!["haproxy 2.6.12".into(), "nginx/1.22.1".into()],
            how: "5 repetitions of 4 s".into(),
            load: load("0.08 0.03 0.01 1/97 4711\n"),
        };
        let expected = "# 2026-11-20, commit 413b1f7\n\n- 2 × Fast CPU; Linux 6.1.0\n- haproxy 2.6.12; \
                        nginx/1.22.1\n- 5 repetitions of 4 s\n- load average before it began: 0.08\n\n";
        assert_eq!(facts.render(), expected);
    }
}
