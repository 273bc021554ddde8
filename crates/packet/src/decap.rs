//! The other end of a tunnel, for servers whose kernel has none: wrapped packets of known senders reach the
//! server's own stack as if they had come by themselves.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aya::maps::lpm_trie::Key;
use aya::maps::{LpmTrie, MapData, PerCpuArray};
use aya::{Ebpf, EbpfLoader};

use crate::hash::words;
use crate::load::{self, Attached};
use crate::{Fault, object};

/// Why a packet got its verdict: one counter each.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Passed: not a tunnel's.
    Other,
    /// Passed without its outer header.
    Unwrapped,
    /// Dropped: the sender is none of ours.
    Stranger,
    /// Dropped: the inner header runs past the frame.
    Truncated,
    /// Dropped: the frame could not be resized.
    NoRoom,
}

impl Reason {
    /// Every reason, in the order of its counter.
    pub const ALL: [Self; 5] = [Self::Other, Self::Unwrapped, Self::Stranger, Self::Truncated, Self::NoRoom];

    /// As metrics and logs name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Unwrapped => "unwrapped",
            Self::Stranger => "stranger",
            Self::Truncated => "truncated",
            Self::NoRoom => "no-room",
        }
    }
}

/// Addresses that may send us wrapped packets: a balancer's, or the range it varies its source in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its address,
    pub address: IpAddr,
    /// and how many bits of it count: 32 or 128 for one address.
    pub bits: u8,
}

/// What unwraps, and for whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// A directory in a BPF file system; without one the program goes with the process.
    pub pins: Option<PathBuf>,
    /// By name.
    pub interfaces: Vec<String>,
    /// Nobody else is listened to.
    pub senders: Vec<Sender>,
}

/// The unwrapping program, attached.
pub struct Decap {
    /// Keeps the program loaded.
    ebpf: Ebpf,
    reasons: PerCpuArray<MapData, u64>,
    attached: Vec<Attached>,
    pins: Option<PathBuf>,
    /// Open until the program is loaded, which then holds it by itself.
    _senders: LpmTrie<MapData, [u32; 4], u32>,
}

const PROGRAM: &str = "decap";

impl Decap {
    /// Loads the program, tells it the senders and attaches it; an earlier process's is replaced in one step.
    ///
    /// # Errors
    /// As for [`load::Door::start`].
    pub fn start(options: &Options) -> Result<Self, Fault> {
        let code = object::DECAP.ok_or(Fault::NotBuilt)?;
        load::ready(options.pins.as_deref())?;
        let pins = options.pins.clone();
        let mut ebpf = EbpfLoader::new().load(code).map_err(|error| Fault::Load(load::chain(&error)))?;
        let senders = allow(&mut ebpf, &options.senders)?;
        let reasons = load::take(&mut ebpf, "decap_reasons")?.try_into().map_err(load::map_fault)?;
        let program = load::program(&mut ebpf, PROGRAM)?;
        program.load().map_err(|error| Fault::Load(load::chain(&error)))?;
        let attached = load::attach_all(program, &options.interfaces, pins.as_deref(), None)?;
        Ok(Self { ebpf, reasons, attached, pins, _senders: senders })
    }

    /// The interfaces, and how the program is attached to each.
    #[must_use]
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// Packets by reason, in the order of [`Reason::ALL`].
    ///
    /// # Errors
    /// If the kernel refuses the read.
    pub fn reasons(&self) -> Result<Vec<(Reason, u64)>, Fault> {
        let count = |reason: Reason| {
            let counts = self.reasons.get(&(reason as u32), 0).map_err(load::map_fault)?;
            Ok((reason, counts.iter().sum()))
        };
        Reason::ALL.into_iter().map(count).collect()
    }

    /// The loaded program, to be run on made-up packets.
    ///
    /// # Errors
    /// Never after a successful start.
    pub fn program(&mut self) -> Result<&mut aya::programs::Xdp, Fault> {
        load::program(&mut self.ebpf, PROGRAM)
    }

    /// Takes the program off every interface and removes the pins.
    ///
    /// # Errors
    /// A pin that could not be removed; the others are.
    pub fn stop(self) -> Result<(), Fault> {
        drop(self.attached);
        self.pins.as_deref().map_or(Ok(()), load::pins::remove)
    }
}

/// Takes the unwrapping program off every interface although nobody runs it.
///
/// # Errors
/// A pin that could not be removed.
pub fn detach(pins: &Path) -> Result<(), Fault> {
    load::detach(pins)
}

fn allow(ebpf: &mut Ebpf, senders: &[Sender]) -> Result<LpmTrie<MapData, [u32; 4], u32>, Fault> {
    let map = load::take(ebpf, "senders")?;
    let mut trie: LpmTrie<MapData, [u32; 4], u32> = map.try_into().map_err(load::map_fault)?;
    for sender in senders {
        trie.insert(&key(*sender), 1, 0).map_err(load::map_fault)?;
    }
    Ok(trie)
}

fn key(sender: Sender) -> Key<[u32; 4]> {
    let bits = u32::from(sender.bits);
    match sender.address {
        IpAddr::V4(address) => Key::new(96 + bits.min(32), words(address.to_ipv6_mapped())),
        IpAddr::V6(address) => Key::new(bits.min(128), words(address)),
    }
}

/// The addresses a balancer's tunnels come from, if it varies this many low bits of its own.
#[must_use]
pub fn sender_of(balancer: IpAddr, source_spread_bits: u8) -> Sender {
    match balancer {
        IpAddr::V4(_) => Sender { address: balancer, bits: 32 - source_spread_bits.min(32) },
        IpAddr::V6(_) => Sender { address: balancer, bits: 128 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_at_their_own_number() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number, "{}", reason.name());
        }
    }

    #[test]
    fn senders_are_prefixes_of_mapped_addresses() {
        let key = key(sender_of(IpAddr::from([10, 0, 0, 1]), 8));
        assert_eq!(key.prefix_len(), 96 + 24);
        assert_eq!(key.data()[2].to_ne_bytes(), [0, 0, 0xff, 0xff]);
    }
}
