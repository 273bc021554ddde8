//! From a pool to a connected server: choose, wait in the queue if all are full, take an idle connection or connect, try
//! another server when one fails.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use transom_config::Source;
use transom_state::{Ask, Choice, Fault, Lease, Pool, Said, Ticket};

use super::Link;
use super::connect::connect;
use crate::log::Way;
use crate::runtime::{Stop, runtime, sleep};
use crate::socket::Socket;
use crate::worker::Worker;

/// Pause before the same server is tried again: one that refused just now needs a moment.
const SAME_SERVER_PAUSE: Duration = Duration::from_millis(250);

/// Who wants a server.
pub(crate) struct Caller<'a> {
    pub(crate) worker: &'static Worker,
    /// Whose going away ends the search.
    pub(crate) client: &'a Socket,
    /// The client's own address.
    pub(crate) source: IpAddr,
    /// What its request says to the pool.
    pub(crate) said: Said,
}

/// Which connections will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Only one that has served nobody.
    Fresh,
    /// One that gave a response a moment ago will do as well: the server is not just closing it.
    Proven,
    /// Any that is idle.
    Any,
}

/// Finds a server and a connection to it, as often as the pool's `retry` allows. `header` is sent first on a new one.
pub(crate) async fn reach(
    caller: &Caller<'_>,
    way: &mut Way,
    pool: &Arc<Pool>,
    header: &[u8],
    wish: Wish,
) -> Result<(Lease, Link), Fault> {
    let worker = caller.worker;
    let mut tried: Vec<usize> = Vec::new();
    let begun = runtime().now();
    // What comes from a client's address was opened for that client.
    let wish = if pool.config.source == Source::Client { Wish::Fresh } else { wish };
    loop {
        let avoid: &[usize] = if pool.config.retry.other_server { &tried } else { &[] };
        let lease = take_lease(caller, way, pool, avoid).await?;
        way.server = u32::try_from(lease.index()).ok();
        if let Some(link) = worker.idle().take(worker, lease.server(), wish) {
            lease.reused(&caller.ask(&tried));
            return Ok((lease, link));
        }
        if tried.last() == Some(&lease.index()) {
            sleep(SAME_SERVER_PAUSE).await.map_err(|_| Fault::AdminDrained)?;
        }
        let fault = match connect(worker, pool, &lease, caller.source, header).await {
            Ok(link) => {
                way.connect = Some(runtime().now().duration_since(begun).into());
                if let Some(transition) = lease.connected(&caller.ask(&tried)) {
                    log::info!("{transition}");
                }
                return Ok((lease, link));
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
        if caller.client.is_dead() {
            return Err(Fault::ClientClosed);
        }
        way.retries += 1;
    }
}

impl Caller<'_> {
    fn ask<'a>(&self, tried: &'a [usize]) -> Ask<'a> {
        let worker = self.worker;
        Ask {
            source: self.source,
            said: self.said,
            tried,
            worker: worker.index,
            random: worker.random(),
            now: runtime().now(),
        }
    }
}

async fn take_lease(
    caller: &Caller<'_>,
    way: &mut Way,
    pool: &Arc<Pool>,
    tried: &[usize],
) -> Result<Lease, Fault> {
    match pool.choose(&caller.ask(tried)) {
        Choice::Server(lease) => Ok(lease),
        Choice::Empty => Err(Fault::PoolEmpty),
        Choice::Full => {
            let ticket = pool.enqueue().ok_or(Fault::PoolFull)?;
            let begun = runtime().now();
            let outcome = wait_in_queue(caller, ticket, tried, pool.config.queue.timeout).await;
            way.queue = Some(runtime().now().duration_since(begun).into());
            outcome
        }
    }
}

async fn wait_in_queue(
    caller: &Caller<'_>,
    mut ticket: Ticket,
    tried: &[usize],
    timeout: Duration,
) -> Result<Lease, Fault> {
    runtime().deadline(timeout);
    poll_fn(|context| {
        match ticket.poll(context, &caller.ask(tried)) {
            Poll::Ready(Choice::Server(lease)) => return Poll::Ready(Ok(lease)),
            Poll::Ready(Choice::Empty) => return Poll::Ready(Err(Fault::PoolEmpty)),
            Poll::Ready(Choice::Full) => return Poll::Ready(Err(Fault::PoolFull)),
            Poll::Pending => {}
        }
        if caller.client.poll_dead().is_ready() {
            return Poll::Ready(Err(Fault::ClientClosed));
        }
        runtime()
            .poll_fate()
            .map(|stop| Err(if stop == Stop::Cut { Fault::AdminDrained } else { Fault::QueueTimeout }))
    })
    .await
}
