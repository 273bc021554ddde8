//! Multipart bodies: no panic, whatever they and their header hold, and the same parts however they are cut. The header
//! is everything before the first line feed.
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
SecRule ARGS|ARGS_NAMES|FILES|FILES_NAMES|FILES_SIZES|FILES_COMBINED_SIZE|MULTIPART_PART_HEADERS|MULTIPART_NAME|MULTIPART_FILENAME|MULTIPART_STRICT_ERROR|MULTIPART_UNMATCHED_BOUNDARY|REQBODY_ERROR "@unconditionalMatch" "id:2,phase:2,pass,log,t:none"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:3,phase:2,deny,status:400"
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
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let header = [b"multipart/form-data;", &bytes[..end]].concat();
    let body = bytes.get(end + 1..).unwrap_or(&[]);
    let whole = inspect(&header, body, body.len().max(1));
    // How a body is cut into pieces makes no difference.
    assert_eq!(inspect(&header, body, 3), whole);
    for found in &whole.matches {
        assert!(!found.error_log_line("c", "h", "/", "1", 403).contains('\n'));
    }
});
