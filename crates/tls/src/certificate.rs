//! A certificate with its chain and its private key, from the bytes of files.

use std::fmt;
use std::sync::Arc;

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as PfxError;
use rustls::SignatureScheme;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::authorities::pem_sentence;
use crate::chain::{Note, in_order};
use crate::facts::{Facts, KeyKind};
use crate::provider;

/// Certificates in one file; a chain has three or four.
pub const CERTIFICATES_MAX: usize = 64;
/// Private keys in one file; there is one, or one for each kind of certificate.
pub const KEYS_MAX: usize = 16;

/// A certificate with its chain, in the order it is sent, and the key that proves it is ours.
pub struct Certificate {
    facts: Facts,
    certified: Arc<CertifiedKey>,
    schemes: Box<[SignatureScheme]>,
    notes: Box<[Note]>,
}

/// Why no certificate with its key can be made of some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not PEM (RFC 7468); the text says what is wrong.
    NotPem(String),
    /// The password of the PFX file is wrong, or the file is damaged: which, nobody can tell.
    Password,
    /// The PFX file (RFC 7292) cannot be read; the text says why.
    NotPfx(String),
    /// There is no certificate.
    NoCertificate,
    /// There is no private key.
    NoKey,
    /// The private key is encrypted.
    KeyEncrypted,
    /// There are more certificates than [`CERTIFICATES_MAX`], or more keys than [`KEYS_MAX`].
    TooMany,
    /// Certificate number `number`, counted from 1, cannot be read as one.
    Certificate {
        /// Which one.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The private key cannot be used: damaged, or of a kind or size that is not supported.
    Key(String),
    /// No key belongs to any of the certificates.
    KeyOfAnother {
        /// What the first certificate is called.
        called: Box<str>,
        /// Its SHA-256, in hexadecimal.
        fingerprint: Box<str>,
    },
    /// The OCSP response is not a successful one (RFC 6960).
    Staple,
}

/// A private key, ready to sign.
type Key = Arc<dyn SigningKey>;

/// What the files hold, in their order.
#[derive(Default)]
struct Found {
    certificates: Vec<CertificateDer<'static>>,
    keys: Vec<PrivateKeyDer<'static>>,
}

impl Certificate {
    /// Makes a certificate of PEM files: `chain`, and `key` where the key is in a file of its own. Either may hold
    /// either, in any order; keys may be PKCS #8, PKCS #1 or SEC 1. A file may also be one certificate, or one key, in
    /// DER.
    ///
    /// The leaf is the certificate that a key belongs to; the others are put in order behind it ([`Self::notes`]).
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn from_pem(chain: &[u8], key: Option<&[u8]>) -> Result<Self, Unreadable> {
        let mut found = Found::default();
        for bytes in [Some(chain), key].into_iter().flatten() {
            found.add(bytes)?;
        }
        if found.keys.is_empty() && [Some(chain), key].into_iter().flatten().any(holds_encrypted_key) {
            return Err(Unreadable::KeyEncrypted);
        }
        Self::from_found(found)
    }

    /// Makes a certificate of a PFX (PKCS #12) file, as Windows exports it.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn from_pfx(bytes: &[u8], password: &str) -> Result<Self, Unreadable> {
        let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
            PfxError::MacError(_) | PfxError::Pkcs5Error(_) | PfxError::UnpadError => Unreadable::Password,
            other => Unreadable::NotPfx(other.to_string()),
        })?;
        let certificates = archive.certs.iter().map(|bag| bag.cert.as_der().to_vec().into()).collect();
        let keys = archive
            .keys
            .iter()
            .map(|bag| PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec()).into())
            .collect();
        Self::from_found(Found { certificates, keys })
    }

    fn from_found(mut found: Found) -> Result<Self, Unreadable> {
        if found.certificates.len() > CERTIFICATES_MAX || found.keys.len() > KEYS_MAX {
            return Err(Unreadable::TooMany);
        }
        let mut seen = Vec::new();
        found.certificates.retain(|der| {
            !seen.contains(der) && {
                seen.push(der.clone());
                true
            }
        });
        let facts = (1..)
            .zip(&found.certificates)
            .map(|(number, der)| Facts::of(der).map_err(|why| Unreadable::Certificate { number, why }));
        let mut facts: Vec<Facts> = facts.collect::<Result<_, _>>()?;
        let Some(first) = facts.first() else { return Err(Unreadable::NoCertificate) };
        let keys = load(found.keys)?;
        let Some((leaf, key)) = pair(&found.certificates, &keys)? else {
            return Err(Unreadable::KeyOfAnother {
                called: first.called().into(),
                fingerprint: first.fingerprint().into(),
            });
        };
        let (chain, notes) = in_order(&found.certificates, leaf);
        let schemes =
            SCHEMES.iter().copied().filter(|scheme| key.choose_scheme(&[*scheme]).is_some()).collect();
        let certified = Arc::new(CertifiedKey::new(chain, key));
        Ok(Self { facts: facts.swap_remove(leaf), certified, schemes, notes: notes.into() })
    }

    /// The same with an OCSP response (RFC 6960) in DER, sent to clients that ask for one (RFC 6066 section 8).
    ///
    /// # Errors
    /// [`Unreadable::Staple`] if it is not a response that says `successful`; its signature and time are not looked at.
    pub fn with_staple(&self, response: &[u8]) -> Result<Self, Unreadable> {
        if !is_successful_response(response) {
            return Err(Unreadable::Staple);
        }
        let mut certified = CertifiedKey::clone(&self.certified);
        certified.ocsp = Some(response.to_vec());
        Ok(Self {
            facts: self.facts.clone(),
            certified: Arc::new(certified),
            schemes: self.schemes.clone(),
            notes: self.notes.clone(),
        })
    }

    /// What the leaf says of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What was odd about the files.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The certificates as they are sent, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// Whether a client that can verify `offered` can verify this one. Allocates nothing.
    pub(crate) fn suits(&self, offered: &[SignatureScheme]) -> bool {
        self.schemes.iter().any(|scheme| offered.contains(scheme))
    }

    /// Signs fast: elliptic curves before RSA.
    pub(crate) fn is_fast(&self) -> bool {
        matches!(self.facts.key, KeyKind::Ecdsa { .. } | KeyKind::Ed25519)
    }
}

