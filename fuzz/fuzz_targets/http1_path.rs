//! Paths: the normal form is a fixed point, and every other way to write a path of it comes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_wire::http1::{NormalPath, Target};

fuzz_target!(|bytes: &[u8]| {
    let Some(target) = Target::parse(b"GET", bytes) else { return };
    let Ok(normal) = NormalPath::new(target.path) else { return };
    let text = normal.as_str();
    assert!(text.starts_with('/') && (text == "/" || !text.ends_with('/')));
    assert!(text.split('/').skip(1).all(|segment| !matches!(segment, "." | "..")) && !text.contains('\\'));
    assert!(!text.contains('\0') && (text == "/" || !text.contains("//")));
    let escaped: String = text
        .bytes()
        .map(|byte| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02x}") })
        .collect();
    if !text.contains('%') {
        assert_eq!(NormalPath::new(escaped.as_bytes()).as_ref(), Ok(&normal));
    }
    assert!(normal.is_below(&normal));
});
