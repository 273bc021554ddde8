//! What the town's servers serve: HTTP for curl, an echo over TCP and one over UDP. All of it tells which server answers
//! and which client address it saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use transom_testkit::netns::Namespace;

pub(super) const HTTP: u16 = 80;
pub(super) const ECHO: u16 = 7;
pub(super) const UDP: u16 = 53;
/// What nat's servers listen on lies so much above.
pub(super) const SHIFT: u16 = 8000;
pub(super) const BIG: usize = 100 << 20;

/// The services of one server; while it is dead, connections are reset.
pub(super) struct Service {
    dead: Arc<AtomicBool>,
}

impl Service {
    /// Starts everything, on the port itself and on nat's. `udp` are addresses to answer from: a UDP answer comes from
    /// the address its socket is bound to.
    pub(super) fn start(n: u8, host: &Namespace, udp: &[IpAddr]) -> Self {
        let dead = Arc::new(AtomicBool::new(false));
        for port in [HTTP, ECHO, HTTP + SHIFT, ECHO + SHIFT] {
            let serve = if port % SHIFT == HTTP { http as fn(TcpStream, u8) } else { echo };
            let listener = host.enter(|| TcpListener::bind(("::", port)).unwrap()).unwrap();
            let dead = Arc::clone(&dead);
            std::thread::spawn(move || accept(&listener, n, serve, &dead));
        }
        for address in udp {
            for port in [UDP, UDP + SHIFT] {
                let socket = host.enter(|| UdpSocket::bind((*address, port)).unwrap()).unwrap();
                std::thread::spawn(move || answer(&socket, n));
            }
        }
        Self { dead }
    }

    /// From now on, or no longer, every new connection is reset before a word is said.
    pub(super) fn die(&self, dead: bool) {
        self.dead.store(dead, Ordering::SeqCst);
    }
}

fn accept(listener: &TcpListener, n: u8, serve: fn(TcpStream, u8), dead: &AtomicBool) {
    for stream in listener.incoming().flatten() {
        if dead.load(Ordering::SeqCst) {
            let linger = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
            linger.unwrap();
            continue;
        }
        std::thread::spawn(move || serve(stream, n));
    }
}

fn answer(socket: &UdpSocket, n: u8) {
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let text = format!("{n} {} {}", plain(from), String::from_utf8_lossy(&buffer[..length]));
        drop(socket.send_to(text.as_bytes(), from));
    }
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
    let (mut request, mut length) = (String::new(), 0_u64);
    if reader.read_line(&mut request).is_err() {
        return;
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        let given = lower.strip_prefix("content-length:").and_then(|text| text.trim().parse().ok());
        length = given.unwrap_or(length);
    }
    let taken = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).unwrap_or(0);
    let mut stream = reader.into_inner();
    let body = format!("{n} {} {taken}", plain(peer));
    let size = if request.starts_with("GET /big") { BIG } else { body.len() };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n");
    if stream.write_all(head.as_bytes()).is_err() {
        return;
    }
    if size != BIG {
        drop(stream.write_all(body.as_bytes()));
        return;
    }
    let block = vec![7; 1 << 20];
    for _ in 0..BIG >> 20 {
        if stream.write_all(&block).is_err() {
            return;
        }
    }
}

/// A client's connection to the echo.
pub(super) struct Talk {
    reader: BufReader<TcpStream>,
    pub(super) server: u8,
    pub(super) seen_as: String,
}

impl Talk {
    /// Call inside the client's namespace.
    pub(super) fn open(to: SocketAddr, within: Duration) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, within)?;
        stream.set_read_timeout(Some(within))?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let (server, seen_as) = line.trim().split_once(' ').ok_or(std::io::ErrorKind::InvalidData)?;
        let server = server.parse().map_err(|_| std::io::ErrorKind::InvalidData)?;
        Ok(Self { server, seen_as: seen_as.to_owned(), reader })
    }

    /// Whether the connection still carries words both ways.
    pub(super) fn lives(&mut self) -> bool {
        let mut line = String::new();
        let sent = self.reader.get_mut().write_all(b"still there?\n").is_ok();
        sent && self.reader.read_line(&mut line).is_ok() && line == "still there?\n"
    }
}
