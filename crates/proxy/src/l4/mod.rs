//! Connections that are relayed byte by byte: `tcp`; `passthrough`, which reads the TLS ClientHello first; and `tls`, which
//! deciphers and reads nothing of what is inside.

mod inspect;
mod pipe;
mod relay;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use transom_config::ListenerMode;
use transom_state::{Fault, Lease, Pool, Said};

use crate::end::{self, End};
use crate::front::{self, Arrived, Life};
use crate::link::{Caller, ServerEnd, Wish, reach};
use crate::log::{Ending, Load, Record};
use crate::runtime::runtime;
use crate::worker::Worker;

pub(crate) use relay::{Relay, Relayed, Sent};

/// A relay between whatever two ends.
type Relaying = Pin<Box<dyn Future<Output = Relayed>>>;

/// From a client that is in to bytes that flow: where does it want to go, which server takes it. What comes back is the
/// rest of the connection's life; `None`: it has ended.
pub(crate) async fn open<C: End + Unpin + 'static>(
    worker: &'static Worker,
    mut record: Box<Record>,
    arrived: Arrived<C>,
) -> Option<Life> {
    match begin(worker, &mut record, arrived).await {
        Ok(relaying) => Some(Box::pin(live(worker, record, relaying))),
        Err(fault) => {
            finish(worker, &record, &Relayed::nothing(fault));
            None
        }
    }
}

/// The relay, and its line.
#[expect(clippy::manual_async_fn, reason = "it would hold its arguments twice")]
fn live(worker: &'static Worker, record: Box<Record>, mut relaying: Relaying) -> impl Future<Output = ()> {
    async move {
        let relayed = relaying.as_mut().await;
        finish(worker, &record, &relayed);
    }
}

async fn begin<C: End + Unpin + 'static>(
    worker: &'static Worker,
    record: &mut Record,
    mut arrived: Arrived<C>,
) -> Result<Relaying, Fault> {
    let listener = Arc::clone(&record.listener);
    let pool = match &listener.config.mode {
        ListenerMode::Passthrough(passthrough) => {
            inspect::choose(passthrough, arrived.client.socket(), record, &mut arrived.bytes).await?
        }
        _ => listener.route(None).cloned().ok_or(Fault::NoRoute)?,
    };
    if runtime().now() > record.started {
        record.inspect = Some(runtime().now().duration_since(record.started).into());
    }
    go_on(worker, record, arrived, pool).await
}

/// From a client whose pool is known to a relay.
async fn go_on<C: End + Unpin + 'static>(
    worker: &'static Worker,
    record: &mut Record,
    arrived: Arrived<C>,
    pool: Arc<Pool>,
) -> Result<Relaying, Fault> {
    record.pool = Some(Arc::clone(&pool));
    let socket = arrived.client.socket();
    let header = front::to_server(pool.config.proxy_protocol, arrived.received, record.client, socket);
    let caller = Caller { worker, client: socket, source: record.client.ip(), said: Said::default() };
    let (lease, link) = reach(&caller, &mut record.way, &pool, &header, Wish::Fresh).await?;
    runtime().deadline(pool.config.timeouts.connect);
    match link.end {
        ServerEnd::Plain(server) => pass_on(worker, record, lease, arrived, (server, link.early)).await,
        ServerEnd::Tls(server) => pass_on(worker, record, lease, arrived, (server, link.early)).await,
    }
}

/// Passes on what both sides have said already and begins to relay.
async fn pass_on<C: End + Unpin + 'static, S: End + Unpin + 'static>(
    worker: &'static Worker,
    record: &Record,
    lease: Lease,
    Arrived { mut client, bytes, .. }: Arrived<C>,
    (mut server, early): (S, Vec<u8>),
) -> Result<Relaying, Fault> {
    end::write_all(&mut server, &bytes).await.map_err(|_| Fault::ServerReset)?;
    end::write_all(&mut client, &early).await.map_err(|_| Fault::ClientClosed)?;
    let sent = Sent { up: bytes.len() as u64, down: early.len() as u64 };
    Ok(Box::pin(Relay::new(worker, Arc::clone(&record.listener), lease, (client, server), sent)))
}

/// The end of a connection: counters and its line.
pub(crate) fn finish(worker: &Worker, record: &Record, relayed: &Relayed) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::Socket;

    fn size_of_output<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_life<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// What an idle connection costs beside its task and its two readiness slots.
    #[test]
    fn an_idle_connection_is_a_small_parked_future() {
        let bytes = size_of_output(front::serve)
            + size_of_life(live)
            + size_of::<Record>()
            + size_of::<Relay<Socket, Socket>>();
        assert!(bytes <= 440, "a relayed connection takes {bytes} bytes");
    }
}
