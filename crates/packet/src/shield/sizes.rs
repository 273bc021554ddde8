//! How big the shield's tables are.

use aya::EbpfLoader;

use super::abi::{FILTER_BITS, RETRIES_BITS, SOURCES_BITS};

/// What the tables are made for; they keep it for as long as they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Contexts at most.
    pub contexts: u32,
    /// Prefixes in each family's lists at most: 64 to 128 bytes each, once they are there.
    pub lists: u32,
    /// Sources that proved themselves and are remembered, the least recently seen giving way.
    pub known: u32,
}

impl Default for Sizes {
    /// 1,024 contexts, a million prefixes, 262,144 known sources; with what does not depend on them 40 MB.
    fn default() -> Self {
        Self { contexts: 1024, lists: 1_100_000, known: 262_144 }
    }
}

impl Sizes {
    /// Tells the loader.
    pub(crate) fn set(self, loader: &mut EbpfLoader<'_>) {
        for table in ["contexts", "pressures", "spendings", "tallies"] {
            loader.map_max_entries(table, self.contexts + 1);
        }
        for table in ["lists4", "lists6"] {
            loader.map_max_entries(table, self.lists);
        }
        loader.map_max_entries("known", self.known);
        loader.map_max_entries("full", 65_536);
        loader.map_max_entries("events", 1 << 20);
        loader.map_max_entries("filter", 1 << FILTER_BITS);
        loader.map_max_entries("sources", 2 << SOURCES_BITS);
        loader.map_max_entries("retries", 1 << RETRIES_BITS);
    }
}
