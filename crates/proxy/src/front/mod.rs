//! The door itself: who is it, may it come in, and what does it speak. Behind it a connection is relayed (`l4`) or its
//! requests are read (`http`).

pub(crate) mod plain;
mod preface;
mod terminate;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use transom_config::ListenerMode;
use transom_state::{Fault, Listener, Pass};
use transom_wire::proxy_protocol::Addresses;

use crate::log::Record;
use crate::runtime::Stop;
use crate::socket::Socket;
use crate::tls::TlsEnd;
use crate::worker::Worker;
use crate::{http, l4};

pub(crate) use preface::to_server;

/// The life of a connection behind the door, up to its last log line.
pub(crate) type Life = Pin<Box<dyn Future<Output = ()>>>;

/// A client that may come in, and what it has said already.
pub(crate) struct Arrived<C> {
    /// The client's end.
    pub(crate) client: C,
    /// What came and is not used yet.
    pub(crate) bytes: Vec<u8>,
    /// What a balancer in front of us said of it.
    pub(crate) received: Option<Addresses>,
}

/// Serves one client connection from its first byte to its last. `passes` count it while it lives.
///
/// What opening needs is boxed and freed before the long life begins: an idle connection is a small future, its record,
/// and its relay or its wait for a request.
pub(crate) async fn serve(worker: &'static Worker, record: Box<Record>, client: Socket, passes: [Pass; 2]) {
    if let Some(life) = Box::pin(open(worker, record, client)).await {
        life.await;
    }
    drop(passes);
}

/// Everything until it is clear how the connection will be served; `None`: it has ended.
async fn open(worker: &'static Worker, mut record: Box<Record>, client: Socket) -> Option<Life> {
    match enter(worker, &mut record, client).await {
        Ok(Entered::Bare(arrived)) if record.listener.http().is_some() => {
            Some(http::life(worker, record, arrived))
        }
        Ok(Entered::Tls(arrived)) if record.listener.http().is_some() => {
            Some(http::life(worker, record, arrived))
        }
        Ok(Entered::Bare(arrived)) => l4::open(worker, record, arrived).await,
        Ok(Entered::Tls(arrived)) => l4::open(worker, record, arrived).await,
        Err(fault) => {
            l4::finish(worker, &record, &l4::Relayed::nothing(fault));
            None
        }
    }
}

/// A client that is in, over whatever it speaks.
enum Entered {
    Bare(Arrived<Socket>),
    Tls(Arrived<TlsEnd>),
}

/// PROXY header, source lists, TLS handshake.
async fn enter(worker: &Worker, record: &mut Record, client: Socket) -> Result<Entered, Fault> {
    let listener = Arc::clone(&record.listener);
    let mut bytes = Vec::new();
    let mut received = None;
    if preface::expected(&listener.config, record.client.ip()) {
        received = preface::read(&client, &mut bytes).await?;
        record.client = received.as_ref().map_or(record.client, |addresses| addresses.source);
    }
    if !listener.config.sources.admit(record.client.ip()) {
        client.reset_on_close();
        return Err(Fault::SourceRefused);
    }
    let Some(terms) = terms(&listener) else {
        return Ok(Entered::Bare(Arrived { client, bytes, received }));
    };
    let (client, bytes) = terminate::shake_hands(worker, &terms, record, client, bytes).await?;
    Ok(Entered::Tls(Arrived { client, bytes, received }))
}

/// How TLS is ended, where it is.
fn terms(listener: &Listener) -> Option<terminate::Terms> {
    match &listener.config.mode {
        ListenerMode::Tls(mode) => {
            Some(terminate::Terms { time: mode.handshake_timeout, plain_http: mode.plain_http })
        }
        ListenerMode::Http(mode) => {
            let tls = mode.tls.as_ref()?;
            Some(terminate::Terms { time: tls.handshake_timeout, plain_http: tls.plain_http })
        }
        ListenerMode::Tcp { .. } | ListenerMode::Passthrough(_) => None,
    }
}

/// The word for a wait on the client that ended badly.
pub(crate) fn client_stopped(stop: Stop) -> Fault {
    match stop {
        Stop::Expired => Fault::ClientTimeout,
        Stop::Cut => Fault::AdminDrained,
        Stop::Io(_) => Fault::ClientClosed,
    }
}
