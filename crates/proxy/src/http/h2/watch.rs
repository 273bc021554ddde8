//! Counts frames that ask for nothing, so that a client cannot keep us busy with them.
//!
//! No I/O. Such a frame adds to a debt, which time, bytes that we send and pieces of bodies pay back.

use crate::runtime::Tick;

/// Bytes before the first frame (RFC 9113 section 3.4).
const PREFACE_BYTES: usize = 24;
/// Bytes of a frame's header (RFC 9113 section 4.1).
const HEADER_BYTES: usize = 9;
/// A debt above this is a flood.
const DEBT_MAX: u32 = 1000;
/// What a tick pays back: 200 a second.
const PER_TICK: u32 = 25;
/// Every so many bytes to the client pay back one: a client that takes much says so in many small frames.
const BYTES_SENT: usize = 512;
/// A request that is taken back at once may have reached a server.
const RESET: u32 = 5;
/// Each may change the windows of all streams, and is answered.
const SETTINGS: u32 = 10;

/// Follows the frames of one client.
#[derive(Debug)]
pub(super) struct Watch {
    /// Bytes that come before the next frame's header.
    skip: usize,
    header: [u8; HEADER_BYTES],
    filled: usize,
    debt: u32,
    tick: Tick,
}

impl Watch {
    pub(super) fn new(now: Tick) -> Self {
        Self { skip: PREFACE_BYTES, header: [0; HEADER_BYTES], filled: 0, debt: 0, tick: now }
    }

    /// The client has sent these bytes.
    pub(super) fn read(&mut self, mut bytes: &[u8], now: Tick) {
        self.debt = self.debt.saturating_sub(now.saturating_sub(self.tick).saturating_mul(PER_TICK));
        self.tick = now;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let more = (HEADER_BYTES - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + more].copy_from_slice(&bytes[..more]);
            self.filled += more;
            bytes = &bytes[more..];
            if self.filled == HEADER_BYTES {
                self.frame();
            }
        }
    }

    fn frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.filled = 0;
        let sets = flags & 1 != 0;
        let cost = match kind {
            // DATA; the last piece of a body is often empty.
            0 if self.skip > 0 || sets => return self.pay(1),
            // HEADERS
            1 => 0,
            // RST_STREAM
            3 => RESET,
            // SETTINGS; an acknowledgement is our doing.
            4 if !sets => SETTINGS,
            _ => 1,
        };
        self.debt = self.debt.saturating_add(cost);
    }

    /// So many bytes went to the client.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.pay(u32::try_from(bytes / BYTES_SENT).unwrap_or(u32::MAX));
    }

    fn pay(&mut self, debt: u32) {
        self.debt = self.debt.saturating_sub(debt);
    }

    /// Whether this is too much.
    pub(super) fn is_flood(&self) -> bool {
        self.debt > DEBT_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER_BYTES + usize::from(length), 0xff);
        frame
    }

    fn watched(frame: &[u8], times: usize, piece: usize) -> Watch {
        let mut bytes = vec![b'P'; PREFACE_BYTES];
        bytes.extend(frame.repeat(times));
        let mut watch = Watch::new(7);
        for piece in bytes.chunks(piece) {
            watch.read(piece, 7);
        }
        watch
    }

    #[test]
    fn what_asks_for_nothing_is_a_flood_after_a_while() {
        for (what, frame, fine) in [
            ("ping", frame(6, 0, 8), 1000),
            ("empty data", frame(0, 0, 0), 1000),
            ("settings", frame(4, 0, 0), 100),
            ("reset", frame(3, 0, 4), 200),
            ("window update", frame(8, 0, 4), 1000),
            ("priority", frame(2, 0, 5), 1000),
            ("unknown", frame(0xb0, 0, 3), 1000),
        ] {
            for piece in [1, 7, 4096] {
                assert!(
                    !watched(&frame, fine, piece).is_flood(),
                    "{what}, {fine} of them, pieces of {piece}"
                );
                assert!(watched(&frame, fine + 1, piece).is_flood(), "{what}, one more, pieces of {piece}");
            }
        }
    }

    #[test]
    fn requests_and_bodies_are_none() {
        for frame in [frame(1, 4, 40), frame(0, 0, 90), frame(0, 1, 0)] {
            assert!(!watched(&frame, 10_000, 4096).is_flood(), "{frame:?}");
        }
    }

    #[test]
    fn time_and_bytes_to_the_client_pay_back() {
        let mut watch = watched(&frame(6, 0, 8), 1000, 4096);
        watch.sent(512 * 500);
        watch.read(&frame(6, 0, 8).repeat(500), 7);
        assert!(!watch.is_flood());
        watch.read(&frame(6, 0, 8).repeat(250), 17);
        assert!(!watch.is_flood());
        watch.read(&frame(6, 0, 8), 17);
        assert!(watch.is_flood());
    }
}
