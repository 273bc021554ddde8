//! The TLS ClientHello, read and not answered: which server name, which protocols (RFC 8446 4.1.2 and 5.1).
//!
//! The hello may come in many pieces and be spread over several records. Nothing is decrypted and nothing but the
//! name decides where a connection goes, so only what was read here is judged; the rest is the server's to judge.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::bytes::Reader;

/// Bytes all records that hold the hello may have together, headers included. Browsers send 500 to 2,000 bytes.
pub const HELLO_BYTES_MAX: usize = 16 * 1024 + 256;

/// Plaintext bytes one record may hold (RFC 8446 5.1).
const RECORD_BYTES_MAX: usize = 1 << 14;

/// Characters of a host name (RFC 1035 2.3.4, as text without the final dot).
const NAME_BYTES_MAX: usize = 253;

/// Characters of one label of a host name (RFC 1035 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// What the bytes that came so far are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// The beginning of a hello, as far as it goes.
    NeedMore,
    /// A whole hello; bytes after it are not looked at.
    Complete(ClientHello),
    /// Something else than TLS.
    NotTls,
    /// TLS, but broken; the word says where.
    Malformed(&'static str),
    /// More than [`HELLO_BYTES_MAX`].
    TooLarge,
}

/// What a ClientHello says that matters before anything is decrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// The name asked for, lower case and without a final dot (RFC 6066 3). `None` without the extension, and where a
    /// client put an address there, which that RFC does not permit but some do.
    pub server_name: Option<Box<str>>,
    /// Protocols offered, most wanted first (RFC 7301 3.1).
    pub alpn: Vec<Box<[u8]>>,
    /// Whether there is an `encrypted_client_hello` extension (RFC 9849). It may be GREASE, which is made so that
    /// nobody can tell; with a real one `server_name` is the public name of whoever can decrypt the inner hello.
    pub ech: bool,
}

/// Reads all bytes a client sent so far.
///
/// The answer is [`Hello::NeedMore`] or one that further bytes do not change.
pub fn read(bytes: &[u8]) -> Hello {
    let within = bytes.get(..HELLO_BYTES_MAX).unwrap_or(bytes);
    match assemble(within) {
        Ok(message) => match parse_message(&message) {
            Ok(hello) => Hello::Complete(hello),
            Err(reason) => Hello::Malformed(reason),
        },
        Err(Hello::NeedMore) if bytes.len() >= HELLO_BYTES_MAX => Hello::TooLarge,
        Err(other) => other,
    }
}

