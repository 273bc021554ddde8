//! Frames that no ordinary client sends, byte by byte: each attack ends soon, and others are served meanwhile.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::door::Door;
use crate::http::{client, door, mirror, ok};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ENHANCE_YOUR_CALM: u32 = 0xb;
/// `GET / HTTP/2`, of `a`, in fields of the static table (RFC 7541 appendix A).
const GET: &[u8] = &[0x82, 0x84, 0x86, 0x41, 1, b'a'];
const POST: &[u8] = &[0x83, 0x84, 0x86, 0x41, 1, b'a'];
/// More than any of these attacks may send.
const BYTES_MAX: usize = 16 << 20;

/// Makes the next piece of an attack.
type Piece<'a> = &'a (dyn Fn(u32) -> Vec<u8> + Sync);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What the server sends, frame by frame: kind, flags, stream, payload.
struct Frames(TcpStream);

impl Iterator for Frames {
    type Item = (u8, u8, u32, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }
}

/// A connection that has said its first words.
fn open(door: &Door) -> TcpStream {
    let mut stream = door.connect();
    stream.write_all(PREFACE).unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    stream
}

/// Sends `piece` of 0, 1, … until the connection ends. Gives the bytes that took, and the reason of its GOAWAY.
fn flood(door: &Door, piece: &dyn Fn(u32) -> Vec<u8>) -> (usize, Option<u32>) {
    let mut stream = open(door);
    let reader = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let goaway = |(kind, _, _, payload): (u8, u8, u32, Vec<u8>)| {
            (kind == 7).then(|| u32::from_be_bytes(payload[4..8].try_into().unwrap()))
        };
        Frames(reader).filter_map(goaway).last()
    });
    let mut sent = 0;
    for number in 0.. {
        let mut pieces = Vec::new();
        while pieces.len() < 4096 {
            pieces.extend(piece(number * 1024 + u32::try_from(pieces.len()).unwrap()));
        }
        sent += pieces.len();
        if sent > BYTES_MAX || stream.write_all(&pieces).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    (sent, reader.join().unwrap())
}

#[test]
fn floods_end_soon_and_others_are_served_meanwhile() {
    let (server, _seen) = mirror();
    let door = door(&server, "h2c = true\nroutes = [{ paths = [\"/\"], fixed = { body = \"here\" } }]", "");
    let ping = |_| frame(6, 0, 0, &[7; 8]);
    let settings = |_| frame(4, 0, 0, &[0, 4, 0, 1, 0, 0]);
    let priority = |_| frame(2, 0, 3, &[0, 0, 0, 0, 1]);
    let unknown = |_| frame(0xb7, 0, 0, b"what");
    let window = |_| frame(8, 0, 0, &[0, 0, 0, 1]);
    let attacks: [(&str, Piece<'_>); 5] = [
        ("ping", &ping),
        ("settings", &settings),
        ("priority", &priority),
        ("unknown", &unknown),
        ("window update", &window),
    ];
    for (what, piece) in attacks {
        std::thread::scope(|scope| {
            let attack = scope.spawn(|| flood(&door, piece));
            let mut other = client(&door);
            for _ in 0..20 {
                other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                assert_eq!(other.response().unwrap().text(), "here", "{what}");
            }
            let (sent, reason) = attack.join().unwrap();
            assert!(sent < BYTES_MAX, "{what} went on for {sent} bytes");
            assert!(reason.is_none_or(|reason| reason == ENHANCE_YOUR_CALM), "{what}: {reason:?}");
        });
    }
    door.wait_empty();
    let lines = door.lines();
    let floods = lines.iter().filter(|line| line["fault"] == "client-http2-flood").count();
    assert_eq!(floods, attacks.len(), "{:?}", lines.iter().find(|line| line["kind"] != "request"));
}

/// Floods that are about streams, each of its own kind.
#[test]
fn streams_that_are_only_begun_are_floods_too() {
    let (server, _seen) = mirror();
    let door = door(&server, "h2c = true\nroutes = [{ paths = [\"/\"], fixed = { body = \"here\" } }]", "");
    let number = std::cell::Cell::new(1);
    let next = || {
        number.set(number.get() + 2);
        number.get()
    };
    let reset = |_| {
        let stream = next();
        [frame(1, 5, stream, GET), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let (sent, _) = flood(&door, &reset);
    assert!(sent < BYTES_MAX, "rapid reset went on for {sent} bytes");
    let begun = std::cell::Cell::new(false);
    let empty = |_| {
        if begun.replace(true) { frame(0, 0, 1, &[]) } else { frame(1, 4, 1, POST) }
    };
    let (sent, _) = flood(&door, &empty);
    assert!(sent < BYTES_MAX, "empty data went on for {sent} bytes");
    begun.set(false);
    // A field whose value never ends.
    let endless = |_| {
        if begun.replace(true) { frame(9, 0, 1, &[b'a'; 64]) } else { frame(1, 0, 1, GET) }
    };
    let (sent, _) = flood(&door, &endless);
    assert!(sent < BYTES_MAX, "continuations went on for {sent} bytes");
    let mut other = client(&door);
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(other.response().unwrap().text(), "here");
}

/// A few bytes that unpack to a great many (HPACK bomb) cost the stream, not us.
#[test]
fn a_field_told_once_and_repeated_does_not_grow_without_end() {
    let (server, seen) = mirror();
    let door = door(&server, "h2c = true", "");
    let mut stream = open(&door);
    let mut block = GET.to_vec();
    block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]); // x: 4,000 letters, remembered
    block.extend([b'b'; 4000]);
    block.extend([0xbe; 8000]); // and again, and again
    stream.write_all(&frame(1, 5, 1, &block)).unwrap();
    let answer =
        Frames(stream).find(|(kind, _, stream, _)| (*stream == 1 && *kind == 1) || *kind == 3 || *kind == 7);
    assert!(answer.is_some(), "neither refused nor ended");
    assert!(seen.try_recv().is_err(), "it was forwarded");
}

#[test]
fn heads_that_would_mean_two_things_are_not_forwarded() {
    let (server, seen) = crate::http::answering(|_| Some(ok("bad")));
    let door = door(&server, "h2c = true", "");
    let literal = |name: &str, value: &str| {
        let mut field = vec![0, u8::try_from(name.len()).unwrap()];
        field.extend(name.bytes());
        field.push(u8::try_from(value.len()).unwrap());
        field.extend(value.bytes());
        field
    };
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("x", "a\r\nSmuggled: yes"),
        ("x\r\ny", "a"),
        ("x y", "a"),
        ("Upper", "a"),
        ("content-length", "5"),
        ("content-length", "+0"),
        ("host", "b"),
        (":path", "/other"),
    ] {
        let mut stream = open(&door);
        let block = [GET, &literal(name, value)].concat();
        stream.write_all(&frame(1, 5, 1, &block)).unwrap();
        let mut frames = Frames(stream.try_clone().unwrap());
        let answer = frames.find(|(kind, ..)| matches!(kind, 1 | 3 | 7)).unwrap();
        if answer.0 == 1 {
            // `:status 400` of the static table.
            assert_eq!(answer.3[0], 0x8c, "{name:?}: {value:?} was answered");
        }
        assert!(seen.try_recv().is_err(), "{name:?}: {value:?} was forwarded");
    }
}
