//! However a hello is cut, the answer is the same; a name that comes out is one that names are compared with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_wire::sniff::{Speaks, first_bytes};
use transom_wire::tls_hello::{HELLO_BYTES_MAX, Hello, read};

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes);
    let mut decided = None;
    for end in cuts(bytes.len()) {
        let part = read(&bytes[..end]);
        match &decided {
            Some(before) => assert_eq!(part, *before, "an answer changed with more bytes"),
            None if part != Hello::NeedMore => decided = Some(part),
            None => {}
        }
    }
    assert_eq!(decided.unwrap_or(Hello::NeedMore), whole);
    match whole {
        Hello::Complete(hello) => {
            let name = hello.server_name.as_deref().unwrap_or("a");
            assert!(!name.is_empty() && name.len() <= 253 && !name.starts_with('.') && !name.ends_with('.'));
            assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
            assert!(hello.alpn.iter().all(|protocol| !protocol.is_empty()));
        }
        Hello::NeedMore => assert!(bytes.len() < HELLO_BYTES_MAX),
        Hello::NotTls | Hello::Malformed(_) | Hello::TooLarge => {}
    }
    if bytes.len() >= 5 {
        assert_eq!(first_bytes(bytes) == Speaks::Tls, read(bytes) != Hello::NotTls);
    }
});

/// Every place to cut a short input, some of a long one, and its end.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(len / 512 + 1).chain([len])
}
