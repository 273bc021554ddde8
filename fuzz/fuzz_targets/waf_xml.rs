//! XML bodies: no panic, whatever they hold, and the same text however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use transom_waf::lang::NoFiles;
use transom_waf::{Connection, Engine, Fed, Now, Report, RequestLine, RuleSource, Transaction};

const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyNoFilesLimit 1000000
SecAction "id:1,phase:1,nolog,pass,ctl:requestBodyProcessor=XML"
SecRule XML:/*|XML://@*|REQBODY_ERROR|REQBODY_ERROR_MSG "@unconditionalMatch" "id:2,phase:2,pass,log,t:none,t:htmlEntityDecode,multiMatch"
SecRule XML:/a/b/text()|XML://b "@rx ." "id:3,phase:2,pass,log,xmlns:p=urn:p"
"#;

fn inspect(content_type: &[u8], body: &[u8], piece: usize) -> Report {
    static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
        let text = RULES;
        Engine::load(&[RuleSource::Text { name: "fuzz.conf", text }], &NoFiles).expect("the rules are written here")
    });
    let end = SocketAddr::from(([127, 0, 0, 1], 80));
    let ends = Connection { client: end, server: end };
    let mut transaction = Transaction::new(&ENGINE, None, ends, "1", Now::default());
    let line = RequestLine { method: b"POST", uri: b"/", protocol: b"HTTP/1.1" };
    transaction.request_headers(line, [(&b"Content-Type"[..], content_type)]);
    for piece in body.chunks(piece) {
        assert_eq!(transaction.request_body(piece), Fed::More);
    }
    transaction.request_end();
    transaction.finish()
}

fuzz_target!(|bytes: &[u8]| {
    let body = bytes;
    let whole = inspect(b"text/xml", body, body.len().max(1));
    // How a body is cut into pieces makes no difference.
    assert_eq!(inspect(b"text/xml", body, 3), whole);
    for found in &whole.matches {
        assert!(!found.error_log_line("c", "h", "/", "1", 403).contains('\n'));
    }
});
