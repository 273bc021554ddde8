//! What the parts of the control plane share.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use transom_config::Name;
use transom_state::{Current, World};

use crate::Command;
use crate::resolve::Failing;

/// Facts of the running program that are not in the world.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The world in force.
    pub(crate) current: Arc<Current>,
    /// To the program.
    pub(crate) commands: mpsc::Sender<Command>,
    /// When the program started.
    pub(crate) started: SystemTime,
    /// Names that do not resolve now.
    pub(crate) failing_names: Arc<Failing>,
    draining: AtomicBool,
    /// The addresses listeners really have.
    addresses: Mutex<Vec<(Name, SocketAddr)>>,
}

impl Shared {
    pub(crate) fn new(
        current: Arc<Current>,
        commands: mpsc::Sender<Command>,
        started: SystemTime,
        failing_names: Arc<Failing>,
    ) -> Self {
        let (draining, addresses) = (AtomicBool::new(false), Mutex::default());
        Self { current, commands, started, failing_names, draining, addresses }
    }

    /// From now on the program is about to stop.
    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn set_listeners(&self, addresses: Vec<(Name, SocketAddr)>) {
        *self.addresses.lock() = addresses;
    }

    /// The real addresses of one listener.
    pub(crate) fn addresses(&self, listener: &str) -> Vec<SocketAddr> {
        let addresses = self.addresses.lock();
        addresses.iter().filter(|(name, _)| **name == *listener).map(|(_, address)| *address).collect()
    }

    /// Why no client should be sent here; none: it should.
    pub(crate) fn not_ready(&self, world: &World) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.is_draining() {
            reasons.push("draining before a stop".to_owned());
        }
        for pool in required(world) {
            if world.pool(&pool).is_none_or(|pool| !pool.is_usable()) {
                reasons.push(format!("pool {pool} has no usable server"));
            }
        }
        reasons
    }
}

/// The pools that listeners send clients to.
fn required(world: &World) -> BTreeSet<Name> {
    let mut pools = BTreeSet::new();
    for listener in &world.config.listeners {
        pools.extend(listener.mode.pools().into_iter().map(Arc::clone));
    }
    pools.extend(world.config.packet_listeners.iter().map(|listener| Arc::clone(&listener.pool)));
    pools
}
