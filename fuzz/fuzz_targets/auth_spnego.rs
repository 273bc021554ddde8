//! SPNEGO and Kerberos tokens: what is wrapped is what stands inside, and a shorter token is never more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_wire::auth::ntlm::SIGNATURE;
use transom_wire::auth::spnego::{Inner, Mechanism, parse};

fuzz_target!(|bytes: &[u8]| {
    let Ok(token) = parse(bytes) else { return };
    match token.inner {
        Inner::Ntlm(_) => assert!(bytes.windows(8).any(|window| window == SIGNATURE)),
        Inner::Kerberos(ticket) => {
            assert!(token.mechanism.is_some());
            assert!(ticket.realm.as_str().len() <= 3 * bytes.len());
            assert!(!ticket.service.as_str().chars().any(char::is_control));
        }
        Inner::Absent | Inner::Opaque => {}
    }
    if token.mechanism == Some(Mechanism::NegoEx) {
        assert!(bytes.len() >= 10);
    }
});
