//! Certificates and revocation lists: whatever the bytes are, they are read or refused with a sentence.
//!
//! PFX is not here: such a file may ask for any number of rounds of key derivation, and comes from administrators only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_tls::{Authorities, Certificate, Facts, RevocationList};

fuzz_target!(|bytes: &[u8]| {
    if let Err(unreadable) = Certificate::from_pem(bytes, None) {
        assert!(!unreadable.to_string().is_empty());
    }
    let _ = RevocationList::read(bytes);
    let _ = Authorities::from_pem(bytes);
    if let Ok(facts) = Facts::of(bytes) {
        // It goes into header fields.
        assert!(facts.subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", facts.subject);
        let _ = facts.fingerprint();
        let _ = facts.called();
    }
});
