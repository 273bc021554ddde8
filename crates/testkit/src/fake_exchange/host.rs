//! The thread a server lives on: it listens, accepts, and stops and goes on as it is told.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Sender as Reply, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use super::line::{Input, Output, Socket};
use super::record::{Ending, Entry, Service};
use super::{World, mail, proxy_header, serve};
use crate::ca::Leaf;

/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Whether clients are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Open,
    /// They wait in the backlog.
    Stalled,
    /// They are refused.
    Closed,
}

type Order = (Mode, Reply<io::Result<()>>);

/// The thread and what it is told through.
pub(super) struct Host {
    addresses: Vec<(Service, SocketAddr)>,
    orders: Vec<mpsc::UnboundedSender<Order>>,
    quit: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    pub(super) fn start(world: &Arc<World>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut addresses, mut orders, mut doors) = (Vec::new(), Vec::new(), Vec::new());
        for (service, address) in &world.options.services {
            let listener = listen(*address)?;
            let address = listener.local_addr()?;
            let (sender, receiver) = mpsc::unbounded_channel();
            addresses.push((*service, address));
            orders.push(sender);
            doors.push((Door { service: *service, address, world: Arc::clone(world) }, listener, receiver));
        }
        let (quit, quitted) = oneshot::channel();
        let name = format!("exchange {}", world.options.name);
        let thread = thread::Builder::new().name(name).spawn(move || {
            runtime.block_on(async {
                for (door, listener, orders) in doors {
                    tokio::spawn(door.attend(listener, orders));
                }
                let _ = quitted.await; // told, or its owner is gone
            });
        })?;
        Ok(Self { addresses, orders, quit: Some(quit), thread: Some(thread) })
    }

    pub(super) fn addresses(&self) -> &[(Service, SocketAddr)] {
        &self.addresses
    }

    /// Tells every listener and waits until all have done so.
    pub(super) fn set(&self, mode: Mode) -> io::Result<()> {
        for orders in &self.orders {
            let (reply, replied) = channel();
            orders.send((mode, reply)).map_err(io::Error::other)?;
            replied.recv_timeout(PATIENCE).map_err(io::Error::other)??;
        }
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(quit) = self.quit.take() {
            let _ = quit.send(()); // the thread may have ended by itself
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One listening address.
struct Door {
    service: Service,
    address: SocketAddr,
    world: Arc<World>,
}

impl Door {
    /// Accepts while it may, and obeys.
    async fn attend(self, listener: TcpListener, mut orders: mpsc::UnboundedReceiver<Order>) {
        let Ok(listener) = nonblocking(listener) else { return };
        let (mut listener, mut stalled) = (Some(listener), false);
        loop {
            let accepted = async {
                match &listener {
                    Some(listener) if !stalled => listener.accept().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                accepted = accepted => match accepted {
                    Ok((stream, peer)) => drop(tokio::spawn(greet(Arc::clone(&self.world), self.service, stream, peer))),
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await, // out of files, say
                },
                order = orders.recv() => {
                    let Some((mode, reply)) = order else { return };
                    stalled = mode == Mode::Stalled;
                    let outcome = self.listen(&mut listener, mode);
                    let _ = reply.send(outcome); // whoever asked may have given up
                }
            }
        }
    }

    fn listen(&self, listener: &mut Option<tokio::net::TcpListener>, mode: Mode) -> io::Result<()> {
        match mode {
            Mode::Closed => *listener = None,
            Mode::Open | Mode::Stalled if listener.is_none() => {
                *listener = Some(nonblocking(listen(self.address)?)?);
            }
            Mode::Open | Mode::Stalled => {}
        }
        Ok(())
    }
}

/// Listens with room for many to wait: clients of a test come all at once.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

fn nonblocking(listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

/// Serves a connection to its end, or until it is cut.
async fn greet(world: Arc<World>, service: Service, stream: TcpStream, peer: SocketAddr) {
    let _ = stream.set_nodelay(true); // slower without
    let socket = Arc::new(stream);
    let entry = world.ledger.open(service, peer, Arc::clone(&socket), world.options.received_bytes_max);
    let mut cut = entry.cut.subscribe();
    tokio::select! {
        // A client that leaves early, or sends nonsense, is no fault here; nonsense is noted where it is found.
        _ = converse(&world, service, &entry) => {}
        _ = cut.wait_for(Option::is_some) => {}
    }
    if *entry.cut.borrow() == Some(Ending::Reset) {
        let _ = socket.set_zero_linger(); // closing it will reset the connection
    }
    world.ledger.end(entry.id);
}

async fn converse(world: &Arc<World>, service: Service, entry: &Arc<Entry>) -> io::Result<()> {
    if world.options.proxy_header {
        let proxied = proxy_header::read(&entry.socket).await;
        if proxied.is_err() {
            entry.ambiguous("no PROXY header");
        }
        entry.record().proxied = proxied?;
    }
    let socket = Socket(Arc::clone(&entry.socket));
    let Some(tls) = world.tls.as_ref().filter(|_| service == Service::Https) else {
        let (reader, writer) = tokio::io::split(socket);
        let (input, output) = (Input::new(reader, Arc::clone(entry)), Output::new(writer));
        return match service {
            Service::Http | Service::Https => serve::serve(world, entry, input, output).await,
            mail => mail::serve(world, entry, mail, input, output).await,
        };
    };
    let stream = tls.accept(socket).await?;
    {
        let (_, connection) = stream.get_ref();
        let mut record = entry.record();
        record.server_name = connection.server_name().map(ToOwned::to_owned);
        let shown = connection.peer_certificates().and_then(|chain| chain.first());
        record.client_certificate = shown.map(|certificate| certificate.to_vec());
    }
    let (reader, writer) = tokio::io::split(stream);
    serve::serve(world, entry, Input::new(reader, Arc::clone(entry)), Output::new(writer)).await
}

/// TLS with one certificate; clients are asked for theirs if there is an authority.
pub(super) fn tls(leaf: &Leaf, authority: Option<&str>) -> io::Result<TlsAcceptor> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match authority {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            let authority = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
            roots.add(authority).map_err(io::Error::other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.allow_unauthenticated().build().map_err(io::Error::other)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from(leaf.der.clone())];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).map_err(io::Error::other)?;
    let mut config = builder.with_single_cert(chain, key).map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