/// Every scheme that a key of ours may sign with.
const SCHEMES: [SignatureScheme; 10] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// The first byte of everything in DER that is read here: a SEQUENCE.
const DER_SEQUENCE: u8 = 0x30;

impl Found {
    fn add(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        if bytes.first() == Some(&DER_SEQUENCE) {
            return self.add_der(bytes);
        }
        // Notepad puts a byte order mark before the first line.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
            match section {
                Ok((SectionKind::Certificate, der)) => self.certificates.push(der.into()),
                Ok((kind, der)) => self.keys.extend(PrivateKeyDer::from_pem(kind, der)),
                Err(_) if holds_encrypted_key(bytes) => return Err(Unreadable::KeyEncrypted),
                Err(error) => return Err(Unreadable::NotPem(pem_sentence(&error))),
            }
            if self.certificates.len() > CERTIFICATES_MAX || self.keys.len() > KEYS_MAX {
                return Err(Unreadable::TooMany);
            }
        }
        Ok(())
    }

    fn add_der(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        if Facts::of(bytes).is_ok() {
            self.certificates.push(bytes.to_vec().into());
            return Ok(());
        }
        match PrivateKeyDer::try_from(bytes.to_vec()) {
            Ok(key) if provider().key_provider.load_private_key(key.clone_key()).is_ok() => {
                self.keys.push(key);
            }
            _ => {
                return Err(Unreadable::NotPem(
                    "it is binary; if it is a PFX file, configure it as one".into(),
                ));
            }
        }
        Ok(())
    }
}

fn holds_encrypted_key(bytes: &[u8]) -> bool {
    ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| bytes.windows(mark.len()).any(|window| window == mark.as_bytes()))
}

/// Every key that can be used; an error if there are some and none can.
fn load(keys: Vec<PrivateKeyDer<'static>>) -> Result<Vec<Key>, Unreadable> {
    let provider = provider();
    let mut unusable = Unreadable::NoKey;
    let mut usable = Vec::new();
    for key in keys {
        match provider.key_provider.load_private_key(key) {
            Ok(key) => usable.push(key),
            Err(error) => unusable = Unreadable::Key(error.to_string()),
        }
    }
    if usable.is_empty() { Err(unusable) } else { Ok(usable) }
}

/// The first certificate that a key belongs to, and the key.
fn pair(certificates: &[CertificateDer<'static>], keys: &[Key]) -> Result<Option<(usize, Key)>, Unreadable> {
    for (index, der) in certificates.iter().enumerate() {
        let public = x509_parser::parse_x509_certificate(der)
            .map(|(_, certificate)| certificate.public_key().raw.to_vec())
            .map_err(|error| Unreadable::Certificate { number: index + 1, why: error.to_string() })?;
        let key = keys.iter().find(|key| key.public_key().is_some_and(|key| *key == *public));
        if let Some(key) = key {
            return Ok(Some((index, Arc::clone(key))));
        }
    }
    Ok(None)
}

/// `OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED 0 (successful), responseBytes … }`
fn is_successful_response(der: &[u8]) -> bool {
    let Some((&DER_SEQUENCE, rest)) = der.split_first() else { return false };
    let Some((&length, rest)) = rest.split_first() else { return false };
    let (length, rest) = match length {
        0x80 => return false,
        0..=0x7f => (usize::from(length), rest),
        _ => {
            let Some((bytes, rest)) = rest.split_at_checked(usize::from(length & 0x7f)) else { return false };
            if bytes.len() > 4 {
                return false;
            }
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
    };
    rest.len() == length && rest.starts_with(&[0x0a, 0x01, 0x00, 0xa0])
}

impl fmt::Debug for Certificate {
    /// Never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("facts", &self.facts)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem(why) => write!(f, "it is not PEM: {why}"),
            Self::Password => f.write_str("the password is wrong, or the PFX file is damaged"),
            Self::NotPfx(why) => write!(f, "it is not a PFX file that can be read: {why}"),
            Self::NoCertificate => f.write_str("there is no certificate in it"),
            Self::NoKey => f.write_str("there is no private key for it"),
            Self::KeyEncrypted => {
                f.write_str("its private key is encrypted: decrypt it (`openssl pkey`), or use a PFX file")
            }
            Self::TooMany => {
                write!(f, "it holds more than {CERTIFICATES_MAX} certificates or {KEYS_MAX} keys")
            }
            Self::Certificate { number, why } => write!(f, "its certificate {number} cannot be used: {why}"),
            Self::Key(why) => write!(f, "its private key cannot be used: {why}"),
            Self::KeyOfAnother { called, fingerprint } => {
                write!(
                    f,
                    "the private key does not belong to the certificate for {called} (SHA-256 {fingerprint})"
                )
            }
            Self::Staple => f.write_str("it is not a successful OCSP response in DER"),
        }
    }
}

impl std::error::Error for Unreadable {}
