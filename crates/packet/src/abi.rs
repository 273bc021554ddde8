//! What user space and the program share: the mirror of `bpf/abi.h`. A test compares the two through BTF.
//!
//! Words that hold an address or a port are in network order as they lie in memory: use `from_ne_bytes` on the
//! octets, `to_be` on the number.

/// Raised whenever a layout here changes: maps of another version are never adopted.
pub const VERSION: u32 = 2;

/// Slots of a ring: prime, so that every permutation step of Maglev visits every slot.
pub const RING_SLOTS: usize = 65_537;
/// Server numbers there are: 12 bits of a ring's word.
pub const SERVERS: u16 = 4096;
/// The number that means "no server".
pub const NO_SERVER: u16 = 4095;

/// How a VIP's packets reach its servers.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The kernel's own stack: a proxied listener behind the same shield.
    Local,
    /// Only the MAC addresses change; the server holds the VIP and answers by itself.
    Dsr,
    /// Destination rewritten; replies come back through here.
    Nat,
    /// Wrapped in IP; the server unwraps, holds the VIP and answers by itself.
    Tunnel,
}

/// What decides which server a new flow gets.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashOn {
    /// Addresses and ports: flows spread as evenly as may be.
    Flow,
    /// Addresses only: all of a client's flows reach one server.
    Source,
}

/// What is done with lawful packets that cannot be balanced.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The kernel's stack sees them.
    #[default]
    Pass,
    /// They are dropped and counted.
    Drop,
}

/// What became of a packet, all reasons of one kind together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handed to the kernel's stack.
    Passed,
    /// On its way to a server or a client.
    Sent,
    /// Gone.
    Dropped,
}

/// Why a packet got its verdict: one counter each.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// ARP and everything else that is neither IPv4 nor IPv6.
    NotIp,
    /// Neither TCP nor UDP nor an ICMP error about a balanced flow.
    OtherProtocol,
    /// Nobody asked for this destination to be balanced.
    NoVip,
    /// A proxied listener's.
    Local,
    /// A fragment, by policy.
    FragmentPassed,
    /// IP options or IPv6 extension headers, by policy.
    OptionsPassed,
    /// Would expire here: the kernel tells the sender.
    Ttl,
    /// Direct server return.
    Dsr,
    /// Rewritten towards a server.
    Nat,
    /// Rewritten towards a client.
    NatReply,
    /// Wrapped and sent to a server.
    Tunnel,
    /// Answered with ICMP: it would not fit the tunnel.
    TooBig,
    /// A SYN answered with a SYN cookie, in the listener's place.
    SynCookie,
    /// A SYN answered so that its source has to show that it exists.
    Challenge,
    /// A header or the stated length runs past the frame.
    Truncated,
    /// IP version or header length that cannot be.
    BadHeader,
    /// Lengths that contradict each other.
    BadLength,
    /// TCP flags no stack sends.
    BadFlags,
    /// Port 0.
    BadPort,
    /// A source nobody can have.
    Martian,
    /// A fragment, by policy.
    FragmentDropped,
    /// IP options or IPv6 extension headers, by policy.
    OptionsDropped,
    /// The VIP has no live server.
    NoServer,
    /// More new NAT flows than the table takes in a second.
    FlowRate,
    /// The server already has this client address and port, through another VIP.
    NatClash,
    /// The frame could not be resized.
    NoRoom,
    /// The source is on the block list.
    Blocked,
    /// Protocol, port or source is not among what the context allows.
    NotAllowed,
    /// More packets than a source may send.
    SourcePackets,
    /// More openings than a source may send.
    SourceSyn,
    /// More UDP than a source may send.
    SourceUdp,
    /// More ICMP than a source may send.
    SourceIcmp,
    /// The source has as many connections as it may.
    SourceFull,
    /// More UDP than the context takes.
    UdpRate,
    /// More ICMP than the context takes.
    IcmpRate,
    /// Of no known connection, and more of those than the kernel should answer.
    NoFlow,
    /// The answer to a challenge: it did its work.
    Proven,
    /// A SYN whose TCP checksum is wrong.
    BadChecksum,
}

