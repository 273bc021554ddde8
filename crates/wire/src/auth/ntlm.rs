//! NTLMSSP messages (MS-NLMP section 2.2.1), as far as a front door may know them: who, from where, to what.
//!
//! Responses, keys and challenges are looked at and never kept.

use super::Refusal;
use super::av::{self, AvPairs};
use super::text::SafeText;

/// What every message begins with.
pub const SIGNATURE: [u8; 8] = *b"NTLMSSP\0";

/// NTLMSSP_NEGOTIATE_UNICODE: strings are UTF-16 (MS-NLMP section 2.2.2.5, A).
const UNICODE: u32 = 0x0000_0001;
/// NTLMSSP_NEGOTIATE_OEM_DOMAIN_SUPPLIED (K).
const DOMAIN_SUPPLIED: u32 = 0x0000_1000;
/// NTLMSSP_NEGOTIATE_OEM_WORKSTATION_SUPPLIED (L).
const WORKSTATION_SUPPLIED: u32 = 0x0000_2000;
/// NTLMSSP_NEGOTIATE_TARGET_INFO (S).
const TARGET_INFO: u32 = 0x0080_0000;

/// Bytes of an NTLMv1 response (MS-NLMP section 2.2.2.6); NTLMv2 ones are longer (2.2.2.8).
const V1_RESPONSE: usize = 24;

/// One of the three messages of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Type 1: the client begins.
    Negotiate(Negotiate),
    /// Type 2: the server answers.
    Challenge(Challenge),
    /// Type 3: the client proves who it is.
    Authenticate(Authenticate),
}

/// NEGOTIATE_MESSAGE (MS-NLMP section 2.2.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiate {
    /// NegotiateFlags (section 2.2.2.5).
    pub flags: u32,
    /// The client's domain, where it says so.
    pub domain: SafeText,
    /// The client's own name, where it says so.
    pub workstation: SafeText,
}

/// CHALLENGE_MESSAGE (MS-NLMP section 2.2.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// NegotiateFlags (section 2.2.2.5).
    pub flags: u32,
    /// The server or its domain.
    pub target: SafeText,
    /// What the server says of itself.
    pub info: Option<AvPairs>,
}

/// AUTHENTICATE_MESSAGE (MS-NLMP section 2.2.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// NegotiateFlags (section 2.2.2.5).
    pub flags: u32,
    /// The domain or computer that knows the user; may be empty when `user` is `name@realm`.
    pub domain: SafeText,
    /// The user; empty for an anonymous login.
    pub user: SafeText,
    /// The client's own name.
    pub workstation: SafeText,
    /// How the client proves who it is.
    pub response: Response,
}

/// What kind of proof a type 3 message carries. The proof itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// None: an anonymous login.
    Absent,
    /// NTLMv1 (or NTLM2 in its place): it cannot be bound to a channel.
    V1,
    /// NTLMv2, with what stands in clear in its NTLMv2_CLIENT_CHALLENGE (section 2.2.2.7).
    V2(AvPairs),
    /// Longer than NTLMv1 and not a readable NTLMv2.
    Unreadable,
}

impl Message {
    /// Reads one whole message.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if field::<8>(bytes, 0) != Some(SIGNATURE) {
            return Err(Refusal::NotNtlm);
        }
        match number(bytes, 8)? {
            1 => negotiate(bytes).map(Self::Negotiate),
            2 => challenge(bytes).map(Self::Challenge),
            3 => authenticate(bytes).map(Self::Authenticate),
            _ => Err(Refusal::NtlmType),
        }
    }
}

fn negotiate(bytes: &[u8]) -> Result<Negotiate, Refusal> {
    let flags = number(bytes, 12)?;
    // Strings of the first message are OEM whatever the flags say; old clients leave the fields out altogether.
    let supplied = |flag, at| if flags & flag == 0 { Ok(&[][..]) } else { payload(bytes, at, 32) };
    Ok(Negotiate {
        flags,
        domain: SafeText::from_utf8(supplied(DOMAIN_SUPPLIED, 16)?),
        workstation: SafeText::from_utf8(supplied(WORKSTATION_SUPPLIED, 24)?),
    })
}

