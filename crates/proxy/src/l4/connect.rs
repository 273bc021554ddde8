//! From a pool to a connected server: choose, wait in the queue if all are full, connect, try another when one fails.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use transom_config::Source;
use transom_state::{Ask, Choice, Fault, Lease, Pool, Ticket};

use crate::log::Record;
use crate::runtime::{Stop, runtime, sleep};
use crate::socket::Socket;
use crate::tls::{self, TlsEnd};
use crate::worker::Worker;

/// Pause before the same server is tried again: one that refused just now needs a moment.
const SAME_SERVER_PAUSE: Duration = Duration::from_millis(250);

/// A server that has accepted our connection.
pub(super) struct Reached {
    pub(super) server: ServerEnd,
    pub(super) lease: Lease,
}

/// The way to a server.
pub(super) enum ServerEnd {
    Plain(Socket),
    /// With the plain bytes that came with the server's last flight.
    Tls(TlsEnd, Vec<u8>),
}

/// Finds a server and connects to it, as often as the pool's `retry` allows. `header` is sent first.
pub(super) async fn reach(
    worker: &'static Worker,
    client: &Socket,
    record: &mut Record,
    pool: &Arc<Pool>,
    header: &[u8],
) -> Result<Reached, Fault> {
    let mut tried: Vec<usize> = Vec::new();
    let begun = runtime().now();
    loop {
        let avoid: &[usize] = if pool.config.retry.other_server { &tried } else { &[] };
        let lease = take_lease(worker, client, record, pool, avoid).await?;
        record.server = u32::try_from(lease.index()).ok();
        if tried.last() == Some(&lease.index()) {
            sleep(SAME_SERVER_PAUSE).await.map_err(|_| Fault::AdminDrained)?;
        }
        let fault = match connect(worker, pool, &lease, header).await {
            Ok(server) => {
                let now = runtime().now();
                record.connect = Some(now.duration_since(begun).into());
                if let Some(transition) = lease.connected(&ask(worker, record, &tried, now)) {
                    log::info!("{transition}");
                }
                return Ok(Reached { server, lease });
            }
            Err(fault) => fault,
        };
        if let Some(transition) = lease.failed(fault, worker.index, runtime().now()) {
            log::warn!("{transition}");
        }
        tried.push(lease.index());
        if tried.len() > pool.config.retry.times as usize || fault == Fault::AdminDrained {
            return Err(fault);
        }
        if client.is_dead() {
            return Err(Fault::ClientClosed);
        }
        record.retries += 1;
    }
}

fn ask<'a>(worker: &Worker, record: &Record, tried: &'a [usize], now: Instant) -> Ask<'a> {
    Ask { source: record.client.ip(), tried, worker: worker.index, random: worker.random(), now }
}

async fn take_lease(
    worker: &'static Worker,
    client: &Socket,
    record: &mut Record,
    pool: &Arc<Pool>,
    tried: &[usize],
) -> Result<Lease, Fault> {
    match pool.choose(&ask(worker, record, tried, runtime().now())) {
        Choice::Server(lease) => Ok(lease),
        Choice::Empty => Err(Fault::PoolEmpty),
        Choice::Full => {
            let ticket = pool.enqueue().ok_or(Fault::PoolFull)?;
            let begun = runtime().now();
            let outcome =
                wait_in_queue(worker, client, record, ticket, tried, pool.config.queue.timeout).await;
            record.queue = Some(runtime().now().duration_since(begun).into());
            outcome
        }
    }
}

async fn wait_in_queue(
    worker: &'static Worker,
    client: &Socket,
    record: &Record,
    mut ticket: Ticket,
    tried: &[usize],
    timeout: Duration,
) -> Result<Lease, Fault> {
    runtime().deadline(timeout);
    poll_fn(|context| {
        match ticket.poll(context, &ask(worker, record, tried, runtime().now())) {
            Poll::Ready(Choice::Server(lease)) => return Poll::Ready(Ok(lease)),
            Poll::Ready(Choice::Empty) => return Poll::Ready(Err(Fault::PoolEmpty)),
            Poll::Ready(Choice::Full) => return Poll::Ready(Err(Fault::PoolFull)),
            Poll::Pending => {}
        }
        if client.poll_dead().is_ready() {
            return Poll::Ready(Err(Fault::ClientClosed));
        }
        runtime()
            .poll_fate()
            .map(|stop| Err(if stop == Stop::Cut { Fault::AdminDrained } else { Fault::QueueTimeout }))
    })
    .await
}

