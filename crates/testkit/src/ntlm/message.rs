//! The three messages ([MS-NLMP] 2.2.1).

use super::proof::utf16;

/// What every message begins with.
pub(super) const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

pub(super) const UNICODE: u32 = 0x0000_0001;
pub(super) const REQUEST_TARGET: u32 = 0x0000_0004;
pub(super) const NTLM: u32 = 0x0000_0200;
pub(super) const ALWAYS_SIGN: u32 = 0x0000_8000;
pub(super) const TARGET_TYPE_DOMAIN: u32 = 0x0001_0000;
pub(super) const EXTENDED_SECURITY: u32 = 0x0008_0000;
pub(super) const TARGET_INFO: u32 = 0x0080_0000;
pub(super) const VERSION: u32 = 0x0200_0000;
pub(super) const KEY_128: u32 = 0x2000_0000;
pub(super) const KEY_EXCHANGE: u32 = 0x4000_0000;
pub(super) const KEY_56: u32 = 0x8000_0000;
/// Signing and sealing of what follows: agreed to, though HTTP never does it.
pub(super) const SIGN_SEAL: u32 = 0x0000_0030;

/// A version of Windows 10 with revision 15 ([MS-NLMP] 2.2.2.10).
const WINDOWS: [u8; 8] = [10, 0, 0x63, 0x45, 0, 0, 0, 15];

/// Type 1: what the client can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiate {
    /// As they came.
    pub flags: u32,
}

impl Negotiate {
    /// Reads one; the names that some clients send are not needed.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        typed(bytes, 1)?;
        Some(Self { flags: u32_at(bytes, 12)? })
    }

    /// As short as it may be with a version.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = start(1);
        bytes.extend((self.flags | VERSION).to_le_bytes());
        bytes.extend([0; 16]); // no domain, no workstation
        bytes.extend(WINDOWS);
        bytes
    }
}

/// Type 2: the server's nonce and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// What both sides can do.
    pub flags: u32,
    /// The server's nonce.
    pub nonce: [u8; 8],
    /// The name of the domain.
    pub target: String,
    /// Attribute-value pairs as they stand in the message.
    pub target_info: Vec<u8>,
}

impl Challenge {
    const HEADER: usize = 56;

    /// Reads one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        typed(bytes, 2)?;
        let flags = u32_at(bytes, 20)?;
        Some(Self {
            flags,
            nonce: bytes.get(24..32)?.try_into().ok()?,
            target: text(field(bytes, 12)?, flags),
            target_info: field(bytes, 40)?.to_vec(),
        })
    }

    /// Writes one, in Unicode.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = start(2);
        let mut payload = Vec::new();
        put(&mut bytes, &mut payload, Self::HEADER, &utf16(&self.target));
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.nonce);
        bytes.extend([0; 8]);
        put(&mut bytes, &mut payload, Self::HEADER, &self.target_info);
        bytes.extend(WINDOWS);
        bytes.extend(payload);
        bytes
    }
}

/// Type 3: who the client is and that it knows the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// What was agreed on.
    pub flags: u32,
    /// The user's domain; empty, or in the user's name, where the client knows none.
    pub domain: String,
    /// The user.
    pub user: String,
    /// The client's name of itself.
    pub workstation: String,
    /// The answer to the challenge by the NT hash: proof and blob in NTLMv2, 24 bytes in NTLMv1.
    pub nt_response: Vec<u8>,
    /// The key of later signatures, encrypted, where one was chosen.
    pub encrypted_key: Vec<u8>,
}

impl Authenticate {
    const HEADER: usize = 88;
    /// Where the integrity code stands, in messages that have one.
    pub(super) const MIC: std::ops::Range<usize> = 72..88;

    /// Reads one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        typed(bytes, 3)?;
        let flags = u32_at(bytes, 60).unwrap_or(UNICODE); // the oldest clients end before them
        Some(Self {
            flags,
            nt_response: field(bytes, 20)?.to_vec(),
            domain: text(field(bytes, 28)?, flags),
            user: text(field(bytes, 36)?, flags),
            workstation: text(field(bytes, 44)?, flags),
            encrypted_key: field(bytes, 52).unwrap_or_default().to_vec(),
        })
    }

    /// Writes one, in Unicode, with room for an integrity code.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = start(3);
        let mut payload = Vec::new();
        let parts = [
            &[0; 24][..], // no LM response
            &self.nt_response,
            &utf16(&self.domain),
            &utf16(&self.user),
            &utf16(&self.workstation),
            &self.encrypted_key,
        ];
        for part in parts {
            put(&mut bytes, &mut payload, Self::HEADER, part);
        }
        bytes.extend((self.flags | UNICODE | VERSION).to_le_bytes());
        bytes.extend(WINDOWS);
        bytes.extend([0; 16]);
        bytes.extend(payload);
        bytes
    }
}

fn start(kind: u32) -> Vec<u8> {
    [&SIGNATURE[..], &kind.to_le_bytes()].concat()
}

fn typed(bytes: &[u8], kind: u32) -> Option<()> {
    (bytes.starts_with(SIGNATURE) && u32_at(bytes, 8) == Some(kind)).then_some(())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// What the eight bytes at `at` point to: length, room, offset.
fn field(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let len = usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let from = usize::try_from(u32_at(bytes, at + 4)?).ok()?;
    if len == 0 {
        return Some(&[]);
    }
    bytes.get(from..from.checked_add(len)?)
}

/// Adds a pointer to `header` and what it points to to `payload`, which will begin at `offset`.
fn put(header: &mut Vec<u8>, payload: &mut Vec<u8>, offset: usize, part: &[u8]) {
    let len = u16::try_from(part.len()).expect("parts are names, hashes and pairs");
    let from = u32::try_from(offset + payload.len()).expect("so are all of them together");
    header.extend(len.to_le_bytes());
    header.extend(len.to_le_bytes());
    header.extend(from.to_le_bytes());
    payload.extend(part);
}

fn text(bytes: &[u8], flags: u32) -> String {
    if flags & UNICODE == 0 {
        return bytes.iter().copied().map(char::from).collect();
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::{Authenticate, Challenge, Negotiate, UNICODE, VERSION};

    #[test]
    fn messages_survive_and_cut_ones_are_refused() {
        let one = Negotiate { flags: UNICODE | VERSION };
        assert_eq!(Negotiate::decode(&one.encode()), Some(one));
        let two = Challenge { flags: UNICODE, nonce: [5; 8], target: "LAB".into(), target_info: vec![0; 4] };
        assert_eq!(Challenge::decode(&two.encode()), Some(two.clone()));
        let three = Authenticate {
            flags: UNICODE | VERSION,
            domain: "LAB".into(),
            user: "alice".into(),
            workstation: "PC1".into(),
            nt_response: vec![3; 40],
            encrypted_key: vec![4; 16],
        };
        let bytes = three.encode();
        assert_eq!(Authenticate::decode(&bytes), Some(three));
        for len in 0..bytes.len() - 16 {
            assert_eq!(Authenticate::decode(&bytes[..len]), None, "{len}");
        }
        assert_eq!(Challenge::decode(&bytes), None, "another type");
        assert_eq!(Negotiate::decode(b""), None);
    }
}
