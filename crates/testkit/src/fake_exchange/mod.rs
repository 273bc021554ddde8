//! A pretend Exchange server, for tests and the demo. Its identity belongs to the TCP connection, as that of IIS does:
//! whoever shares a connection behind a login is answered as that user, which is what a proxy must never let happen.
//!
//! Every answer says who it was for: `X-Authenticated-User` (`-` is nobody), `X-Connection-Id`, `X-Request-Number`,
//! `X-Client`, and `X-FEServer` with the server's name. Requests may name the client that makes them in `X-Test-Client`;
//! [`Connection::leaks`] then tells of connections where identities mix.
//!
//! | path | what it does |
//! |---|---|
//! | `/DIRECTORY/healthcheck.htm` | 200 `200 OK<br/>HOST`, or 503; needs no login |
//! | `/owa`, `/ecp` | nobody is sent to `/owa/auth/logon.aspx` (302); a login or a form's cookie gets in |
//! | any other directory | needs a login |
//! | `/rpc/rpcproxy.dll`, `RPC_IN_DATA`, `RPC_OUT_DATA` | MS-RPCH: echo requests; channels of 1 GiB that echo RPC requests, or raw bytes between the two with the same `X-Test-Channel` |
//! | `/remoteDesktopGateway/`, `RDG_IN_DATA`, `RDG_OUT_DATA` | bytes from IN to OUT of the same `RDG-Connection-Id`; a WebSocket where OUT asks to upgrade |
//! | `/mapi/…` `POST` | `PROCESSING`, `?pending=N` (3) times `PENDING`, one each `?every=MS` (1000), `DONE` |
//! | `/Microsoft-Server-ActiveSync?Cmd=Ping` | holds `?hold=MS` (60000) |
//! | `/ews/…` with `GetStreamingEvents` | `?count=N` (3) notifications, one each `?every=MS` (1000) |
//! | `/owa/ev.owa2?ns=PendingRequest` | the same in scripts |
//! | `/owa/auth.owa` `POST` | the form: 302 and a cookie, or back to the form |
//! | `/bytes/N` | [`crate::pattern`], with its sum in `X-Sha256` up to 64 MiB; `?framing=chunked` or `close` |
//! | `/upload` | reads the body and says how long it was, its sum, and where it stops being the pattern |
//! | `/echo` | sends the body back as it comes |
//! | anything with `Upgrade: websocket` | echoes frames (RFC 6455) |
//! | any other | says who is answered |
//!
//! Any of them but channels takes orders in its query: `login` (a login is needed), `delay=MS`, `status=N`,
//! `early` (answer before reading the body), `fields=N` (as many more fields), `field=NAME:VALUE`, `interim=N`,
//! `expect=ignore` (no 100), `idle=MS` (closes when nothing comes in that time afterwards), `close=HOW` (see `trick.rs`).

mod answer;
mod body;
mod conversation;
mod directory;
mod forms;
mod head;
mod host;
mod line;
mod login;
mod mail;
mod orders;
mod polls;
mod proxy_header;
mod record;
mod rpc;
mod rts;
mod serve;
mod transfer;
mod trick;
mod tunnel;
mod websocket;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_rustls::TlsAcceptor;

use crate::ca::Leaf;
use crate::ntlm::{self, Acceptor};

pub use crate::ntlm::{ExtendedProtection, User};
pub use directory::{Condition, Directory};
pub use login::{KERBEROS, Scheme};
pub use orders::ControlPort;
pub use record::{Connection, Ending, Request, Service};

/// Any port of 127.0.0.1.
pub const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The users there are if nobody says otherwise, with their passwords.
pub const USERS: [(&str, &str); 3] =
    [("alice", "Wonderland-1"), ("bob", "Builder-2"), ("carol", "Christmas-3")];

/// What a server is made of. Start from [`Options::new`] and change what should be different.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its short name.
    pub name: String,
    /// Its DNS name, as health pages say it.
    pub host: String,
    /// Which services it has, and where (port 0: any).
    pub services: Vec<(Service, SocketAddr)>,
    /// The certificate of [`Service::Https`].
    pub leaf: Option<Leaf>,
    /// The authority (PEM) whose client certificates are asked for; clients without one are let in too.
    pub client_authority: Option<String>,
    /// The NetBIOS name of the domain.
    pub domain: String,
    /// Who may log in.
    pub users: Vec<User>,
    /// What 401 offers, in this order.
    pub offers: Vec<Scheme>,
    /// What is demanded of channel bindings over TLS.
    pub protection: ExtendedProtection,
    /// Every connection begins with a PROXY header.
    pub proxy_header: bool,
    /// How much of what comes is kept of each connection ([`Connection::received`]).
    pub received_bytes_max: usize,
}