impl Reason {
    /// Every reason, in the order of its counter.
    pub const ALL: [Self; 38] = [
        Self::NotIp,
        Self::OtherProtocol,
        Self::NoVip,
        Self::Local,
        Self::FragmentPassed,
        Self::OptionsPassed,
        Self::Ttl,
        Self::Dsr,
        Self::Nat,
        Self::NatReply,
        Self::Tunnel,
        Self::TooBig,
        Self::SynCookie,
        Self::Challenge,
        Self::Truncated,
        Self::BadHeader,
        Self::BadLength,
        Self::BadFlags,
        Self::BadPort,
        Self::Martian,
        Self::FragmentDropped,
        Self::OptionsDropped,
        Self::NoServer,
        Self::FlowRate,
        Self::NatClash,
        Self::NoRoom,
        Self::Blocked,
        Self::NotAllowed,
        Self::SourcePackets,
        Self::SourceSyn,
        Self::SourceUdp,
        Self::SourceIcmp,
        Self::SourceFull,
        Self::UdpRate,
        Self::IcmpRate,
        Self::NoFlow,
        Self::Proven,
        Self::BadChecksum,
    ];

    /// As metrics and logs name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotIp => "not-ip",
            Self::OtherProtocol => "other-protocol",
            Self::NoVip => "no-vip",
            Self::Local => "local",
            Self::FragmentPassed => "fragment-passed",
            Self::OptionsPassed => "options-passed",
            Self::Ttl => "ttl",
            Self::Dsr => "dsr",
            Self::Nat => "nat",
            Self::NatReply => "nat-reply",
            Self::Tunnel => "tunnel",
            Self::TooBig => "too-big",
            Self::SynCookie => "syn-cookie",
            Self::Challenge => "challenge",
            Self::Truncated => "truncated",
            Self::BadHeader => "bad-header",
            Self::BadLength => "bad-length",
            Self::BadFlags => "bad-flags",
            Self::BadPort => "bad-port",
            Self::Martian => "martian",
            Self::FragmentDropped => "fragment-dropped",
            Self::OptionsDropped => "options-dropped",
            Self::NoServer => "no-server",
            Self::FlowRate => "flow-rate",
            Self::NatClash => "nat-clash",
            Self::NoRoom => "no-room",
            Self::Blocked => "blocked",
            Self::NotAllowed => "not-allowed",
            Self::SourcePackets => "source-packets",
            Self::SourceSyn => "source-syn",
            Self::SourceUdp => "source-udp",
            Self::SourceIcmp => "source-icmp",
            Self::SourceFull => "source-full",
            Self::UdpRate => "udp-rate",
            Self::IcmpRate => "icmp-rate",
            Self::NoFlow => "no-flow",
            Self::Proven => "proven",
            Self::BadChecksum => "bad-checksum",
        }
    }

    /// What became of the packet.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self as u32 {
            n if n < Self::Dsr as u32 => Outcome::Passed,
            n if n < Self::Truncated as u32 => Outcome::Sent,
            _ => Outcome::Dropped,
        }
    }
}

/// (address, port, protocol) of an IPv4 VIP.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vip4Key {
    /// Network order.
    pub address: u32,
    /// Network order.
    pub port: u16,
    /// 6 or 17.
    pub protocol: u16,
}

/// (address, port, protocol) of an IPv6 VIP.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vip6Key {
    /// Network order.
    pub address: [u32; 4],
    /// Network order.
    pub port: u16,
    /// 6 or 17.
    pub protocol: u16,
}

/// What the program knows of a VIP.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vip {
    /// Row of its traffic counters.
    pub id: u32,
    /// Row of its ring; changing it switches the generation.
    pub ring: u32,
    /// [`Mode`].
    pub mode: u8,
    /// [`HashOn`].
    pub hash_on: u8,
    /// The shield's flags.
    pub reserved: u16,
}

/// What the program knows of a server: one cache line.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// NAT: the new destination. Tunnel: the outer one. IPv4 is in the first word.
    pub address: [u32; 4],
    /// Tunnel: the outer source.
    pub source: [u32; 4],
    /// The next hop's address, then ours, as on the wire.
    pub macs: [u32; 3],
    /// Where packets leave; 0: where they came in.
    pub interface: u32,
    /// Tunnel over IPv4: bits of the source that vary by flow.
    pub source_spread: u32,
    /// NAT: network order.
    pub port: u16,
    /// Longest IP packet that fits, wrapping not included.
    pub packet_max: u16,
    /// Raised when the number gets a new owner.
    pub epoch: u16,
    /// Tunnel: of the outer header, 4 or 6.
    pub family: u8,
    /// 0: takes no packet at all.
    pub live: u8,
}

/// A VIP's ring: hash slot -> [`word`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// One word a slot.
    pub word: [u32; RING_SLOTS],
}

/// A flow, as the client's packets (or for NAT replies the server's) name it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flow4 {
    /// Network order.
    pub source: u32,
    /// Network order.
    pub destination: u32,
    /// Source | destination << 16, each in network order.
    pub ports: u32,
    /// 6 or 17.
    pub protocol: u32,
}

