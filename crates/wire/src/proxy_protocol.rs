//! The PROXY protocol, versions 1 and 2: whom the connection before this one connected (proxy-protocol.txt of
//! haproxy.org, revision 2020/03/05).
//!
//! Only stream addresses of IPv4 and IPv6 are of use to a TCP listener; the other valid families count as "addresses
//! unknown", as section 2.2 tells receivers to do. Values that are not assigned are malformed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::bytes::Reader;

/// Bytes a line of version 1 may have, CR and LF included (section 2.1).
pub const V1_BYTES_MAX: usize = 107;

/// Bytes a header of version 2 may have: the fixed part and 4 KiB of addresses and further fields. The format allows
/// 64 KiB; what load balancers of clouds add is some hundred bytes.
pub const V2_BYTES_MAX: usize = V2_FIXED_BYTES + 4096;

/// Signature, command, family and length of version 2.
const V2_FIXED_BYTES: usize = 16;

const V1_START: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the bytes that came so far are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header, as far as it goes.
    NeedMore,
    /// A whole header.
    Header(Header),
    /// No header of either version.
    Absent,
    /// A header, but broken; the word says where.
    Malformed(&'static str),
}

/// A header that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its bytes; what the client itself sent begins after them.
    pub len: usize,
    /// Both ends of the connection it speaks of. `None`: not known, or the sender speaks for itself (`LOCAL`, a health
    /// check, say); then the connection's own addresses count.
    pub addresses: Option<Addresses>,
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// Reads all bytes that came so far.
///
/// The answer is [`Parsed::NeedMore`] or one that further bytes do not change.
pub fn parse(bytes: &[u8]) -> Parsed {
    if bytes.starts_with(V2_SIGNATURE) {
        parse_v2(bytes)
    } else if bytes.starts_with(V1_START) {
        parse_v1(bytes)
    } else if V1_START.starts_with(bytes) || V2_SIGNATURE.starts_with(bytes) {
        Parsed::NeedMore
    } else {
        Parsed::Absent
    }
}

/// Finds the end of the line and reads it (section 2.1).
fn parse_v1(bytes: &[u8]) -> Parsed {
    let within = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < V1_BYTES_MAX { Parsed::NeedMore } else { Parsed::Malformed("v1-too-long") };
    };
    let line = within.get(V1_START.len()..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(line) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
        return Parsed::Malformed("v1-line");
    };
    match parse_v1_line(line) {
        Ok(addresses) => Parsed::Header(Header { len: end + 1, addresses }),
        Err(reason) => Parsed::Malformed(reason),
    }
}

/// Reads the fields behind `PROXY `: exactly one space between them, nothing after them.
fn parse_v1_line(line: &str) -> Result<Option<Addresses>, &'static str> {
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Ok(None); // whatever follows is to be ignored
    }
    let mut fields = line.split(' ');
    let mut field = || fields.next().ok_or("v1-fields");
    let (family, source, destination) = (field()?, field()?, field()?);
    let (source_port, destination_port) = (field()?, field()?);
    if fields.next().is_some() {
        return Err("v1-fields");
    }
    if !matches!(family, "TCP4" | "TCP6") {
        return Err("v1-family");
    }
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(Into::into),
            _ => text.parse::<Ipv6Addr>().ok().map(Into::into),
        }
    };
    let (source, destination) = (address(source), address(destination));
    Ok(Some(Addresses {
        source: SocketAddr::new(source.ok_or("v1-address")?, port(source_port).ok_or("v1-port")?),
        destination: SocketAddr::new(
            destination.ok_or("v1-address")?,
            port(destination_port).ok_or("v1-port")?,
        ),
    }))
}

