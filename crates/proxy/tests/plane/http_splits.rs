//! However the network cuts messages into pieces, the result is the same.

use std::io::Write;
use std::net::TcpStream;

use crate::door::Server;
use crate::http::{Reader, answering, client, door, ok};

const REQUEST: &str = "POST /a?b HTTP/1.1\r\nHost: a.test\r\nX-Odd:  b \t\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "PUT /c HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00b\r\nhello world\r\n0\r\nX-Sum: 1\r\n\r\n";

/// Sends pieces so that each arrives alone.
fn send_apart<'a>(stream: &mut TcpStream, pieces: impl IntoIterator<Item = &'a [u8]>) {
    for piece in pieces {
        stream.write_all(piece).unwrap();
        // Gives the door a turn; were it not to take it, the test would only prove less.
        std::thread::yield_now();
    }
}

#[test]
fn a_request_split_at_every_byte_is_the_same_request() {
    let (server, seen) = answering(|request| Some(ok(&request.text())));
    let door = door(&server, "", "");
    let mut client = client(&door);
    for request in [REQUEST, CHUNKED] {
        let bytes = request.as_bytes();
        let head = request.find("\r\n\r\n").unwrap() + 4;
        for split in 0..bytes.len() {
            send_apart(&mut client.stream, [&bytes[..split], &bytes[split..]]);
            client.response().unwrap();
            let (_, got) = seen.recv().unwrap();
            assert_eq!(
                (got.head.as_str(), got.raw.as_slice()),
                (&request[..head], &bytes[head..]),
                "{split}"
            );
        }
        send_apart(&mut client.stream, bytes.chunks(1));
        client.response().unwrap();
        assert_eq!(seen.recv().unwrap().1.raw, bytes[head..]);
    }
    assert_eq!(server.accepted(), 1);
}

#[test]
fn a_response_split_at_every_byte_is_the_same_response() {
    for response in [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Odd:  b \t\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00b\r\nhello world\r\n0\r\nX: 1\r\n\r\n",
    ] {
        let server = Server::start(move |stream| {
            let mut reader = Reader::new(stream);
            for split in 0.. {
                if reader.request().is_none() {
                    return;
                }
                let (first, second) = response.as_bytes().split_at(split % response.len());
                send_apart(&mut reader.stream, [first, second]);
            }
        });
        let door = door(&server, "", "");
        let mut client = client(&door);
        for split in 0..response.len() {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let got = client.bytes(response.len()).unwrap();
            assert_eq!(String::from_utf8_lossy(&got), response, "{split}");
        }
        assert_eq!(server.accepted(), 1);
    }
}

/// Random numbers that a seed decides (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn pieces<'a>(&mut self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let most = [3, 40, 20_000, 200_000][self.below(4)].min(rest.len());
            let (piece, left) = rest.split_at(1 + self.below(most));
            pieces.push(piece);
            rest = left;
        }
        pieces
    }
}

/// A body of either framing, as it goes over the wire, with its field.
fn body(chance: &mut Chance, number: usize) -> (String, String) {
    let length = [0, 1, 100, 5000, 90_000][chance.below(5)];
    let data: String = (0..length).map(|at| char::from(b'a' + ((at + number) % 26) as u8)).collect();
    if chance.below(2) == 0 {
        return (format!("Content-Length: {length}\r\n"), data);
    }
    let (mut chunks, mut rest) = (String::new(), data.as_str());
    while !rest.is_empty() {
        let (chunk, left) = rest.split_at(1 + chance.below(rest.len()));
        chunks += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
        rest = left;
    }
    ("Transfer-Encoding: chunked\r\n".into(), chunks + "0\r\n\r\n")
}

/// `SEED=n` replays one seed.
fn seeds() -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..12).collect(),
    }
}

/// Pipelined requests with bodies of every kind, answered with bodies of every kind, both cut at random.
#[test]
fn random_splits_of_both_sides_change_nothing() {
    for seed in seeds() {
        let server = Server::start(move |stream| {
            let mut chance = Chance(seed ^ 0xff);
            let mut reader = Reader::new(stream);
            while let Some(request) = reader.request() {
                let number: usize = request.field("x-number").unwrap().parse().unwrap();
                let digest = request.raw.iter().map(|byte| u64::from(*byte)).sum::<u64>();
                let (field, body) = body(&mut chance, number);
                let response = format!(
                    "HTTP/1.1 200 OK\r\nX-Number: {number}\r\nX-Digest: {digest}\r\n{field}\r\n{body}"
                );
                let pieces = chance.pieces(response.as_bytes());
                send_apart(&mut reader.stream, pieces);
            }
        });
        let door = door(&server, "", "");
        let mut client = client(&door);
        let mut chance = Chance(seed);
        let mut all = Vec::new();
        let mut digests = Vec::new();
        for number in 0..20 {
            let (field, body) = body(&mut chance, number);
            digests.push(body.bytes().map(u64::from).sum::<u64>());
            all.extend_from_slice(
                format!("PUT / HTTP/1.1\r\nHost: a\r\nX-Number: {number}\r\n{field}\r\n{body}").as_bytes(),
            );
        }
        let mut writer = client.stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || send_apart(&mut writer, chance.pieces(&all)));
        for (number, digest) in digests.into_iter().enumerate() {
            let response = client.response().unwrap_or_else(|| panic!("SEED={seed}: no answer to {number}"));
            assert_eq!(response.field("x-number"), Some(number.to_string().as_str()), "SEED={seed}");
            assert_eq!(response.field("x-digest"), Some(digest.to_string().as_str()), "SEED={seed}");
        }
        sender.join().unwrap();
    }
}