/// One try, up to the end of the TLS handshake where there is one.
async fn connect(worker: &Worker, pool: &Pool, lease: &Lease, header: &[u8]) -> Result<ServerEnd, Fault> {
    let socket = connect_socket(worker, pool, lease).await?;
    if !header.is_empty() {
        socket.write_all(header).await.map_err(refused)?;
    }
    if pool.config.tls.is_none() {
        return Ok(ServerEnd::Plain(socket));
    }
    let world = worker.tls();
    // A reload in between may have taken the pool or the server away.
    let tls = world.pools.get(&pool.config.name).and_then(|pool| pool.servers.get(lease.server().name()));
    let mut early = Vec::new();
    let end = tls::connect(socket, tls.ok_or(Fault::ReloadCut)?, &mut early).await?;
    Ok(ServerEnd::Tls(end, early))
}

/// Where the pool has source addresses, each is used in turn until one has a port left.
async fn connect_socket(worker: &Worker, pool: &Pool, lease: &Lease) -> Result<Socket, Fault> {
    let address = lease.server().address().ok_or(Fault::ServerDns)?;
    runtime().deadline(pool.config.timeouts.connect);
    let mut outcome = Err(Fault::OutOfPorts);
    for source in sources(&pool.config.source, address, worker.turn()) {
        outcome = connect_from(source, address).await;
        if !matches!(outcome, Err(Fault::OutOfPorts)) {
            return outcome;
        }
    }
    outcome
}

fn sources(source: &Source, to: SocketAddr, turn: usize) -> Vec<Option<IpAddr>> {
    let Source::Addresses(addresses) = source else { return vec![None] };
    let mut fit: Vec<_> =
        addresses.iter().filter(|own| own.is_ipv4() == to.is_ipv4()).copied().map(Some).collect();
    if fit.is_empty() {
        return vec![None];
    }
    let first = turn % fit.len();
    fit.rotate_left(first);
    fit
}

async fn connect_from(source: Option<IpAddr>, to: SocketAddr) -> Result<Socket, Fault> {
    let socket = Socket::connecting(to, source).map_err(|error| refused(Stop::Io(error)))?;
    socket.connected().await.map_err(refused)?;
    Ok(socket)
}

/// The word for a connection that did not come about.
fn refused(stop: Stop) -> Fault {
    match stop {
        Stop::Cut => Fault::AdminDrained,
        Stop::Expired | Stop::Io(Errno::TIMEDOUT) => Fault::ServerConnectTimeout,
        Stop::Io(Errno::CONNREFUSED) => Fault::ServerRefused,
        Stop::Io(Errno::ADDRNOTAVAIL | Errno::AGAIN | Errno::ADDRINUSE) => Fault::OutOfPorts,
        Stop::Io(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Fault::OutOfFiles,
        Stop::Io(Errno::CONNRESET) => Fault::ServerReset,
        Stop::Io(_) => Fault::ServerUnreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_addresses_take_turns_and_fit_the_server() {
        let source =
            Source::Addresses(["10.0.0.9", "10.0.0.19", "fd00::9"].map(|ip| ip.parse().unwrap()).to_vec());
        let v4 = "10.0.0.13:443".parse().unwrap();
        let names = |turn| {
            sources(&source, v4, turn).into_iter().map(|ip| ip.unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["10.0.0.9", "10.0.0.19"]);
        assert_eq!(names(1), ["10.0.0.19", "10.0.0.9"]);
        assert_eq!(
            sources(&source, "[fd00::13]:443".parse().unwrap(), 5),
            [Some("fd00::9".parse().unwrap())]
        );
        assert_eq!(sources(&Source::Any, v4, 3), [None]);
    }

    #[test]
    fn what_the_network_says_becomes_a_word() {
        for (stop, fault) in [
            (Stop::Expired, Fault::ServerConnectTimeout),
            (Stop::Io(Errno::CONNREFUSED), Fault::ServerRefused),
            (Stop::Io(Errno::HOSTUNREACH), Fault::ServerUnreachable),
            (Stop::Io(Errno::ADDRNOTAVAIL), Fault::OutOfPorts),
            (Stop::Io(Errno::MFILE), Fault::OutOfFiles),
        ] {
            assert_eq!(refused(stop), fault, "{stop:?}");
        }
    }
}