/// A decimal port without sign or leading zero.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Reads the fixed part, then waits for as much as it announces (section 2.2).
fn parse_v2(bytes: &[u8]) -> Parsed {
    let mut reader = Reader::new(bytes);
    let fixed = (reader.take(V2_SIGNATURE.len()), reader.u8(), reader.u8(), reader.u16());
    let (Some(_), Some(version_command), Some(family), Some(len)) = fixed else { return Parsed::NeedMore };
    let len = usize::from(len);
    let local = match version_command {
        0x20 => true,
        0x21 => false,
        other if other >> 4 == 2 => return Parsed::Malformed("v2-command"),
        _ => return Parsed::Malformed("v2-version"),
    };
    if V2_FIXED_BYTES + len > V2_BYTES_MAX {
        return Parsed::Malformed("v2-too-long");
    }
    let Some(block) = reader.take(len) else { return Parsed::NeedMore };
    let header = bytes.get(..V2_FIXED_BYTES + len).unwrap_or_default();
    let addresses = if local { Ok(None) } else { parse_v2_block(family, block, header) };
    match addresses {
        Ok(addresses) => Parsed::Header(Header { len: header.len(), addresses }),
        Err(reason) => Parsed::Malformed(reason),
    }
}

/// Reads addresses and checks the fields behind them.
fn parse_v2_block(family: u8, block: &[u8], header: &[u8]) -> Result<Option<Addresses>, &'static str> {
    let mut reader = Reader::new(block);
    let addresses = match family {
        0x00 => return Ok(None), // unspecified: the whole block is to be ignored
        0x11 | 0x12 => {
            let source = reader.array::<4>().ok_or("v2-addresses")?;
            let destination = reader.array::<4>().ok_or("v2-addresses")?;
            v2_addresses(Ipv4Addr::from(source).into(), Ipv4Addr::from(destination).into(), &mut reader)?
        }
        0x21 | 0x22 => {
            let source = reader.array::<16>().ok_or("v2-addresses")?;
            let destination = reader.array::<16>().ok_or("v2-addresses")?;
            v2_addresses(Ipv6Addr::from(source).into(), Ipv6Addr::from(destination).into(), &mut reader)?
        }
        0x31 | 0x32 => {
            reader.take(216).ok_or("v2-addresses")?; // two paths of 108 bytes
            None
        }
        _ => return Err("v2-family"),
    };
    check_fields(&mut reader, header)?;
    Ok(addresses.filter(|_| family & 0x0f == 1))
}

fn v2_addresses(
    source: IpAddr,
    destination: IpAddr,
    reader: &mut Reader<'_>,
) -> Result<Option<Addresses>, &'static str> {
    let source_port = reader.u16().ok_or("v2-addresses")?;
    let destination_port = reader.u16().ok_or("v2-addresses")?;
    Ok(Some(Addresses {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    }))
}

/// Walks the type-length-value fields behind the addresses: they must fill the header exactly, and a checksum must be
/// right (section 2.2.2); all others are stepped over.
fn check_fields(reader: &mut Reader<'_>, header: &[u8]) -> Result<(), &'static str> {
    const CRC32C: u8 = 3;
    while !reader.is_empty() {
        let kind = reader.u8().ok_or("v2-field")?;
        let value = reader.vector16().ok_or("v2-field")?;
        if kind == CRC32C {
            let announced = value.try_into().map(u32::from_be_bytes).map_err(|_| "v2-checksum")?;
            let at = header.len() - reader.rest().len() - value.len();
            let zeroed = |(index, byte): (usize, &u8)| if (at..at + 4).contains(&index) { 0 } else { *byte };
            if crc32c(header.iter().enumerate().map(zeroed)) != announced {
                return Err("v2-checksum");
            }
        }
    }
    Ok(())
}

/// CRC-32C (Castagnoli; RFC 9260 appendix A), bit by bit: the few headers that carry one are short.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
    })
}