fn challenge(bytes: &[u8]) -> Result<Challenge, Refusal> {
    let flags = number(bytes, 20)?;
    field::<8>(bytes, 24).ok_or(Refusal::NtlmShort)?;
    let target = text(payload(bytes, 12, 32)?, flags)?;
    let info = match flags & TARGET_INFO {
        0 => None,
        _ => Some(av::pairs(payload(bytes, 40, 48)?)?),
    };
    Ok(Challenge { flags, target, info })
}

fn authenticate(bytes: &[u8]) -> Result<Authenticate, Refusal> {
    const HEADER: usize = 52;
    // Messages of before NT 4 end behind the workstation, those of others without flags: Unicode is what all mean today.
    let flags = if bytes.len() >= HEADER + 12 { number(bytes, 60)? } else { UNICODE };
    payload(bytes, 12, HEADER)?;
    Ok(Authenticate {
        flags,
        domain: text(payload(bytes, 28, HEADER)?, flags)?,
        user: text(payload(bytes, 36, HEADER)?, flags)?,
        workstation: text(payload(bytes, 44, HEADER)?, flags)?,
        response: response(payload(bytes, 20, HEADER)?),
    })
}

/// NTLMv2_RESPONSE (section 2.2.2.8): 16 bytes of proof, then NTLMv2_CLIENT_CHALLENGE (section 2.2.2.7), whose versions
/// are 1 and 1 and whose pairs begin at its byte 28.
fn response(bytes: &[u8]) -> Response {
    match bytes.len() {
        0 => return Response::Absent,
        V1_RESPONSE => return Response::V1,
        _ => {}
    }
    if field::<2>(bytes, 16) != Some([1, 1]) {
        return Response::Unreadable;
    }
    let pairs = bytes.get(16 + 28..).and_then(|pairs| av::pairs(pairs).ok());
    pairs.map_or(Response::Unreadable, Response::V2)
}

/// A string in the alphabet that the flags name. OEM code pages are not named anywhere: ASCII is common to all.
fn text(bytes: &[u8], flags: u32) -> Result<SafeText, Refusal> {
    if flags & UNICODE == 0 {
        return Ok(SafeText::from_utf8(bytes));
    }
    SafeText::from_utf16(bytes).ok_or(Refusal::NtlmText)
}

/// What the length and offset at `at` point to (section 2.2.1, "Fields"). It lies behind the `header` bytes and within
/// the message; where nothing is, the offset does not matter.
fn payload(bytes: &[u8], at: usize, header: usize) -> Result<&[u8], Refusal> {
    let length: usize = field::<2>(bytes, at).map(u16::from_le_bytes).ok_or(Refusal::NtlmShort)?.into();
    let offset = usize::try_from(number(bytes, at + 4)?).map_err(|_| Refusal::NtlmOffset)?;
    if length == 0 {
        return Ok(&[]);
    }
    let end = offset.checked_add(length).filter(|_| offset >= header).ok_or(Refusal::NtlmOffset)?;
    bytes.get(offset..end).ok_or(Refusal::NtlmOffset)
}

