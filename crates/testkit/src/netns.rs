//! Network namespaces: hosts of a test with addresses of their own. Needs root and `ip` of iproute2.
//!
//! A namespace is named `transom-PID-N-LABEL`, so that runs side by side do not meet and what a killed run left
//! behind is found and taken away by the next.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::run;

const PREFIX: &str = "transom";
const FOLDER: &str = "/run/netns";

/// A network namespace with its loopback up. It is deleted when this is dropped; processes inside must have ended.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new one. `label` is for people.
    pub fn new(label: &str) -> io::Result<Self> {
        static SWEPT: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        SWEPT.call_once(sweep);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{number}-{label}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        // Else a link-local address is of no use for seconds, and neighbours cannot be asked for before it is.
        for scope in ["all", "default"] {
            let key = format!("net.ipv6.conf.{scope}.accept_dad=0");
            run(namespace.command("sysctl").args(["-q", "-w", &key]))?;
        }
        Ok(namespace)
    }

    /// Its name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip ARGUMENTS` inside; arguments are separated by white space.
    pub fn ip(&self, arguments: &str) -> io::Result<String> {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments.split_whitespace()))
    }

    /// A command that will run inside.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program.as_ref());
        command
    }

    /// Calls `work` on a thread that is inside. Sockets and threads it makes stay inside.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let namespace = File::open(Path::new(FOLDER).join(&self.name))?;
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(work())
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Adds an address with its prefix length (`10.0.0.2/24`, `fd00::2/64`) to an interface. IPv6 addresses can be
    /// used at once: nobody else is asked whether they hold them.
    pub fn add_address(&self, interface: &str, address: &str) -> io::Result<()> {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.ip(&format!("address add {address} dev {interface} {nodad}")).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the next run sweeps.
        let _ = run(Command::new("ip").args(["netns", "delete", &self.name]));
    }
}

/// One end of a cable: in which namespace, as which interface, with which addresses.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Where it is.
    pub namespace: &'a Namespace,
    /// What it is called there.
    pub interface: &'a str,
    /// Addresses with prefix lengths.
    pub addresses: &'a [&'a str],
}

/// Lays a cable (a veth pair) between two namespaces, both ends up.
pub fn cable(one: End<'_>, other: End<'_>) -> io::Result<()> {
    one.namespace.ip(&format!(
        "link add {} type veth peer name {} netns {}",
        one.interface,
        other.interface,
        other.namespace.name()
    ))?;
    for end in [one, other] {
        for address in end.addresses {
            end.namespace.add_address(end.interface, address)?;
        }
        end.namespace.ip(&format!("link set {} up", end.interface))?;
    }
    Ok(())
}

/// A switch: a namespace with a bridge that others are plugged into.
#[derive(Debug)]
pub struct Switch {
    namespace: Namespace,
    ports: AtomicU32,
}

impl Switch {
    /// A new one without anybody plugged in.
    pub fn new(label: &str) -> io::Result<Self> {
        let namespace = Namespace::new(label)?;
        namespace.ip("link add switch type bridge forward_delay 0 stp_state 0")?;
        namespace.ip("link set switch up")?;
        Ok(Self { namespace, ports: AtomicU32::new(0) })
    }

    /// The namespace the bridge `switch` is in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Plugs a namespace in: it gets `interface` with these addresses.
    pub fn plug(&self, namespace: &Namespace, interface: &str, addresses: &[&str]) -> io::Result<()> {
        let port = format!("port{}", self.ports.fetch_add(1, Ordering::Relaxed));
        let own = End { namespace: &self.namespace, interface: &port, addresses: &[] };
        cable(End { namespace, interface, addresses }, own)?;
        self.namespace.ip(&format!("link set {port} master switch")).map(drop)
    }
}

/// Deletes namespaces whose process is gone.
fn sweep() {
    let Ok(entries) = fs::read_dir(FOLDER) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if owner(&name).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            // Somebody else may sweep at the same time.
            let _ = run(Command::new("ip").args(["netns", "delete", &name]));
        }
    }
}

/// The process that made a namespace of that name, if it is one of ours.
fn owner(name: &str) -> Option<u32> {
    let mut parts = name.split('-');
    if parts.next() != Some(PREFIX) {
        return None;
    }
    let pid = parts.next()?.parse().ok()?;
    parts.next()?.parse::<u32>().ok()?;
    Some(pid)
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn only_names_made_here_have_an_owner() {
        let table = [
            ("transom-123-0-client", Some(123)),
            ("transom-123-7-a-b", Some(123)),
            ("transom-x-0-client", None),
            ("transom-123", None),
            ("other-123-0-client", None),
        ];
        for (name, pid) in table {
            assert_eq!(owner(name), pid, "{name}");
        }
    }
}
