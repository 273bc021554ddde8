//! Header fields of logins: no secret comes out, what is read is safe to print, and what may pin pins.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_wire::auth::{Authorization, Login, NAME_CHARS_MAX, Protocol, SafeText, Token, challenges};

fn assert_safe(text: &SafeText) {
    assert!(text.as_str().chars().count() <= NAME_CHARS_MAX);
    assert!(!text.as_str().chars().any(|character| character.is_control() || character == '\u{202e}'));
}

fuzz_target!(|bytes: &[u8]| {
    let authorization = Authorization::parse(bytes);
    if let Ok(Token::User(user)) = authorization.token() {
        assert_safe(&user);
    }
    assert!(!authorization.scheme.authenticates_connection() || authorization.authenticates_connection());
    for challenge in challenges(bytes) {
        let _ = challenge.token();
    }
    // The same bytes as a request's credentials and as a response's offer, line by line.
    let mut login = Login::default();
    let mut pinned = false;
    for line in bytes.split(|byte| *byte == b'\n').take(16) {
        let asked = login.request(Protocol::Http1, [line]);
        assert_eq!(asked.pins(), Authorization::parse(line).authenticates_connection());
        pinned |= asked.pins();
        if let Some(identity) = login.identity(&asked) {
            assert!(!identity.user.is_empty());
            [&identity.domain, &identity.user, &identity.workstation].into_iter().for_each(assert_safe);
        }
        let _ = login.response(&asked, 401, [line], None);
        assert_eq!(login.pinned(), pinned);
        assert!(!login.half_done() || pinned);
    }
});
