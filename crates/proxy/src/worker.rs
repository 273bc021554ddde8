//! What the connections of one worker thread share: the world, the access log, dice.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use transom_state::{Current, Fault, Gate, World};

use crate::log::AccessLog;
use crate::runtime::Runtime;
use crate::tls::TlsWorld;

/// What belongs to one worker thread. Lives as long as the process.
pub(crate) struct Worker {
    /// Which worker of the plane: its cell in every counter.
    pub(crate) index: usize,
    current: Arc<Current>,
    log: AccessLog,
    tls: RefCell<Arc<TlsWorld>>,
    dice: Cell<u64>,
    turn: Cell<usize>,
}

impl Worker {
    /// Makes the current thread, which has entered `runtime`, worker `index`.
    pub(crate) fn enter(runtime: &'static Runtime, index: usize, current: Arc<Current>) -> &'static Self {
        let worker: &'static Self = Box::leak(Box::new(Self {
            index,
            current,
            log: AccessLog::off(),
            tls: RefCell::default(),
            dice: Cell::new(RandomState::new().hash_one(index)),
            turn: Cell::new(0),
        }));
        runtime.each_tick(|| worker.log.flush());
        worker
    }

    /// The generation in force.
    pub(crate) fn world(&self) -> Arc<World> {
        self.current.load_full()
    }

    /// How TLS is spoken now.
    pub(crate) fn tls(&self) -> Arc<TlsWorld> {
        Arc::clone(&self.tls.borrow())
    }

    /// Takes up another generation's TLS; connections that shake hands keep the former one.
    pub(crate) fn set_tls(&self, tls: Arc<TlsWorld>) {
        *self.tls.borrow_mut() = tls;
    }

    /// Its end of the access log.
    pub(crate) fn log(&self) -> &AccessLog {
        &self.log
    }

    /// Client connections of the whole process.
    pub(crate) fn process_connections(&self) -> u32 {
        self.current.load().totals.gate().used()
    }

    /// The gate of the whole process.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(self.current.load().totals.gate())
    }

    /// Counts a fault.
    pub(crate) fn count(&self, fault: Fault) {
        self.current.load().totals.faults.count(self.index, fault);
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
