//! The program's maps, by type.

use std::collections::HashMap as Named;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues};
use aya::util::nr_cpus;

use super::chain;
use crate::Fault;
use crate::abi::{self, Flow4, Flow6, Held, Nat4, Nat6, RING_SLOTS, Ring, Settings, Traffic};
use crate::plan::{Contents, Step, VipKey};
use crate::sys;

/// Every map of the program.
pub(super) const NAMES: [&str; 15] = [
    "vips4",
    "vips6",
    "rings",
    "servers",
    "flows4",
    "flows6",
    "nats4",
    "nats6",
    "reasons",
    "vip_traffic",
    "server_traffic",
    "settings",
    "budgets",
    "owners",
    "repliers",
];

/// The maps of the program, to be read and written while it runs.
pub struct Tables {
    vips4: HashMap<MapData, abi::Vip4Key, abi::Vip>,
    vips6: HashMap<MapData, abi::Vip6Key, abi::Vip>,
    /// Rows are too big for aya, which has them on the stack.
    rings: MapData,
    servers: Array<MapData, abi::Server>,
    owners: Array<MapData, u64>,
    settings: Array<MapData, Settings>,
    pub(crate) flows4: HashMap<MapData, Flow4, Held>,
    pub(crate) flows6: HashMap<MapData, Flow6, Held>,
    pub(crate) nats4: HashMap<MapData, Flow4, Nat4>,
    pub(crate) nats6: HashMap<MapData, Flow6, Nat6>,
    pub(crate) reasons: PerCpuArray<MapData, u64>,
    pub(crate) vip_traffic: PerCpuArray<MapData, Traffic>,
    pub(crate) server_traffic: PerCpuArray<MapData, Traffic>,
    descriptors: Vec<(&'static str, OwnedFd)>,
}

impl Tables {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, Fault> {
        Self::from_maps(|name| ebpf.take_map(name))
    }

    /// From descriptors another process handed over: they may be used without the right to load programs.
    ///
    /// # Errors
    /// A map that is missing or of another shape.
    pub fn from_descriptors(descriptors: impl IntoIterator<Item = (String, OwnedFd)>) -> Result<Self, Fault> {
        let mut maps = Named::new();
        for (name, descriptor) in descriptors {
            let data = MapData::from_fd(descriptor).map_err(fault)?;
            maps.insert(name, Map::from_map_data(data).map_err(fault)?);
        }
        Self::from_maps(|name| maps.remove(name))
    }

    fn from_maps(mut take: impl FnMut(&str) -> Option<Map>) -> Result<Self, Fault> {
        let mut descriptors = Vec::new();
        let mut map = |name: &'static str| {
            let map = take(name).ok_or_else(|| Fault::Map(format!("there is no {name}")))?;
            descriptors.push((name, duplicate(&map)?));
            Ok::<Map, Fault>(map)
        };
        Ok(Self {
            vips4: map("vips4")?.try_into().map_err(fault)?,
            vips6: map("vips6")?.try_into().map_err(fault)?,
            rings: rings(map("rings")?)?,
            servers: map("servers")?.try_into().map_err(fault)?,
            owners: map("owners")?.try_into().map_err(fault)?,
            settings: map("settings")?.try_into().map_err(fault)?,
            flows4: map("flows4")?.try_into().map_err(fault)?,
            flows6: map("flows6")?.try_into().map_err(fault)?,
            nats4: map("nats4")?.try_into().map_err(fault)?,
            nats6: map("nats6")?.try_into().map_err(fault)?,
            reasons: map("reasons")?.try_into().map_err(fault)?,
            vip_traffic: map("vip_traffic")?.try_into().map_err(fault)?,
            server_traffic: map("server_traffic")?.try_into().map_err(fault)?,
            descriptors,
        })
    }

    /// Does what a plan says, in its order.
    ///
    /// # Errors
    /// The first write the kernel refuses: a VIP or row past the size the maps were made with.
    pub fn apply(&mut self, steps: &[Step]) -> Result<(), Fault> {
        steps.iter().try_for_each(|step| self.apply_one(step))
    }

