//! Certificates that were taken back: lists signed by who issued them (RFC 5280 section 5).

use std::fmt;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::parse_x509_crl;

use crate::authorities::pem_sentence;
use crate::distinguished::one_line;

/// One list of one issuer.
#[derive(Debug, Clone)]
pub struct RevocationList {
    pub(crate) der: CertificateRevocationListDer<'static>,
    issuer: Box<str>,
    next_update: Option<SystemTime>,
}

/// Why a file of lists cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnusableList {
    /// It is not PEM (RFC 7468); the text says what is wrong.
    NotPem(String),
    /// There is none in it.
    None,
    /// List number `number`, counted from 1, cannot be read as one.
    List {
        /// Which one.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl RevocationList {
    /// Every list of a PEM file, or the one of a DER file.
    ///
    /// # Errors
    /// One that cannot be read spoils the file: using what is left would let in whom it names.
    pub fn read(bytes: &[u8]) -> Result<Vec<Self>, UnusableList> {
        if bytes.first() == Some(&0x30) {
            return Ok(vec![Self::of_der(bytes.to_vec().into(), 1)?]);
        }
        let lists = (1..).zip(CertificateRevocationListDer::pem_slice_iter(bytes)).map(|(number, der)| {
            let der = der.map_err(|error| UnusableList::NotPem(pem_sentence(&error)))?;
            Self::of_der(der, number)
        });
        let lists: Vec<Self> = lists.collect::<Result<_, _>>()?;
        if lists.is_empty() { Err(UnusableList::None) } else { Ok(lists) }
    }

    fn of_der(der: CertificateRevocationListDer<'static>, number: usize) -> Result<Self, UnusableList> {
        let (issuer, next_update) = match parse_x509_crl(&der) {
            Ok((_, list)) => {
                (one_line(list.issuer()).into(), list.next_update().map(|time| time.timestamp()))
            }
            Err(error) => return Err(UnusableList::List { number, why: error.to_string() }),
        };
        let next_update = next_update.and_then(|seconds| u64::try_from(seconds).ok());
        let next_update =
            next_update.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        Ok(Self { der, issuer, next_update })
    }

    /// Who signed it, in one line of ASCII (RFC 4514).
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// When the next one should have come. Past this moment no certificate of the issuer is accepted.
    pub fn next_update(&self) -> Option<SystemTime> {
        self.next_update
    }
}

impl fmt::Display for UnusableList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem(why) => write!(f, "it is not PEM: {why}"),
            Self::None => f.write_str("it holds no revocation list"),
            Self::List { number, why } => write!(f, "its revocation list {number} cannot be used: {why}"),
        }
    }
}

impl std::error::Error for UnusableList {}
