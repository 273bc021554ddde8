//! Where cryptography comes from: the only place that names it.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;
use rustls::{CipherSuite, Error};

/// The provider that every TLS configuration of the program is built with: AWS-LC, made once and shared.
///
/// It is never installed as rustls's process default, so that nothing can use TLS without passing here.
///
/// Its suites are kept: TLS 1.3, and of TLS 1.2 only ECDHE with AES-GCM or ChaCha20-Poly1305. AES with 128 bits comes
/// first: it is as safe for what passes here and costs a fifth less.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites.sort_by_key(|suite| rank(suite.suite()));
        Arc::new(provider)
    }))
}

/// Within a version and a kind of key: AES-128, AES-256, ChaCha20.
fn rank(suite: CipherSuite) -> u8 {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => 0,
        CipherSuite::TLS13_AES_256_GCM_SHA384 => 1,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => 2,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => 3,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => 4,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => 5,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 6,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => 7,
        _ => 8,
    }
}

/// Tickets sealed with keys of this process (RFC 5077 section 4), renewed every six hours; a ticket is good for twelve
/// at most.
pub(crate) fn ticketer() -> Result<Arc<dyn ProducesTickets>, Error> {
    rustls::crypto::aws_lc_rs::Ticketer::new()
}

/// A hash function that certificates are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// The hash of `bytes`.
pub(crate) fn hash(hash: Hash, bytes: &[u8]) -> Box<[u8]> {
    let algorithm = match hash {
        Hash::Sha224 => &digest::SHA224,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, bytes).as_ref().into()
}

/// The SHA-256 of several pieces, each preceded by its length, so that no two lists of pieces have the same.
pub(crate) fn sha256_of_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for piece in pieces {
        context.update(&(piece.len() as u64).to_be_bytes());
        context.update(piece);
    }
    of_32(context.finish())
}

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    of_32(digest::digest(&digest::SHA256, bytes))
}

fn of_32(digest: digest::Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_not_installed_for_the_process() {
        assert!(Arc::ptr_eq(&provider(), &provider()));
        assert!(CryptoProvider::get_default().is_none());
    }

    #[test]
    fn offers_no_suite_without_forward_secrecy_or_authenticated_encryption() {
        for suite in &provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
            assert!(name.contains("GCM") || name.contains("POLY1305"), "{name}");
        }
    }

    #[test]
    fn pieces_are_kept_apart() {
        let of = |pieces: &[&[u8]]| sha256_of_pieces(pieces.iter().copied());
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
    }
}
