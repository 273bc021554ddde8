//! What the town's servers serve: HTTP for curl, an echo that says who it is, an echo over UDP. All of it tells
//! which server answers and which client address it saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::town::{HELD_BY_SERVERS, Names, SERVERS};

pub(crate) const HTTP: u16 = 80;
pub(crate) const ECHO: u16 = 7;
pub(crate) const UDP: u16 = 53;
pub(crate) const BIG: usize = 100 << 20;

/// Starts everything on every server, on the port itself and 8000 above it (NAT's).
pub(crate) fn start(names: &Names) {
    for n in 1..=SERVERS {
        for (port, serve) in [(HTTP, http as fn(TcpStream, u8)), (ECHO, echo)] {
            listen(names, n, port, serve);
            listen(names, n, port + 8000, serve);
        }
        // A UDP answer's source is the address the socket is bound to: one socket a VIP.
        let own = [format!("10.60.0.1{n}"), format!("fd60::1{n}")];
        for address in HELD_BY_SERVERS {
            answer(names, n, format!("{address} {UDP}"));
        }
        for address in own {
            answer(names, n, format!("{address} {}", UDP + 8000));
        }
    }
}

fn listen(names: &Names, n: u8, port: u16, serve: fn(TcpStream, u8)) {
    let listener =
        names.inside(&format!("s{n}"), || TcpListener::bind(("::", port)).expect("the port is free"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, n));
        }
    });
}

fn answer(names: &Names, n: u8, at: String) {
    let (address, port) = at.split_once(' ').expect("address and port");
    let at: SocketAddr = SocketAddr::new(address.parse().expect("an address"), port.parse().expect("a port"));
    let socket = names.inside(&format!("s{n}"), || UdpSocket::bind(at).expect("the port is free"));
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let text = format!("{n} {} {}", plain(from), String::from_utf8_lossy(&buffer[..length]));
            drop(socket.send_to(text.as_bytes(), from));
        }
    });
}

/// A client address as people write it, IPv4 without its mapping.
fn plain(address: SocketAddr) -> String {
    address.ip().to_canonical().to_string()
}

/// Says its number and what it saw, then sends back every line.
fn echo(mut stream: TcpStream, n: u8) {
    drop(stream.set_nodelay(true));
    let Ok(peer) = stream.peer_addr() else { return };
    if writeln!(stream, "{n} {}", plain(peer)).is_err() {
        return;
    }
    let Ok(reader) = stream.try_clone() else { return };
    for line in BufReader::new(reader).lines().map_while(Result::ok) {
        if writeln!(stream, "{line}").is_err() {
            return;
        }
    }
}

/// GET /id, GET /big, and POST of anything.
fn http(stream: TcpStream, n: u8) {
    let Ok(peer) = stream.peer_addr() else { return };
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0_usize);
    if reader.read_line(&mut request).is_err() {
        return;
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        length =
            lower.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap_or(0));
    }
    let taken = std::io::copy(&mut reader.by_ref().take(length as u64), &mut std::io::sink()).unwrap_or(0);
    let mut stream = reader.into_inner();
    let body = format!("{n} {} {taken}", plain(peer));
    let size = if request.starts_with("GET /big") { BIG } else { body.len() };
    if write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n").is_err() {
        return;
    }
    if size == BIG {
        let block = vec![7; 1 << 20];
        for _ in 0..BIG >> 20 {
            if stream.write_all(&block).is_err() {
                return;
            }
        }
        return;
    }
    drop(stream.write_all(body.as_bytes()));
}

/// A client's connection to the echo.
pub(crate) struct Talk {
    reader: BufReader<TcpStream>,
    pub(crate) server: u8,
    pub(crate) seen_as: String,
}

impl Talk {
    /// Call inside the client's namespace.
    pub(crate) fn open(to: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let (server, seen_as) = line.trim().split_once(' ').ok_or(std::io::ErrorKind::InvalidData)?;
        let server = server.parse().map_err(|_| std::io::ErrorKind::InvalidData)?;
        Ok(Self { server, seen_as: seen_as.to_owned(), reader })
    }

    /// Does the connection still carry words both ways?
    pub(crate) fn lives(&mut self) -> bool {
        let mut line = String::new();
        let sent = self.reader.get_mut().write_all(b"still there?\n").is_ok();
        sent && self.reader.read_line(&mut line).is_ok() && line == "still there?\n"
    }
}
