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
        match self {
            Self::NotBuilt => "packet-not-built",
            Self::Capabilities(_) => "packet-capabilities",
            Self::NoBpfFileSystem(_) => "packet-no-bpf-file-system",
            Self::Load(_) => "packet-load",
            Self::Attach { .. } => "packet-attach",
            Self::Map(_) => "packet-map",
            Self::TooMany { .. } => "packet-too-many",
            Self::NoWay { .. } => "packet-no-way",
            Self::Impossible { .. } => "packet-impossible",
        }
    }
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
