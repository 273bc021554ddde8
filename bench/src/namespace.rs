//! A network namespace for one measurement: nothing of an earlier one (ports in TIME_WAIT, say) is left in it.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail};

/// Kernel settings inside; the same for every peer.
const SETTINGS: &[&str] = &[
    "net.ipv4.ip_local_port_range=1024 65000",
    "net.ipv4.tcp_max_tw_buckets=2000000",
    "net.core.somaxconn=4096",
];

/// Kernel settings that not every kernel has. Debian's congestion control: BBR would pace what goes over loopback.
const SETTINGS_WHERE_KNOWN: &[&str] = &["net.ipv4.tcp_congestion_control=cubic"];

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A namespace; deleted when this is dropped.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with loopback up.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub(crate) fn make() -> anyhow::Result<Namespace> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("transom-bench-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]).context("a network namespace needs root (or CAP_SYS_ADMIN)")?;
        let namespace = Namespace { name };
        namespace.run(&["ip", "link", "set", "lo", "up"])?;
        for setting in SETTINGS {
            namespace.run(&["sysctl", "-q", "-w", setting])?;
        }
        for setting in SETTINGS_WHERE_KNOWN {
            let _not_known_here = namespace.run(&["sysctl", "-q", "-w", setting]);
        }
        Ok(namespace)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, command: &[&str]) -> anyhow::Result<()> {
        ip(&[&["netns", "exec", &self.name], command].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _nothing_left_to_try = ip(&["netns", "del", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.context("cannot run `ip`: apt-get install iproute2")?;
    if !output.status.success() {
        bail!("`ip {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
