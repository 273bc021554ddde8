//! Stick tables: which server a client was given, for how long.

use std::time::Duration;

use crate::{Name, Place};

/// `[stick-table.NAME]`: keys are client addresses (`key = "ip"`).
#[derive(Debug, Clone, PartialEq)]
pub struct StickTable {
    /// Its name.
    pub name: Name,
    /// Entries at most; the one unused for longest makes room.
    pub size: u32,
    /// How long an entry lives after its last use.
    pub expire: Duration,
    /// Where it was written.
    pub place: Place,
}
