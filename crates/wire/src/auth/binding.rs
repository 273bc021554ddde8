//! Channel bindings: the hash by which a login says which certificate its client saw.

use std::fmt;

use md5::{Digest, Md5};

/// The type of binding that Extended Protection uses (RFC 5929 section 4), as it stands before the hash.
const END_POINT: &[u8] = b"tls-server-end-point:";

/// MsvAvChannelBindings (MS-NLMP section 2.2.2.1): MD5 of a gss_channel_bindings_struct. No secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding(pub [u8; 16]);

impl Binding {
    /// The binding of a client that saw the certificate with this `tls-server-end-point` hash.
    pub fn of_end_point(end_point: &[u8]) -> Self {
        Self(channel_binding_hash(end_point))
    }
}

/// `4f:1a:…`, as certificate hashes are written.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binding({self})")
    }
}

/// MD5 of the gss_channel_bindings_struct (MS-NLMP section 3.1.5.1.2, RFC 2744 section 3.11) for a server's leaf
/// certificate; `end_point` is the certificate's hash as RFC 5929 section 4.1 says: SHA-256, or SHA-384 or SHA-512 where
/// the certificate is signed with one of these.
pub fn channel_binding_hash(end_point: &[u8]) -> [u8; 16] {
    let length = u32::try_from(END_POINT.len() + end_point.len()).unwrap_or(u32::MAX);
    let mut hash = Md5::new();
    // Type and length of the initiator's and of the acceptor's address: none.
    hash.update([0; 16]);
    hash.update(length.to_le_bytes());
    hash.update(END_POINT);
    hash.update(end_point);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixture::hex;

    /// Computed with Python's hashlib; pyspnego computes the same (`auth::recorded`).
    #[test]
    fn hashes_are_those_of_other_implementations() {
        let end_point = hex("caf6bc887f8fd8705056311a892eb58d178bee0eb14790f871a2a80f5b323ca1");
        let expected = hex("eca8e5701a43aef7879afb603f776ed2");
        assert_eq!(channel_binding_hash(&end_point).to_vec(), expected);
        assert_eq!(Binding::of_end_point(&end_point).0.to_vec(), expected);
    }

    #[test]
    fn a_binding_is_written_like_a_certificates_hash() {
        let binding = Binding([0x4f, 0x1a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 255]);
        assert_eq!(binding.to_string(), "4f:1a:00:01:02:03:04:05:06:07:08:09:0a:0b:0c:ff");
    }
}