/// Gathers the body of the hello from the records it is spread over, without its four bytes of header.
///
/// Looks at the bytes strictly in their order, so that the first fault found does not depend on how many there are.
fn assemble(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Hello> {
    let mut records = Reader::new(bytes);
    let mut message: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    loop {
        let first = message.is_empty();
        let len = record_header(&mut records, first)?;
        let (part, cut) = match records.take(len) {
            Some(part) => (part, false),
            None => (records.rest(), true),
        };
        if first {
            message = Cow::Borrowed(part);
        } else {
            message.to_mut().extend_from_slice(part);
        }
        match message_len(&message)? {
            Some(len) if message.len() >= 4 + len => return Ok(body_of(message, len)),
            _ if cut => return Err(Hello::NeedMore),
            _ => {}
        }
    }
}

/// The body of `len` bytes behind the header of a message.
fn body_of(message: Cow<'_, [u8]>, len: usize) -> Cow<'_, [u8]> {
    let end = 4 + len;
    match message {
        Cow::Borrowed(message) => Cow::Borrowed(message.get(4..end).unwrap_or_default()),
        Cow::Owned(message) => Cow::Owned(message.get(4..end).unwrap_or_default().to_vec()),
    }
}

/// Reads a record header and returns the length of what follows it.
///
/// The minor version is ignored as RFC 8446 5.1 demands; the major one tells TLS from other protocols.
fn record_header(records: &mut Reader<'_>, first: bool) -> Result<usize, Hello> {
    const HANDSHAKE: u8 = 22;
    let start = *records;
    let wrong = || if first { Hello::NotTls } else { Hello::Malformed("record-type") };
    match records.u8() {
        None => return Err(Hello::NeedMore),
        Some(HANDSHAKE) => {}
        Some(byte) if first && byte & 0x80 != 0 => return Err(ssl2(start)),
        Some(_) => return Err(wrong()),
    }
    match records.u8() {
        None => return Err(Hello::NeedMore),
        Some(3) => {}
        Some(_) => return Err(wrong()),
    }
    let (Some(_minor), Some(len)) = (records.u8(), records.u16()) else { return Err(Hello::NeedMore) };
    match usize::from(len) {
        0 => Err(Hello::Malformed("record-empty")),
        len if len > RECORD_BYTES_MAX => Err(Hello::Malformed("record-too-long")),
        len => Ok(len),
    }
}

/// Tells the hello of SSL 2 (two bytes of length with the high bit set, message type 1, a version; RFC 5246 E.2) from
/// other protocols. Nobody may answer it any more (RFC 6176), but its sender deserves the right word in the log.
fn ssl2(mut bytes: Reader<'_>) -> Hello {
    let expected: [fn(u8) -> bool; 5] = [
        |byte| byte & 0x80 != 0,
        |_| true,
        |byte| byte == 1,
        |byte| byte == 0 || byte == 3,
        |byte| byte <= 4,
    ];
    for is_expected in expected {
        match bytes.u8() {
            None => return Hello::NeedMore,
            Some(byte) if is_expected(byte) => {}
            Some(_) => return Hello::NotTls,
        }
    }
    Hello::Malformed("ssl2-hello")
}

/// The length a handshake message announces, once its four bytes of header are there.
fn message_len(message: &[u8]) -> Result<Option<usize>, Hello> {
    const CLIENT_HELLO: u8 = 1;
    let mut reader = Reader::new(message);
    match reader.u8() {
        None => return Ok(None),
        Some(CLIENT_HELLO) => {}
        Some(_) => return Err(Hello::Malformed("not-a-client-hello")),
    }
    let Some([high, middle, low]) = reader.array() else { return Ok(None) };
    let len = u32::from_be_bytes([0, high, middle, low]) as usize;
    if len > HELLO_BYTES_MAX { Err(Hello::TooLarge) } else { Ok(Some(len)) }
}

/// Parses the body of a ClientHello (RFC 8446 4.1.2), whose every byte must have its place.
fn parse_message(body: &[u8]) -> Result<ClientHello, &'static str> {
    let mut reader = Reader::new(body);
    reader.array().filter(|[major, _minor]| *major == 3).ok_or("version")?;
    reader.take(32).ok_or("random")?;
    reader.vector8().filter(|id| id.len() <= 32).ok_or("session-id")?;
    reader.vector16().filter(|suites| !suites.is_empty() && suites.len() % 2 == 0).ok_or("cipher-suites")?;
    reader.vector8().filter(|methods| !methods.is_empty()).ok_or("compression")?;
    if reader.is_empty() {
        return Ok(ClientHello::default()); // TLS 1.2 and before may do without extensions (RFC 5246 7.4.1.2)
    }
    let extensions = reader.vector16().ok_or("extensions")?;
    if !reader.is_empty() {
        return Err("trailing-bytes");
    }
    parse_extensions(extensions)
}

/// Walks the extensions. One that is read here may not come twice (RFC 8446 4.2); GREASE (RFC 8701) and all others
/// are stepped over.
fn parse_extensions(extensions: &[u8]) -> Result<ClientHello, &'static str> {
    const SERVER_NAME: u16 = 0;
    const ALPN: u16 = 16;
    const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    let mut server_name = None;
    let mut alpn = None;
    let mut ech = false;
    let mut reader = Reader::new(extensions);
    while !reader.is_empty() {
        let kind = reader.u16().ok_or("extension")?;
        let data = reader.vector16().ok_or("extension")?;
        match kind {
            SERVER_NAME if server_name.is_some() => return Err("server-name-twice"),
            SERVER_NAME => server_name = Some(parse_server_name(data)?),
            ALPN if alpn.is_some() => return Err("alpn-twice"),
            ALPN => alpn = Some(parse_alpn(data).ok_or("alpn")?),
            ENCRYPTED_CLIENT_HELLO if ech => return Err("ech-twice"),
            ENCRYPTED_CLIENT_HELLO => ech = true,
            _ => {}
        }
    }
    Ok(ClientHello { server_name: server_name.flatten(), alpn: alpn.unwrap_or_default(), ech })
}

