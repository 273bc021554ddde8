//! What a stick table remembers a client by.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A client's address, or the hash of a text: a cookie's or a header's value.
///
/// Both take 16 bytes. Texts stand in 0100::/8, which is reserved (RFC 6666, IANA's IPv6 address space), so that no
/// client's address is ever one of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StickKey([u8; 16]);

/// What stands before the hash of a text where it is shown.
const TEXT_PREFIX: &str = "text:";

/// The first byte of texts.
const TEXT: u8 = 0x01;

impl StickKey {
    /// Of a text that was hashed with 128 bits; 120 are kept.
    pub(crate) fn hashed(hash: u128) -> Self {
        let mut bytes = hash.to_be_bytes();
        bytes[0] = TEXT;
        Self(bytes)
    }

    /// The key an administrator means: an address, what is shown of a text, or the text itself.
    pub fn written(key: &str) -> Self {
        if let Ok(address) = key.parse::<IpAddr>() {
            return address.to_canonical().into();
        }
        let shown =
            key.strip_prefix(TEXT_PREFIX).filter(|digits| digits.len() == 2 * (size_of::<Self>() - 1));
        match shown.and_then(|digits| u128::from_str_radix(digits, 16).ok()) {
            Some(hash) => Self::hashed(hash),
            None => Self::text(key.as_bytes()),
        }
    }

    pub(super) fn bytes(self) -> [u8; 16] {
        self.0
    }

    pub(super) fn of_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<IpAddr> for StickKey {
    fn from(source: IpAddr) -> Self {
        Self(match source {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        })
    }
}

impl fmt::Display for StickKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0[0] != TEXT {
            return Ipv6Addr::from(self.0).to_canonical().fmt(f);
        }
        f.write_str(TEXT_PREFIX)?;
        self.0[1..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StickKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_such_and_texts_by_their_hash() {
        let shown = |ip: &str| StickKey::from(ip.parse::<IpAddr>().unwrap()).to_string();
        assert_eq!((shown("192.0.2.7"), shown("2001:db8::7")), ("192.0.2.7".into(), "2001:db8::7".into()));
        assert_eq!(StickKey::hashed(u128::MAX).to_string(), format!("text:{}", "ff".repeat(15)));
    }

    #[test]
    fn administrators_name_keys_as_they_are_shown_or_as_they_came() {
        for written in ["192.0.2.7", "2001:db8::7", "alice", "text:short"] {
            let key = StickKey::written(written);
            assert_eq!(StickKey::written(&key.to_string()), key, "{written}");
        }
        assert_eq!(StickKey::written("alice"), StickKey::text(b"alice"));
    }

    #[test]
    fn a_text_has_one_key_and_another_text_another() {
        assert_eq!(StickKey::text(b"alice"), StickKey::text(b"alice"));
        assert_ne!(StickKey::text(b"alice"), StickKey::text(b"bob"));
    }
}
