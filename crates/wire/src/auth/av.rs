//! AV pairs (MS-NLMP section 2.2.2.1): what a server says of itself and a client says about what it saw.

use super::Refusal;
use super::binding::Binding;
use super::text::SafeText;
use crate::bytes::Reader;

/// Pairs at most; the document knows eleven kinds.
const PAIRS_MAX: usize = 64;

/// MIC_PROVIDED, a bit of MsvAvFlags: the message's own integrity is protected.
const MIC_PROVIDED: u32 = 0x0000_0002;

/// What is worth knowing of a list of pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AvPairs {
    /// MsvAvNbComputerName: the server's short name.
    pub computer: SafeText,
    /// MsvAvNbDomainName: its domain's short name.
    pub domain: SafeText,
    /// MsvAvDnsComputerName: the server's full name.
    pub dns_computer: SafeText,
    /// MsvAvTargetName: the service the client means, `HTTP/mail.example.com`.
    pub target: SafeText,
    /// MsvAvChannelBindings; `None` where it is absent or all zero, which means the client saw no channel.
    pub binding: Option<Binding>,
    /// MsvAvFlags has MIC_PROVIDED.
    pub mic: bool,
}

/// Reads pairs up to MsvAvEOL. What stands behind it is padding.
pub(super) fn pairs(bytes: &[u8]) -> Result<AvPairs, Refusal> {
    let mut reader = Reader::new(bytes);
    let mut pairs = AvPairs::default();
    for _ in 0..PAIRS_MAX {
        let mut number = || reader.array().map(u16::from_le_bytes).ok_or(Refusal::AvPairs);
        let (id, length) = (number()?, number()?);
        let value = reader.take(length.into()).ok_or(Refusal::AvPairs)?;
        let name = || SafeText::from_utf16(value).ok_or(Refusal::NtlmText);
        match id {
            0 => return Ok(pairs),
            1 => pairs.computer = name()?,
            2 => pairs.domain = name()?,
            3 => pairs.dns_computer = name()?,
            6 => pairs.mic = u32::from_le_bytes(exactly(value)?) & MIC_PROVIDED != 0,
            9 => pairs.target = name()?,
            10 => pairs.binding = Some(exactly(value)?).filter(|hash| *hash != [0; 16]).map(Binding),
            _ => {}
        }
    }
    Err(Refusal::AvPairs)
}

fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Refusal> {
    value.try_into().map_err(|_| Refusal::AvPairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(id: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![id, 0];
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
        bytes
    }

    #[test]
    fn bindings_and_flags_are_read() {
        let list = [pair(6, &[2, 0, 0, 0]), pair(10, &[7; 16]), pair(9, b"H\0/\0"), pair(0, &[]), vec![0; 4]]
            .concat();
        let read = pairs(&list).unwrap();
        assert_eq!(read.binding, Some(Binding([7; 16])));
        assert!(read.mic);
        assert_eq!(read.target.as_str(), "H/");
        let zero = [pair(6, &[1, 0, 0, 0]), pair(10, &[0; 16]), pair(0, &[])].concat();
        assert_eq!(pairs(&zero).unwrap(), AvPairs::default());
    }

    #[test]
    fn broken_lists_are_refused() {
        for (description, bytes) in [
            ("nothing at all", vec![]),
            ("no end", pair(1, b"S\0")),
            ("a binding of 15 bytes", [pair(10, &[1; 15]), pair(0, &[])].concat()),
            ("flags of two bytes", [pair(6, &[1; 2]), pair(0, &[])].concat()),
            ("a length beyond the end", vec![1, 0, 9, 0, 1, 1]),
            ("more than anybody has", pair(5, &[]).repeat(PAIRS_MAX + 1)),
        ] {
            assert_eq!(pairs(&bytes), Err(Refusal::AvPairs), "{description}");
        }
        assert_eq!(pairs(&[pair(1, b"S"), pair(0, &[])].concat()), Err(Refusal::NtlmText));
    }
}
