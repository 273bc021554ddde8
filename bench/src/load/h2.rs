//! HTTP/2 as a client speaks it (RFC 9113): many streams on one connection, always the same request, no more than a
//! generator needs. Doors may not use a dynamic table towards us (its size is set to 0), so that a response's status
//! is one byte to compare.

use rustix::io::Errno;

use super::client::{Moved, Needs};
use crate::link::Link;
use crate::message::{TARGET, USER_AGENT};
use crate::speech::Wrong;

/// What a client begins with (section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Windows of streams: larger than any body here, so that they never close.
const STREAM_WINDOW: u32 = 4 << 20;
/// The connection's window is opened again after so many bytes.
const WINDOW_STEP: u32 = 1 << 29;
/// Bytes before a frame's payload.
const FRAME_HEAD: usize = 9;
/// Reads in a row before the others have their turn.
const ROUNDS: usize = 8;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// One connection with its streams.
#[derive(Debug)]
pub(crate) struct H2 {
    /// Streams at a time.
    streams: usize,
    /// Those that are open: number, bytes of the body that came, whether the head came.
    open: Vec<(u32, usize, bool)>,
    next: u32,
    /// The header block of the first request, which fills the door's dynamic table, and that of all others.
    blocks: [Vec<u8>; 2],
    out: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    /// Bytes of bodies since the connection's window was opened last.
    unacknowledged: u32,
}

/// A frame that has come whole.
struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

impl H2 {
    /// A connection that has just been made, in clear or not, to ask for `host`.
    pub(crate) fn new(streams: usize, host: &str, secure: bool) -> H2 {
        let mut out = PREFACE.to_vec();
        let mut settings = Vec::new();
        // SETTINGS_HEADER_TABLE_SIZE, SETTINGS_ENABLE_PUSH, SETTINGS_INITIAL_WINDOW_SIZE (section 6.5.2).
        for (name, value) in [(1_u16, 0), (2, 0), (4, STREAM_WINDOW)] {
            settings.extend(name.to_be_bytes());
            settings.extend(value.to_be_bytes());
        }
        frame(&mut out, SETTINGS, 0, 0, &settings);
        frame(&mut out, WINDOW_UPDATE, 0, 0, &(2 * WINDOW_STEP).to_be_bytes());
        H2 {
            streams,
            open: Vec::new(),
            next: 1,
            blocks: [first_block(host, secure), later_block(secure)],
            out,
            sent: 0,
            input: Vec::new(),
            unacknowledged: 0,
        }
    }

    /// Goes on as far as the socket lets; with `more`, each response is followed by another request. It needs work
    /// when no stream is open any more.
    pub(crate) fn go_on(
        &mut self,
        link: &mut Link,
        body: &[u8],
        scratch: &mut [u8],
        more: bool,
        moved: &mut Moved,
    ) -> Result<Needs, Wrong> {
        for _ in 0..ROUNDS {
            while more && self.open.len() < self.streams {
                self.ask();
            }
            self.flush(link, moved)?;
            if self.open.is_empty() {
                return Ok(Needs::Work);
            }
            let count = match link.recv(scratch, false) {
                Ok(0) => return Err(Wrong::Short { heard: 0, expected: 1 }),
                Ok(count) => count,
                Err(Wrong::Failed(Errno::AGAIN)) => return Ok(Needs::Event),
                Err(Wrong::Failed(Errno::INTR)) => continue,
                Err(wrong) => return Err(wrong),
            };
            moved.received += count as u64;
            self.hear(&scratch[..count], body, moved)?;
        }
        Ok(Needs::Turn)
    }

    /// Begins one more request.
    fn ask(&mut self) {
        let block = &self.blocks[usize::from(self.next > 1)];
        frame(&mut self.out, HEADERS, END_HEADERS | END_STREAM, self.next, block);
        self.open.push((self.next, 0, false));
        self.next += 2;
    }

