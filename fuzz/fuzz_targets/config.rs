//! Whatever stands in a configuration file, it is a report or a configuration; written out whole, that loads again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_config::{expanded, load_bytes};

fuzz_target!(|bytes: &[u8]| {
    let loaded = load_bytes("transom.toml", bytes);
    let rendered = loaded.report.render(false);
    let _ = loaded.report.render(true);
    let _ = loaded.report.to_json();
    assert_eq!(
        loaded.config.is_none(),
        loaded.report.errors() > 0,
        "no configuration exactly where there are errors"
    );
    assert!(loaded.report.errors() == 0 || !rendered.is_empty(), "errors without a word");
    let Some(config) = loaded.config else { return };
    let text = expanded(&config);
    let again = load_bytes("expanded.toml", text.as_bytes());
    let Some(config) = again.config else { panic!("{}\n{text}", again.report.render(false)) };
    assert_eq!(expanded(&config), text);
});
