//! What the maps hold, and how it is changed while packets flow.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use aya::maps::lpm_trie::Key;
use aya::maps::{Array, MapData};
use ipnet::IpNet;

use super::Maps;
use super::abi::{GateKey, LISTS_4, LISTS_4_WIDE, LISTS_6, LISTS_6_WIDE, Line, ShieldSettings};
use super::filter::{Filter, is_wide};
use super::kernel::Kernel;
use super::lists::Verdict;
use super::maps::{Trie4, Trie6, key4, key6};
use super::plan::{GateSource, Plan};
use crate::Fault;
use crate::hash::words;
use crate::load::map_fault;
use crate::plan::address;

/// What the maps hold.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) targets: BTreeMap<IpNet, u32>,
    gates: BTreeMap<GateKey, u32>,
    gate_sources: BTreeSet<GateSource>,
    pub(super) listed: BTreeMap<IpNet, Verdict>,
    settings: ShieldSettings,
}

impl Written {
    /// As an earlier process left it.
    pub(super) fn read(maps: &Maps) -> Result<Self, Fault> {
        let mut written = Self { settings: maps.settings.get(&0, 0).map_err(map_fault)?, ..Self::default() };
        for (prefix, number) in prefixes(&maps.targets4, &maps.targets6)? {
            written.targets.insert(prefix, number);
        }
        for (prefix, verdict) in prefixes(&maps.lists4, &maps.lists6)? {
            let verdict = if verdict == Verdict::Allow as u32 { Verdict::Allow } else { Verdict::Block };
            written.listed.insert(prefix, verdict);
        }
        for entry in &maps.gates {
            let (key, gate) = entry.map_err(map_fault)?;
            written.gates.insert(key, gate);
        }
        for entry in maps.gate_sources.keys() {
            let key = entry.map_err(map_fault)?;
            written.gate_sources.insert((key.prefix_len(), key.data()));
        }
        Ok(written)
    }

    /// Keys, unless there are some already.
    pub(super) fn start_keys(&mut self, maps: &mut Maps, random: [u8; 40]) -> Result<(), Fault> {
        if self.settings.seed != 0 {
            return Ok(());
        }
        let mut words = random.chunks_exact(8).map(word);
        let mut next = || words.next().unwrap_or(1);
        self.settings.keys = [[next(), next()], [next(), next()]];
        self.settings.seed = next() | 1;
        self.write_settings(maps)
    }

    /// The other key becomes a new one, and then the one in use.
    pub(super) fn rotate(&mut self, maps: &mut Maps, random: [u8; 16]) -> Result<(), Fault> {
        let number = self.settings.key_number.wrapping_add(1);
        let mut words = random.chunks_exact(8).map(word);
        self.settings.keys[(number & 1) as usize] = [words.next().unwrap_or(1), words.next().unwrap_or(1)];
        self.settings.key_number = number;
        self.write_settings(maps)
    }

    pub(super) fn set_kernel(&mut self, maps: &mut Maps, kernel: &Kernel) -> Result<(), Fault> {
        self.settings.mss4 = kernel.segment;
        self.settings.mss6 = kernel.segment.saturating_sub(20);
        self.settings.window_scale = kernel.window_scale;
        self.settings.options = u8::from(kernel.options);
        self.write_settings(maps)
    }

    fn write_settings(&self, maps: &mut Maps) -> Result<(), Fault> {
        maps.settings.set(0, self.settings, 0).map_err(map_fault)
    }

    /// Gates, then rules, then ways to them; what is no more goes the other way round.
    pub(super) fn apply(&mut self, maps: &mut Maps, plan: &Plan) -> Result<(), Fault> {
        for (bits, data) in plan.gate_sources.difference(&self.gate_sources) {
            maps.gate_sources.insert(&Key::new(*bits, *data), 1, 0).map_err(map_fault)?;
        }
        for (key, gate) in plan.gates.iter().filter(|(key, gate)| self.gates.get(key) != Some(gate)) {
            maps.gates.insert(key, gate, 0).map_err(map_fault)?;
        }
        for (number, context) in &plan.contexts {
            maps.contexts.set(*number, context, 0).map_err(map_fault)?;
        }
        for (prefix, number) in
            plan.targets.iter().filter(|(key, number)| self.targets.get(key) != Some(number))
        {
            insert(&mut maps.targets4, &mut maps.targets6, prefix, *number)?;
        }
        for prefix in self.targets.keys().filter(|prefix| !plan.targets.contains_key(prefix)) {
            remove(&mut maps.targets4, &mut maps.targets6, prefix)?;
        }
        for key in self.gates.keys().filter(|key| !plan.gates.contains_key(key)) {
            maps.gates.remove(key).map_err(map_fault)?;
        }
        for (bits, data) in self.gate_sources.difference(&plan.gate_sources) {
            maps.gate_sources.remove(&Key::new(*bits, *data)).map_err(map_fault)?;
        }
        self.targets.clone_from(&plan.targets);
        self.gates.clone_from(&plan.gates);
        self.gate_sources.clone_from(&plan.gate_sources);
        Ok(())
    }

