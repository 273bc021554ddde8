//! What user space and the shield share: the mirror of `bpf/shield/abi.h`. A test compares the two through BTF.
//! Words that hold addresses or ports are in network order as they lie in memory.

/// The row of destinations that no context names.
pub const CONTEXT_NONE: u32 = 0;
/// Lines of the filter, as a power of two.
pub const FILTER_BITS: u32 = 17;
/// Slots of one half of the sources' buckets, as a power of two.
pub const SOURCES_BITS: u32 = 18;
/// Slots for SYNs that were challenged, as a power of two.
pub const RETRIES_BITS: u32 = 18;
/// The filter has IPv4 prefixes.
pub const LISTS_4: u32 = 1;
/// There are IPv4 prefixes too wide for the filter.
pub const LISTS_4_WIDE: u32 = 2;
/// The filter has IPv6 prefixes.
pub const LISTS_6: u32 = 4;
/// There are IPv6 prefixes too wide for the filter.
pub const LISTS_6_WIDE: u32 = 8;
/// One packet of so many is told.
pub const SAMPLE: u32 = 256;

/// The gap of a bucket that nothing comes out of.
pub const PACE_NOTHING: u64 = u64::MAX;

/// A token bucket: the time of a token, and how many nanoseconds of tokens fit.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Nanoseconds a packet; 0: no limit.
    pub gap: u64,
    /// How far ahead of time the bucket may be emptied, in nanoseconds.
    pub depth: u64,
}

/// What is done with packets for some destinations.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// A source's packets; as the next three half of the budget, for each of two rows.
    pub source_packets: Pace,
    /// A source's openings.
    pub source_syn: Pace,
    /// A source's UDP, and all protocols that are neither TCP nor ICMP.
    pub source_udp: Pace,
    /// A source's ICMP.
    pub source_icmp: Pace,
    /// One CPU's part of all UDP.
    pub all_udp: Pace,
    /// One CPU's part of all ICMP.
    pub all_icmp: Pace,
    /// One CPU's part of packets of no connection.
    pub strays: Pace,
    /// One CPU's part of clients that got in by asking again and again.
    pub insistent: Pace,
    /// SYNs a second above which they have to prove their source.
    pub proof_above: u64,
    /// A CPU tells of its SYNs by so many.
    pub proof_batch: u32,
    /// 0 stateless, 1 stateful.
    pub tracking: u8,
    /// 0 off, 1 above the rate, 2 always.
    pub proof: u8,
    /// Only what the gates have goes on.
    pub gated: u8,
    /// The table of full sources may have its sources.
    pub full: u8,
}

/// A port of a context.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GateKey {
    /// Its number.
    pub context: u16,
    /// Network order; of ICMP the type; else 0.
    pub port: u16,
    /// By its IP number.
    pub protocol: u32,
}

/// 512 bits about neighbours.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Four words about addresses, four about networks.
    pub bits: [u64; 8],
}

/// When a source's buckets will be full again.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Of packets,
    pub packets: u64,
    /// of openings,
    pub syn: u64,
    /// of UDP,
    pub udp: u64,
    /// of ICMP.
    pub icmp: u64,
}

/// A source in a context.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourceKey {
    /// An IPv4 address, or the network half of an IPv6 address.
    pub source: u64,
    /// Its number.
    pub context: u32,
    /// Always 0.
    pub reserved: u32,
}

/// SYNs of a context, all CPUs together.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// When the second began.
    pub window: u64,
    /// SYNs since.
    pub count: u64,
    /// How long proof is asked for.
    pub hot_until: u64,
    /// Always 0.
    pub reserved: [u64; 5],
}

/// A CPU's part of a context's budgets.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Of UDP,
    pub udp: u64,
    /// of ICMP,
    pub icmp: u64,
    /// of packets of no connection,
    pub strays: u64,
    /// of clients that ask again and again;
    pub insistent: u64,
    /// SYNs not yet told.
    pub syns: u64,
}

/// Packets of a context by reason.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// In the order of reasons.
    pub by: [u64; 40],
}

/// The shield's knobs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShieldSettings {
    /// Of challenges; the number's last bit says which is in use.
    pub keys: [[u64; 2]; 2],
    /// Of hashes that only have to be hard to guess.
    pub seed: u64,
    /// How often the key changed.
    pub key_number: u32,
    /// Which lists have entries.
    pub lists: u32,
    /// What SYN cookies say we can take, IPv4.
    pub mss4: u16,
    /// And IPv6.
    pub mss6: u16,
    /// What the kernel will choose for a connection that began with a cookie.
    pub window_scale: u8,
    /// 1 if the kernel takes options out of cookies' timestamps.
    pub options: u8,
    /// Always 0.
    pub reserved: u16,
}

/// A packet that was picked for telling about.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Number of its reason.
    pub reason: u32,
    /// How many packets it stands for; 0: among the first of its kind.
    pub weight: u32,
    /// IPv4 as ::ffff:a.b.c.d.
    pub source: [u32; 4],
    /// IPv4 as ::ffff:a.b.c.d.
    pub target: [u32; 4],
    /// Source | destination << 16, each in network order.
    pub ports: u32,
    /// Number of the context.
    pub context: u16,
    /// By its IP number.
    pub protocol: u8,
    /// TCP's.
    pub flags: u8,
    /// Of the IP packet.
    pub length: u32,
    /// Always 0.
    pub reserved: u32,
}
