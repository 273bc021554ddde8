//! Connections at a time by source: the program cannot see connections of proxied listeners end, so they are counted
//! here, and it is told only of those who have as many as they may.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use super::abi::SourceKey;
use super::{Maps, Shield};
use crate::Fault;
use crate::flows::Flow;
use crate::hash::words;
use crate::load::map_fault;

/// Who has how many.
#[derive(Debug, Default)]
pub(super) struct Connections {
    limits: BTreeMap<u32, u32>,
    proxied: HashMap<SourceKey, u32>,
    translated: HashMap<SourceKey, u32>,
    /// Those the program was told of.
    full: HashSet<SourceKey>,
}

impl Connections {
    pub(super) fn limits(&mut self, limits: BTreeMap<u32, u32>) {
        self.limits = limits;
    }

    fn is_full(&self, key: &SourceKey) -> bool {
        let count = |counts: &HashMap<SourceKey, u32>| counts.get(key).copied().unwrap_or(0);
        let all = count(&self.proxied).saturating_add(count(&self.translated));
        self.limits.get(&key.context).is_some_and(|most| all >= *most)
    }

    /// Tells the program of one.
    fn tell(&mut self, maps: &mut Maps, key: SourceKey) -> Result<(), Fault> {
        if self.is_full(&key) {
            if self.full.insert(key) {
                maps.full.insert(key, 1, 0).map_err(map_fault)?;
            }
        } else if self.full.remove(&key) {
            // It may have given way to others already.
            drop(maps.full.remove(&key));
        }
        Ok(())
    }

    /// Tells the program of everybody whose limit may have changed.
    pub(super) fn write(&mut self, maps: &mut Maps) -> Result<(), Fault> {
        let all: HashSet<SourceKey> =
            self.full.iter().chain(self.proxied.keys()).chain(self.translated.keys()).copied().collect();
        all.into_iter().try_for_each(|key| self.tell(maps, key))
    }
}

/// As the program names a source: an IPv4 address, or the network half of an IPv6 address.
fn party(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(four) => 0xffff_ffff << 32 | u64::from(u32::from_ne_bytes(four.octets())),
        IpAddr::V6(six) => {
            let [low, high, ..] = words(six).map(u64::from);
            low | high << 32
        }
    }
}

impl Shield {
    fn key(&self, client: IpAddr, destination: IpAddr) -> Option<SourceKey> {
        let context = self.plan.context_of(destination.to_canonical())?;
        self.plan.connections.contains_key(&context).then(|| SourceKey {
            source: party(client),
            context,
            reserved: 0,
        })
    }

    /// A proxied listener took a connection.
    ///
    /// # Errors
    /// If the kernel refuses the write.
    pub fn opened(&mut self, client: IpAddr, destination: IpAddr) -> Result<(), Fault> {
        let Some(key) = self.key(client, destination) else { return Ok(()) };
        *self.connections.proxied.entry(key).or_insert(0) += 1;
        self.connections.tell(&mut self.maps, key)
    }

    /// It ended.
    ///
    /// # Errors
    /// If the kernel refuses the write.
    pub fn closed(&mut self, client: IpAddr, destination: IpAddr) -> Result<(), Fault> {
        let Some(key) = self.key(client, destination) else { return Ok(()) };
        if let Some(count) = self.connections.proxied.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.connections.proxied.remove(&key);
            }
        }
        self.connections.tell(&mut self.maps, key)
    }

    /// The flows that NAT has now: every few seconds, where a context limits connections.
    ///
    /// # Errors
    /// If the kernel refuses a write.
    pub fn translated(&mut self, flows: &[Flow]) -> Result<(), Fault> {
        let mut counts = HashMap::new();
        for key in flows.iter().filter_map(|flow| self.key(flow.client.ip(), flow.vip.ip())) {
            *counts.entry(key).or_insert(0) += 1;
        }
        self.connections.translated = counts;
        self.connections.write(&mut self.maps)
    }
}
