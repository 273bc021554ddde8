//! What the connections of one worker thread share: the world, the access log, dice.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use transom_state::{Current, Fault, Gate, Listener, World};

use crate::link::{Idle, SourceStock};
use crate::log::AccessLog;
use crate::runtime::{Runtime, runtime};
use crate::tls::TlsWorld;

/// Ticks between two looks at idle connections to servers: a second.
const SWEEP_TICKS: u32 = 8;

/// What belongs to one worker thread. Lives as long as the process.
pub(crate) struct Worker {
    /// Which worker of the plane: its cell in every counter.
    pub(crate) index: usize,
    current: Arc<Current>,
    log: AccessLog,
    tls: RefCell<Arc<TlsWorld>>,
    idle: Idle,
    stock: SourceStock,
    draining: Cell<bool>,
    dice: Cell<u64>,
    turn: Cell<usize>,
}

impl Worker {
    /// Makes the current thread, which has entered `runtime`, worker `index`.
    pub(crate) fn enter(
        runtime: &'static Runtime,
        index: usize,
        current: Arc<Current>,
        stock: SourceStock,
    ) -> &'static Self {
        let worker: &'static Self = Box::leak(Box::new(Self {
            index,
            current,
            log: AccessLog::off(),
            tls: RefCell::default(),
            idle: Idle::default(),
            stock,
            draining: Cell::new(false),
            dice: Cell::new(RandomState::new().hash_one(index)),
            turn: Cell::new(0),
        }));
        runtime.each_tick(|| {
            worker.log.flush();
            if runtime.tick().is_multiple_of(SWEEP_TICKS) {
                worker.idle.sweep(runtime.now());
            }
        });
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

    /// Whether `tls` is how TLS is spoken now.
    pub(crate) fn speaks(&self, tls: &Arc<TlsWorld>) -> bool {
        Arc::ptr_eq(&self.tls.borrow(), tls)
    }

    /// Takes up another generation's TLS; connections that shake hands keep the former one.
    pub(crate) fn set_tls(&self, tls: Arc<TlsWorld>) {
        *self.tls.borrow_mut() = tls;
    }

    /// Its idle connections to servers.
    pub(crate) fn idle(&self) -> &Idle {
        &self.idle
    }

    /// Sockets for connections from clients' addresses.
    pub(crate) fn stock(&self) -> &SourceStock {
        &self.stock
    }

    /// Whether the program is about to stop: connections end with the request they are at.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// The program is about to stop: those who wait for a request look at it again.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        runtime().wake_all();
    }

    /// Where there is a newer generation than the one of that number: its number, and the listener in it that has the
    /// name of `listener`. Numbers are cut to 32 bits: generations are not that many.
    pub(crate) fn newer(&self, generation: u32, listener: &Listener) -> Option<(u32, Option<Arc<Listener>>)> {
        let world = self.current.load();
        let newest = u32::try_from(world.generation).unwrap_or(u32::MAX);
        (newest != generation).then(|| (newest, world.listener(listener.name()).cloned()))
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