    fn flush(&mut self, link: &mut Link, moved: &mut Moved) -> Result<(), Wrong> {
        while self.sent < self.out.len() {
            match link.send(&self.out[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    moved.sent += count as u64;
                }
                Err(Wrong::Failed(Errno::AGAIN)) => return Ok(()),
                Err(Wrong::Failed(Errno::INTR)) => {}
                Err(wrong) => return Err(wrong),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    /// Takes bytes, and every frame that is whole with them.
    fn hear(&mut self, bytes: &[u8], body: &[u8], moved: &mut Moved) -> Result<(), Wrong> {
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut rest = &input[..];
        while let Some((frame, behind)) = first_frame(rest) {
            self.take(&frame, body, moved)?;
            rest = behind;
        }
        let taken = input.len() - rest.len();
        input.drain(..taken);
        self.input = input;
        Ok(())
    }

    fn take(&mut self, frame: &Frame<'_>, body: &[u8], moved: &mut Moved) -> Result<(), Wrong> {
        match frame.kind {
            HEADERS => self.head(frame, body.len(), moved),
            DATA => self.data(frame, body, moved),
            SETTINGS if frame.flags & ACK == 0 => {
                self::frame(&mut self.out, SETTINGS, ACK, 0, &[]);
                Ok(())
            }
            PING if frame.flags & ACK == 0 => {
                self::frame(&mut self.out, PING, ACK, 0, frame.payload);
                Ok(())
            }
            RST_STREAM => Err(Wrong::Head(format!("RST_STREAM {:?}", frame.payload).into())),
            GOAWAY => Err(Wrong::Head(format!("GOAWAY {:?}", frame.payload).into())),
            // Windows of the door do not matter: requests have no body.
            _ => Ok(()),
        }
    }

    fn head(&mut self, frame: &Frame<'_>, body_len: usize, moved: &mut Moved) -> Result<(), Wrong> {
        let place = self.place(frame.stream)?;
        let block = without_padding(frame)?;
        if frame.flags & END_HEADERS == 0 || self.open[place].2 || !is_ok(block) {
            return Err(Wrong::Head(format!("header block {:x?}", &block[..block.len().min(16)]).into()));
        }
        self.open[place].2 = true;
        if frame.flags & END_STREAM != 0 { self.ended(place, body_len, moved) } else { Ok(()) }
    }

    fn data(&mut self, frame: &Frame<'_>, body: &[u8], moved: &mut Moved) -> Result<(), Wrong> {
        let place = self.place(frame.stream)?;
        let bytes = without_padding(frame)?;
        let (_, at, headed) = &mut self.open[place];
        if !*headed || !body[*at..].starts_with(bytes) {
            return Err(Wrong::Different);
        }
        *at += bytes.len();
        self.unacknowledged += u32::try_from(frame.payload.len()).expect("24 bits fit");
        if self.unacknowledged >= WINDOW_STEP {
            self::frame(&mut self.out, WINDOW_UPDATE, 0, 0, &self.unacknowledged.to_be_bytes());
            self.unacknowledged = 0;
        }
        if frame.flags & END_STREAM != 0 { self.ended(place, body.len(), moved) } else { Ok(()) }
    }

    fn ended(&mut self, place: usize, body_len: usize, moved: &mut Moved) -> Result<(), Wrong> {
        let (_, at, _) = self.open.swap_remove(place);
        if at != body_len {
            return Err(Wrong::Short { heard: at as u64, expected: body_len as u64 });
        }
        moved.exchanges += 1;
        Ok(())
    }

    fn place(&self, stream: u32) -> Result<usize, Wrong> {
        self.open.iter().position(|(own, ..)| *own == stream).ok_or(Wrong::Different)
    }
}

/// Appends a frame (section 4.1).
fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let len = u32::try_from(payload.len()).expect("frames here are small");
    out.extend(&len.to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// The first frame and what comes behind it, when it is whole.
fn first_frame(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(FRAME_HEAD)?;
    let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let (payload, behind) = rest.split_at_checked(len as usize)?;
    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    Some((Frame { kind: head[3], flags: head[4], stream, payload }, behind))
}

/// The payload of DATA or HEADERS without padding and priority (sections 6.1, 6.2).
fn without_padding<'a>(frame: &Frame<'a>) -> Result<&'a [u8], Wrong> {
    let mut bytes = frame.payload;
    if frame.flags & PADDED != 0 {
        let (pad, rest) = bytes.split_first().ok_or(Wrong::Different)?;
        bytes = rest.get(..rest.len().saturating_sub(usize::from(*pad))).ok_or(Wrong::Different)?;
    }
    if frame.kind == HEADERS && frame.flags & PRIORITY != 0 {
        bytes = bytes.get(5..).ok_or(Wrong::Different)?;
    }
    Ok(bytes)
}

/// Whether a header block begins with `:status: 200`, entry 8 of the static table (RFC 7541 appendix A), behind
/// changes of the table's size.
fn is_ok(block: &[u8]) -> bool {
    let resizes = block.iter().take_while(|byte| **byte & 0xe0 == 0x20 && **byte & 0x1f != 0x1f).count();
    block.get(resizes) == Some(&0x88)
}

/// A request that puts its fields into the door's dynamic table (RFC 7541 section 6.2.1), as browsers do.
fn first_block(host: &str, secure: bool) -> Vec<u8> {
    let mut block = vec![0x82, scheme(secure)];
    // Names from the static table: :authority 1, :path 4, user-agent 58, accept 19, cookie 32.
    let cookie = "id=0123456789abcdef0123456789abcdef";
    for (name, value) in [(1_u8, host), (4, TARGET), (58, USER_AGENT), (19, "*/*"), (32, cookie)] {
        block.push(0x40 | name);
        block.push(u8::try_from(value.len()).expect("values here are short"));
        block.extend(value.as_bytes());
    }
    block
}

/// The same request by that table alone: five entries from 62 on, the newest first.
fn later_block(secure: bool) -> Vec<u8> {
    [vec![0x82, scheme(secure)], (62..=66).rev().map(|entry| 0x80 | entry).collect()].concat()
}

/// `:scheme` in the static table.
fn scheme(secure: bool) -> u8 {
    if secure { 0x87 } else { 0x86 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(stream: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame(&mut bytes, HEADERS, END_HEADERS, stream, &[0x20, 0x88, 0x0f]);
        frame(&mut bytes, DATA, PADDED, stream, &[&[2], &body[..3], &[0, 0]].concat());
        frame(&mut bytes, DATA, END_STREAM, stream, &body[3..]);
        bytes
    }

    fn asked() -> H2 {
        let mut h2 = H2::new(2, "exchange.example.com", true);
        h2.ask();
        h2.ask();
        h2
    }

    #[test]
    fn responses_may_come_byte_by_byte() {
        let (mut h2, mut moved) = (asked(), Moved::default());
        for byte in [response(3, b"0123456"), response(1, b"0123456")].concat() {
            h2.hear(&[byte], b"0123456", &mut moved).unwrap();
        }
        assert_eq!((moved.exchanges, h2.open.len()), (2, 0));
    }

    #[test]
    fn what_is_not_the_expected_response_is_an_error() {
        let sound = response(1, b"0123456");
        let refused: Vec<u8> = sound.iter().map(|byte| if *byte == 0x88 { 0x8d } else { *byte }).collect();
        let mut away = Vec::new();
        frame(&mut away, GOAWAY, 0, 0, &[0; 8]);
        for (what, bytes) in [
            ("404", refused),
            ("other bytes", response(1, b"0123457")),
            ("too little", response(1, b"01234")),
            ("a stream that is not open", response(5, b"0123456")),
            ("the end", away),
        ] {
            let heard = asked().hear(&bytes, b"0123456", &mut Moved::default());
            assert!(heard.is_err(), "{what}");
        }
    }

    #[test]
    fn later_requests_name_the_fields_of_the_first_by_number() {
        assert_eq!(later_block(true), [0x82, 0x87, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe]);
        assert!(first_block("a.example", false).starts_with(b"\x82\x86\x41\x09a.example\x44"));
    }
}
