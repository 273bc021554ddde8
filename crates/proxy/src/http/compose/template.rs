//! Values with places to fill in.

use std::io::Write;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use regex::bytes::Captures;
use transom_config::{Template, TemplatePart};
use transom_state::Route;
use transom_tls::Identity;

use super::{Head, Told};

/// Appends what a template comes to. A request's own bytes go in without control characters: they came through the
/// parser, which lets none through.
pub(super) fn fill(out: &mut Vec<u8>, template: &Template, head: &Head<'_>, told: &Told<'_>, route: &Route) {
    for part in &template.0 {
        part_of(out, part, head, told, route);
    }
}

/// As [`fill`], into a target or a URL: what may not stand there is escaped.
pub(super) fn fill_target(
    out: &mut Vec<u8>,
    template: &Template,
    head: &Head<'_>,
    told: &Told<'_>,
    route: &Route,
) {
    let from = out.len();
    fill(out, template, head, told, route);
    escape(out, from);
}

/// Escapes what may not stand in a target, from a place on.
pub(super) fn escape(out: &mut Vec<u8>, from: usize) {
    let plain = |byte: &u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'#' | b'"' | b'<' | b'>');
    if out.get(from..).is_none_or(|filled| filled.iter().all(plain)) {
        return;
    }
    for byte in out.split_off(from) {
        if plain(&byte) { out.push(byte) } else { write(out, format_args!("%{byte:02X}")) }
    }
}

/// A value in which groups of an expression are filled in as well: those in its text, not those in what is filled in.
pub(super) fn fill_groups(
    out: &mut Vec<u8>,
    template: &Template,
    groups: &Captures<'_>,
    (head, told, route): (&Head<'_>, &Told<'_>, &Route),
) {
    for part in &template.0 {
        match part {
            TemplatePart::Text(text) => groups.expand(text.as_bytes(), out),
            part => part_of(out, part, head, told, route),
        }
    }
}

fn part_of(out: &mut Vec<u8>, part: &TemplatePart, head: &Head<'_>, told: &Told<'_>, route: &Route) {
    let text =
        |out: &mut Vec<u8>, text: Option<&str>| out.extend_from_slice(text.unwrap_or_default().as_bytes());
    let bytes = |out: &mut Vec<u8>, bytes: Option<&[u8]>| out.extend_from_slice(bytes.unwrap_or_default());
    match part {
        TemplatePart::Text(own) => text(out, Some(own)),
        TemplatePart::ClientIp => write(out, told.client.ip()),
        TemplatePart::ClientPort => write(out, told.client.port()),
        TemplatePart::Host => bytes(out, head.host()),
        TemplatePart::Port => {
            if let Some(destination) = told.destination {
                write(out, destination.port());
            }
        }
        TemplatePart::Destination => {
            if let Some(destination) = told.destination {
                write(out, destination.ip().to_canonical());
            }
        }
        TemplatePart::Scheme => text(out, Some(told.scheme())),
        TemplatePart::Path => bytes(out, Some(head.target.path)),
        TemplatePart::Uri => head.push_path_and_query(out),
        TemplatePart::Query => bytes(out, head.target.query),
        TemplatePart::Method => bytes(out, Some(head.request.method.of(head.bytes))),
        TemplatePart::Header(name) => bytes(out, head.named(name)),
        TemplatePart::Cookie(name) => bytes(out, head.cookie(name)),
        TemplatePart::Parameter(name) => bytes(out, head.parameter(name)),
        TemplatePart::Listener => text(out, Some(&route.listener)),
        TemplatePart::Pool => text(out, route.pool.as_ref().map(|pool| &**pool.name())),
        TemplatePart::Server => text(out, told.server),
        TemplatePart::RequestId => write(out, format_args!("{:016x}", told.id)),
        TemplatePart::ServerName => text(out, told.secure.and_then(|secure| secure.server_name.as_deref())),
        TemplatePart::TlsVersion => text(out, told.secure.map(|secure| secure.version)),
        part => {
            if let Some(identity) = told.secure.and_then(|secure| secure.identity.as_deref()) {
                certificate(out, part, identity);
            }
        }
    }
}

/// Parts that are about the client's certificate.
fn certificate(out: &mut Vec<u8>, part: &TemplatePart, identity: &Identity) {
    let facts = identity.facts();
    match part {
        TemplatePart::ClientCertificate => write(out, Base64Display::new(identity.der(), &STANDARD)),
        TemplatePart::ClientCertificateSubject => write(out, &facts.subject),
        TemplatePart::ClientCertificateName => write(out, facts.common_name.as_deref().unwrap_or_default()),
        TemplatePart::ClientCertificateIssuer => write(out, &facts.issuer),
        TemplatePart::ClientCertificateSerial => write(out, &facts.serial),
        TemplatePart::ClientCertificateSha256 => {
            facts.sha256.iter().for_each(|byte| write(out, format_args!("{byte:02x}")));
        }
        TemplatePart::ClientCertificatePem => write(out, identity.pem_url_encoded()),
        _ => {}
    }
}

/// Memory takes everything.
fn write(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}
