//! Connections that are relayed byte by byte: `tcp`, and `passthrough`, which reads the TLS ClientHello first.

mod connect;
mod inspect;
mod pipe;
mod plain;
mod preface;
mod relay;

use std::sync::Arc;

use transom_config::ListenerMode;
use transom_state::{Fault, Pass, Pool};

use crate::log::{Ending, Load, Record};
use crate::runtime::{Stop, runtime};
use crate::socket::Socket;
use crate::worker::Worker;
use relay::{Relay, Relayed};

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

/// Everything until bytes flow: who is it, where does it want to go, which server takes it.
async fn open(worker: &'static Worker, record: &mut Record, client: Socket) -> Result<Box<Relay>, Fault> {
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
    let pool = choose_pool(&client, record, &mut bytes).await?;
    record.pool = Some(Arc::clone(&pool));
    if runtime().now() > record.started {
        record.inspect = Some(runtime().now().duration_since(record.started).into());
    }
    let reached = connect::reach(worker, &client, record, &pool).await?;
    let mut first = preface::to_server(pool.config.proxy_protocol, received, record.client, &client);
    let sent = bytes.len() as u64;
    first.append(&mut bytes);
    if !first.is_empty() {
        runtime().deadline(pool.config.timeouts.connect);
        reached.socket.write_all(&first).await.map_err(server_stopped)?;
    }
    Ok(Box::new(Relay::new(worker, listener, client, reached, sent)))
}

async fn choose_pool(client: &Socket, record: &mut Record, bytes: &mut Vec<u8>) -> Result<Arc<Pool>, Fault> {
    let listener = Arc::clone(&record.listener);
    match &listener.config.mode {
        ListenerMode::Tcp { .. } => listener.route(None).cloned().ok_or(Fault::NoRoute),
        ListenerMode::Passthrough(passthrough) => inspect::choose(passthrough, client, record, bytes).await,
    }
}

/// The word for a wait on the client that ended badly.
fn client_stopped(stop: Stop) -> Fault {
    match stop {
        Stop::Expired => Fault::ClientTimeout,
        Stop::Cut => Fault::AdminDrained,
        Stop::Io(_) => Fault::ClientClosed,
    }
}

/// The word for a wait on a connected server that ended badly.
fn server_stopped(stop: Stop) -> Fault {
    match stop {
        Stop::Expired => Fault::ServerResponseTimeout,
        Stop::Cut => Fault::AdminDrained,
        Stop::Io(_) => Fault::ServerReset,
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
        let bytes = size_of_output(serve) + size_of::<Record>() + size_of::<Relay>();
        assert!(bytes <= 440, "a relayed connection takes {bytes} bytes");
    }
}
