//! Blocking servers that say who they are, count their connections, can be slow, and can die and come back.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::ca::Leaf;
use crate::{client, origin};

/// What a server does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Sends its name in a line, then all that it receives, until the client is done.
    Echo,
    /// Reads until the client is done, then sends how many bytes that were, in a line, and its name in another.
    Count,
    /// Sends so many bytes and closes.
    Send(u64),
    /// A tiny HTTP/1.1 origin, see [`crate::origin`].
    Http,
    /// Greets, answers EHLO with this status and ends on QUIT (RFC 5321).
    Smtp(u16),
    /// Reads and says nothing.
    Silent,
}

/// A running server. Everything it does runs in the network namespace it was started in.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    orders: Sender<Order>,
    acceptor: Option<JoinHandle<()>>,
}

/// What the accepting thread is told while it does not listen.
enum Order {
    Resume(Sender<io::Result<()>>),
    Quit,
}

/// What its threads share.
pub(crate) struct Shared {
    pub(crate) name: String,
    behaviour: Behaviour,
    tls: Option<Arc<ServerConfig>>,
    accepted: AtomicU64,
    stopped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listening: Option<TcpListener>,
    open: HashMap<u64, TcpStream>,
    delay: Duration,
    first_bytes: Vec<Vec<u8>>,
    answers: HashMap<String, (u16, String)>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that was set for a path.
    pub(crate) fn answer(&self, path: &str) -> Option<(u16, String)> {
        self.state().answers.get(path).cloned()
    }
}

impl Server {
    /// Listens on `address` (port 0: any) and serves in plain text.
    pub fn start(name: &str, address: SocketAddr, behaviour: Behaviour) -> io::Result<Self> {
        Self::launch(name, address, behaviour, None)
    }

    /// Listens on `address` (port 0: any) and serves over TLS with this certificate.
    pub fn start_tls(name: &str, address: SocketAddr, behaviour: Behaviour, leaf: &Leaf) -> io::Result<Self> {
        let chain = vec![CertificateDer::from(leaf.der.clone())];
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(io::Error::other)?;
        Self::launch(name, address, behaviour, Some(Arc::new(config)))
    }

