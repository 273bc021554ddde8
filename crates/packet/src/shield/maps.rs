//! The shield's maps, by type.

use std::collections::HashMap as Named;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf};

use super::abi::{Context, Event, GateKey, Line, Pressure, ShieldSettings, SourceKey, Tally};
use crate::Fault;
use crate::load::map_fault;

/// Every map the shield has beside the door's.
pub(crate) const NAMES: [&str; 20] = [
    "shield_settings",
    "targets4",
    "targets6",
    "contexts",
    "lists4",
    "lists6",
    "wides4",
    "wides6",
    "filter",
    "gates",
    "gate_sources",
    "sources",
    "full",
    "known",
    "retries",
    "warmth",
    "pressures",
    "spendings",
    "tallies",
    "scratches",
];

/// The ring of events: not pinned, its reader goes with the process.
const EVENTS: &str = "events";

/// An LPM trie by IPv4 address.
pub(crate) type Trie4 = LpmTrie<MapData, u32, u32>;
/// And by IPv6 address.
pub(crate) type Trie6 = LpmTrie<MapData, [u32; 4], u32>;

/// The maps, to be read and written while packets flow.
pub struct Maps {
    pub(crate) settings: Array<MapData, ShieldSettings>,
    pub(crate) targets4: Trie4,
    pub(crate) targets6: Trie6,
    pub(crate) contexts: Array<MapData, Context>,
    pub(crate) lists4: Trie4,
    pub(crate) lists6: Trie6,
    pub(crate) wides4: Trie4,
    pub(crate) wides6: Trie6,
    pub(crate) filter: Array<MapData, Line>,
    pub(crate) gates: HashMap<MapData, GateKey, u32>,
    pub(crate) gate_sources: LpmTrie<MapData, [u32; 6], u32>,
    pub(crate) full: HashMap<MapData, SourceKey, u32>,
    pub(crate) known: HashMap<MapData, u64, u64>,
    pub(crate) pressures: Array<MapData, Pressure>,
    pub(crate) tallies: PerCpuArray<MapData, Tally>,
    pub(crate) events: RingBuf<MapData>,
    /// Only the program uses these; they have to be open until it is loaded.
    _kept: Vec<Map>,
    descriptors: Vec<(&'static str, OwnedFd)>,
}

impl Maps {
    /// From descriptors another process handed over: they may be used without the right to load programs.
    ///
    /// # Errors
    /// A map that is missing or of another shape.
    pub fn from_descriptors(descriptors: impl IntoIterator<Item = (String, OwnedFd)>) -> Result<Self, Fault> {
        let mut maps = Named::new();
        for (name, descriptor) in descriptors {
            let data = MapData::from_fd(descriptor).map_err(map_fault)?;
            maps.insert(name, Map::from_map_data(data).map_err(map_fault)?);
        }
        Self::from_maps(|name| maps.remove(name))
    }

    /// Takes them out of whatever has them by name.
    pub(crate) fn from_maps(mut take: impl FnMut(&str) -> Option<Map>) -> Result<Self, Fault> {
        let mut descriptors = Vec::new();
        let mut map = |name: &'static str| {
            let map = take(name).ok_or_else(|| Fault::Map(format!("there is no {name}")))?;
            descriptors.push((name, duplicate(&map)?));
            Ok::<Map, Fault>(map)
        };
        let kept = ["sources", "retries", "warmth", "spendings", "scratches"].map(&mut map);
        let kept = kept.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            settings: map("shield_settings")?.try_into().map_err(map_fault)?,
            targets4: map("targets4")?.try_into().map_err(map_fault)?,
            targets6: map("targets6")?.try_into().map_err(map_fault)?,
            contexts: map("contexts")?.try_into().map_err(map_fault)?,
            lists4: map("lists4")?.try_into().map_err(map_fault)?,
            lists6: map("lists6")?.try_into().map_err(map_fault)?,
            wides4: map("wides4")?.try_into().map_err(map_fault)?,
            wides6: map("wides6")?.try_into().map_err(map_fault)?,
            filter: map("filter")?.try_into().map_err(map_fault)?,
            gates: map("gates")?.try_into().map_err(map_fault)?,
            gate_sources: map("gate_sources")?.try_into().map_err(map_fault)?,
            full: map("full")?.try_into().map_err(map_fault)?,
            known: map("known")?.try_into().map_err(map_fault)?,
            pressures: map("pressures")?.try_into().map_err(map_fault)?,
            tallies: map("tallies")?.try_into().map_err(map_fault)?,
            events: map(EVENTS)?.try_into().map_err(map_fault)?,
            _kept: kept,
            descriptors,
        })
    }

    /// The maps, to be handed to a process with fewer rights.
    #[must_use]
    pub fn descriptors(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        self.descriptors.iter().map(|(name, descriptor)| (*name, descriptor.as_fd())).collect()
    }

    /// How many contexts fit, the one of unnamed destinations not counted.
    pub(crate) fn contexts_max(&self) -> u32 {
        self.contexts.len().saturating_sub(1)
    }

    /// The event that is next, if there is one.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        loop {
            let item = self.events.next()?;
            if let Some(event) = super::event::decode(&item) {
                return Some(event);
            }
        }
    }
}

/// The key of a whole prefix.
pub(crate) fn key4(address: u32, bits: u8) -> Key<u32> {
    Key::new(u32::from(bits), address)
}

/// The key of a whole prefix.
pub(crate) fn key6(address: [u32; 4], bits: u8) -> Key<[u32; 4]> {
    Key::new(u32::from(bits), address)
}

fn duplicate(map: &Map) -> Result<OwnedFd, Fault> {
    let (Map::Array(data)
    | Map::HashMap(data)
    | Map::LruHashMap(data)
    | Map::LpmTrie(data)
    | Map::RingBuf(data)
    | Map::PerCpuArray(data)) = map
    else {
        return Err(Fault::Map("a map of a kind the shield does not have".into()));
    };
    data.fd().as_fd().try_clone_to_owned().map_err(|error| Fault::Map(error.to_string()))
}
