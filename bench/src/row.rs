//! What is measured: what a row is. The rows themselves are in [`crate::rows`].

use std::net::{Ipv4Addr, SocketAddr};

use crate::link::TlsPlan;
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
    /// The row that this one is to cost hardly more than: [`GROWTH`] times its figure.
    pub(crate) base: Option<&'static str>,
    /// Worker threads of the door. With more than one it may use the load's CPU as well where there are only two.
    pub(crate) workers: Workers,
    /// Connections that did one exchange before and stay idle beside the work.
    pub(crate) beside: usize,
    /// Why we do not take part yet; the others are measured.
    pub(crate) waits: Option<&'static str>,
}

/// What a row may cost at most, as a multiple of the one it is compared with.
pub(crate) const GROWTH: f64 = 1.1;

/// Worker threads of the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workers {
    /// One, on a CPU of its own.
    Alone,
    /// So many, on the CPUs that rows with two have.
    Shared(usize),
}

impl Workers {
    /// How many.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Alone => 1,
            Self::Shared(count) => count,
        }
    }
}

/// What the door does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Relays it.
    Tcp(Splice),
    /// Reads the name in the ClientHello, chooses among two pools by it, and relays.
    Passthrough,
    /// Reads its requests and forwards each.
    Http(Web),
}

/// HTTP as clients speak it; towards servers it is HTTP/1.1 in clear with reuse of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Web {
    /// The key of the door's certificates, where TLS is spoken.
    pub(crate) tls: Option<Key>,
    /// Whether clients resume by tickets.
    pub(crate) resume: bool,
    /// Streams of HTTP/2 a connection has; 0: HTTP/1.1.
    pub(crate) streams: usize,
    /// Host names, each with a pool of its own, under TLS also with a certificate of its own. 1: one pool for all.
    pub(crate) sites: usize,
    /// Whether a stick table remembers the server of each source. nginx has none.
    pub(crate) stick: bool,
}