    fn launch(
        name: &str,
        address: SocketAddr,
        behaviour: Behaviour,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let state = State { listening: Some(listener.try_clone()?), ..State::default() };
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            behaviour,
            tls,
            accepted: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            state: Mutex::new(state),
        });
        let (orders, received) = channel();
        let acceptor = thread::Builder::new().name(format!("server {name}")).spawn({
            let shared = Arc::clone(&shared);
            move || accept(listener, address, &shared, &received)
        })?;
        Ok(Self { address, shared, orders, acceptor: Some(acceptor) })
    }

    /// Where it listens, or listened before it was stopped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Connections accepted since it was started.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.state().open.len()
    }

    /// What came first on each connection of a plain server that is [`Behaviour::Silent`] or [`Behaviour::Count`]: at
    /// most 4 KiB of each, as far as it came in one piece.
    pub fn first_bytes(&self) -> Vec<Vec<u8>> {
        self.shared.state().first_bytes.clone()
    }

    /// From now on it waits so long before it says anything on a new connection.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// From now on a request for `path` is answered so (HTTP only).
    pub fn set_answer(&self, path: &str, status: u16, body: &str) {
        self.shared.state().answers.insert(path.to_owned(), (status, body.to_owned()));
    }

    /// Dies: stops listening and cuts every connection.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let mut state = self.shared.state();
        if let Some(listener) = state.listening.take() {
            // Wakes the thread in accept(2); the socket refuses from here on.
            let _ = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both);
        }
        for (_, stream) in state.open.drain() {
            let _ = stream.shutdown(Shutdown::Both); // it may be gone already
        }
    }

    /// Listens again where it did before.
    pub fn resume(&self) -> io::Result<()> {
        if !self.shared.stopped.load(Ordering::SeqCst) {
            return Ok(());
        }
        let (reply, replied) = channel();
        self.orders.send(Order::Resume(reply)).map_err(io::Error::other)?;
        replied.recv_timeout(Duration::from_secs(10)).map_err(io::Error::other)?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // The thread ends by this or has ended already.
        let _ = self.orders.send(Order::Quit);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// Accepts while it may listen, waits for orders while it may not. This thread binds, so that the socket of a server
/// that came back is in its namespace again.
fn accept(listener: TcpListener, address: SocketAddr, shared: &Arc<Shared>, orders: &Receiver<Order>) {
    let mut listening = Some(listener);
    loop {
        let Some(listener) = &listening else {
            let Ok(Order::Resume(reply)) = orders.recv() else { return };
            let bound = TcpListener::bind(address).and_then(|listener| Ok((listener.try_clone()?, listener)));
            let outcome = bound.map(|(copy, listener)| {
                shared.state().listening = Some(copy);
                shared.stopped.store(false, Ordering::SeqCst);
                listening = Some(listener);
            });
            let _ = reply.send(outcome); // whoever asked may have given up
            continue;
        };
        match listener.accept() {
            Ok((stream, _)) => spawn(shared, stream),
            Err(_) if shared.stopped.load(Ordering::SeqCst) => listening = None,
            Err(_) => thread::sleep(Duration::from_millis(10)), // out of files, say: the next one may work
        }
    }
}

/// Serves a connection on a thread of its own.
fn spawn(shared: &Arc<Shared>, stream: TcpStream) {
    let shared = Arc::clone(shared);
    let id = shared.accepted.fetch_add(1, Ordering::Relaxed);
    let Ok(copy) = stream.try_clone() else { return };
    {
        let mut state = shared.state();
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        state.open.insert(id, copy);
    }
    thread::spawn(move || {
        let _ = handle(&shared, stream); // a client that leaves early is no fault here
        if let Some(copy) = shared.state().open.remove(&id) {
            let _ = copy.shutdown(Shutdown::Both);
        }
    });
}

fn handle(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let delay = shared.state().delay;
    if !delay.is_zero() {
        thread::sleep(delay);
    }
    match &shared.tls {
        None => serve(shared, stream),
        Some(config) => {
            let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            serve(shared, StreamOwned::new(connection, stream))
        }
    }
}

/// A connection that can say it has nothing more to send.
trait Conversation: Read + Write {
    fn finish(&mut self) -> io::Result<()>;
}

impl Conversation for TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Conversation for StreamOwned<ServerConnection, TcpStream> {
    fn finish(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        self.flush()
    }
}

fn serve(shared: &Shared, mut stream: impl Conversation) -> io::Result<()> {
    match shared.behaviour {
        Behaviour::Echo => echo(shared, &mut stream)?,
        Behaviour::Count => {
            let count = drain(shared, &mut stream)?;
            write!(stream, "{count}\n{}\n", shared.name)?;
        }
        Behaviour::Send(bytes) => drop(io::copy(&mut io::repeat(b'x').take(bytes), &mut stream)?),
        Behaviour::Http => origin::serve(shared, &mut stream)?,
        Behaviour::Smtp(status) => smtp(shared, status, &mut stream)?,
        Behaviour::Silent => drop(drain(shared, &mut stream)?),
    }
    stream.flush()?;
    stream.finish()
}

fn echo(shared: &Shared, stream: &mut impl Conversation) -> io::Result<()> {
    writeln!(stream, "{}", shared.name)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(buffer.get(..count).unwrap_or_default())?,
        }
    }
}

/// Reads to the end, keeps what came first, and counts.
fn drain(shared: &Shared, stream: &mut impl Conversation) -> io::Result<u64> {
    let mut first = vec![0; 4096];
    let count = stream.read(&mut first)?;
    first.truncate(count);
    shared.state().first_bytes.push(first);
    if count == 0 {
        return Ok(0);
    }
    Ok(count as u64 + io::copy(stream, &mut io::sink())?)
}

fn smtp(shared: &Shared, status: u16, stream: &mut impl Conversation) -> io::Result<()> {
    let name = &shared.name;
    write!(stream, "220 {name} ESMTP\r\n")?;
    loop {
        let line = client::read_line(stream)?;
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "" => return Ok(()),
            "EHLO" => write!(stream, "{status}-{name}\r\n{status} 8BITMIME\r\n")?,
            "HELO" | "NOOP" | "RSET" | "MAIL" | "RCPT" => write!(stream, "250 {name}\r\n")?,
            "QUIT" => return write!(stream, "221 {name}\r\n"),
            _ => write!(stream, "502 {name} does not know that\r\n")?,
        }
    }
}
