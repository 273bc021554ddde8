//! Who the other side has proven to be, and what is passed on of it in headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Facts;

/// The verified certificate of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    der: Box<[u8]>,
    facts: Facts,
}

impl Identity {
    /// Of a leaf in DER. `None`: it cannot be read; then it was never verified either.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        Facts::of(der).ok().map(|facts| Self { der: der.into(), facts })
    }

    /// What the certificate says; its [`subject`](Facts::subject), [`serial`](Facts::serial) and
    /// [`fingerprint`](Facts::fingerprint) are ASCII, fit for the value of a header.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM with everything but unreserved characters percent-encoded (RFC 3986 section 2.1), as
    /// servers behind a proxy expect it in one header.
    pub fn pem_url_encoded(&self) -> String {
        let mut out = String::from("-----BEGIN%20CERTIFICATE-----%0A");
        for line in STANDARD.encode(&self.der).as_bytes().chunks(64) {
            for &byte in line {
                match byte {
                    b'+' => out.push_str("%2B"),
                    b'/' => out.push_str("%2F"),
                    b'=' => out.push_str("%3D"),
                    other => out.push(char::from(other)),
                }
            }
            out.push_str("%0A");
        }
        out.push_str("-----END%20CERTIFICATE-----%0A");
        out
    }
}
