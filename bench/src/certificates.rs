//! Certificates of the door: self-signed, a file each with certificate and key, that all doors can read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use rcgen::{CertificateParams, KeyPair};

use crate::message::host;
use crate::row::{Key, Web};

/// The folder below the door's own.
const FOLDER: &str = "certificates";

/// Where the certificate of a site is, in a door's folder.
pub(crate) fn path(dir: &Path, site: usize) -> PathBuf {
    dir.join(FOLDER).join(format!("{}.pem", host(site)))
}

/// The folder of all of them.
pub(crate) fn folder(dir: &Path) -> PathBuf {
    dir.join(FOLDER)
}

/// The numbers of the sites that a door has: 0 alone, or from 1 on.
pub(crate) fn sites(web: &Web) -> std::ops::RangeInclusive<usize> {
    if web.sites == 1 { 0..=0 } else { 1..=web.sites }
}

/// Writes one for each site, where TLS is spoken.
///
/// # Errors
/// A sentence when one cannot be made or written.
pub(crate) fn write(dir: &Path, web: &Web) -> anyhow::Result<()> {
    let Some(key) = web.tls else { return Ok(()) };
    fs::create_dir(folder(dir)).context("cannot make a folder for certificates")?;
    for site in sites(web) {
        let name = host(site);
        let text = match key {
            Key::Ecdsa => ecdsa(&name)?,
            Key::Rsa2048 => rsa(&name)?,
        };
        let path = path(dir, site);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn ecdsa(name: &str) -> anyhow::Result<String> {
    let key = KeyPair::generate().context("cannot make a key")?;
    let certificate = CertificateParams::new([name.to_owned()])?.self_signed(&key)?;
    Ok(certificate.pem() + &key.serialize_pem())
}

fn rsa(name: &str) -> anyhow::Result<String> {
    let subject = format!("/CN={name}");
    let names = format!("subjectAltName=DNS:{name}");
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "-", "-out", "-", "-days", "30"])
        .args(["-subj", &subject, "-addext", &names])
        .output()
        .context("cannot run openssl: apt-get install openssl")?;
    if !output.status.success() {
        bail!("openssl makes no certificate: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("openssl wrote no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_site_has_a_certificate_with_its_key() {
        let web = |key, sites| Web { tls: Some(key), resume: false, streams: 0, sites, stick: false };
        for (web, last) in [(web(Key::Ecdsa, 3), 3), (web(Key::Rsa2048, 1), 0)] {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), &web).unwrap();
            let text = fs::read_to_string(path(dir.path(), last)).unwrap();
            assert!(text.contains("BEGIN CERTIFICATE") && text.contains("PRIVATE KEY"), "{text}");
        }
    }
}
