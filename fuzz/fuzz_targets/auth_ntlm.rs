//! NTLMSSP messages: a name comes from within the message, and one that is read has its signature and type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_wire::auth::SafeText;
use transom_wire::auth::ntlm::{Message, Response, SIGNATURE};

/// A character comes from at least one byte of the message; a cut adds an ellipsis.
fn assert_from(text: &SafeText, bytes: &[u8]) {
    assert!(text.as_str().chars().count() <= bytes.len());
    assert!(!text.as_str().chars().any(char::is_control));
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else { return };
    assert!(bytes.starts_with(&SIGNATURE));
    match message {
        Message::Negotiate(message) => {
            assert_eq!(bytes[8], 1);
            [&message.domain, &message.workstation].into_iter().for_each(|text| assert_from(text, bytes));
        }
        Message::Challenge(message) => {
            assert_eq!(bytes[8], 2);
            assert_from(&message.target, bytes);
        }
        Message::Authenticate(message) => {
            assert_eq!(bytes[8], 3);
            let names = [&message.domain, &message.user, &message.workstation];
            names.into_iter().for_each(|text| assert_from(text, bytes));
            if let Response::V2(pairs) = message.response {
                assert_from(&pairs.target, bytes);
                if let Some(binding) = pairs.binding {
                    assert!(bytes.windows(16).any(|window| window == binding.0));
                }
            }
        }
    }
});
