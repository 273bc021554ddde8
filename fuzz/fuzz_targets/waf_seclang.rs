//! Rule files: whatever is in them, they load or their faults are named, and what has loaded runs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::SocketAddr;
use transom_waf::lang::NoFiles;
use transom_waf::{Connection, Engine, Now, RequestLine, RuleSource, Transaction, explain};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let engine = match Engine::load(&[RuleSource::Text { name: "fuzz.conf", text }], &NoFiles) {
        Ok(engine) => engine,
        Err(errors) => {
            assert!(!errors.is_empty() && errors.iter().all(|error| !error.message.is_empty()));
            return;
        }
    };
    let end = SocketAddr::from(([127, 0, 0, 1], 80));
    let ends = Connection { client: end, server: end };
    let mut transaction = Transaction::new(&engine, None, ends, "1", Now::default());
    let line = RequestLine { method: b"POST", uri: b"/a/b.php?a=1&b=%41+x", protocol: b"HTTP/1.1" };
    let headers: [(&[u8], &[u8]); 2] =
        [(b"Content-Type", b"application/x-www-form-urlencoded"), (b"Cookie", b"c=1; d=<script>")];
    transaction.request_headers(line, headers);
    transaction.request_body(b"a=select+1&c=%zz");
    transaction.request_end();
    for found in transaction.finish().matches {
        assert!(!found.error_log_line("c", "h", "/", "1", 403).contains('\n'));
    }
    let _ = explain(&Default::default());
});
