//! What is asked of web application firewalls while they work, by planes that know nothing of rules.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use transom_config::Name;

/// Whoever keeps the firewalls.
pub trait Firewalls: Send + Sync {
    /// What each of them counted, in the order of the file.
    fn counts(&self) -> Vec<FirewallCounts>;

    /// Why the request of that id was refused, or what was found in it; `None`: nothing was, or it was too long ago.
    fn explain(&self, id: &str) -> Option<String>;
}

/// What one firewall counted since the program started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirewallCounts {
    /// Its name.
    pub name: Name,
    /// Requests looked at.
    pub requests: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Of these, those that block mode would have refused.
    pub would_refuse: u64,
    /// Of these, those that could not be looked at in full.
    pub broken: u64,
    /// Rules that could not be asked because a pattern reached its step limit.
    pub pattern_limit_hits: u64,
    /// Rules that ever matched, by number, and how often.
    pub rules: Vec<(u64, u64)>,
}

/// Where the firewalls of the generation in force are found.
#[derive(Default)]
pub struct FirewallDesk {
    keeper: Mutex<Option<Arc<dyn Firewalls>>>,
}

impl FirewallDesk {
    /// From here on `keeper` is asked.
    pub fn set(&self, keeper: Option<Arc<dyn Firewalls>>) {
        *self.keeper.lock() = keeper;
    }

    /// Whoever is asked now; `None`: there is no firewall.
    pub fn get(&self) -> Option<Arc<dyn Firewalls>> {
        self.keeper.lock().clone()
    }
}

impl fmt::Debug for FirewallDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirewallDesk").field("kept", &self.keeper.lock().is_some()).finish()
    }
}
