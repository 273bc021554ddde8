//! A certificate from the files that the configuration names, and what there is to say of it.

use std::time::SystemTime;

use transom_config::{Certificate as Written, CertificateSource, NamedFile};
use transom_tls::{Certificate, Note as Odd, Unreadable, Validity};

use crate::supply::Note;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// When a certificate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// In so many days, begun ones not counted.
    In(u64),
    /// So many days ago.
    Ago(u64),
}

/// When `certificate` ends, seen from `now`.
pub(crate) fn expiry(certificate: &Certificate, now: SystemTime) -> Expiry {
    match certificate.facts().not_after.duration_since(now) {
        Ok(left) => Expiry::In(left.as_secs() / DAY),
        Err(over) => Expiry::Ago(over.duration().as_secs() / DAY),
    }
}

/// Reads a certificate. The error is a sentence with a remedy.
pub(super) fn read(written: &Written) -> Result<Certificate, String> {
    let certificate = match &written.source {
        CertificateSource::Pem { chain, key } => {
            Certificate::from_pem(&chain.contents, key.as_ref().map(|key| &*key.contents))
        }
        CertificateSource::Pfx { file, password } => {
            let password = password.as_ref().map(first_line).transpose().map_err(|why| {
                let (place, name) = (&written.place, &written.name);
                format!(
                    "{place}: the certificate `{name}` cannot be used: {why}\nhelp: save it as text in UTF-8"
                )
            })?;
            Certificate::from_pfx(&file.contents, password.unwrap_or_default())
        }
    };
    let certificate = certificate.map_err(|why| unusable(written, &files(&written.source), &why))?;
    let Some(staple) = &written.staple else { return Ok(certificate) };
    let stapled = certificate.with_staple(&staple.contents);
    stapled.map_err(|why| unusable(written, &staple.path.display().to_string(), &why))
}

/// The password in a file: what an editor put behind it, a line's end, is no part of it.
fn first_line(file: &NamedFile) -> Result<&str, String> {
    let text = str::from_utf8(&file.contents);
    let text = text.map_err(|_| format!("its password file {} is not text", file.path.display()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).lines().next().unwrap_or_default())
}

fn files(source: &CertificateSource) -> String {
    match source {
        CertificateSource::Pem { chain, key: None } => chain.path.display().to_string(),
        CertificateSource::Pem { chain, key: Some(key) } => {
            format!("{} and {}", chain.path.display(), key.path.display())
        }
        CertificateSource::Pfx { file, .. } => file.path.display().to_string(),
    }
}

fn unusable(written: &Written, files: &str, why: &Unreadable) -> String {
    let (place, name) = (&written.place, &written.name);
    let help = remedy(&written.source, why);
    format!("{place}: the certificate `{name}` ({files}) cannot be used: {why}\nhelp: {help}")
}

fn remedy(source: &CertificateSource, why: &Unreadable) -> &'static str {
    let pfx = matches!(source, CertificateSource::Pfx { .. });
    match why {
        Unreadable::NotPem(_) => {
            "name a PEM file, whose first line is `-----BEGIN CERTIFICATE-----`; a PFX file is named by `pfx`"
        }
        Unreadable::Password => match source {
            CertificateSource::Pfx { password: None, .. } => {
                "name a file whose first line is its password: `password-file = \"…\"`"
            }
            _ => "the first line of `password-file` must be the password that the file was exported with",
        },
        Unreadable::NotPfx(_) => {
            "export it again with its private key; `openssl pkcs12 -info -in FILE` looks into it"
        }
        Unreadable::NoCertificate => "name the file that has it, the chain behind it, in `chain`",
        Unreadable::NoKey if pfx => "export it again, with its private key",
        Unreadable::NoKey => "name the PEM file of its private key: `key = \"…\"`",
        Unreadable::KeyEncrypted => {
            "`openssl pkey -in KEY -out NEW` asks for its password and writes it without"
        }
        Unreadable::TooMany => "leave in it the certificate, those that signed it, and the key",
        Unreadable::Certificate { .. } => "`openssl x509 -in FILE -noout -text` says more of it",
        Unreadable::Key(_) => "use an RSA key of 2048 to 8192 bits, or one of P-256, P-384, P-521 or Ed25519",
        Unreadable::KeyOfAnother { .. } => {
            "name the key that this certificate was ordered with, or the certificate that was ordered with this key"
        }
        Unreadable::Staple => {
            "name what the authority's OCSP responder answered, in DER (`openssl ocsp -respout FILE`)"
        }
    }
}

/// What is worth saying of a certificate that can be used.
pub(super) fn notes(written: &Written, certificate: &Certificate, now: SystemTime) -> Vec<Note> {
    let facts = certificate.facts();
    let about = format!("{}: the certificate `{}` for {}", written.place, written.name, facts.called());
    let time = match (facts.validity(now), expiry(certificate, now)) {
        (Validity::Over, Expiry::Ago(days)) => Some(format!(
            "{about} ended {}: clients refuse it\nhelp: renew it, put the files in place, and reload",
            ago(days)
        )),
        (Validity::NotYet, _) => Some(format!(
            "{about} is not valid yet: clients refuse it\nhelp: look at this machine's clock, or use the former one"
        )),
        _ => None,
    };
    let odd = certificate.notes().iter().map(|odd| oddity(&about, odd));
    time.map(Note::Warning).into_iter().chain(odd).collect()
}

fn ago(days: u64) -> String {
    match days {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

fn oddity(about: &str, odd: &Odd) -> Note {
    match odd {
        Odd::Reordered => Note::Warning(format!(
            "{about} stands in its file in another order than the chain's; it is sent in the right one\n\
             help: write the certificate first, then each one's issuer: other programs send them as they stand"
        )),
        Odd::StrangerLeftOut(subject) => Note::Warning(format!(
            "{about} has {subject} in its file, which is no part of its chain and is not sent\n\
             help: take it out, or put the intermediate certificate there that is missing"
        )),
        Odd::RootLeftOut(subject) => Note::Remark(format!(
            "{about} has the root {subject} in its file, which need not be sent and is not"
        )),
        Odd::LeafAlone { issuer } => Note::Remark(format!(
            "{about} is sent alone: clients believe it if they know {issuer} themselves; an intermediate one belongs \
             into the file behind it"
        )),
    }
}
