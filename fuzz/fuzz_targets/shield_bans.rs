//! Snapshots of the shield's bans: whatever the bytes are, what is understood comes back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_packet::shield::lists::{Lists, parse};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (bans, refused) = parse(&text);
    assert!(bans.len() + refused <= text.lines().count());
    let mut lists = Lists::default();
    for (prefix, ban) in bans {
        lists.ban(prefix, ban);
    }
    let written = lists.snapshot();
    let (again, refused) = parse(&written);
    assert_eq!(refused, 0, "{written}");
    assert_eq!(again.len(), lists.bans().count());
});
