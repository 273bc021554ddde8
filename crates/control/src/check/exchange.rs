//! What the conversing probes share: recognising TLS, quoting a server.

/// Bytes of a server that a message quotes.
const QUOTED_BYTES_MAX: usize = 120;

/// Whether a server that was spoken to in plain text answered with a TLS record: an alert or a handshake message
/// (RFC 8446 section 5.1).
pub(super) fn spoke_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, 0x00..=0x04, ..])
}

/// The start of what a server said, fit for a log line: one line, no control characters.
pub(super) fn printable(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(QUOTED_BYTES_MAX)];
    let mut text: String = String::from_utf8_lossy(shown)
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if bytes.len() > QUOTED_BYTES_MAX {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_records_are_told_from_text() {
        assert!(spoke_tls(b"\x15\x03\x01\x00\x02\x02\x46"));
        assert!(spoke_tls(b"\x15\x03\x03"));
        assert!(!spoke_tls(b"\x15\x03"));
        assert!(!spoke_tls(b"HTTP/1.1 200 OK\r\n"));
    }

    #[test]
    fn quotes_are_short_and_printable() {
        assert_eq!(printable(b"220 ok"), "220 ok");
        assert_eq!(printable(b"a\x1b[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
        assert_eq!(printable(&[b'a'; 500]).chars().count(), QUOTED_BYTES_MAX + 1);
    }
}
