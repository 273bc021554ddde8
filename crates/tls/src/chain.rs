//! The order of a chain: the leaf first, then each one's issuer (RFC 8446 section 4.4.2).

use std::fmt;

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use crate::distinguished::one_line;

/// What was odd about a file of certificates, though it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The certificates stood in another order than they are sent; ours is right.
    Reordered,
    /// A root was left out of what is sent: who believes it has it.
    RootLeftOut(Box<str>),
    /// A certificate that belongs to no link of the chain was left out.
    StrangerLeftOut(Box<str>),
    /// There is the leaf alone. If its issuer, named here, is not a root, clients will not believe it.
    LeafAlone {
        /// The issuer that is not there.
        issuer: Box<str>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reordered => f.write_str("its certificates stand in another order than they are sent in"),
            Self::RootLeftOut(root) => write!(f, "the root {root} is not sent: who believes it has it"),
            Self::StrangerLeftOut(stranger) => {
                write!(f, "the certificate of {stranger} belongs to no link of its chain")
            }
            Self::LeafAlone { issuer } => {
                write!(
                    f,
                    "the certificate of its issuer, {issuer}, is missing: unless that is a root, add it"
                )
            }
        }
    }
}

/// One certificate and what the order goes by.
struct Link<'a> {
    der: &'a CertificateDer<'static>,
    certificate: X509Certificate<'a>,
    subject: String,
    issuer: String,
}

/// Puts certificates in order, `leaf` (an index) first. What cannot be read has been refused before and is left out.
pub(crate) fn in_order(
    all: &[CertificateDer<'static>],
    leaf: usize,
) -> (Vec<CertificateDer<'static>>, Vec<Note>) {
    let mut links: Vec<Option<Link<'_>>> = all.iter().map(link).collect();
    let mut sent: Vec<CertificateDer<'static>> = Vec::new();
    let (mut order, mut notes) = (Vec::new(), Vec::new());
    let mut next = Some(leaf);
    while let Some((index, link)) = next.and_then(|index| links[index].take().map(|link| (index, link))) {
        let root = link.subject == link.issuer;
        if root && !order.is_empty() {
            notes.push(Note::RootLeftOut(link.subject.as_str().into()));
            break;
        }
        order.push(index);
        sent.push(link.der.clone());
        next = if root { None } else { issuer_of(&link, &links) };
        if next.is_none() && order.len() == 1 && !root {
            notes.push(Note::LeafAlone { issuer: link.issuer.into() });
        }
    }
    for stranger in links.into_iter().flatten() {
        let root = stranger.subject == stranger.issuer;
        let note = if root { Note::RootLeftOut } else { Note::StrangerLeftOut };
        notes.push(note(stranger.subject.into()));
    }
    if !order.is_sorted() {
        notes.insert(0, Note::Reordered);
    }
    (sent, notes)
}

fn link<'a>(der: &'a CertificateDer<'static>) -> Option<Link<'a>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let (subject, issuer) = (one_line(certificate.subject()), one_line(certificate.issuer()));
    Some(Link { der, certificate, subject, issuer })
}

/// Who signed `link`, of those not taken yet: one that is signed by another before a root, so that a chain through a
/// cross-signed authority is as long as it can be.
fn issuer_of(link: &Link<'_>, links: &[Option<Link<'_>>]) -> Option<usize> {
    let mut fitting = links
        .iter()
        .enumerate()
        .filter_map(|(index, other)| other.as_ref().map(|other| (index, other)))
        .filter(|(_, other)| other.subject == link.issuer && key_fits(link, other))
        .collect::<Vec<_>>();
    fitting.sort_by_key(|(_, other)| other.subject == other.issuer);
    fitting.first().map(|(index, _)| *index)
}

/// The key identifiers agree, or one of the two does not say (RFC 5280 section 4.2.1.1).
fn key_fits(child: &Link<'_>, parent: &Link<'_>) -> bool {
    let wanted =
        child.certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
            _ => None,
        });
    let has = parent.certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    });
    wanted.is_none() || has.is_none() || wanted == has
}
