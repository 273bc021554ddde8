//! The whole engine against a second, slow and obvious evaluator: rules and a request are made from the bytes, and both
//! must come to the same matches, values, score and refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/waf/tests/plain/mod.rs"]
mod plain;

fuzz_target!(|bytes: &[u8]| plain::Case::from_bytes(bytes).assert_agreement());
