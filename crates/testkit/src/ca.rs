//! A certificate authority for one test: certificates and keys as PEM text and files.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority that signs certificates of servers.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The certificate in PEM form, without its authority's.
    pub certificate: String,
    /// Its DER form, as a client sees it in the handshake.
    pub der: Vec<u8>,
    /// The private key in PEM form (PKCS #8).
    pub key: String,
}

/// Whether a certificate is good at the time of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// From 2020 to 2049.
    Good,
    /// It ended in 2020.
    Expired,
    /// It begins in 2099.
    NotYet,
}

/// A certificate and its key as files.
#[derive(Debug, Clone)]
pub struct Files {
    /// PEM file of the certificate.
    pub certificate: PathBuf,
    /// PEM file of the private key, readable by its owner alone.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority of that name, with a P-256 key.
    pub fn new(name: &str) -> io::Result<Self> {
        let mut params = params(name, Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Its own certificate in PEM form: what a client trusts.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes its certificate to a file.
    pub fn write(&self, path: impl Into<PathBuf>) -> io::Result<PathBuf> {
        let path = path.into();
        fs::write(&path, &self.pem)?;
        Ok(path)
    }

    /// Signs a certificate for these host names and addresses; the first is its common name too.
    pub fn leaf(&self, names: &[&str]) -> io::Result<Leaf> {
        self.leaf_with(names, Validity::Good)
    }

    /// Signs a certificate that may be out of its time.
    pub fn leaf_with(&self, names: &[&str], validity: Validity) -> io::Result<Leaf> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_else(|| "nameless".to_owned());
        let mut params = params(&common_name, names)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        match validity {
            Validity::Good => {}
            Validity::Expired => params.not_after = date_time_ymd(2020, 12, 31),
            Validity::NotYet => params.not_before = date_time_ymd(2099, 1, 1),
        }
        if validity == Validity::NotYet {
            params.not_after = date_time_ymd(2100, 1, 1);
        }
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        Ok(Leaf { certificate: certificate.pem(), der: certificate.der().to_vec(), key: key.serialize_pem() })
    }
}

impl Leaf {
    /// Writes `STEM.pem` and `STEM.key` to a folder.
    pub fn write(&self, folder: &Path, stem: &str) -> io::Result<Files> {
        let files = Files {
            certificate: folder.join(format!("{stem}.pem")),
            key: folder.join(format!("{stem}.key")),
        };
        fs::write(&files.certificate, &self.certificate)?;
        fs::write(&files.key, &self.key)?;
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600))?;
        Ok(files)
    }
}

fn params(common_name: &str, names: Vec<String>) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Authority, Validity};

    #[test]
    fn openssl_agrees_with_what_was_signed() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("test authority").unwrap();
        let trusted = authority.write(folder.path().join("ca.pem")).unwrap();
        for (validity, good) in
            [(Validity::Good, true), (Validity::Expired, false), (Validity::NotYet, false)]
        {
            let leaf = authority.leaf_with(&["mail.example.com", "10.0.0.1"], validity).unwrap();
            let files = leaf.write(folder.path(), "leaf").unwrap();
            let verified = Command::new("openssl")
                .args(["verify", "-purpose", "sslserver", "-verify_hostname", "mail.example.com", "-CAfile"])
                .arg(&trusted)
                .arg(&files.certificate)
                .output()
                .unwrap();
            assert_eq!(verified.status.success(), good, "{validity:?}: {verified:?}");
        }
    }
}