/// Both addresses in one family: IPv4 if both are (also when written inside IPv6), else IPv6.
enum Pair {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

fn pair(addresses: &Addresses) -> Pair {
    let inside_v6 = |address: IpAddr| match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    match (addresses.source.ip().to_canonical(), addresses.destination.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Pair::V4(source, destination),
        (source, destination) => Pair::V6(inside_v6(source), inside_v6(destination)),
    }
}

/// Appends a line of version 1.
pub fn write_v1(out: &mut Vec<u8>, addresses: &Addresses) {
    let (source_port, destination_port) = (addresses.source.port(), addresses.destination.port());
    let line = match pair(addresses) {
        Pair::V4(source, destination) => {
            format!("PROXY TCP4 {source} {destination} {source_port} {destination_port}\r\n")
        }
        Pair::V6(source, destination) => {
            format!("PROXY TCP6 {source} {destination} {source_port} {destination_port}\r\n")
        }
    };
    out.extend_from_slice(line.as_bytes());
}

/// Appends the line of version 1 of one who speaks for himself: a health check.
pub fn write_v1_unknown(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PROXY UNKNOWN\r\n");
}

/// Appends a header of version 2, without further fields.
pub fn write_v2(out: &mut Vec<u8>, addresses: &Addresses) {
    out.extend_from_slice(V2_SIGNATURE);
    match pair(addresses) {
        Pair::V4(source, destination) => {
            out.extend_from_slice(&[0x21, 0x11, 0, 12]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        Pair::V6(source, destination) => {
            out.extend_from_slice(&[0x21, 0x21, 0, 36]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
    }
    out.extend_from_slice(&addresses.source.port().to_be_bytes());
    out.extend_from_slice(&addresses.destination.port().to_be_bytes());
}

/// Appends the header of version 2 of one who speaks for himself: a health check.
pub fn write_v2_local(out: &mut Vec<u8>) {
    out.extend_from_slice(V2_SIGNATURE);
    out.extend_from_slice(&[0x20, 0, 0, 0]);
}

#[cfg(test)]
mod tests {
    use super::{
        Addresses, Header, Parsed, V1_BYTES_MAX, V2_BYTES_MAX, V2_SIGNATURE, crc32c, parse, write_v1,
        write_v1_unknown, write_v2, write_v2_local,
    };

    type Outcome = Result<Option<Addresses>, &'static str>;

    fn addresses(source: &str, destination: &str) -> Addresses {
        Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    fn v2(version_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut bytes = V2_SIGNATURE.to_vec();
        bytes.extend([version_command, family]);
        bytes.extend((block.len() as u16).to_be_bytes());
        bytes.extend(block);
        bytes
    }

    fn header(bytes: &[u8], addresses: Option<Addresses>) -> Parsed {
        Parsed::Header(Header { len: bytes.len(), addresses })
    }

    /// Whatever comes behind and however it is cut, the answer is the same.
    fn assert_parses(description: &str, bytes: &[u8], expected: &Parsed) {
        assert_eq!(parse(bytes), *expected, "{description}");
        let first =
            (0..=bytes.len()).map(|end| parse(&bytes[..end])).find(|parsed| *parsed != Parsed::NeedMore);
        assert_eq!(first.unwrap_or(Parsed::NeedMore), *expected, "{description}, byte by byte");
        if *expected != Parsed::NeedMore {
            assert_eq!(
                parse(&[bytes, b"GET / HTTP/1.1\r\n"].concat()),
                *expected,
                "{description}, more behind"
            );
        }
    }

    #[test]
    fn version_1_is_read_strictly() {
        let four = Some(addresses("192.0.2.1:56324", "198.51.100.9:443"));
        let six = Some(addresses("[2001:db8::1]:1", "[2001:db8::2]:65535"));
        let longest = format!("PROXY UNKNOWN {} {} 65535 65535\r\n", "f".repeat(39), "f".repeat(39));
        assert_eq!(longest.len(), V1_BYTES_MAX);
        let at_limit = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_BYTES_MAX - 16));
        let over_limit = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_BYTES_MAX - 15));
        let table: [(&str, Outcome); 25] = [
            ("PROXY TCP4 192.0.2.1 198.51.100.9 56324 443\r\n", Ok(four)),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", Ok(six)),
            (
                "PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n",
                Ok(Some(addresses("0.0.0.0:0", "255.255.255.255:0"))),
            ),
            ("PROXY UNKNOWN\r\n", Ok(None)),
            ("PROXY UNKNOWN anything \u{e9} at all\r\n", Ok(None)),
            (&longest, Ok(None)),
            (&at_limit, Ok(None)),
            (&over_limit, Err("v1-too-long")),
            ("PROXY UNKNOWNS\r\n", Err("v1-fields")),
            ("PROXY UDP4 192.0.2.1 198.51.100.9 1 2\r\n", Err("v1-family")),
            ("PROXY tcp4 192.0.2.1 198.51.100.9 1 2\r\n", Err("v1-family")),
            ("PROXY \r\n", Err("v1-fields")),
            ("PROXY  TCP4 192.0.2.1 198.51.100.9 1 2\r\n", Err("v1-fields")),
            ("PROXY TCP4 192.0.2.1 198.51.100.9 1\r\n", Err("v1-fields")),
            ("PROXY TCP4 192.0.2.1 198.51.100.9 1 2 3\r\n", Err("v1-fields")),
            ("PROXY TCP4 192.0.2.1 198.51.100.9 1 2 \r\n", Err("v1-fields")),
            ("PROXY TCP4 192.0.2.1 198.51.100.9 1 2\n", Err("v1-line")),
            ("PROXY TCP4 192.0.2.256 198.51.100.9 1 2\r\n", Err("v1-address")),
            ("PROXY TCP4 192.0.2.01 198.51.100.9 1 2\r\n", Err("v1-address")),
            ("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", Err("v1-address")),
            ("PROXY TCP6 192.0.2.1 198.51.100.9 1 2\r\n", Err("v1-address")),
            ("PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", Err("v1-address")),
            ("PROXY TCP4 192.0.2.1 198.51.100.9 01 2\r\n", Err("v1-port")),
            ("PROXY TCP4 192.0.2.1 198.51.100.9 1 65536\r\n", Err("v1-port")),
            ("PROXY TCP4 192.0.2.1 198.51.100.9 +1 2\r\n", Err("v1-port")),
        ];
        for (line, expected) in table {
            let expected = match expected {
                Ok(addresses) => header(line.as_bytes(), addresses),
                Err(reason) => Parsed::Malformed(reason),
            };
            assert_parses(line, line.as_bytes(), &expected);
        }
        assert_eq!(parse(b"PROXY \xff\r\n"), Parsed::Malformed("v1-line"));
    }

    #[test]
    fn version_2_is_read_strictly() {
        let four = [192, 0, 2, 1, 198, 51, 100, 9, 0xdc, 4, 1, 0xbb];
        let known = Some(addresses("192.0.2.1:56324", "198.51.100.9:443"));
        let six =
            [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1, 0x20, 1, 0xd, 0xb8], &[0; 11], &[2, 0, 1, 255, 255]]
                .concat();
        let known_six = Some(addresses("[2001:db8::1]:1", "[2001:db8::2]:65535"));
        let unix = [7; 216];
        let with = |fields: &[u8]| [&four[..], fields].concat();
        let at_limit = with(&[&[4, 0xf, 0xf1][..], &vec![0; V2_BYTES_MAX - 16 - 12 - 3]].concat());
        let over_limit = with(&[&[4, 0xf, 0xf2][..], &vec![0; V2_BYTES_MAX - 16 - 12 - 2]].concat());
        let table: [(&str, u8, u8, &[u8], Outcome); 25] = [
            ("IPv4", 0x21, 0x11, &four, Ok(known)),
            ("IPv6", 0x21, 0x21, &six, Ok(known_six)),
            ("fields behind", 0x21, 0x11, &with(&[2, 0, 1, b'x', 0x20, 0, 0]), Ok(known)),
            ("as long as allowed", 0x21, 0x11, &at_limit, Ok(known)),
            ("longer than allowed", 0x21, 0x11, &over_limit, Err("v2-too-long")),
            ("UDP counts as unknown", 0x21, 0x12, &four, Ok(None)),
            ("UDP over IPv6 counts as unknown", 0x21, 0x22, &six, Ok(None)),
            ("UNIX stream counts as unknown", 0x21, 0x31, &unix, Ok(None)),
            ("UNIX datagram counts as unknown", 0x21, 0x32, &unix, Ok(None)),
            ("unspecified", 0x21, 0x00, &[], Ok(None)),
            ("unspecified, with anything", 0x21, 0x00, &[1, 2, 3], Ok(None)),
            ("local", 0x20, 0x00, &[], Ok(None)),
            ("local, its family is not looked at", 0x20, 0xff, &[1, 2, 3], Ok(None)),
            ("version 1 in this form", 0x11, 0x11, &four, Err("v2-version")),
            ("version 3", 0x31, 0x11, &four, Err("v2-version")),
            ("an unknown command", 0x22, 0x11, &four, Err("v2-command")),
            ("an unknown family", 0x21, 0x41, &four, Err("v2-family")),
            ("a family without transport", 0x21, 0x10, &four, Err("v2-family")),
            ("a transport without family", 0x21, 0x01, &four, Err("v2-family")),
            ("addresses cut short", 0x21, 0x11, &four[..11], Err("v2-addresses")),
            ("IPv6 in the space of IPv4", 0x21, 0x21, &four, Err("v2-addresses")),
            ("UNIX paths cut short", 0x21, 0x31, &unix[..215], Err("v2-addresses")),
            ("a field that runs over", 0x21, 0x11, &with(&[2, 0, 9, 1]), Err("v2-field")),
            ("half a field", 0x21, 0x11, &with(&[2, 0]), Err("v2-field")),
            ("a checksum of three bytes", 0x21, 0x11, &with(&[3, 0, 3, 1, 2, 3]), Err("v2-checksum")),
        ];
        for (description, version_command, family, block, expected) in table {
            let bytes = v2(version_command, family, block);
            let expected = match expected {
                Ok(addresses) => header(&bytes, addresses),
                Err(reason) => Parsed::Malformed(reason),
            };
            assert_parses(description, &bytes, &expected);
        }
    }

    #[test]
    fn a_checksum_must_be_right() {
        assert_eq!(crc32c(b"123456789".iter().copied()), 0xe306_9283, "the check value of CRC-32C");
        let block = [192, 0, 2, 1, 198, 51, 100, 9, 0xdc, 4, 1, 0xbb, 3, 0, 4, 0, 0, 0, 0, 4, 0, 1, 0];
        let mut bytes = v2(0x21, 0x11, &block);
        let sum = crc32c(bytes.iter().copied());
        bytes[31..35].copy_from_slice(&sum.to_be_bytes());
        let known = Some(addresses("192.0.2.1:56324", "198.51.100.9:443"));
        assert_parses("right", &bytes, &header(&bytes, known));
        bytes[17] ^= 1;
        assert_parses("wrong", &bytes, &Parsed::Malformed("v2-checksum"));
    }

    #[test]
    fn anything_else_is_absent() {
        let table: [&[u8]; 7] = [
            b"GET / HTTP/1.1\r\n",
            b"PROXYTCP4",
            b"proxy TCP4",
            b"\x16\x03\x01",
            b"\r\n\r\nQ",
            b"\0",
            b"P\r\n",
        ];
        for bytes in table {
            assert_parses(&String::from_utf8_lossy(bytes), bytes, &Parsed::Absent);
        }
        for beginning in
            [&b""[..], b"P", b"PROXY", b"PROXY TCP4 1.2.3.4", b"\r\n\r\n", &V2_SIGNATURE[..11], V2_SIGNATURE]
        {
            assert_eq!(parse(beginning), Parsed::NeedMore);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let table = [
            ("192.0.2.1:56324", "198.51.100.9:443"),
            ("[2001:db8::1]:1", "[2001:db8::2]:65535"),
            (
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
            ("[::]:0", "[::1]:443"),
        ];
        for (source, destination) in table {
            let addresses = addresses(source, destination);
            for write in [write_v1, write_v2] {
                let mut bytes = Vec::new();
                write(&mut bytes, &addresses);
                assert_parses(source, &bytes, &header(&bytes, Some(addresses)));
            }
        }
    }

    #[test]
    fn families_are_made_one_when_written() {
        let table = [
            ("[::ffff:192.0.2.1]:1", "198.51.100.9:443", "192.0.2.1:1", "198.51.100.9:443"),
            ("192.0.2.1:1", "[2001:db8::2]:443", "[::ffff:192.0.2.1]:1", "[2001:db8::2]:443"),
        ];
        for (source, destination, source_read, destination_read) in table {
            for write in [write_v1, write_v2] {
                let mut bytes = Vec::new();
                write(&mut bytes, &addresses(source, destination));
                assert_eq!(parse(&bytes), header(&bytes, Some(addresses(source_read, destination_read))));
            }
        }
    }

    #[test]
    fn one_who_speaks_for_himself_says_so() {
        for write in [write_v1_unknown, write_v2_local] {
            let mut bytes = Vec::new();
            write(&mut bytes);
            assert_parses("no addresses", &bytes, &header(&bytes, None));
        }
    }
}
