//! What can go wrong here, each with the code an operator can look up.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// A failure of the packet data plane.
#[derive(Debug)]
pub enum Fault {
    /// Built without the BPF programs.
    NotBuilt,
    /// The process lacks these capabilities.
    Capabilities(Vec<&'static str>),
    /// There is no BPF file system at this path, so nothing would outlive the process.
    NoBpfFileSystem(PathBuf),
    /// The kernel did not take a program; its log, if it gave one, is in the text.
    Load(String),
    /// No program could be attached to the interface.
    Attach {
        /// Its name.
        interface: String,
        /// What the kernel said.
        why: String,
    },
    /// A map or pin could not be read or written.
    Map(String),
    /// More VIPs, servers or rings than the maps have room for.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The kernel knows no way to a server.
    NoWay {
        /// The server.
        server: IpAddr,
        /// What the kernel said.
        why: String,
    },
    /// A VIP's mode cannot honour what was asked of it.
    Impossible {
        /// The VIP's name.
        vip: String,
        /// Why not.
        why: &'static str,
    },
}

impl Fault {
    /// The code under which logs, metrics and the manual name it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.entry().0
    }

    fn entry(&self) -> &'static Entry {
        &TABLE[match self {
            Self::NotBuilt => 0,
            Self::Capabilities(_) => 1,
            Self::NoBpfFileSystem(_) => 2,
            Self::Load(_) => 3,
            Self::Attach { .. } => 4,
            Self::Map(_) => 5,
            Self::TooMany { .. } => 6,
            Self::NoWay { .. } => 7,
            Self::Impossible { .. } => 8,
        }]
    }
}

/// Code, meaning, remedy.
type Entry = (&'static str, &'static str, &'static str);

const TABLE: [Entry; 9] = [
    (
        "packet-not-built",
        "The program was built without the packet plane.",
        "Build it with clang installed and the default features, or relay: `mode = \"tcp\"`.",
    ),
    (
        "packet-capabilities",
        "The process may not load packet programs.",
        "Start it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.",
    ),
    (
        "packet-no-bpf-file-system",
        "There is no BPF file system where program and tables are to be kept.",
        "`mount -t bpf bpf /sys/fs/bpf`, or name another place with `[packet] pins`.",
    ),
    (
        "packet-load",
        "The kernel did not take the packet program.",
        "Read what the kernel said; Linux 5.19 or newer is needed.",
    ),
    (
        "packet-attach",
        "The packet program could not be put on an interface.",
        "Look whether the interface exists and whether another program is on it: `ip link show`.",
    ),
    (
        "packet-map",
        "A table of the packet program could not be read or written; packets go by what it says already.",
        "Read what the kernel said; a table may be full or made by another version.",
    ),
    (
        "packet-too-many",
        "There are more listeners or servers than the tables have room for.",
        "Raise `[packet] vips` and start again; servers may be 4,095.",
    ),
    (
        "packet-no-way",
        "The kernel knows no way to a server, or dsr would have to pass a router.",
        "`ip route get ADDRESS` says what the kernel knows; under dsr servers are in a subnet of this machine.",
    ),
    (
        "packet-impossible",
        "A listener's mode cannot do what its servers need.",
        "Write the listener's port for servers under dsr and tunnel, and servers of its family under nat.",
    ),
];

/// The rows of docs/faults.md, in Markdown.
#[must_use]
pub fn reference() -> String {
    let row = |(code, meaning, remedy): &Entry| format!("| `{code}` | {meaning} | {remedy} |\n");
    let rows: String = TABLE.iter().map(row).collect();
    format!("| code | what it means | what to do |\n|---|---|---|\n{rows}")
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt => f.write_str(
                "this build has no packet data plane (modes nat, dsr, tunnel): it was made without clang",
            ),
            Self::Capabilities(missing) => {
                write!(f, "the packet data plane needs {}, which this process lacks", missing.join(" and "))
            }
            Self::NoBpfFileSystem(path) => write!(
                f,
                "{} is not in a BPF file system: mount one (mount -t bpf bpf /sys/fs/bpf)",
                path.display()
            ),
            Self::Load(why) => write!(f, "the kernel did not take the packet program: {why}"),
            Self::Attach { interface, why } => write!(f, "no packet program on {interface}: {why}"),
            Self::Map(why) => write!(f, "a table of the packet program: {why}"),
            Self::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
            Self::NoWay { server, why } => write!(f, "no way to {server}: {why}"),
            Self::Impossible { vip, why } => write!(f, "{vip}: {why}"),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_own_row() {
        let all = [
            (Fault::NotBuilt, "packet-not-built"),
            (Fault::Capabilities(vec!["CAP_BPF"]), "packet-capabilities"),
            (Fault::NoBpfFileSystem("/x".into()), "packet-no-bpf-file-system"),
            (Fault::Load(String::new()), "packet-load"),
            (Fault::Attach { interface: "a".into(), why: String::new() }, "packet-attach"),
            (Fault::Map(String::new()), "packet-map"),
            (Fault::TooMany { what: "servers", limit: 1 }, "packet-too-many"),
            (Fault::NoWay { server: [192, 0, 2, 1].into(), why: String::new() }, "packet-no-way"),
            (Fault::Impossible { vip: "a".into(), why: "" }, "packet-impossible"),
        ];
        for (fault, code) in all {
            assert_eq!(fault.code(), code);
            assert!(reference().contains(&format!("| `{code}` | ")), "{code}");
        }
    }
}
