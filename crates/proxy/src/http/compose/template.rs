//! Values with places to fill in.

use std::io::Write;

use transom_config::{Template, TemplatePart};

use super::{Head, Told};

/// Appends what a template comes to. A request's own bytes go in without control characters: they came through the
/// parser, which lets none through.
pub(super) fn fill(out: &mut Vec<u8>, template: &Template, head: &Head<'_>, told: &Told<'_>) {
    let identity = told.secure.and_then(|secure| secure.identity.as_deref());
    for part in &template.0 {
        match part {
            TemplatePart::Text(text) => out.extend_from_slice(text.as_bytes()),
            TemplatePart::ClientIp => write(out, told.client.ip()),
            TemplatePart::ClientPort => write(out, told.client.port()),
            TemplatePart::Host => out.extend_from_slice(head.host().unwrap_or_default()),
            TemplatePart::Scheme => out.extend_from_slice(told.scheme().as_bytes()),
            TemplatePart::Path => out.extend_from_slice(head.target.path),
            TemplatePart::RequestId => write(out, format_args!("{:016x}", told.id)),
            TemplatePart::ServerName => {
                let name = told.secure.and_then(|secure| secure.server_name.as_deref());
                out.extend_from_slice(name.unwrap_or_default().as_bytes());
            }
            TemplatePart::TlsVersion => {
                out.extend_from_slice(told.secure.map_or("", |secure| secure.version).as_bytes());
            }
            TemplatePart::ClientCertificateSubject => {
                out.extend_from_slice(identity.map_or("", |identity| &identity.facts().subject).as_bytes());
            }
            TemplatePart::ClientCertificateSha256 => {
                let hash = identity.map(|identity| identity.facts().sha256);
                hash.iter().flatten().for_each(|byte| write(out, format_args!("{byte:02x}")));
            }
            TemplatePart::ClientCertificatePem => {
                let pem = identity.map(transom_tls::Identity::pem_url_encoded);
                out.extend_from_slice(pem.unwrap_or_default().as_bytes());
            }
        }
    }
}

/// Memory takes everything.
fn write(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}
