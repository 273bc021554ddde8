//! Distinguished names in one line of ASCII (RFC 4514), fit for a log and for the value of a header.

use std::fmt::Write;

use x509_parser::asn1_rs::Tag;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// `CN=Alice,O=Lab,C=CH`: the most particular part first, parts with several values joined by `+`.
///
/// Whatever is not printable ASCII is written as `\` and two hexadecimal digits (RFC 4514 section 2.4): a name chosen
/// by a stranger can neither break a line nor end a header.
pub(crate) fn one_line(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> =
        name.iter_rdn().map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

/// The text of an attribute's value, whatever kind of string it is.
pub(crate) fn text(attribute: &AttributeTypeAndValue<'_>) -> String {
    let bytes = attribute.as_slice();
    match attribute.attr_value().tag() {
        Tag::BmpString => {
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        Tag::T61String => bytes.iter().map(|&byte| char::from(byte)).collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let mut out = short(&oid).unwrap_or(&oid).to_owned();
    out.push('=');
    escape(&text(attribute), &mut out);
    out
}

/// The short names of RFC 4514 section 3, and the one for mail addresses that everybody knows.
fn short(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

fn escape(value: &str, out: &mut String) {
    let last = value.len().saturating_sub(1);
    for (index, byte) in value.bytes().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b'#' if index == 0 => out.push_str("\\#"),
            b' ' if index == 0 || index == last => out.push_str("\\ "),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => write!(out, "\\{byte:02X}").expect("a String takes every write"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_breaks_out_of_it() {
        let table = [
            ("Alice", "Alice"),
            ("Lab, Inc.", "Lab\\, Inc."),
            ("#1", "\\#1"),
            (" a b ", "\\ a b\\ "),
            ("a\r\nX-Admin: yes", "a\\0D\\0AX-Admin: yes"),
            ("Zoë", "Zo\\C3\\AB"),
            ("a\0b", "a\\00b"),
            ("CN=x+O=y", "CN=x\\+O=y"),
            ("", ""),
        ];
        for (value, want) in table {
            let mut got = String::new();
            escape(value, &mut got);
            assert_eq!(got, want);
        }
    }
}
