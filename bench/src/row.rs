//! What is measured: the table of rows. One more row is one more entry.

use std::net::{Ipv4Addr, SocketAddr};

use crate::load::{After, LoadPlan};
use crate::serve::ServePlan;
use crate::speech::Text;

/// One row of the table: a workload through a mode of the door. It is measured without and with an access log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    /// What it is called on the command line and in the table.
    pub(crate) name: &'static str,
    /// What is done, for people.
    pub(crate) what: &'static str,
    /// What the door does with a connection.
    pub(crate) mode: Mode,
    /// What the clients do.
    pub(crate) work: Work,
    /// What our figure divided by Debian's haproxy's must not be above; `None`: nothing was agreed on.
    pub(crate) gate: Option<f64>,
}

/// What the door does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Relays it.
    Tcp(Splice),
    /// Reads the name in the ClientHello, chooses among two pools by it, and relays.
    Passthrough,
}

/// Whether haproxy is told to splice. We decide ourselves, nginx cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Splice {
    /// No.
    Off,
    /// `option splice-auto`: when it finds it worthwhile.
    Auto,
    /// `option splice-request` and `splice-response`: always.
    Always,
}

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Connect, ask, be answered 1 KiB, close; so many at a time.
    Short {
        /// What is asked.
        request: Text,
        /// Clients.
        connections: usize,
    },
    /// 1 KiB there, 1 KiB back, over and over.
    KeepAlive {
        /// Connections.
        connections: usize,
    },
    /// 1 GiB after the other from the servers.
    Down {
        /// Connections.
        connections: usize,
    },
    /// 1 GiB after the other to the servers.
    Up {
        /// Connections.
        connections: usize,
    },
    /// One exchange, then silence.
    Idle {
        /// Connections.
        connections: usize,
    },
}

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds of CPU time an exchange.
    Exchange,
    /// Seconds of CPU time a GiB.
    Gibibyte,
    /// Bytes of memory a connection.
    Connection,
}

const KIB: Text = Text::Bytes(1024);
const GIB: Text = Text::Bytes(1 << 30);

/// The rows that there are.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "tcp-short",
        what: "TCP: connect, 1 KiB there and back, close; 32 clients",
        mode: Mode::Tcp(Splice::Off),
        work: Work::Short { request: KIB, connections: 32 },
        gate: Some(0.95),
    },
    Row {
        name: "tcp-keep-alive-64",
        what: "TCP: 1 KiB there and back; 64 connections",
        mode: Mode::Tcp(Splice::Off),
        work: Work::KeepAlive { connections: 64 },
        gate: Some(0.92),
    },
    Row {
        name: "tcp-keep-alive-256",
        what: "TCP: 1 KiB there and back; 256 connections",
        mode: Mode::Tcp(Splice::Off),
        work: Work::KeepAlive { connections: 256 },
        gate: Some(0.92),
    },
    Row {
        name: "tcp-bulk-down",
        what: "TCP: 1 GiB each from the servers; 4 connections; haproxy has option splice-auto",
        mode: Mode::Tcp(Splice::Auto),
        work: Work::Down { connections: 4 },
        gate: Some(0.35),
    },
    Row {
        name: "tcp-bulk-up",
        what: "TCP: 1 GiB each to the servers; 4 connections; haproxy has option splice-auto",
        mode: Mode::Tcp(Splice::Auto),
        work: Work::Up { connections: 4 },
        gate: Some(0.35),
    },
    Row {
        name: "tcp-splice-down",
        what: "TCP: as tcp-bulk-down; haproxy has option splice-response, which it always follows",
        mode: Mode::Tcp(Splice::Always),
        work: Work::Down { connections: 4 },
        gate: None,
    },
    Row {
        name: "tcp-splice-up",
        what: "TCP: as tcp-bulk-up; haproxy has option splice-request, which it always follows",
        mode: Mode::Tcp(Splice::Always),
        work: Work::Up { connections: 4 },
        gate: None,
    },
    Row {
        name: "passthrough-short",
        what: "TLS by name: connect, ClientHello, 1 KiB back, close; 32 clients",
        mode: Mode::Passthrough,
        work: Work::Short { request: Text::ClientHello, connections: 32 },
        gate: None,
    },
    Row {
        name: "tcp-idle-5000",
        what: "TCP: memory of an idle connection, 5,000 of them",
        mode: Mode::Tcp(Splice::Off),
        work: Work::Idle { connections: 5_000 },
        gate: Some(0.15),
    },
    Row {
        name: "tcp-idle-10000",
        what: "TCP: memory of an idle connection, 10,000 of them (fewer where open files are limited)",
        mode: Mode::Tcp(Splice::Off),
        work: Work::Idle { connections: 10_000 },
        gate: Some(0.15),
    },
];