/// The kind of a certificate's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA with 2048 bits.
    Rsa2048,
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
    /// Requests of HTTP.
    Web {
        /// Bytes of a response's body.
        body: u32,
        /// What becomes of a connection.
        after: After,
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
/// Bodies from this size on are bulk.
const BULK_BYTES: u32 = 1 << 20;
/// Open files that a process needs beside those of connections.
const FILES_BESIDE: usize = 800;

impl Row {
    /// Connections at a time, when a process may have `files` open: the door needs two each, and haproxy sets aside two
    /// more for one in four.
    pub(crate) fn connections(&self, files: usize) -> usize {
        let fitting = |connections: usize| connections.min(files.saturating_sub(FILES_BESIDE) / 5 * 2);
        match self.work {
            Work::Short { connections, .. }
            | Work::KeepAlive { connections }
            | Work::Down { connections }
            | Work::Up { connections } => connections,
            Work::Idle { connections } => fitting(connections),
            Work::Web { connections, after: After::Hold, .. } => fitting(connections),
            Work::Web { connections, .. } => connections,
        }
    }

    /// Exchanges at a time: each needs a connection to a server.
    pub(crate) fn exchanges_at_a_time(&self, files: usize) -> usize {
        self.connections(files) * self.web().map_or(1, |web| web.streams.max(1))
    }

    /// Idle connections beside the work, as many as fit.
    pub(crate) fn beside(&self, files: usize) -> usize {
        self.beside.min(files.saturating_sub(FILES_BESIDE) / 5 * 2)
    }

    /// What its figure is of.
    pub(crate) fn unit(&self) -> Unit {
        match self.work {
            Work::Short { .. } | Work::KeepAlive { .. } => Unit::Exchange,
            Work::Down { .. } | Work::Up { .. } => Unit::Gibibyte,
            Work::Idle { .. } | Work::Web { after: After::Hold, .. } => Unit::Connection,
            Work::Web { body, .. } if body >= BULK_BYTES => Unit::Gibibyte,
            Work::Web { .. } => Unit::Exchange,
        }
    }

    /// Whether memory is what is measured.
    pub(crate) fn is_idle(&self) -> bool {
        self.unit() == Unit::Connection
    }

    /// Whether the time of an exchange can be measured at a fixed rate. The generator has no rate for HTTP/2.
    pub(crate) fn has_latency(&self) -> bool {
        self.unit() == Unit::Exchange && !matches!(self.mode, Mode::Http(Web { streams: 1.., .. }))
    }

    /// Lines of an access log after so many connections and exchanges; `None`: it cannot be told.
    pub(crate) fn lines(&self, connections: u64, exchanges: u64) -> Option<u64> {
        match (self.mode, self.work) {
            // Connections that were held to the end are cut with the door, some without a line.
            (_, Work::Short { .. }) => Some(connections),
            (Mode::Http(_), _) => Some(exchanges),
            _ => None,
        }
    }

    /// The generator's plan.
    pub(crate) fn load(&self, targets: &[SocketAddr], files: usize, rate: Option<f64>) -> LoadPlan {
        let (request, response) = self.texts();
        let after = match self.work {
            Work::Short { .. } => After::Close,
            Work::Idle { .. } => After::Hold,
            Work::KeepAlive { .. } | Work::Down { .. } | Work::Up { .. } => After::Keep,
            Work::Web { after, .. } => after,
        };
        let web = self.web();
        let tls = web.and_then(|web| web.tls.map(|_| TlsPlan { resume: web.resume, h2: web.streams > 0 }));
        LoadPlan {
            targets: targets.to_vec(),
            request,
            response,
            connections: self.connections(files),
            sites: web.map_or(1, |web| web.sites),
            tls,
            streams: web.map_or(0, |web| web.streams),
            exchanges_max: None,
            after,
            rate,
        }
    }

    /// The servers' plan.
    pub(crate) fn serve(&self, addresses: &[SocketAddr]) -> ServePlan {
        let (request, response) = self.texts();
        ServePlan { addresses: addresses.to_vec(), request, response }
    }

    fn web(&self) -> Option<Web> {
        match self.mode {
            Mode::Http(web) => Some(web),
            Mode::Tcp(_) | Mode::Passthrough => None,
        }
    }

    fn texts(&self) -> (Text, Text) {
        match self.work {
            Work::Short { request, .. } => (request, KIB),
            Work::KeepAlive { .. } | Work::Idle { .. } => (KIB, KIB),
            Work::Down { .. } => (KIB, GIB),
            Work::Up { .. } => (GIB, KIB),
            Work::Web { body, .. } => (Text::Get(0), Text::Answer(body)),
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
    use crate::rows::{ROWS, row};

    #[test]
    fn idle_connections_fit_the_open_files() {
        let idle = row("tcp-idle-10000").unwrap();
        assert_eq!(idle.connections(20_000), 7_680);
        assert_eq!(idle.connections(1 << 20), 10_000);
        assert_eq!(row("tcp-keep-alive-64").unwrap().connections(1024), 64);
        assert_eq!(row("http-beside-10000").unwrap().beside(20_000), 7_680);
    }

    #[test]
    fn bulk_asks_little_and_gets_much_or_the_other_way_round() {
        let down = row("tcp-bulk-down").unwrap().load(&door_addresses(), 1024, None);
        assert_eq!((down.request, down.response, down.after), (KIB, GIB, After::Keep));
        let up = row("tcp-bulk-up").unwrap().serve(&server_addresses());
        assert_eq!((up.request, up.response), (GIB, KIB));
    }

    #[test]
    fn a_request_is_a_line_and_a_relayed_connection_too_when_it_ends() {
        assert_eq!(row("http-keep-alive-64").unwrap().lines(64, 1000), Some(1000));
        assert_eq!(row("tcp-short").unwrap().lines(64, 63), Some(64));
        assert_eq!(row("tcp-keep-alive-64").unwrap().lines(64, 1000), None);
    }

    #[test]
    fn every_plan_says_what_its_row_is_named_for() {
        for row in ROWS {
            let plan = row.load(&door_addresses(), 20_000, None);
            assert_eq!(
                plan.tls.is_some(),
                row.name.contains("tls") || row.name.starts_with("h2-"),
                "{}",
                row.name
            );
            assert_eq!(plan.streams > 0, row.name.starts_with("h2"), "{}", row.name);
            assert_eq!(plan.after == After::Hold, row.is_idle(), "{}", row.name);
        }
    }
}
