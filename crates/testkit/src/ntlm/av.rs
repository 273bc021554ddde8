//! Attribute-value pairs of the target information ([MS-NLMP] 2.2.2.1).

/// The list ends.
const END: u16 = 0;
/// NetBIOS name of the server.
pub(super) const COMPUTER_NAME: u16 = 1;
/// NetBIOS name of the domain.
pub(super) const DOMAIN_NAME: u16 = 2;
/// DNS name of the server.
pub(super) const DNS_COMPUTER_NAME: u16 = 3;
/// DNS name of the domain.
pub(super) const DNS_DOMAIN_NAME: u16 = 4;
/// Flags: see [`FLAG_MIC`].
pub(super) const FLAGS: u16 = 6;
/// The server's time, a FILETIME.
pub(super) const TIMESTAMP: u16 = 7;
/// What the client believes to speak with, `HTTP/mail.example.com`.
pub(super) const TARGET_NAME: u16 = 9;
/// MD5 of the channel bindings.
pub(super) const CHANNEL_BINDINGS: u16 = 10;

/// In [`FLAGS`]: the client's last message carries an integrity code.
pub(super) const FLAG_MIC: u32 = 2;

/// Pairs in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pairs(pub(super) Vec<(u16, Vec<u8>)>);

impl Pairs {
    /// Reads up to the end mark. `None`: a pair is longer than what is there.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut pairs = Vec::new();
        loop {
            let (id, rest) = bytes.split_first_chunk::<2>()?;
            let (len, rest) = rest.split_first_chunk::<2>()?;
            let (id, len) = (u16::from_le_bytes(*id), usize::from(u16::from_le_bytes(*len)));
            if id == END {
                return Some(Self(pairs));
            }
            let (value, rest) = rest.split_at_checked(len)?;
            pairs.push((id, value.to_vec()));
            bytes = rest;
        }
    }

    /// With the end mark.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (id, value) in &self.0 {
            let len = u16::try_from(value.len()).expect("a name or a hash is shorter than 64 KiB");
            bytes.extend(id.to_le_bytes());
            bytes.extend(len.to_le_bytes());
            bytes.extend(value);
        }
        bytes.extend([0; 4]);
        bytes
    }

    /// The first value of that kind.
    pub(super) fn get(&self, id: u16) -> Option<&[u8]> {
        self.0.iter().find(|(own, _)| *own == id).map(|(_, value)| value.as_slice())
    }

    /// The flags; none where the pair is missing.
    pub(super) fn flags(&self) -> u32 {
        self.get(FLAGS).and_then(|value| value.try_into().ok()).map_or(0, u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{CHANNEL_BINDINGS, COMPUTER_NAME, Pairs};

    #[test]
    fn pairs_survive_and_cut_ones_do_not() {
        let pairs = Pairs(vec![(COMPUTER_NAME, b"E\0X\0".to_vec()), (CHANNEL_BINDINGS, vec![7; 16])]);
        let bytes = pairs.encode();
        assert_eq!(Pairs::decode(&bytes), Some(pairs));
        for len in 0..bytes.len() {
            assert_eq!(Pairs::decode(&bytes[..len]), None, "{len}");
        }
    }
}