/// Reads a `server_name` extension (RFC 6066 3): a list with exactly one host name; other types of name are stepped
/// over.
fn parse_server_name(data: &[u8]) -> Result<Option<Box<str>>, &'static str> {
    const HOST_NAME: u8 = 0;
    let mut reader = Reader::new(data);
    let list = reader.vector16().filter(|list| !list.is_empty()).ok_or("server-name")?;
    if !reader.is_empty() {
        return Err("server-name");
    }
    let mut names = Reader::new(list);
    let mut found = None;
    while !names.is_empty() {
        let kind = names.u8().ok_or("server-name")?;
        let name = names.vector16().ok_or("server-name")?;
        match kind {
            HOST_NAME if found.is_some() => return Err("server-name-twice"),
            HOST_NAME => found = Some(host_name(name)?),
            _ => {}
        }
    }
    Ok(found.flatten())
}

/// Checks a host name and brings it into the form names are compared in. An address gives `None`.
fn host_name(name: &[u8]) -> Result<Option<Box<str>>, &'static str> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() {
        return Err("server-name-empty");
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("server-name-too-long");
    }
    let name = std::str::from_utf8(name).map_err(|_| "server-name-characters")?;
    if name.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        return Err("server-name-characters");
    }
    if name.split('.').any(|label| label.is_empty() || label.len() > LABEL_BYTES_MAX) {
        return Err("server-name-label");
    }
    Ok(Some(name.to_ascii_lowercase().into()))
}

