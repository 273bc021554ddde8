//! Chunked bodies: the same data and the same end however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_wire::http1::{Chunked, Refusal};

fn read(bytes: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), Refusal> {
    let (mut chunked, mut data, mut taken) = (Chunked::default(), Vec::new(), 0);
    for mut part in bytes.chunks(step) {
        while !part.is_empty() && !chunked.is_done() {
            let piece = chunked.next(part)?;
            assert!(piece.taken > 0, "no progress");
            data.extend_from_slice(piece.data);
            taken += piece.taken;
            part = &part[piece.taken..];
        }
    }
    Ok((data, taken, chunked.is_done()))
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, bytes.len().max(1));
    for step in [1, 2, 3, 7] {
        assert_eq!(read(bytes, step), whole);
    }
    if let Ok((_, taken, true)) = whole {
        assert_eq!(Chunked::default().advance(bytes), Ok(taken));
    }
});
