//! Percent-decoding, and with it every other transformation: none panics, none makes much more of a value than it was,
//! and what the byte sets say about a value that stays as it is, is so.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_waf::xform::Xform;

fuzz_target!(|bytes: &[u8]| {
    for xform in Xform::ALL {
        let result = xform.transform(bytes);
        assert!(!xform.leaves(bytes) || result == bytes, "{}", xform.name());
        assert!(result.len() <= 6 * bytes.len() + 40, "{}: {}", xform.name(), result.len());
    }
    for xform in [Xform::UrlDecode, Xform::UrlDecodeUni] {
        let result = xform.transform(bytes);
        assert!(result.len() <= bytes.len());
        // What has been encoded is decoded to what it was.
        assert_eq!(xform.transform(&Xform::UrlEncode.transform(bytes)), bytes);
        if !bytes.contains(&b'%') {
            let plain: Vec<u8> = bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
            assert_eq!(result, plain);
        }
    }
});
