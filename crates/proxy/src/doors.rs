//! The doors of one worker, and what a new generation changes about them.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use transom_config::Name;

use crate::accept::Door;
use crate::worker::Worker;

/// All doors of one worker. Lives as long as the process.
pub(crate) struct Doors {
    pub(crate) worker: &'static Worker,
    open: RefCell<Vec<Rc<Door>>>,
}

/// A worker's share of what the plane listens on.
pub(crate) struct Share {
    pub(crate) listener: Name,
    pub(crate) address: SocketAddr,
    /// `None`: the door is open already.
    pub(crate) socket: Option<OwnedFd>,
}

impl Doors {
    /// None yet.
    pub(crate) fn of(worker: &'static Worker) -> &'static Self {
        Box::leak(Box::new(Self { worker, open: RefCell::default() }))
    }

    /// Takes up a new generation: closes doors that are gone, renews those that stay, opens the others.
    pub(crate) fn apply(&self, shares: Vec<Share>) {
        let mut open = self.open.borrow_mut();
        open.retain(|door| {
            let stays = shares.iter().any(|share| door.is(&share.listener, share.address));
            if !stays {
                door.close();
            }
            stays
        });
        let world = self.worker.world();
        for share in shares {
            let Some(listener) = world.listener(&share.listener) else { continue };
            let same = open.iter().find(|door| door.is(&share.listener, share.address));
            match (same, share.socket) {
                (Some(door), _) => door.renew(Arc::clone(listener)),
                (None, Some(socket)) => {
                    match Door::open(self.worker, socket, share.address, Arc::clone(listener)) {
                        Ok(door) => open.push(door),
                        Err(error) => log::error!("listener {}: {error}", share.listener),
                    }
                }
                (None, None) => log::error!("listener {}: no socket on {}", share.listener, share.address),
            }
        }
    }

    /// Stops accepting; connections that carry requests end with the one they are at.
    pub(crate) fn drain(&self) {
        self.close();
        self.worker.drain();
    }

    /// Stops accepting.
    pub(crate) fn close(&self) {
        for door in self.open.borrow_mut().drain(..) {
            door.close();
        }
    }
}
