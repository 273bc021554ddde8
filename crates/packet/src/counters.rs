//! What the program counted, summed over the CPUs.

use aya::maps::{MapData, PerCpuArray};

use crate::Fault;
use crate::abi::{Reason, Traffic};
use crate::load::{Tables, map_fault};

impl Tables {
    /// Packets by reason, in the order of [`Reason::ALL`].
    ///
    /// # Errors
    /// If the kernel refuses the read.
    pub fn reasons(&self) -> Result<Vec<(Reason, u64)>, Fault> {
        Reason::ALL.into_iter().map(|reason| Ok((reason, self.reason(reason)?))).collect()
    }

    /// Packets that got their verdict for this reason.
    ///
    /// # Errors
    /// If the kernel refuses the read.
    pub fn reason(&self, reason: Reason) -> Result<u64, Fault> {
        let counts = self.reasons.get(&(reason as u32), 0).map_err(map_fault)?;
        Ok(counts.iter().sum())
    }

    /// Traffic of the VIP with this id.
    ///
    /// # Errors
    /// If the kernel refuses the read.
    pub fn vip_traffic(&self, id: u32) -> Result<Traffic, Fault> {
        sum(&self.vip_traffic, id)
    }

    /// Traffic of the server with this number, over all VIPs.
    ///
    /// # Errors
    /// If the kernel refuses the read.
    pub fn server_traffic(&self, number: u16) -> Result<Traffic, Fault> {
        sum(&self.server_traffic, u32::from(number))
    }
}

fn sum(map: &PerCpuArray<MapData, Traffic>, row: u32) -> Result<Traffic, Fault> {
    let mut total = Traffic::default();
    for one in map.get(&row, 0).map_err(map_fault)?.iter() {
        total.packets += one.packets;
        total.bytes += one.bytes;
        total.reply_packets += one.reply_packets;
        total.reply_bytes += one.reply_bytes;
        total.opened += one.opened;
    }
    Ok(total)
}
