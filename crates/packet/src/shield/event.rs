//! Packets that were picked for telling about.

use std::net::{IpAddr, Ipv6Addr};

use super::abi::Event;
use crate::abi::Reason;

/// A packet, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Why.
    pub reason: Reason,
    /// How many packets it stands for; 0: told because it is among the first of its kind.
    pub weight: u32,
    /// Who sent it; unspecified if it was too short to say.
    pub source: IpAddr,
    /// To whom.
    pub target: IpAddr,
    /// From which port; 0 where there are none.
    pub source_port: u16,
    /// To which.
    pub target_port: u16,
    /// Number of its context.
    pub context: u16,
    /// By its IP number.
    pub protocol: u8,
    /// TCP's.
    pub flags: u8,
    /// Of the IP packet, in bytes.
    pub length: u32,
}

/// What the program wrote; nothing if it is not what we know.
pub(crate) fn decode(bytes: &[u8]) -> Option<Event> {
    let mut words =
        bytes.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    let mut word = || words.next();
    let (reason, weight) = (word()?, word()?);
    let mut address = || Some([word()?, word()?, word()?, word()?]);
    let (source, target) = (address()?, address()?);
    let (ports, kind, length) = (word()?, word()?, word()?);
    let [low, high, protocol, flags] = kind.to_ne_bytes();
    let context = u16::from_ne_bytes([low, high]);
    Some(Event { reason, weight, source, target, ports, context, protocol, flags, length, reserved: 0 })
}

impl Sample {
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let reason = *Reason::ALL.get(event.reason as usize)?;
        let target = plain(event.target);
        Some(Self {
            reason,
            weight: event.weight,
            source: plain(event.source),
            target,
            source_port: u16::from_be(event.ports as u16),
            target_port: u16::from_be((event.ports >> 16) as u16),
            context: event.context,
            protocol: event.protocol,
            flags: event.flags,
            length: event.length,
        })
    }
}

fn plain(words: [u32; 4]) -> IpAddr {
    let mut octets = [0; 16];
    for (part, word) in octets.chunks_exact_mut(4).zip(words) {
        part.copy_from_slice(&word.to_ne_bytes());
    }
    Ipv6Addr::from(octets).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_or_unknown_events_are_none() {
        assert_eq!(decode(&[0; 51]), None);
        let event = decode(&[0xff; 56]).expect("it is long enough");
        assert_eq!(Sample::of(&event), None, "no such reason");
        assert!(Sample::of(&decode(&[0; 56]).expect("it is long enough")).is_some());
    }
}
