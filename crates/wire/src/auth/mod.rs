//! Logins: what the header fields of HTTP authentication say, and what follows from it for the connection.
//!
//! NTLM, and Negotiate that may carry it, authenticate the *connection* (MS-NTHT section 2.1, RFC 4559 section 6): on a
//! server connection that has seen one, every later request is that user's. So a front door must know of each request
//! whether it begins a login, which [`Authorization`] tells from the bytes and [`Login`] from their order. What a login
//! says of user, computer and channel goes to the log; proofs, keys, passwords and tickets are never kept.

mod av;
mod binding;
mod der;
mod header;
mod kerberos;
mod login;
pub mod ntlm;
#[cfg(test)]
mod recorded;
pub mod spnego;
mod text;

use std::fmt;

pub use av::AvPairs;
pub use binding::{Binding, channel_binding_hash};
pub(crate) use header::BASE64;
pub use header::{Authorization, Challenge, Scheme, TOKEN_MAX, Token, challenges};
pub use kerberos::ApReq;
pub use login::{AfterLoss, Answered, Asked, ClientBinding, Identity, Login, Outcome, Protocol};
pub use text::{NAME_CHARS_MAX, SafeText};

/// Why a login's bytes cannot be read. Nothing is refused for it here: what it means is the server's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Longer than [`TOKEN_MAX`].
    TokenTooLong,
    /// Not base64.
    Base64,
    /// Basic without a colon.
    Basic,
    /// Digest without a user.
    Digest,
    /// Not DER, or not the fields that belong there.
    Der,
    /// Not an NTLMSSP message.
    NotNtlm,
    /// An NTLMSSP message of a type that does not exist.
    NtlmType,
    /// An NTLMSSP message without all its fields.
    NtlmShort,
    /// A field of an NTLMSSP message that points outside of it or into its head.
    NtlmOffset,
    /// A name that ends in half a character.
    NtlmText,
    /// A list of AV pairs that is malformed or does not end.
    AvPairs,
}

impl Refusal {
    /// A short sentence for the log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TokenTooLong => "a login token that is too long",
            Self::Base64 => "a login token that is not base64",
            Self::Basic => "a Basic login without a colon",
            Self::Digest => "a Digest login without a user",
            Self::Der => "a malformed SPNEGO token",
            Self::NotNtlm => "not an NTLM message",
            Self::NtlmType => "an NTLM message of an unknown type",
            Self::NtlmShort => "an NTLM message that is cut short",
            Self::NtlmOffset => "an NTLM message with a field outside of it",
            Self::NtlmText => "an NTLM name that ends in half a character",
            Self::AvPairs => "an NTLM message with malformed AV pairs",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    /// The bytes of hexadecimal digits; white space between them does not count.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    /// Random numbers that a seed decides (splitmix64).
    pub(crate) struct Chance(pub(crate) u64);

    impl Chance {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        /// A number under `bound`, 0 if there is none.
        pub(crate) fn below(&mut self, bound: usize) -> usize {
            (self.next() % bound.max(1) as u64) as usize
        }
    }
}