/// Reads an ALPN extension (RFC 7301 3.1): a list with one name at least, none of them empty.
fn parse_alpn(data: &[u8]) -> Option<Vec<Box<[u8]>>> {
    let mut reader = Reader::new(data);
    let list = reader.vector16().filter(|list| !list.is_empty())?;
    if !reader.is_empty() {
        return None;
    }
    let mut names = Reader::new(list);
    let mut found = Vec::new();
    while !names.is_empty() {
        found.push(names.vector8().filter(|name| !name.is_empty())?.into());
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::{ClientHello, HELLO_BYTES_MAX, Hello, read};

    /// Real hellos, also the seeds of the fuzz target.
    macro_rules! recorded {
        ($name:literal) => {
            include_bytes!(concat!("../../../fuzz/corpus/tls_hello/", $name)).as_slice()
        };
    }

    /// A hello made by hand: extensions as they are given, `fragment` bytes a record.
    fn hello(extensions: &[u8], fragment: usize) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(0);
        body.extend([0, 2, 0x13, 0x01, 1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        records(&message(&body), fragment)
    }

    fn message(body: &[u8]) -> Vec<u8> {
        let mut message = vec![1];
        message.extend(&(body.len() as u32).to_be_bytes()[1..]);
        message.extend(body);
        message
    }

    fn records(message: &[u8], fragment: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in message.chunks(fragment) {
            bytes.extend([22, 3, 1]);
            bytes.extend((part.len() as u16).to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }

    fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
        bytes
    }

    fn server_name(names: &[(u8, &[u8])]) -> Vec<u8> {
        let mut list = Vec::new();
        for (kind, name) in names {
            list.push(*kind);
            list.extend((name.len() as u16).to_be_bytes());
            list.extend(*name);
        }
        let mut data = (list.len() as u16).to_be_bytes().to_vec();
        data.extend(list);
        extension(0, &data)
    }

    fn named(name: &str) -> Hello {
        Hello::Complete(ClientHello { server_name: Some(name.into()), ..ClientHello::default() })
    }

    /// What comes of `bytes` when they arrive one at a time: the first answer that is not "more".
    fn drip(bytes: &[u8]) -> Hello {
        (0..=bytes.len())
            .map(|end| read(&bytes[..end]))
            .find(|hello| *hello != Hello::NeedMore)
            .unwrap_or(Hello::NeedMore)
    }

    #[test]
    fn real_hellos_are_read() {
        let exchange = Some("exchange.dyb.test");
        let table = [
            ("openssl", recorded!("openssl-sni"), exchange, 0),
            ("openssl, no name", recorded!("openssl-no-sni"), None, 0),
            ("openssl, name in capitals", recorded!("openssl-upper-case"), Some("autodiscover.dyb.test"), 0),
            ("openssl, TLS 1.2", recorded!("openssl-tls12"), exchange, 0),
            ("openssl, TLS 1.0", recorded!("openssl-tls10"), exchange, 0),
            ("openssl, two protocols", recorded!("openssl-alpn"), exchange, 2),
            ("openssl, three records", recorded!("openssl-small-records"), exchange, 150),
            ("curl", recorded!("curl-sni"), Some("mail.example.com"), 2),
            ("curl, to an address", recorded!("curl-address"), None, 2),
        ];
        for (description, bytes, name, protocols) in table {
            let Hello::Complete(hello) = read(bytes) else { panic!("{description}: {:?}", read(bytes)) };
            assert_eq!(hello.server_name.as_deref(), name, "{description}");
            assert_eq!(hello.alpn.len(), protocols, "{description}");
            assert!(!hello.ech, "{description}");
        }
    }

    #[test]
    fn the_pieces_a_hello_comes_in_do_not_matter() {
        for bytes in [recorded!("openssl-sni"), recorded!("openssl-small-records"), recorded!("curl-sni")] {
            let whole = read(bytes);
            assert_eq!(drip(bytes), whole);
            for end in 0..bytes.len() {
                assert_eq!(read(&bytes[..end]), Hello::NeedMore, "{end} of {} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn the_records_a_hello_is_spread_over_do_not_matter() {
        let extensions = server_name(&[(0, b"exchange.dyb.test")]);
        for fragment in 1..hello(&extensions, 1 << 14).len() {
            let bytes = hello(&extensions, fragment);
            assert_eq!(read(&bytes), named("exchange.dyb.test"), "{fragment} bytes a record");
            assert_eq!(drip(&bytes), named("exchange.dyb.test"), "{fragment} bytes a record, byte by byte");
        }
    }

    #[test]
    fn bytes_after_the_hello_are_not_looked_at() {
        let mut bytes = recorded!("openssl-sni").to_vec();
        bytes.extend(b"anything, early data say");
        assert_eq!(read(&bytes), read(recorded!("openssl-sni")));
    }

    #[test]
    fn grease_and_encrypted_hellos_are_stepped_over() {
        let mut extensions = extension(0x0a0a, &[]);
        extensions.extend(extension(0xfe0d, &[0, 0, 1, 0, 1, 9, 0, 0, 0, 0]));
        extensions.extend(server_name(&[(0, b"public.example")]));
        extensions.extend(extension(
            16,
            &[0, 12, 2, b'h', b'2', 8, b'h', b't', b't', b'p', b'/', b'1', b'.', b'1'],
        ));
        extensions.extend(extension(0x2a2a, &[0]));
        let expected = ClientHello {
            server_name: Some("public.example".into()),
            alpn: vec![b"h2".as_slice().into(), b"http/1.1".as_slice().into()],
            ech: true,
        };
        assert_eq!(read(&hello(&extensions, 100)), Hello::Complete(expected));
    }

    #[test]
    fn a_hello_without_extensions_has_no_name() {
        let mut body = vec![3, 1];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0, 0x2f, 1, 0]);
        assert_eq!(read(&records(&message(&body), 4096)), Hello::Complete(ClientHello::default()));
    }

    #[test]
    fn names_are_brought_into_one_form_or_refused() {
        let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        let too_long = format!("{long}d");
        let no_name = Hello::Complete(ClientHello::default());
        let table: [(&[u8], Hello); 15] = [
            (b"mail.example.com", named("mail.example.com")),
            (b"MAIL.Example.COM", named("mail.example.com")),
            (b"mail.example.com.", named("mail.example.com")),
            (b"_srv.xn--mnchen-3ya.test", named("_srv.xn--mnchen-3ya.test")),
            (long.as_bytes(), named(&long)),
            (b"10.0.0.1", no_name.clone()),
            (b"2001:db8::1", no_name),
            (b"", Hello::Malformed("server-name-empty")),
            (b".", Hello::Malformed("server-name-empty")),
            (b"a..b", Hello::Malformed("server-name-label")),
            (&[b'a'; 64], Hello::Malformed("server-name-label")),
            (too_long.as_bytes(), Hello::Malformed("server-name-too-long")),
            ("münchen.test".as_bytes(), Hello::Malformed("server-name-characters")),
            (b"a\xff.test", Hello::Malformed("server-name-characters")),
            (b"mail.example.com\0.evil.test", Hello::Malformed("server-name-characters")),
        ];
        for (name, expected) in table {
            let bytes = hello(&server_name(&[(0, name)]), 1 << 14);
            assert_eq!(read(&bytes), expected, "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn extensions_that_contradict_themselves_are_malformed() {
        let one = server_name(&[(0, b"a.test")]);
        let alpn = extension(16, &[0, 3, 2, b'h', b'2']);
        let ech = extension(0xfe0d, &[0]);
        let table = [
            ("two names", server_name(&[(0, b"a.test"), (0, b"b.test")]), "server-name-twice"),
            ("two extensions with names", [one.clone(), one.clone()].concat(), "server-name-twice"),
            ("an address, then a name", [server_name(&[(0, b"1.1.1.1")]), one].concat(), "server-name-twice"),
            ("an empty list of names", extension(0, &[0, 0]), "server-name"),
            ("an empty extension", extension(0, &[]), "server-name"),
            ("a byte behind the list", extension(0, &[0, 4, 0, 0, 1, b'a', 9]), "server-name"),
            ("a list cut short", extension(0, &[0, 9, 0, 0, 1, b'a']), "server-name"),
            ("a name cut short", extension(0, &[0, 4, 0, 0, 9, b'a']), "server-name"),
            ("protocols twice", [alpn.clone(), alpn].concat(), "alpn-twice"),
            ("no protocol", extension(16, &[0, 0]), "alpn"),
            ("an empty protocol", extension(16, &[0, 1, 0]), "alpn"),
            ("a byte behind the protocols", extension(16, &[0, 3, 2, b'h', b'2', 0]), "alpn"),
            ("two encrypted hellos", [ech.clone(), ech].concat(), "ech-twice"),
            ("an extension cut short", vec![0, 9, 0, 9, 1], "extension"),
            ("half a header", vec![0, 9, 0], "extension"),
        ];
        for (description, extensions, reason) in table {
            let bytes = hello(&extensions, 1 << 14);
            assert_eq!(read(&bytes), Hello::Malformed(reason), "{description}");
            assert_eq!(drip(&bytes), Hello::Malformed(reason), "{description}, byte by byte");
        }
    }

    #[test]
    fn other_types_of_name_are_stepped_over() {
        let extensions = server_name(&[(7, b"\xff\xff"), (0, b"a.test"), (8, b"x")]);
        assert_eq!(read(&hello(&extensions, 1 << 14)), named("a.test"));
    }

    #[test]
    fn what_is_not_a_hello_says_why() {
        let sound = message(&[3, 3]);
        let mut second_record_is_an_alert = records(&sound[..5], 5);
        second_record_is_an_alert.extend([21, 3, 1, 0, 2, 1, 0]);
        let body = |change: fn(&mut Vec<u8>)| {
            let mut body = vec![3, 3];
            body.extend([7; 32]);
            body.extend([0, 0, 2, 0x13, 0x01, 1, 0, 0, 0]);
            change(&mut body);
            records(&message(&body), 1 << 14)
        };
        let table = [
            ("nothing", vec![], Hello::NeedMore),
            ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), Hello::NotTls),
            ("SSH", b"SSH-2.0-x\r\n".to_vec(), Hello::NotTls),
            ("zeros", vec![0; 40], Hello::NotTls),
            ("the right type, another version", vec![22, 5, 0, 0, 9], Hello::NotTls),
            ("an alert", vec![21, 3, 1, 0, 2, 1, 0], Hello::NotTls),
            ("application data", vec![23, 3, 3, 0, 2, 1, 0], Hello::NotTls),
            ("SSL 2 with TLS inside", vec![0x80, 46, 1, 3, 1, 0, 21], Hello::Malformed("ssl2-hello")),
            ("SSL 2", vec![0x80, 46, 1, 0, 2, 0, 21], Hello::Malformed("ssl2-hello")),
            ("high bit, but no SSL 2", vec![0x80, 46, 2], Hello::NotTls),
            ("an empty record", vec![22, 3, 1, 0, 0], Hello::Malformed("record-empty")),
            ("a record over its limit", vec![22, 3, 1, 0x40, 1], Hello::Malformed("record-too-long")),
            ("a server's hello", records(&[2, 0, 0, 2, 3, 3], 9), Hello::Malformed("not-a-client-hello")),
            ("an alert amid the hello", second_record_is_an_alert, Hello::Malformed("record-type")),
            ("a body of two bytes", records(&sound, 99), Hello::Malformed("random")),
            ("an empty body", records(&message(&[]), 99), Hello::Malformed("version")),
            ("SSL 2 version inside", body(|body| body[0] = 2), Hello::Malformed("version")),
            ("a session id over its limit", body(|body| body[34] = 33), Hello::Malformed("session-id")),
            ("an odd list of suites", body(|body| body[36] = 3), Hello::Malformed("cipher-suites")),
            ("no suites", body(|body| body[36] = 0), Hello::Malformed("cipher-suites")),
            ("no compression method", body(|body| body[39] = 0), Hello::Malformed("compression")),
            ("extensions cut short", body(|body| body[42] = 5), Hello::Malformed("extensions")),
            ("a byte behind the extensions", body(|body| body.push(0)), Hello::Malformed("trailing-bytes")),
        ];
        for (description, bytes, expected) in table {
            assert_eq!(read(&bytes), expected, "{description}");
            assert_eq!(drip(&bytes), expected, "{description}, byte by byte");
        }
    }

    #[test]
    fn a_hello_over_the_limit_is_too_large() {
        let announced = [&[22, 3, 1, 0x40, 0, 1, 0, 0x50, 0][..], &[0; 100]].concat();
        assert_eq!(read(&announced), Hello::TooLarge, "as soon as its length is known");

        let padding = |len: usize| extension(21, &vec![0; len]);
        let around = hello(&padding(0), 8192).len() + 5;
        let fits = hello(&padding(HELLO_BYTES_MAX - around), 8192);
        assert_eq!(fits.len(), HELLO_BYTES_MAX + 5, "three records");
        assert_eq!(read(&fits), Hello::TooLarge);
        let fits = hello(&padding(HELLO_BYTES_MAX - around - 5), 8192);
        assert_eq!(fits.len(), HELLO_BYTES_MAX);
        assert_eq!(read(&fits), Hello::Complete(ClientHello::default()));

        let crumbs = hello(&padding(4000), 1);
        assert_eq!(read(&crumbs[..HELLO_BYTES_MAX - 1]), Hello::NeedMore);
        assert_eq!(read(&crumbs[..HELLO_BYTES_MAX]), Hello::TooLarge, "one byte a record");
        assert_eq!(read(&crumbs), Hello::TooLarge);
    }
}
