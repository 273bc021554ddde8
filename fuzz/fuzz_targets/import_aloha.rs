//! Whatever stands in a file of an ALOHA, it is a failure with its line or a result in which every line has its verdict.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_import::{Format, Nothing, import_bytes};

fuzz_target!(|bytes: &[u8]| {
    let Ok(imported) = import_bytes(bytes, Some(Format::Aloha), &Nothing) else { return };
    let text = String::from_utf8_lossy(bytes);
    let held = text.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(imported.account.lines().len() <= held.max(1), "lines that are not there");
    let _ = imported.account.render();
    let _ = imported.account.to_json();
    // The result is TOML: what is wrong with it is said by our own words, not by the parser's.
    let loaded = transom_config::load_text("transom.toml", &imported.toml);
    let syntax = loaded.report.faults().find(|fault| fault.code.word() == "syntax");
    assert!(syntax.is_none(), "{syntax:?}\n{}", imported.toml);
});
