//! Idle connections of one worker. One is used again only for the very server it leads to, and only if it was opened with
//! all that would be said now: address, TLS name, client certificate, trust.
//!
//! A connection that carries a client's address (PROXY header, transparent source) or a client's login never comes here: it belongs to its
//! client connection and closes with it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use transom_state::{Pool, Server};

use super::counted::Counted;
use super::{Link, Wish};
use crate::end::End;
use crate::runtime::runtime;
use crate::worker::Worker;

/// A server that answered so lately is not just about to close for want of work.
const PROVEN: Duration = Duration::from_secs(1);

/// The idle connections of a worker, by server.
#[derive(Default)]
pub(crate) struct Idle {
    servers: RefCell<HashMap<usize, Vec<Waiting>>>,
}

/// One of them.
struct Waiting {
    link: Link,
    _counted: Counted,
}

impl Idle {
    /// The connection that was used last, if it fits and nothing has come on it since.
    pub(super) fn take(&self, worker: &Worker, server: &Server, wish: Wish) -> Option<Link> {
        if wish == Wish::Fresh {
            return None;
        }
        let mut servers = self.servers.borrow_mut();
        let links = servers.get_mut(&identity(server))?;
        let now = runtime().now();
        while let Some(waiting) = links.pop() {
            if wish == Wish::Proven && now.duration_since(waiting.link.proven) > PROVEN {
                links.push(waiting);
                return None;
            }
            let mut link = waiting.link;
            // Those that do not fit any more are closed here.
            if link.fits(server, worker) && link.is_quiet() {
                link.reused = true;
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection that has just given a complete response, if its pool keeps any.
    pub(crate) fn put(&self, mut link: Link, pool: &Arc<Pool>, worker: usize) {
        let limit = link.reuse.idle as usize;
        // One that comes from a client's address is that client's.
        if limit == 0 || !link.comes_from(None) || !link.is_quiet() {
            return;
        }
        link.proven = runtime().now();
        let mut servers = self.servers.borrow_mut();
        let links = servers.entry(identity(&link.server)).or_default();
        if links.len() >= limit {
            // The one that waited longest is the least likely to be of use.
            drop(links.remove(0));
        }
        links.push(Waiting { link, _counted: Counted::idle(pool, worker) });
    }

    /// Closes those whose server has closed them, or that waited too long.
    pub(crate) fn sweep(&self, now: Instant) {
        let fresh = |Waiting { link, .. }: &Waiting| {
            let waited = now.saturating_duration_since(link.proven);
            !link.end.socket().has_ended() && waited <= link.reuse.idle_for
        };
        self.servers.borrow_mut().retain(|_, links| {
            links.retain(fresh);
            !links.is_empty()
        });
    }
}

impl Link {
    fn fits(&self, server: &Server, worker: &Worker) -> bool {
        let same_tls = self.tls.as_ref().is_none_or(|own| worker.speaks(own));
        same_tls && server.address() == Some(self.address)
    }
}

/// The same for all generations of a server, and for no other as long as one of them lives: counters outlive reloads.
fn identity(server: &Server) -> usize {
    std::ptr::from_ref(server.counters()).addr()
}
