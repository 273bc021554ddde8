//! Connections that are relayed byte by byte: `tcp`; `passthrough`, which reads the TLS ClientHello first; and `tls`, which
//! deciphers and reads nothing of what is inside.

mod connect;
pub(crate) mod end;
mod inspect;
mod pipe;
mod plain;
mod preface;
mod relay;
mod terminate;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use transom_config::ListenerMode;
use transom_state::{Fault, Lease, Pass, Pool};

use crate::log::{Ending, Load, Record};
use crate::runtime::{Stop, runtime};
use crate::socket::Socket;
use crate::tls::TlsEnd;
use crate::worker::Worker;
use connect::ServerEnd;
use end::End;
use relay::{Relay, Relayed, Sent};

/// Serves one client connection from its first byte to its last. `passes` count it while it lives.
///
/// What opening needs is boxed and freed before the long life of the relay begins: an idle connection is a small future,
/// its record and its relay.
pub(crate) async fn serve(
    worker: &'static Worker,
    mut record: Box<Record>,
    client: Socket,
    passes: [Pass; 2],
) {
    let relayed = match Box::pin(open(worker, &mut record, client)).await {
        Ok(relay) => relay.await,
        Err(fault) => Relayed::nothing(fault),
    };
    finish(worker, &record, &relayed);
    drop(passes);
}

/// A relay between whatever two ends.
type Relaying = Pin<Box<dyn Future<Output = Relayed>>>;

/// The client's end, and what it has sent already, all of which belongs to the server.
struct Arrived<C> {
    client: C,
    bytes: Vec<u8>,
}

/// Everything until bytes flow: who is it, where does it want to go, which server takes it.
async fn open(worker: &'static Worker, record: &mut Record, client: Socket) -> Result<Relaying, Fault> {
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
    let arrival = match &listener.config.mode {
        ListenerMode::Tcp { .. } => Arrival::Bare(Arrived { client, bytes }, default_pool(record)?),
        ListenerMode::Passthrough(passthrough) => {
            let pool = inspect::choose(passthrough, &client, record, &mut bytes).await?;
            Arrival::Bare(Arrived { client, bytes }, pool)
        }
        ListenerMode::Tls(terminate) => {
            let arrived = terminate::shake_hands(worker, terminate, record, client, bytes).await?;
            Arrival::Tls(arrived, default_pool(record)?)
        }
        // No configuration loads with it yet.
        ListenerMode::Http(_) => return Err(Fault::NoRoute),
    };
    if runtime().now() > record.started {
        record.inspect = Some(runtime().now().duration_since(record.started).into());
    }
    match arrival {
        Arrival::Bare(arrived, pool) => go_on(worker, record, arrived, pool, received).await,
        Arrival::Tls(arrived, pool) => go_on(worker, record, arrived, pool, received).await,
    }
}

/// A client that is known, and the pool it goes to.
enum Arrival {
    Bare(Arrived<Socket>, Arc<Pool>),
    Tls(Arrived<TlsEnd>, Arc<Pool>),
}

fn default_pool(record: &Record) -> Result<Arc<Pool>, Fault> {
    record.listener.route(None).cloned().ok_or(Fault::NoRoute)
}

/// From a client that is known to a relay.
async fn go_on<C: End + Unpin + 'static>(
    worker: &'static Worker,
    record: &mut Record,
    arrived: Arrived<C>,
    pool: Arc<Pool>,
    received: Option<transom_wire::proxy_protocol::Addresses>,
) -> Result<Relaying, Fault> {
    record.pool = Some(Arc::clone(&pool));
    let socket = arrived.client.socket();
    let header = preface::to_server(pool.config.proxy_protocol, received, record.client, socket);
    let reached = connect::reach(worker, socket, record, &pool, &header).await?;
    runtime().deadline(pool.config.timeouts.connect);
    match reached.server {
        ServerEnd::Plain(server) => begin(worker, record, reached.lease, arrived, (server, Vec::new())).await,
        ServerEnd::Tls(server, early) => begin(worker, record, reached.lease, arrived, (server, early)).await,
    }
}

/// Passes on what both sides have said already and begins to relay.
async fn begin<C: End + Unpin + 'static, S: End + Unpin + 'static>(
    worker: &'static Worker,
    record: &Record,
    lease: Lease,
    Arrived { mut client, bytes }: Arrived<C>,
    (mut server, early): (S, Vec<u8>),
) -> Result<Relaying, Fault> {
    end::write_all(&mut server, &bytes).await.map_err(|_| Fault::ServerReset)?;
    end::write_all(&mut client, &early).await.map_err(|_| Fault::ClientClosed)?;
    let sent = Sent { up: bytes.len() as u64, down: early.len() as u64 };
    Ok(Box::pin(Relay::new(worker, Arc::clone(&record.listener), lease, (client, server), sent)))
}

/// The end of a connection: counters and its line.
fn finish(worker: &Worker, record: &Record, relayed: &Relayed) {
    let Relayed { bytes_up: bytes_in, bytes_down: bytes_out, fault, .. } = *relayed;
    if let Some(fault) = fault {
        worker.count(fault);
    }
    if record.pool.is_none() {
        record.listener.counters().refused.add(worker.index, 1);
    }
    let pool =
        record.pool.as_ref().map_or(0, |pool| pool.servers().iter().map(|server| server.connections()).sum());
    let load = Load {
        process: worker.process_connections(),
        listener: record.listener.gate().used(),
        pool,
        server: relayed.server_connections,
    };
    worker.log().write(record, &Ending { at: runtime().now(), bytes_in, bytes_out, fault, load });
}

/// The word for a wait on the client that ended badly.
fn client_stopped(stop: Stop) -> Fault {
    match stop {
        Stop::Expired => Fault::ClientTimeout,
        Stop::Cut => Fault::AdminDrained,
        Stop::Io(_) => Fault::ClientClosed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// What an idle connection costs beside its task and its two readiness slots.
    #[test]
    fn an_idle_connection_is_a_small_parked_future() {
        let bytes = size_of_output(serve) + size_of::<Record>() + size_of::<Relay<Socket, Socket>>();
        assert!(bytes <= 440, "a relayed connection takes {bytes} bytes");
    }
}
