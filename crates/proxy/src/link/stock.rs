//! Sockets that may be bound to addresses that are not ours, for pools that connect from the client's own
//! (`source = { client = true }`). Setting `IP_TRANSPARENT` (ip(7)) needs CAP_NET_ADMIN, using a socket that has it does
//! not: whoever has the capability makes them a batch at a time, the workers take from the stock.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use transom_state::Fault;

/// Sockets that are made at a time.
pub const SOURCE_BATCH: usize = 64;
/// With fewer left, the next batch is asked for.
const LOW: usize = 16;
/// Connections that may wait for a batch; further ones fail at once.
const WAITING_MAX: usize = 4096;

/// The stock of one process: a shelf a family.
#[derive(Clone)]
pub struct SourceStock(Arc<Shelves>);

struct Shelves {
    ask: Box<dyn Fn(bool) + Send + Sync>,
    v4: Mutex<Shelf>,
    v6: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    sockets: Vec<OwnedFd>,
    /// A batch is on its way: nobody asks twice.
    asked: bool,
    /// Batches that came empty.
    refusals: u64,
    waiting: Vec<std::task::Waker>,
}

impl SourceStock {
    /// An empty one. `ask` is called with whether IPv6 sockets are wanted; [`SourceStock::fill`] answers, from anywhere.
    pub fn new(ask: impl Fn(bool) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shelves { ask: Box::new(ask), v4: Mutex::default(), v6: Mutex::default() }))
    }

    /// One that stays empty: whoever wants a socket waits in vain.
    pub fn none() -> Self {
        Self::new(|_| {})
    }

    /// The batch that was asked for; an empty one fails those who wait.
    pub fn fill(&self, v6: bool, sockets: Vec<OwnedFd>) {
        let mut shelf = self.shelf(v6).lock();
        shelf.asked = false;
        shelf.refusals += u64::from(sockets.is_empty());
        shelf.sockets.extend(sockets.into_iter().take(SOURCE_BATCH));
        let waiting = std::mem::take(&mut shelf.waiting);
        drop(shelf);
        waiting.into_iter().for_each(std::task::Waker::wake);
    }

    /// Batches that came empty so far, to be given to [`SourceStock::poll_take`].
    pub(crate) fn refusals(&self, v6: bool) -> u64 {
        self.shelf(v6).lock().refusals
    }

    /// Takes one, or waits for the next batch. Fails when a batch comes empty after `refusals` of them.
    pub(crate) fn poll_take(
        &self,
        context: &Context<'_>,
        v6: bool,
        refusals: u64,
    ) -> Poll<Result<OwnedFd, Fault>> {
        let mut shelf = self.shelf(v6).lock();
        let taken = shelf.sockets.pop();
        if taken.is_none() && shelf.refusals != refusals {
            return Poll::Ready(Err(Fault::SourceUnavailable));
        }
        let asks = shelf.sockets.len() < LOW && !shelf.asked;
        shelf.asked |= asks;
        let outcome = match taken {
            Some(socket) => Poll::Ready(Ok(socket)),
            None if shelf.waiting.iter().any(|waker| waker.will_wake(context.waker())) => Poll::Pending,
            None if shelf.waiting.len() >= WAITING_MAX => Poll::Ready(Err(Fault::SourceUnavailable)),
            None => {
                shelf.waiting.push(context.waker().clone());
                Poll::Pending
            }
        };
        drop(shelf);
        if asks {
            (self.0.ask)(v6);
        }
        outcome
    }

    fn shelf(&self, v6: bool) -> &Mutex<Shelf> {
        if v6 { &self.0.v6 } else { &self.0.v4 }
    }
}

/// So many sockets that may be bound to any address. Errors: without CAP_NET_ADMIN (`PermissionDenied`), or no descriptor
/// left.
pub fn source_sockets(v6: bool, count: usize) -> io::Result<Vec<OwnedFd>> {
    let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
    let make = || {
        let fd =
            net::socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        // For TCP over IPv6 the kernel keeps the same flag, and takes it at this level too.
        nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::IpTransparent, &true)?;
        Ok(fd)
    };
    (0..count).map(|_| make()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use super::*;

    fn plain(count: usize) -> Vec<OwnedFd> {
        (0..count).map(|_| tempfile::tempfile().unwrap().into()).collect()
    }

    fn counted() -> (SourceStock, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        (
            SourceStock::new(move |_| {
                let _ = counter.fetch_add(1, Ordering::Relaxed);
            }),
            asked,
        )
    }

    #[test]
    fn a_batch_is_asked_for_once_and_before_the_stock_is_empty() {
        let (stock, asked) = counted();
        let context = Context::from_waker(Waker::noop());
        assert!(stock.poll_take(&context, false, 0).is_pending());
        assert!(stock.poll_take(&context, false, 0).is_pending());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        stock.fill(false, plain(SOURCE_BATCH));
        for _ in 0..SOURCE_BATCH {
            assert!(matches!(stock.poll_take(&context, false, 0), Poll::Ready(Ok(_))));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert!(stock.poll_take(&context, false, 0).is_pending());
    }

    #[test]
    fn an_empty_batch_fails_those_who_wait_and_the_next_one_asks_again() {
        let (stock, asked) = counted();
        let context = Context::from_waker(Waker::noop());
        assert!(stock.poll_take(&context, true, 0).is_pending());
        stock.fill(true, Vec::new());
        let refused = stock.poll_take(&context, true, 0);
        assert!(matches!(refused, Poll::Ready(Err(Fault::SourceUnavailable))));
        assert!(stock.poll_take(&context, true, stock.refusals(true)).is_pending());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
