//! The protocol told does not change with more bytes; what comes out of a plain request can stand in a header field.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_wire::sniff::{PlainRequest, Speaks, first_bytes, plain_request};

fuzz_target!(|bytes: &[u8]| {
    let mut decided = Speaks::NeedMore;
    let mut request = None;
    for end in (0..bytes.len()).step_by(bytes.len() / 512 + 1).chain([bytes.len()]) {
        let part = first_bytes(&bytes[..end]);
        assert!(decided == Speaks::NeedMore || part == decided, "an answer changed with more bytes");
        decided = part;
        let part = plain_request(&bytes[..end]);
        assert!(request.is_none() || part == request, "a request changed with more bytes");
        request = part;
    }
    if let Some(PlainRequest { host, target }) = request {
        assert_eq!(decided, Speaks::Http);
        assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
        if let Some(host) = host {
            assert!(target.starts_with('/') && !host.is_empty());
            assert!(host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte)));
        }
    }
});