    fn apply_one(&mut self, step: &Step) -> Result<(), Fault> {
        match step {
            Step::SetServer { number, owner, server } => {
                self.owners.set(u32::from(*number), owner, 0).map_err(fault)?;
                self.servers.set(u32::from(*number), server, 0).map_err(fault)
            }
            Step::SetRing { row, words } => self.set_ring(*row, words),
            Step::SetVip(key, vip) => match key.address {
                IpAddr::V4(address) => self.vips4.insert(key.four(address), vip, 0).map_err(fault),
                IpAddr::V6(address) => self.vips6.insert(key.six(address), vip, 0).map_err(fault),
            },
            Step::ClearServer(number) => clear(&mut self.server_traffic, u32::from(*number)),
            Step::ClearVip(id) => clear(&mut self.vip_traffic, *id),
            Step::RemoveVip(key) => match key.address {
                IpAddr::V4(address) => self.vips4.remove(&key.four(address)).map_err(fault),
                IpAddr::V6(address) => self.vips6.remove(&key.six(address)).map_err(fault),
            },
        }
    }

    /// A quarter of a megabyte in one write.
    fn set_ring(&mut self, row: u32, words: &[u32]) -> Result<(), Fault> {
        let words = words.try_into().map_err(|_| Fault::Map("a ring of another size".into()))?;
        sys::write_ring(self.rings.fd().as_fd(), row, words).map_err(ring_fault)
    }

    fn ring(&self, row: u32) -> Result<Vec<u32>, Fault> {
        let mut words = vec![0; RING_SLOTS];
        let into =
            words.as_mut_slice().try_into().map_err(|_| Fault::Map("a ring of another size".into()))?;
        sys::read_ring(self.rings.fd().as_fd(), row, into).map_err(ring_fault)?;
        Ok(words)
    }

    /// What the maps hold, for the plan of a process that adopts them.
    ///
    /// # Errors
    /// A map that cannot be read.
    pub fn contents(&self) -> Result<Contents, Fault> {
        let mut contents = Contents::default();
        for entry in &self.vips4 {
            let (key, vip) = entry.map_err(fault)?;
            contents.vips.extend(VipKey::from_four(key).map(|key| (key, vip)));
        }
        for entry in &self.vips6 {
            let (key, vip) = entry.map_err(fault)?;
            contents.vips.extend(VipKey::from_six(key).map(|key| (key, vip)));
        }
        for (_, vip) in &contents.vips {
            contents.rings.push(self.ring(vip.ring)?);
        }
        for number in 0..abi::NO_SERVER {
            let owner = self.owners.get(&u32::from(number), 0).map_err(fault)?;
            let server = self.servers.get(&u32::from(number), 0).map_err(fault)?;
            if owner != 0 || server.epoch != 0 {
                contents.servers.push((number, owner, server));
            }
        }
        Ok(contents)
    }

    /// How many VIPs the maps have room for: adopted ones keep the size they were made with.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn vips_max(&self) -> Result<u32, Fault> {
        Ok(self.rings.info().map_err(fault)?.max_entries() / 2)
    }

    /// Turns the knobs.
    ///
    /// # Errors
    /// If the kernel refuses the write.
    pub fn set_settings(&mut self, settings: Settings) -> Result<(), Fault> {
        self.settings.set(0, settings, 0).map_err(fault)
    }

    /// The maps, to be handed to a process with fewer rights.
    #[must_use]
    pub fn descriptors(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        self.descriptors.iter().map(|(name, descriptor)| (*name, descriptor.as_fd())).collect()
    }
}

/// Zeroes a row on every CPU.
fn clear(map: &mut PerCpuArray<MapData, Traffic>, row: u32) -> Result<(), Fault> {
    let counts = vec![Traffic::default(); nr_cpus().map_err(|(_, error)| Fault::Map(error.to_string()))?];
    let counts = PerCpuValues::try_from(counts).map_err(|error| Fault::Map(error.to_string()))?;
    map.set(row, counts, 0).map_err(fault)
}

fn rings(map: Map) -> Result<MapData, Fault> {
    let Map::Array(data) = map else {
        return Err(Fault::Map("rings are not an array".into()));
    };
    let size = data.info().map_err(fault)?.value_size();
    if size as usize != size_of::<Ring>() {
        return Err(Fault::Map(format!("rings of {size} bytes")));
    }
    Ok(data)
}

fn ring_fault(error: io::Error) -> Fault {
    Fault::Map(format!("a ring: {error}"))
}

fn duplicate(map: &Map) -> Result<OwnedFd, Fault> {
    let (Map::Array(data) | Map::HashMap(data) | Map::LruHashMap(data) | Map::PerCpuArray(data)) = map else {
        return Err(Fault::Map("a map of a kind the program does not have".into()));
    };
    data.fd().as_fd().try_clone_to_owned().map_err(|error| Fault::Map(error.to_string()))
}

pub(crate) fn fault(error: MapError) -> Fault {
    Fault::Map(chain(&error))
}
