//! However a header is cut, the answer is the same; addresses that were read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_wire::proxy_protocol::{
    Addresses, Header, Parsed, V1_BYTES_MAX, V2_BYTES_MAX, parse, write_v1, write_v2,
};

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes);
    let mut decided = None;
    for end in (0..bytes.len()).step_by(bytes.len() / 512 + 1).chain([bytes.len()]) {
        let part = parse(&bytes[..end]);
        match &decided {
            Some(before) => assert_eq!(part, *before, "an answer changed with more bytes"),
            None if part != Parsed::NeedMore => decided = Some(part),
            None => {}
        }
    }
    assert_eq!(decided.unwrap_or(Parsed::NeedMore), whole);
    match whole {
        Parsed::Header(header) => {
            assert!(header.len <= bytes.len() && header.len <= V2_BYTES_MAX);
            if let Some(addresses) = header.addresses {
                reads_back(&addresses);
            }
        }
        Parsed::NeedMore => assert!(bytes.len() < V1_BYTES_MAX.max(V2_BYTES_MAX)),
        Parsed::Absent | Parsed::Malformed(_) => {}
    }
});

/// Writing takes IPv4 out of IPv6 where both are IPv4; nothing else is lost.
fn reads_back(addresses: &Addresses) {
    let four =
        addresses.source.ip().to_canonical().is_ipv4() && addresses.destination.ip().to_canonical().is_ipv4();
    let mut expected = *addresses;
    if four {
        expected.source.set_ip(addresses.source.ip().to_canonical());
        expected.destination.set_ip(addresses.destination.ip().to_canonical());
    }
    for write in [write_v1, write_v2] {
        let mut written = Vec::new();
        write(&mut written, addresses);
        let len = written.len();
        assert_eq!(parse(&written), Parsed::Header(Header { len, addresses: Some(expected) }));
    }
}