impl Options {
    /// Plain HTTP on any port of 127.0.0.1; users of [`USERS`] in the domain `LAB`; all schemes are offered.
    pub fn new(name: &str) -> Self {
        let user = |(name, password): (&str, &str)| User { name: name.into(), password: password.into() };
        Self {
            name: name.to_owned(),
            host: format!("{}.lab.test", name.to_lowercase()),
            services: vec![(Service::Http, ANY)],
            leaf: None,
            client_authority: None,
            domain: "LAB".to_owned(),
            users: USERS.map(user).to_vec(),
            offers: vec![Scheme::Negotiate, Scheme::Ntlm, Scheme::Basic],
            protection: ExtendedProtection::Off,
            proxy_header: false,
            received_bytes_max: 0,
        }
    }

    /// The same with HTTP over TLS instead of plain HTTP.
    pub fn tls(name: &str, leaf: &Leaf) -> Self {
        Self { services: vec![(Service::Https, ANY)], leaf: Some(leaf.clone()), ..Self::new(name) }
    }
}

/// What all connections share.
struct World {
    options: Options,
    acceptor: Acceptor,
    tls: Option<TlsAcceptor>,
    /// The binding of a login over TLS here.
    binding: Option<[u8; 16]>,
    ledger: record::Ledger,
    conditions: Mutex<HashMap<Directory, Condition>>,
    tunnels: tunnel::Tunnels,
}

impl World {
    fn new(options: Options) -> io::Result<Self> {
        let tls = options.leaf.as_ref().map(|leaf| host::tls(leaf, options.client_authority.as_deref()));
        let acceptor = Acceptor {
            domain: options.domain.clone(),
            computer: options.name.to_uppercase(),
            host: options.host.clone(),
            users: options.users.clone(),
            protection: options.protection,
        };
        Ok(Self {
            acceptor,
            tls: tls.transpose()?,
            binding: options.leaf.as_ref().map(|leaf| ntlm::tls_server_end_point(&leaf.der)),
            options,
            ledger: record::Ledger::default(),
            conditions: Mutex::default(),
            tunnels: tunnel::Tunnels::default(),
        })
    }

    fn conditions(&self) -> MutexGuard<'_, HashMap<Directory, Condition>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn condition(&self, directory: Directory) -> Condition {
        self.conditions().get(&directory).copied().unwrap_or_default()
    }
}

/// A running server. All it does runs on one thread of its own, in the network namespace it was started in.
pub struct FakeExchange {
    world: Arc<World>,
    host: host::Host,
}

impl FakeExchange {
    /// Listens and serves.
    pub fn start(options: Options) -> io::Result<Self> {
        let world = Arc::new(World::new(options)?);
        let host = host::Host::start(&world)?;
        Ok(Self { world, host })
    }

    /// Its short name.
    pub fn name(&self) -> &str {
        &self.world.options.name
    }

    /// Where it speaks HTTP: over TLS if it does that, else in plain text.
    ///
    /// # Panics
    /// If it has neither service.
    pub fn address(&self) -> SocketAddr {
        let address = self.address_of(Service::Https).or_else(|| self.address_of(Service::Http));
        address.expect("the options name an HTTP service")
    }

    /// Where a service listens, if it has that.
    pub fn address_of(&self, service: Service) -> Option<SocketAddr> {
        self.host.addresses().iter().find(|(own, _)| *own == service).map(|(_, address)| *address)
    }

    /// From now on a directory does so.
    pub fn set_condition(&self, directory: Directory, condition: Condition) {
        self.world.conditions().insert(directory, condition);
    }

    /// Stops listening, so that clients are refused, and resets every connection.
    pub fn stop(&self) -> io::Result<()> {
        self.host.set(host::Mode::Closed)?;
        self.close_connections(Ending::Reset);
        Ok(())
    }

    /// Listens but accepts nobody: clients wait in the backlog.
    pub fn stall(&self) -> io::Result<()> {
        self.host.set(host::Mode::Stalled)
    }

    /// Listens and accepts again, where it did before.
    pub fn resume(&self) -> io::Result<()> {
        self.host.set(host::Mode::Open)
    }

    /// Ends every open connection and says how many there were.
    pub fn close_connections(&self, ending: Ending) -> usize {
        let open = self.world.ledger.entries();
        for entry in &open {
            entry.cut.send_replace(Some(ending));
        }
        open.len()
    }

    /// Connections accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.world.ledger.accepted()
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.world.ledger.entries().len()
    }

    /// Requests answered since the start.
    pub fn answered(&self) -> u64 {
        self.world.ledger.answered()
    }

    /// Every connection, the newest last (at most 50,000 of those that ended).
    pub fn connections(&self) -> Vec<Connection> {
        self.world.ledger.connections()
    }

    /// Every request, the newest last (at most 20,000).
    pub fn requests(&self) -> Vec<Request> {
        self.world.ledger.requests()
    }

    /// Why logins were refused, one word and what belongs to it, the newest last.
    pub fn refusals(&self) -> Vec<String> {
        self.world.ledger.refusals()
    }

    /// Connections on which something came that could be read in two ways: there should be none behind a proxy.
    pub fn ambiguous(&self) -> Vec<Connection> {
        self.connections().into_iter().filter(|connection| connection.ambiguous.is_some()).collect()
    }
}
