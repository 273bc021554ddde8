//! NTLM inside `Negotiate`: some clients wrap its messages in SPNEGO (RFC 4178), some do not. Answers are wrapped as the
//! question was.

use super::message::SIGNATURE;

/// Object identifier 1.3.6.1.4.1.311.2.2.10: NTLMSSP.
const NTLMSSP: &[u8] = &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];

/// How an NTLM message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// As it is.
    Raw,
    /// In a SPNEGO token.
    Spnego,
}

impl Wrapping {
    /// The NTLM message in a token, and how it was wrapped. `None`: there is none inside.
    pub fn unwrap(token: &[u8]) -> Option<(Self, &[u8])> {
        let at = token.windows(SIGNATURE.len()).position(|window| window == SIGNATURE)?;
        let wrapping = if at == 0 { Self::Raw } else { Self::Spnego };
        // Inside a token it is the value of an OCTET STRING, whose length stands before it.
        let end = if at == 0 { token.len() } else { at + length_before(token, at)? };
        Some((wrapping, token.get(at..end)?))
    }

    /// A challenge wrapped for the way back: state `accept-incomplete`, NTLMSSP chosen.
    pub fn challenge(self, message: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Raw => message,
            Self::Spnego => response(1, &[tlv(0xa1, NTLMSSP), tlv(0xa2, &tlv(0x04, &message))].concat()),
        }
    }

    /// What is sent along with success: state `accept-completed`.
    pub fn success(self) -> Option<Vec<u8>> {
        (self == Self::Spnego).then(|| response(0, &[]))
    }
}

/// A `NegTokenResp` with this state and further fields.
fn response(state: u8, fields: &[u8]) -> Vec<u8> {
    let state = tlv(0xa0, &tlv(0x0a, &[state]));
    tlv(0xa1, &tlv(0x30, &[&state, fields].concat()))
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match value.len() {
        len @ 0..128 => bytes.push(len.to_le_bytes()[0]),
        len => {
            let len = u16::try_from(len).expect("tokens are shorter than 64 KiB");
            bytes.push(0x82);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend(value);
    bytes
}

/// The length of the OCTET STRING whose value begins at `at`: short, or long in one or two bytes.
fn length_before(token: &[u8], at: usize) -> Option<usize> {
    match token.get(..at)? {
        [.., 0x04, 0x82, high, low] => Some(usize::from(u16::from_be_bytes([*high, *low]))),
        [.., 0x04, 0x81, len] | [.., 0x04, len @ 0..128] => Some(usize::from(*len)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Wrapping;

    #[test]
    fn messages_are_found_in_tokens_of_any_length() {
        for len in [0, 50, 130, 300, 5000] {
            let message = [b"NTLMSSP\0", &vec![7; len][..]].concat();
            for wrapping in [Wrapping::Raw, Wrapping::Spnego] {
                let token = wrapping.challenge(message.clone());
                assert_eq!(Wrapping::unwrap(&token), Some((wrapping, &message[..])), "{len}");
            }
        }
        assert_eq!(Wrapping::unwrap(b"another mechanism"), None);
    }
}