/// Open files a process may need beside its connections.
const FILES_BESIDE: usize = 800;

impl Work {
    /// Connections at a time; idle ones as far as `files` open files of a process let: two for each, and two for the
    /// pipe that Transom provides for one in four.
    pub(crate) fn connections(self, files: usize) -> usize {
        match self {
            Self::Short { connections, .. }
            | Self::KeepAlive { connections }
            | Self::Down { connections }
            | Self::Up { connections } => connections,
            Self::Idle { connections } => connections.min(files.saturating_sub(FILES_BESIDE) / 5 * 2),
        }
    }

    /// What its figure is of.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Short { .. } | Self::KeepAlive { .. } => Unit::Exchange,
            Self::Down { .. } | Self::Up { .. } => Unit::Gibibyte,
            Self::Idle { .. } => Unit::Connection,
        }
    }

    /// The generator's plan.
    pub(crate) fn load(self, targets: &[SocketAddr], files: usize, rate: Option<f64>) -> LoadPlan {
        let (request, response) = self.texts();
        let after = match self {
            Self::Short { .. } => After::Close,
            Self::Idle { .. } => After::Hold,
            Self::KeepAlive { .. } | Self::Down { .. } | Self::Up { .. } => After::Keep,
        };
        let connections = self.connections(files);
        LoadPlan { targets: targets.to_vec(), request, response, connections, after, rate }
    }

    /// The servers' plan.
    pub(crate) fn serve(self, addresses: &[SocketAddr]) -> ServePlan {
        let (request, response) = self.texts();
        ServePlan { addresses: addresses.to_vec(), request, response }
    }

    fn texts(self) -> (Text, Text) {
        match self {
            Self::Short { request, .. } => (request, KIB),
            Self::KeepAlive { .. } | Self::Idle { .. } => (KIB, KIB),
            Self::Down { .. } => (KIB, GIB),
            Self::Up { .. } => (GIB, KIB),
        }
    }
}

impl Unit {
    /// For the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exchange => "µs CPU",
            Self::Gibibyte => "s CPU/GiB",
            Self::Connection => "bytes",
        }
    }

    /// An amount of work in this unit.
    pub(crate) fn show_amount(self, amount: f64) -> String {
        match self {
            Self::Exchange | Self::Connection => format!("{amount:.0}"),
            Self::Gibibyte => format!("{amount:.1} GiB"),
        }
    }

    /// A figure in this unit, with as many digits as mean something.
    pub(crate) fn show(self, figure: f64) -> String {
        match self {
            Self::Exchange => format!("{figure:.2}"),
            Self::Gibibyte => format!("{figure:.3}"),
            Self::Connection => format!("{figure:.0}"),
        }
    }
}

/// Where the door listens: several addresses, so that ports suffice.
pub(crate) fn door_addresses() -> Vec<SocketAddr> {
    (1..=4).map(|last| (Ipv4Addr::new(127, 0, 1, last), 8000).into()).collect()
}

/// Where the servers listen.
pub(crate) fn server_addresses() -> Vec<SocketAddr> {
    (1..=4).map(|last| (Ipv4Addr::new(127, 0, 2, last), 7000).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_gates_are_ratios() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(
                ROWS[index + 1..].iter().all(|other| other.name != row.name),
                "{} stands twice",
                row.name
            );
            assert!(row.gate.is_none_or(|gate| (0.0..2.0).contains(&gate)));
        }
    }

    #[test]
    fn idle_connections_fit_the_open_files() {
        let work = Work::Idle { connections: 10_000 };
        assert_eq!(work.connections(20_000), 7_680);
        assert_eq!(work.connections(1 << 20), 10_000);
        assert_eq!(Work::KeepAlive { connections: 64 }.connections(1024), 64);
    }

    #[test]
    fn bulk_asks_little_and_gets_much_or_the_other_way_round() {
        let down = Work::Down { connections: 4 }.load(&door_addresses(), 1024, None);
        assert_eq!((down.request, down.response, down.after), (KIB, GIB, After::Keep));
        let up = Work::Up { connections: 4 }.serve(&server_addresses());
        assert_eq!((up.request, up.response), (GIB, KIB));
    }
}
