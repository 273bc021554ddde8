//! Certificate authorities: whom a client side believes.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

/// At least one certificate that other certificates may be signed by.
#[derive(Debug, Clone)]
pub struct Authorities(pub(crate) Arc<RootCertStore>);

/// Why the text of a file of authorities cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// It is not PEM (RFC 7468); the text says what is wrong.
    NotPem(String),
    /// It is PEM without a single certificate (a key, say).
    NoCertificate,
    /// Certificate number `number`, counted from 1, cannot be read as one.
    Certificate {
        /// Which one.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl Authorities {
    /// Reads every certificate of a PEM file. Other PEM sections are skipped.
    ///
    /// # Errors
    /// One that cannot be used spoils the file: trusting what is left would hide the mistake.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Unusable> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let certificate = certificate.map_err(|error| Unusable::NotPem(pem_sentence(&error)))?;
            store
                .add(certificate)
                .map_err(|error| Unusable::Certificate { number: index + 1, why: error.to_string() })?;
        }
        if store.is_empty() { Err(Unusable::NoCertificate) } else { Ok(Self(Arc::new(store))) }
    }

    /// Reads the bundle that a system believes: many certificates, of which some may be of a kind that cannot be used;
    /// those are left out. The second value says how many.
    ///
    /// # Errors
    /// [`Unusable::NoCertificate`] if nothing is left.
    pub fn from_system_bundle(pem: &[u8]) -> Result<(Self, usize), Unusable> {
        let mut store = RootCertStore::empty();
        let sections = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        let (_, left_out) = store.add_parsable_certificates(sections);
        if store.is_empty() { Err(Unusable::NoCertificate) } else { Ok((Self(Arc::new(store)), left_out)) }
    }
}

pub(crate) fn pem_sentence(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end line".into(),
        pem::Error::IllegalSectionStart { .. } => "a section's first line is broken".into(),
        pem::Error::Base64Decode(_) => "a section is not base64".into(),
        other => format!("{other:?}"),
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem(why) => write!(f, "it is not PEM: {why}"),
            Self::NoCertificate => f.write_str("it holds no certificate"),
            Self::Certificate { number, why } => write!(f, "its certificate {number} cannot be used: {why}"),
        }
    }
}

impl std::error::Error for Unusable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_certificate_spoils_the_file() {
        let good = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap().cert.pem();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let table = [
            (good.clone(), "fine"),
            (format!("{key}{good}{good}"), "fine"),
            (format!("{good}{broken}"), "its certificate 2 cannot be used"),
            (String::new(), "it holds no certificate"),
            (key.to_owned(), "it holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA".to_owned(), "it is not PEM: a section has no end line"),
            ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_owned(), "it is not PEM"),
        ];
        for (pem, want) in table {
            let got = match Authorities::from_pem(pem.as_bytes()) {
                Ok(_) => "fine".to_owned(),
                Err(error) => error.to_string(),
            };
            assert!(got.starts_with(want), "{pem}: {got}");
        }
    }
    #[test]
    fn of_a_systems_bundle_what_cannot_be_used_is_left_out() {
        let good = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap().cert.pem();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let left_out =
            |pem: &str| Authorities::from_system_bundle(pem.as_bytes()).map(|(_, left_out)| left_out);
        assert_eq!(left_out(&format!("{good}{broken}{good}")).unwrap(), 1);
        assert_eq!(left_out(broken).unwrap_err(), Unusable::NoCertificate);
    }
}
