//! What a transaction costs, in what can be counted: how often it asks for memory.

use crate::samples::requests;
use crate::sites::crs_4;
use crate::sys::allocations;
use transom_waf::ftw::Request;
use transom_waf::{Connection, Fed, Inspection, Mode, Now, Policy, RequestLine, Verdict, WhenBroken};

fn inspect(policy: &Policy, request: &Request) -> u64 {
    let end = std::net::SocketAddr::from(([192, 0, 2, 1], 1234));
    let headers: Vec<(&[u8], &[u8])> =
        request.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    let line = RequestLine { method: &request.method, uri: &request.uri, protocol: b"HTTP/1.1" };
    let before = allocations();
    let ends = Connection { client: end, server: end };
    let mut inspection = Inspection::begin(policy, ends, "request-1", Now::default());
    if let Verdict::InspectBody { .. } = inspection.request_headers(line, headers.iter().copied()) {
        assert_eq!(inspection.request_body(&request.body), Fed::More);
    }
    assert!(inspection.request_end().is_none());
    inspection.response_headers(200, b"HTTP/1.1", [(&b"Content-Type"[..], &b"image/png"[..])]);
    assert!(inspection.response_end().is_none());
    let decision = inspection.finish(Now::default());
    let count = allocations() - before;
    assert!(decision.is_clean(), "{decision:?}");
    count
}

#[test]
fn an_ordinary_request_asks_for_little_memory() {
    let site = crs_4(1);
    let policy =
        Policy { engine: site.engine, store: site.store, mode: Mode::Block, when_broken: WhenBroken::Closed };
    for (name, request) in ["GET", "form", "multipart", "JSON"].iter().zip(requests("hello world")) {
        // The first ones make the room that those after them find.
        for _ in 0..3 {
            inspect(&policy, &request);
        }
        let count = inspect(&policy, &request);
        println!("{name}: {count} allocations");
        assert!(count <= 140, "{name}: {count}");
    }
}
