//! Stick tables: which server a client was given, for how long.

use std::time::Duration;

use crate::{Name, Place};

/// `[stick-table.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct StickTable {
    /// Its name.
    pub name: Name,
    /// What its entries are found by.
    pub key: StickTableKey,
    /// Entries at most; the one unused for longest makes room.
    pub size: u32,
    /// How long an entry lives after its last use.
    pub expire: Duration,
    /// Where it was written.
    pub place: Place,
}

/// `key` of a stick table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StickTableKey {
    /// `ip`: a client's address.
    Ip,
    /// `text`: a header, a cookie, a part of the URI. It is kept as a hash, and takes no more room than an address.
    Text,
}

impl StickTable {
    /// Bytes of memory that one entry takes, all told.
    pub const ENTRY_BYTES: u64 = 40;

    /// Bytes of memory that the table takes when it is full.
    pub fn memory_bytes(&self) -> u64 {
        u64::from(self.size) * Self::ENTRY_BYTES
    }
}
