//! What the server remembers of connections and requests, for tests to ask about.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpStream;
use tokio::sync::watch;

/// Connections remembered after their end.
const CONNECTIONS_MAX: usize = 50_000;
/// Requests remembered.
const REQUESTS_MAX: usize = 20_000;
/// Different values remembered of each kind on a connection.
const VALUES_MAX: usize = 64;

/// What listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// HTTP in plain text.
    Http,
    /// HTTP over TLS.
    Https,
    /// SMTP.
    Smtp,
    /// IMAP.
    Imap,
    /// POP3.
    Pop,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Counted from 1.
    pub id: u64,
    /// What it came to.
    pub service: Service,
    /// The address at its other end.
    pub peer: SocketAddr,
    /// The client's address that a PROXY header named.
    pub proxied: Option<SocketAddr>,
    /// The server name in its ClientHello.
    pub server_name: Option<String>,
    /// The certificate (DER) its client showed.
    pub client_certificate: Option<Vec<u8>>,
    /// Requests on it.
    pub requests: u64,
    /// Who was answered on it, in the order first seen; `-` is nobody.
    pub users: Vec<String>,
    /// Different values of `X-Test-Client`: how tests name their clients.
    pub clients: Vec<String>,
    /// Different values of `X-Forwarded-For`.
    pub forwarded_for: Vec<String>,
    /// Whom it belongs to: the client (as it names itself in `X-Test-Client`, empty where it does not) whose request
    /// first carried a login that is the connection's.
    pub owner: Option<String>,
    /// Requests of other clients after that.
    pub strangers: u64,
    /// What on it could be read in two ways, if anything.
    pub ambiguous: Option<String>,
    /// The first bytes that came on it, within TLS, as many as [`super::Options::received_bytes_max`] says.
    pub received: Vec<u8>,
    /// Whether it is open.
    pub open: bool,
}

impl Connection {
    /// Whether anybody used it after it belonged to somebody else: was answered as another user, or took part in
    /// another's login.
    pub fn leaks(&self) -> bool {
        self.strangers > 0
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The connection's number.
    pub connection: u64,
    /// Its place on that connection, from 1.
    pub number: u64,
    /// Who it was answered as.
    pub user: Option<String>,
    /// Its head as it came, without the empty line.
    pub head: String,
}

/// How a connection ends by order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In order (FIN).
    Close,
    /// With a reset (RST).
    Reset,
}

/// One connection, shared by its task and the ledger.
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) socket: Arc<TcpStream>,
    pub(super) cut: watch::Sender<Option<Ending>>,
    received_max: usize,
    record: Mutex<Connection>,
}

impl Entry {
    pub(super) fn record(&self) -> MutexGuard<'_, Connection> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client's address: what a PROXY header says, else the other end's.
    pub(super) fn client(&self) -> SocketAddr {
        let record = self.record();
        record.proxied.unwrap_or(record.peer)
    }

    /// Notes bytes that came.
    pub(super) fn receive(&self, bytes: &[u8]) {
        if self.received_max > 0 {
            let received = &mut self.record().received;
            let room = self.received_max.saturating_sub(received.len());
            received.extend_from_slice(&bytes[..room.min(bytes.len())]);
        }
    }

    /// Notes what could be read in two ways.
    pub(super) fn ambiguous(&self, why: &str) {
        self.record().ambiguous.get_or_insert_with(|| why.to_owned());
    }
}

/// What a request said of its client.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said<'a> {
    /// Who made it: `X-Test-Client`.
    pub(super) client: Option<&'a str>,
    /// `X-Forwarded-For`.
    pub(super) forwarded_for: Option<&'a str>,
    /// It carries a login that is the connection's.
    pub(super) logs_in: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Ledger {
    accepted: AtomicU64,
    requests: AtomicU64,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    open: BTreeMap<u64, Arc<Entry>>,
    ended: VecDeque<Connection>,
    requests: VecDeque<Request>,
    refusals: Vec<String>,
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection.
    pub(super) fn open(
        &self,
        service: Service,
        peer: SocketAddr,
        socket: Arc<TcpStream>,
        received_max: usize,
    ) -> Arc<Entry> {
        let id = 1 + self.accepted.fetch_add(1, Ordering::Relaxed);
        let record = Connection {
            id,
            service,
            peer,
            proxied: None,
            server_name: None,
            client_certificate: None,
            requests: 0,
            users: Vec::new(),
            clients: Vec::new(),
            forwarded_for: Vec::new(),
            owner: None,
            strangers: 0,
            ambiguous: None,
            received: Vec::new(),
            open: true,
        };
        let cut = watch::Sender::new(None);
        let entry = Arc::new(Entry { id, socket, cut, received_max, record: Mutex::new(record) });
        self.books().open.insert(id, Arc::clone(&entry));
        entry
    }

    /// A connection that ended.
    pub(super) fn end(&self, id: u64) {
        let mut books = self.books();
        let Some(entry) = books.open.remove(&id) else { return };
        let mut record = entry.record().clone();
        record.open = false;
        if books.ended.len() == CONNECTIONS_MAX {
            books.ended.pop_front();
        }
        books.ended.push_back(record);
    }

    /// A request that is about to be answered; returns its place on its connection.
    pub(super) fn request(&self, entry: &Entry, user: Option<&str>, head: &[u8], said: Said<'_>) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let number = {
            let mut record = entry.record();
            record.requests += 1;
            remember(&mut record.users, Some(user.unwrap_or("-")));
            remember(&mut record.clients, said.client);
            remember(&mut record.forwarded_for, said.forwarded_for);
            let client = said.client.unwrap_or_default();
            if record.owner.as_deref().is_some_and(|owner| owner != client) {
                record.strangers += 1;
            } else if said.logs_in {
                record.owner = Some(client.to_owned());
            }
            record.requests
        };
        let head = String::from_utf8_lossy(head).trim_end().to_owned();
        let request = Request { connection: entry.id, number, user: user.map(ToOwned::to_owned), head };
        let mut books = self.books();
        if books.requests.len() == REQUESTS_MAX {
            books.requests.pop_front();
        }
        books.requests.push_back(request);
        number
    }

    /// A login that was refused.
    pub(super) fn refuse(&self, why: String) {
        self.books().refusals.push(why);
    }

    pub(super) fn refusals(&self) -> Vec<String> {
        self.books().refusals.clone()
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The open ones, to be cut.
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.books().open.values().map(Arc::clone).collect()
    }

    /// Every connection that is remembered, by number.
    pub(super) fn connections(&self) -> Vec<Connection> {
        let books = self.books();
        let open = books.open.values().map(|entry| entry.record().clone());
        let mut all: Vec<Connection> = books.ended.iter().cloned().chain(open).collect();
        all.sort_by_key(|connection| connection.id);
        all
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.books().requests.iter().cloned().collect()
    }
}

fn remember(values: &mut Vec<String>, value: Option<&str>) {
    let Some(value) = value else { return };
    if values.len() < VALUES_MAX && !values.iter().any(|known| known == value) {
        values.push(value.to_owned());
    }
}