fn number(bytes: &[u8], at: usize) -> Result<u32, Refusal> {
    field(bytes, at).map(u32::from_le_bytes).ok_or(Refusal::NtlmShort)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixture::hex;

    /// MS-NLMP section 4.2.2.3 (NTLMv1) and 4.2.4.3 (NTLMv2): the same user, domain and computer.
    const V1: &str = "4e544c4d5353500003000000180018006c0000001800180084000000
        0c000c0048000000080008005400000010001000 5c000000 10001000 9c000000 358280e2 0501280a0000000f
        44006f006d00610069006e00 5500730065007200 43004f004d0050005500540045005200
        98def7b87f88aa5dafe2df779688a172def11c7d5ccdef13 67c43011f30298a2ad35ece64f16331c44bdbed927841f94
        518822b1b3f350c8958682ecbb3e3cb7";
    const V2: &str = "4e544c4d5353500003000000180018006c0000005400540084000000
        0c000c0048000000080008005400000010001000 5c000000 10001000 d8000000 358288e2 0501280a0000000f
        44006f006d00610069006e00 5500730065007200 43004f004d0050005500540045005200
        86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa
        68cd0ab851e51c96aabc927bebef6a1c 0101 0000 00000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000
        02000c0044006f006d00610069006e00 01000c005300650072007600650072000000000000000000
        c5dad2544fc9799094ce1ce90bc9d03e";
    /// MS-NLMP section 4.2.4.3: what the server answered.
    const CHALLENGE: &str =
        "4e544c4d53535000020000000c000c003800000033828ae2 0123456789abcdef 0000000000000000
        24002400 44000000 06007017 0000000f 530065007200760065007200
        02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000";

    fn authenticate(bytes: &[u8]) -> Authenticate {
        let Ok(Message::Authenticate(message)) = Message::parse(bytes) else {
            panic!("{:?}", Message::parse(bytes))
        };
        message
    }

    #[test]
    fn the_documents_own_messages_are_read() {
        for (bytes, bound) in [(V1, false), (V2, true)] {
            let message = authenticate(&hex(bytes));
            assert_eq!(
                [&message.domain, &message.user, &message.workstation].map(SafeText::as_str),
                ["Domain", "User", "COMPUTER"]
            );
            assert_eq!(matches!(message.response, Response::V2(_)), bound);
        }
        let Response::V2(pairs) = authenticate(&hex(V2)).response else { panic!("NTLMv2") };
        assert_eq!((pairs.domain.as_str(), pairs.computer.as_str()), ("Domain", "Server"));
        assert_eq!((pairs.binding, pairs.mic), (None, false));
        let Ok(Message::Challenge(challenge)) = Message::parse(&hex(CHALLENGE)) else { panic!("type 2") };
        assert_eq!(challenge.target.as_str(), "Server");
        assert_eq!(challenge.info.unwrap().domain.as_str(), "Domain");
    }

    #[test]
    fn first_messages_of_old_and_new_clients() {
        let read = |text: &str| Message::parse(&hex(text));
        let names = |text: &str| match read(text) {
            Ok(Message::Negotiate(message)) => (message.domain.to_string(), message.workstation.to_string()),
            other => panic!("{other:?}"),
        };
        let nobody = (String::new(), String::new());
        assert_eq!(names("4e544c4d53535000 01000000 06020000"), nobody);
        assert_eq!(names("4e544c4d53535000 01000000 06820000 0000000000000000 0000000000000000"), nobody);
        let both = "4e544c4d53535000 01000000 07320000 0300030023000000 0300030020000000 504331 4c4142";
        assert_eq!(names(both), ("LAB".to_owned(), "PC1".to_owned()));
    }

    #[test]
    fn lengths_and_offsets_are_checked() {
        let with = |at: usize, bytes: &[u8]| {
            let mut message = hex(V2);
            message[at..at + bytes.len()].copy_from_slice(bytes);
            Message::parse(&message)
        };
        for (description, result, refusal) in [
            ("another signature", with(0, b"n"), Refusal::NotNtlm),
            ("type 4", with(8, &[4]), Refusal::NtlmType),
            ("a name behind the end", with(40, &[0xff, 0xff]), Refusal::NtlmOffset),
            ("a name beyond everything", with(40, &[0xff; 4]), Refusal::NtlmOffset),
            ("a name that is the header", with(40, &[8, 0]), Refusal::NtlmOffset),
            ("half a character", with(36, &[7, 0]), Refusal::NtlmText),
            ("a long response", with(22 - 2, &[0xff, 0xff]), Refusal::NtlmOffset),
        ] {
            assert_eq!(result, Err(refusal), "{description}");
        }
        let whole = hex(V2);
        for end in 0..whole.len() - 16 {
            assert!(Message::parse(&whole[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn no_message_with_other_bytes_panics() {
        let mut chance = crate::auth::fixture::Chance(7);
        for original in [V1, V2, CHALLENGE].map(hex) {
            for _ in 0..20_000 {
                let mut bytes = original.clone();
                for _ in 0..=chance.below(4) {
                    let at = chance.below(bytes.len());
                    bytes[at] = chance.below(256) as u8;
                }
                bytes.truncate(bytes.len() - chance.below(3) * chance.below(bytes.len()) / 2);
                let _ = Message::parse(&bytes);
            }
        }
    }
}
