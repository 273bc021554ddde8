//! What a certificate says of itself (RFC 5280): for choosing it, for the log and for `doctor`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::distinguished::{one_line, text};
use crate::provider::{Hash, hash, sha256};

/// What one certificate says of itself. Nothing here is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whom it is for, in one line of ASCII (RFC 4514).
    pub subject: Box<str>,
    /// Who signed it, in one line of ASCII (RFC 4514).
    pub issuer: Box<str>,
    /// Its number at the issuer, in hexadecimal.
    pub serial: Box<str>,
    /// The common name of the subject, if there is one.
    pub common_name: Option<Box<str>>,
    /// The DNS names of the subject alternative name: lower case, without a final dot.
    pub dns_names: Box<[Box<str>]>,
    /// The addresses of the subject alternative name.
    pub addresses: Box<[IpAddr]>,
    /// The first moment it is valid.
    pub not_before: SystemTime,
    /// The last moment it is valid.
    pub not_after: SystemTime,
    /// What kind of key it is for.
    pub key: KeyKind,
    /// The SHA-256 of the whole certificate, its fingerprint.
    pub sha256: [u8; 32],
    /// The `tls-server-end-point` channel binding (RFC 5929 section 4.1): what Extended Protection binds a login to.
    /// `None`: it is signed without a hash function (Ed25519), for which none is defined.
    pub end_point: Option<Box<[u8]>>,
    /// Subject and issuer are the same: a root, or signed with its own key.
    pub self_issued: bool,
    /// It may sign other certificates.
    pub authority: bool,
}

/// The kind of a public key, which decides what clients can verify it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with a modulus of so many bits.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
    /// ECDSA on a curve of so many bits.
    Ecdsa {
        /// Bits of a coordinate, in whole bytes.
        bits: usize,
    },
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// Something else.
    Other,
}

/// Where a moment lies in a certificate's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Its time has not come.
    NotYet,
    /// It is valid.
    Now,
    /// Its time is over.
    Over,
}

impl Facts {
    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// What is wrong, in words, if it is none or something follows it.
    pub fn of(der: &[u8]) -> Result<Self, String> {
        let (rest, certificate) =
            x509_parser::parse_x509_certificate(der).map_err(|error| sentence(&error))?;
        if !rest.is_empty() {
            return Err("something follows it".into());
        }
        Ok(Self::of_parsed(&certificate, der))
    }

    fn of_parsed(certificate: &X509Certificate<'_>, der: &[u8]) -> Self {
        let (dns_names, addresses) = alternative_names(certificate);
        let common_name = certificate.subject().iter_common_name().next().map(|name| text(name).into());
        Self {
            subject: one_line(certificate.subject()).into(),
            issuer: one_line(certificate.issuer()).into(),
            serial: hexadecimal(certificate.raw_serial()).into(),
            common_name,
            dns_names,
            addresses,
            not_before: moment(certificate.validity().not_before),
            not_after: moment(certificate.validity().not_after),
            key: key_kind(certificate.public_key()),
            sha256: sha256(der),
            end_point: end_point_hash(certificate).map(|function| hash(function, der)),
            self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            authority: certificate.is_ca(),
        }
    }

    /// The names that clients may ask for it by: its DNS names, or else (certificates of old) its common name.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        let common = self.common_name.as_deref().filter(|_| self.dns_names.is_empty());
        self.dns_names.iter().map(AsRef::as_ref).chain(common)
    }

    /// Where `now` lies in its time.
    pub fn validity(&self, now: SystemTime) -> Validity {
        if now < self.not_before {
            Validity::NotYet
        } else if now > self.not_after {
            Validity::Over
        } else {
            Validity::Now
        }
    }

    /// The fingerprint as it is written: hexadecimal, lower case, without colons.
    pub fn fingerprint(&self) -> String {
        hexadecimal(&self.sha256)
    }

    /// What to call it in a sentence: its first name, or else its subject.
    pub fn called(&self) -> &str {
        self.host_names().next().unwrap_or(&self.subject)
    }
}

/// Bytes in hexadecimal, lower case.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sentence(error: &impl std::fmt::Display) -> String {
    format!("it is not an X.509 certificate: {error}")
}

fn alternative_names(certificate: &X509Certificate<'_>) -> (Box<[Box<str>]>, Box<[IpAddr]>) {
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    if let Ok(Some(extension)) = certificate.subject_alternative_name() {
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => {
                    let name = name.strip_suffix('.').unwrap_or(name);
                    names.push(name.to_ascii_lowercase().into());
                }
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
    }
    (names.into(), addresses.into())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}

/// A time of a certificate; one that no clock can show becomes the epoch.
fn moment(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn key_kind(key: &SubjectPublicKeyInfo<'_>) -> KeyKind {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => KeyKind::Rsa { bits: rsa.key_size() },
        Ok(PublicKey::EC(point)) => KeyKind::Ecdsa { bits: point.key_size() },
        _ if key.algorithm.algorithm.to_id_string() == "1.3.101.112" => KeyKind::Ed25519,
        _ => KeyKind::Other,
    }
}

/// The hash function of the channel binding: the signature's own, but SHA-256 where that is MD5 or SHA-1.
fn end_point_hash(certificate: &X509Certificate<'_>) -> Option<Hash> {
    let algorithm = &certificate.signature_algorithm;
    match algorithm.algorithm.to_id_string().as_str() {
        // RSASSA-PSS says its hash function in its parameters; SHA-1 is their default.
        "1.2.840.113549.1.1.10" => match SignatureAlgorithm::try_from(algorithm) {
            Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => {
                hash_by_oid(&parameters.hash_algorithm_oid().to_id_string())
            }
            _ => None,
        },
        signature => hash_by_signature(signature),
    }
}

fn hash_by_signature(oid: &str) -> Option<Hash> {
    Some(match oid {
        // MD5 and SHA-1 with RSA, SHA-1 with DSA and ECDSA.
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.10040.4.3" | "1.2.840.10045.4.1" => {
            Hash::Sha256
        }
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.3.1" => Hash::Sha224,
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" | "2.16.840.1.101.3.4.3.2" => Hash::Sha256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Hash::Sha384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Hash::Sha512,
        _ => return None,
    })
}

fn hash_by_oid(oid: &str) -> Option<Hash> {
    Some(match oid {
        // MD5 and SHA-1.
        "1.2.840.113549.2.5" | "1.3.14.3.2.26" => Hash::Sha256,
        "2.16.840.1.101.3.4.2.4" => Hash::Sha224,
        "2.16.840.1.101.3.4.2.1" => Hash::Sha256,
        "2.16.840.1.101.3.4.2.2" => Hash::Sha384,
        "2.16.840.1.101.3.4.2.3" => Hash::Sha512,
        _ => return None,
    })
}