/// As [`Flow4`], for IPv6.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flow6 {
    /// Network order.
    pub source: [u32; 4],
    /// Network order.
    pub destination: [u32; 4],
    /// Source | destination << 16, each in network order.
    pub ports: u32,
    /// 6 or 17.
    pub protocol: u32,
}

/// Which server a flow of a changed slot has.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Its number,
    pub server: u16,
    /// and whose number it was.
    pub epoch: u16,
    /// Always 0.
    pub reserved: u32,
}

/// How a NAT flow's packets are rewritten, one entry a direction.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat4 {
    /// To the server: its address; to the client: the VIP.
    pub address: u32,
    /// Likewise.
    pub port: u16,
    /// Added to the IP header's checksum, its TTL's fall by one included.
    pub header_delta: u16,
    /// Added to the TCP or UDP checksum.
    pub body_delta: u16,
    /// Its number,
    pub server: u16,
    /// and whose number it was.
    pub epoch: u16,
    /// 0 to the server, 1 to the client.
    pub direction: u8,
    /// A FIN or RST was seen.
    pub closing: u8,
    /// To the client: as the client's packets came.
    pub macs: [u32; 3],
    /// Likewise.
    pub interface: u32,
}

/// As [`Nat4`], for IPv6.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat6 {
    /// To the server: its address; to the client: the VIP.
    pub address: [u32; 4],
    /// Likewise.
    pub port: u16,
    /// Always 0: IPv6 headers have no checksum.
    pub header_delta: u16,
    /// Added to the TCP or UDP checksum.
    pub body_delta: u16,
    /// Its number,
    pub server: u16,
    /// and whose number it was.
    pub epoch: u16,
    /// 0 to the server, 1 to the client.
    pub direction: u8,
    /// A FIN or RST was seen.
    pub closing: u8,
    /// To the client: as the client's packets came.
    pub macs: [u32; 3],
    /// Likewise.
    pub interface: u32,
}

/// Counters of a VIP or of a server.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Towards the servers.
    pub packets: u64,
    /// IP bytes towards the servers.
    pub bytes: u64,
    /// NAT only, by server: other replies do not pass here.
    pub reply_packets: u64,
    /// Likewise.
    pub reply_bytes: u64,
    /// Flows begun: SYNs, and UDP flows entered in a table.
    pub opened: u64,
}

/// Knobs that may change while packets flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most table inserts a second and CPU; 0: no limit.
    pub new_flows_per_second: u32,
    /// [`Policy`].
    pub fragments: u8,
    /// [`Policy`].
    pub options: u8,
    /// Always 0.
    pub reserved: u16,
}

impl Default for Settings {
    /// 125,000 inserts a second and CPU: past that a SYN flood would cost seven times as much a packet.
    fn default() -> Self {
        Self { new_flows_per_second: 125_000, fragments: 0, options: 0, reserved: 0 }
    }
}

/// A ring's word: `current | previous << 12 | changed << 31`.
pub mod word {
    const CHANGED: u32 = 1 << 31;

    /// The slot has had this server for long enough that no older flow is left.
    #[must_use]
    pub fn settled(current: u16) -> u32 {
        u32::from(current) | u32::from(current) << 12
    }

    /// New flows get `current`; those that began earlier have `previous` or an entry in the table.
    #[must_use]
    pub fn changed(current: u16, previous: u16) -> u32 {
        u32::from(current) | u32::from(previous) << 12 | CHANGED
    }

    /// The server new flows get.
    #[must_use]
    pub fn current(word: u32) -> u16 {
        (word & 0xfff) as u16
    }

    /// The server older flows have unless the table says otherwise.
    #[must_use]
    pub fn previous(word: u32) -> u16 {
        (word >> 12 & 0xfff) as u16
    }

    /// Whether the table is asked.
    #[must_use]
    pub fn is_changed(word: u32) -> bool {
        word & CHANGED != 0
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
    fn outcomes_follow_the_order_of_reasons() {
        assert_eq!(Reason::Ttl.outcome(), Outcome::Passed);
        assert_eq!(Reason::Dsr.outcome(), Outcome::Sent);
        assert_eq!(Reason::Challenge.outcome(), Outcome::Sent);
        assert_eq!(Reason::Truncated.outcome(), Outcome::Dropped);
        assert_eq!(Reason::BadChecksum.outcome(), Outcome::Dropped);
    }

    #[test]
    fn a_word_keeps_its_three_parts_apart() {
        let word = word::changed(4095, 1);
        assert_eq!((word::current(word), word::previous(word), word::is_changed(word)), (4095, 1, true));
        assert!(!word::is_changed(word::settled(7)));
    }
}