    /// Puts a prefix on a list.
    pub(super) fn list(&mut self, maps: &mut Maps, prefix: IpNet, verdict: Verdict) -> Result<(), Fault> {
        insert(&mut maps.lists4, &mut maps.lists6, &prefix, verdict as u32)?;
        if is_wide(&prefix) {
            insert(&mut maps.wides4, &mut maps.wides6, &prefix, verdict as u32)?;
        }
        self.listed.insert(prefix, verdict);
        Ok(())
    }

    /// Takes it off.
    pub(super) fn unlist(&mut self, maps: &mut Maps, prefix: &IpNet) -> Result<(), Fault> {
        if self.listed.remove(prefix).is_none() {
            return Ok(());
        }
        if is_wide(prefix) {
            remove(&mut maps.wides4, &mut maps.wides6, prefix)?;
        }
        remove(&mut maps.lists4, &mut maps.lists6, prefix)
    }

    /// Which lists the program has to ask at all.
    pub(super) fn note_lists(&mut self, maps: &mut Maps) -> Result<(), Fault> {
        let narrow = |prefix: &IpNet| !is_wide(prefix);
        // IPv4 sorts before IPv6, so that each search meets its own family first.
        let four = self.listed.keys().take_while(|prefix| prefix.addr().is_ipv4()).any(narrow);
        let six = self.listed.keys().rev().take_while(|prefix| prefix.addr().is_ipv6()).any(narrow);
        let four_wide = maps.wides4.keys().next().is_some();
        let six_wide = maps.wides6.keys().next().is_some();
        let bits = [(four, LISTS_4), (four_wide, LISTS_4_WIDE), (six, LISTS_6), (six_wide, LISTS_6_WIDE)];
        let lists = bits.into_iter().filter(|(there, _)| *there).fold(0, |lists, (_, bit)| lists | bit);
        if lists == self.settings.lists {
            return Ok(());
        }
        self.settings.lists = lists;
        self.write_settings(maps)
    }
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Writes lines of the filter.
pub(super) fn lines(
    maps: &mut Maps,
    filter: &Filter,
    numbers: impl IntoIterator<Item = u32>,
) -> Result<(), Fault> {
    let into: &mut Array<MapData, Line> = &mut maps.filter;
    numbers.into_iter().try_for_each(|number| into.set(number, filter.line(number), 0).map_err(map_fault))
}

fn insert(four: &mut Trie4, six: &mut Trie6, prefix: &IpNet, value: u32) -> Result<(), Fault> {
    let written = match prefix.network() {
        IpAddr::V4(address) => {
            four.insert(&key4(u32::from_ne_bytes(address.octets()), prefix.prefix_len()), value, 0)
        }
        IpAddr::V6(address) => six.insert(&key6(words(address), prefix.prefix_len()), value, 0),
    };
    written.map_err(map_fault)
}

fn remove(four: &mut Trie4, six: &mut Trie6, prefix: &IpNet) -> Result<(), Fault> {
    let written = match prefix.network() {
        IpAddr::V4(address) => four.remove(&key4(u32::from_ne_bytes(address.octets()), prefix.prefix_len())),
        IpAddr::V6(address) => six.remove(&key6(words(address), prefix.prefix_len())),
    };
    written.map_err(map_fault)
}

/// Every prefix of both families with its value.
fn prefixes(four: &Trie4, six: &Trie6) -> Result<Vec<(IpNet, u32)>, Fault> {
    let mut all = Vec::new();
    for entry in four {
        let (key, value) = entry.map_err(map_fault)?;
        all.extend(
            net(IpAddr::from(key.data().to_ne_bytes()), key.prefix_len()).map(|prefix| (prefix, value)),
        );
    }
    for entry in six {
        let (key, value) = entry.map_err(map_fault)?;
        all.extend(net(address(key.data()), key.prefix_len()).map(|prefix| (prefix, value)));
    }
    Ok(all)
}

fn net(address: IpAddr, bits: u32) -> Option<IpNet> {
    IpNet::new(address, u8::try_from(bits).ok()?).ok()
}
