//! ClientHellos made by hand, for what no TLS library would send.

/// A ClientHello in one record, as small as TLS 1.2 and 1.3 allow, with or without a server name.
///
/// No handshake can be finished with it: the key share is missing.
pub fn client_hello(server_name: Option<&str>) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = server_name {
        let name = prefixed(name.as_bytes());
        let entry = [&[0], &name[..]].concat();
        extensions.extend(extension(0, &prefixed(&entry)));
    }
    extensions.extend(extension(13, &[0, 2, 4, 3])); // signature algorithms: ECDSA with P-256 and SHA-256
    extensions.extend(extension(43, &[2, 3, 4])); // supported versions: TLS 1.3
    let mut body = vec![3, 3];
    body.extend([0x5a; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(prefixed(&extensions));
    let mut message = vec![1, 0];
    message.extend(prefixed(&body));
    record(&message)
}

/// The same hello with `fragment` bytes of it in each record.
pub fn in_records(hello: &[u8], fragment: usize) -> Vec<u8> {
    hello.get(5..).unwrap_or_default().chunks(fragment.max(1)).flat_map(record).collect()
}

fn record(part: &[u8]) -> Vec<u8> {
    [&[22, 3, 1], &prefixed(part)[..]].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes(), &prefixed(data)[..]].concat()
}

/// Two bytes of length and the bytes.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("what is made here is shorter than 64 KiB");
    [&len.to_be_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{client_hello, in_records};

    #[test]
    fn rustls_reads_them() {
        for name in [None, Some("mail.example.com")] {
            for fragment in [1, 7, 4096] {
                let mut acceptor = rustls::server::Acceptor::default();
                let mut hello = Cursor::new(in_records(&client_hello(name), fragment));
                let accepted = loop {
                    acceptor.read_tls(&mut hello).unwrap();
                    match acceptor.accept() {
                        Ok(Some(accepted)) => break accepted,
                        Ok(None) => {}
                        Err((error, _)) => panic!("{name:?}, {fragment} bytes a record: {error}"),
                    }
                };
                assert_eq!(accepted.client_hello().server_name(), name);
            }
        }
    }
}
