//! Request and response heads: an answer does not change with more bytes, and what is accepted is unambiguous.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_wire::http1::{Body, Field, Known, Limits, request, request_body, response, response_body};

/// No byte of an accepted head may be read as another line or another field by somebody else.
fn assert_plain(head: &[u8], fields: &[Field]) {
    for field in fields {
        let (name, value) = (field.name.of(head), field.value.of(head));
        assert!(!name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':'));
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        assert!(!value.first().is_some_and(u8::is_ascii_whitespace) && !value.last().is_some_and(u8::is_ascii_whitespace));
        assert!(field.line.of(head).ends_with(b"\r\n"));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { head_bytes: 4096, fields: 32 };
    let (mut whole, mut part) = (Vec::new(), Vec::new());
    let parsed = request(bytes, limits, &mut whole);
    if let Ok(Some(head)) = parsed {
        let own = &bytes[..head.len];
        assert_eq!(request(own, limits, &mut part), parsed);
        assert_eq!(part, whole);
        assert_eq!(request(&own[..own.len() - 1], limits, &mut part), Ok(None));
        assert_plain(own, &whole);
        let count = |known| whole.iter().filter(|field| field.known == known).count();
        match request_body(own, &head, &whole) {
            Ok(Body::Chunked) => assert_eq!((count(Known::ContentLength), count(Known::TransferEncoding)), (0, 1)),
            Ok(Body::Length(_)) => assert_eq!((count(Known::ContentLength), count(Known::TransferEncoding)), (1, 0)),
            Ok(Body::Empty) => assert_eq!(count(Known::TransferEncoding), 0),
            Ok(Body::UntilClose) => panic!("a request does not end with its connection"),
            Err(_) => {}
        }
    }
    let parsed = response(bytes, limits, &mut whole);
    if let Ok(Some(head)) = parsed {
        let own = &bytes[..head.len];
        assert_eq!(response(own, limits, &mut part), parsed);
        assert_plain(own, &whole);
        assert!((100..1000).contains(&head.status));
        let _ = response_body(own, &head, &whole, false);
    }
});
