//! One worker thread: its doors, its log lines, its dice.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use transom_config::{AccessFormat, Name};
use transom_state::{Current, Fault, Gate};

use crate::accept::Door;
use crate::l4::Relayed;
use crate::log::{AccessLog, Ending, Load, Record, Sender};
use crate::runtime::{Runtime, runtime};

/// What belongs to one worker thread. Lives as long as the process.
pub(crate) struct Worker {
    /// Which worker of the plane: its cell in every counter.
    pub(crate) index: usize,
    current: Arc<Current>,
    doors: RefCell<Vec<Rc<Door>>>,
    log: AccessLog,
    dice: Cell<u64>,
    turn: Cell<usize>,
}

/// A worker's share of what the plane listens on.
pub(crate) struct Share {
    pub(crate) listener: Name,
    pub(crate) address: SocketAddr,
    /// `None`: the door is open already.
    pub(crate) socket: Option<OwnedFd>,
}

impl Worker {
    /// Makes the current thread, which has entered `runtime`, worker `index`.
    pub(crate) fn enter(runtime: &'static Runtime, index: usize, current: Arc<Current>) -> &'static Self {
        let worker: &'static Self = Box::leak(Box::new(Self {
            index,
            current,
            doors: RefCell::default(),
            log: AccessLog::off(),
            dice: Cell::new(RandomState::new().hash_one(index)),
            turn: Cell::new(0),
        }));
        runtime.each_tick(|| worker.log.flush());
        worker
    }

    /// Takes up a new generation: closes doors that are gone, renews those that stay, opens the others.
    pub(crate) fn apply(&'static self, shares: Vec<Share>, log: Option<(Sender, AccessFormat)>) {
        self.log.set(log);
        let world = self.current.load_full();
        let mut doors = self.doors.borrow_mut();
        doors.retain(|door| {
            let stays = shares.iter().any(|share| door.is(&share.listener, share.address));
            if !stays {
                door.close();
            }
            stays
        });
        for share in shares {
            let Some(listener) = world.listener(&share.listener) else { continue };
            let open = doors.iter().find(|door| door.is(&share.listener, share.address));
            match (open, share.socket) {
                (Some(door), _) => door.renew(Arc::clone(listener)),
                (None, Some(socket)) => match Door::open(self, socket, share.address, Arc::clone(listener)) {
                    Ok(door) => doors.push(door),
                    Err(error) => log::error!("listener {}: {error}", share.listener),
                },
                (None, None) => log::error!("listener {}: no socket on {}", share.listener, share.address),
            }
        }
    }

    /// Stops accepting.
    pub(crate) fn close_doors(&self) {
        for door in self.doors.borrow_mut().drain(..) {
            door.close();
        }
    }

    /// Hands the last log lines on and lets go of the log.
    pub(crate) fn close_log(&self) {
        self.log.set(None);
    }

    /// The gate of the whole process.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(self.current.load().totals.gate())
    }

    /// Counts a fault.
    pub(crate) fn count(&self, fault: Fault) {
        self.current.load().totals.faults.count(self.index, fault);
    }

    /// The end of a connection: counters and its line.
    pub(crate) fn finish(&self, record: &Record, relayed: &Relayed) {
        if let Some(fault) = relayed.fault {
            self.count(fault);
        }
        if record.pool.is_none() {
            record.listener.counters().refused.add(self.index, 1);
        }
        let load = Load {
            process: self.current.load().totals.gate().used(),
            listener: record.listener.gate().used(),
            pool: record
                .pool
                .as_ref()
                .map_or(0, |pool| pool.servers().iter().map(|server| server.connections()).sum()),
            server: relayed.server_connections,
        };
        let Relayed { bytes_up: bytes_in, bytes_down: bytes_out, fault, .. } = *relayed;
        self.log.write(record, &Ending { at: runtime().now(), bytes_in, bytes_out, fault, load });
    }

    /// A random number (SplitMix64; Steele, Lea, Flood 2014): good enough to spread load, not for secrets.
    pub(crate) fn random(&self) -> u64 {
        let state = self.dice.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.dice.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A new identity for a connection.
    pub(crate) fn id(&self) -> u64 {
        self.random()
    }

    /// Counts up: who takes turns takes this one.
    pub(crate) fn turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }
}
