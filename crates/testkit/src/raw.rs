//! An HTTP/1.1 client that sends exactly the bytes it is given, in the pieces it is told, and reads answers exactly as
//! they come. For tables of bad requests, for long channels, and for logins that belong to a connection.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::client::{self, Tls, Trust};
use crate::ntlm;

/// Bytes a head may have.
const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// One connection. Everything on it must happen within the time it was opened with, each call anew.
pub struct Link {
    stream: Stream,
    waiting: Vec<u8>,
    within: Duration,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing came.
    Open,
    /// Bytes came that nobody had asked for.
    Talking,
    /// The other side closed in order.
    Closed,
    /// The other side reset.
    Reset,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The head as it came, without the empty line.
    pub head: String,
    /// The status.
    pub status: u16,
    /// Names and values in their order and spelling.
    pub fields: Vec<(String, String)>,
    /// The body, without the coding of chunks.
    pub body: Vec<u8>,
    /// Names and values behind the last chunk.
    pub trailers: Vec<(String, String)>,
    /// Whether the body ended as it said it would.
    pub complete: bool,
}

impl Response {
    /// The first field of that name in any letter case.
    pub fn field(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    /// Every field of that name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = self.fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Link {
    /// Connects in plain text.
    pub fn plain(address: SocketAddr, within: Duration) -> io::Result<Self> {
        Ok(Self::over(Stream::Plain(client::connect(address, within)?), within))
    }

    /// The same from an address of one's own.
    pub fn plain_from(source: IpAddr, address: SocketAddr, within: Duration) -> io::Result<Self> {
        Ok(Self::over(Stream::Plain(client::connect_from(source, address, within)?), within))
    }

    /// Connects over TLS.
    pub fn tls(
        address: SocketAddr,
        server_name: Option<&str>,
        trust: Trust<'_>,
        within: Duration,
    ) -> io::Result<Self> {
        let tls = Tls::handshake(client::connect(address, within)?, server_name, trust)?;
        Ok(Self::over(Stream::Tls(Box::new(tls)), within))
    }

    fn over(stream: Stream, within: Duration) -> Self {
        Self { stream, waiting: Vec::new(), within }
    }

    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(tls) => tls.tcp(),
        }
    }

    /// The server's certificate (DER); empty in plain text.
    pub fn certificate(&self) -> &[u8] {
        match &self.stream {
            Stream::Plain(_) => &[],
            Stream::Tls(tls) => tls.certificate(),
        }
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let writer: &mut dyn Write = match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(tls) => tls,
        };
        writer.write_all(bytes.as_ref())?;
        writer.flush()
    }

    /// Sends these bytes cut at these places, each piece in a write of its own with a pause behind it, so that the other
    /// side can see them one by one.
    pub fn send_cut(&mut self, bytes: &[u8], places: &[usize], pause: Duration) -> io::Result<()> {
        let mut from = 0;
        for place in places.iter().copied().chain([bytes.len()]) {
            let place = place.clamp(from, bytes.len());
            self.send(&bytes[from..place])?;
            thread::sleep(pause);
            from = place;
        }
        Ok(())
    }

    /// Says that nothing more will be sent (plain text only).
    pub fn finish(&mut self) -> io::Result<()> {
        self.tcp().shutdown(Shutdown::Write)
    }

    /// Sends a request and reads its final answer.
    pub fn ask(&mut self, method: &str, bytes: impl AsRef<[u8]>) -> io::Result<Response> {
        self.send(bytes)?;
        self.last_answer(method)
    }

    /// `GET` with a host and further lines, each with its line end.
    pub fn get(&mut self, host: &str, target: &str, lines: &str) -> io::Result<Response> {
        self.ask("GET", format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"))
    }

    /// Logs this connection in: asks, is challenged, asks again. Returns the answers to both requests. `scheme` is
    /// `NTLM` or `Negotiate`.
    pub fn login(
        &mut self,
        who: &ntlm::Client,
        scheme: &str,
        [host, target]: [&str; 2],
        lines: &str,
    ) -> io::Result<[Response; 2]> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let one = who.negotiate();
        let field = |token: &[u8]| format!("Authorization: {scheme} {}\r\n{lines}", BASE64.encode(token));
        let challenged = self.get(host, target, &field(&one))?;
        let offers = challenged.all("www-authenticate");
        let token = offers.iter().find_map(|offer| offer.strip_prefix(scheme)?.strip_prefix(' '));
        let token = token.ok_or_else(|| bad(&format!("no challenge: {}", challenged.head)))?;
        let two = BASE64.decode(token.trim()).map_err(io::Error::other)?;
        let three = who.authenticate(&one, &two, [0x5a; 8]).ok_or_else(|| bad("no NTLM challenge"))?;
        let answered = self.get(host, target, &field(&three))?;
        Ok([challenged, answered])
    }

    /// Reads the answers up to the first that is not 1xx.
    pub fn last_answer(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let answer = self.answer(method)?;
            if answer.status >= 200 || answer.status == 101 {
                return Ok(answer);
            }
        }
    }

    /// Reads one answer, 1xx too. A body that ends too early is returned with [`Response::complete`] false.
    pub fn answer(&mut self, method: &str) -> io::Result<Response> {
        let mut answer = self.answer_head()?;
        let bare = method == "HEAD" || answer.status < 200 || matches!(answer.status, 204 | 304);
        let chunked = answer.field("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked"));
        let len = answer.field("content-length").map(str::parse::<usize>);
        answer.complete = match len {
            _ if bare => true,
            _ if chunked => self.chunks(&mut answer)?,
            Some(len) => {
                let len = len.map_err(|_| invalid(&answer.head))?;
                answer.body = self.up_to(len)?;
                answer.body.len() == len
            }
            None => {
                answer.body = self.to_end()?;
                true
            }
        };
        Ok(answer)
    }

    /// Reads the head of an answer and leaves its body.
    pub fn answer_head(&mut self) -> io::Result<Response> {
        let mut head = self.up_to_and_with(b"\r\n\r\n")?;
        head.truncate(head.len() - 4);
        let head = String::from_utf8(head).map_err(|_| invalid("bytes outside UTF-8"))?;
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        let status = status.ok_or_else(|| invalid(&head))?;
        let fields = lines.map(field).collect::<Option<Vec<_>>>().ok_or_else(|| invalid(&head))?;
        Ok(Response { head, status, fields, body: Vec::new(), trailers: Vec::new(), complete: false })
    }

    /// One chunk of a body; empty is the last one.
    pub fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let line = self.up_to_and_with(b"\r\n")?;
        let size =
            std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim_end(), 16).ok());
        let size = size.ok_or_else(|| invalid("a chunk size"))?;
        if size == 0 {
            return Ok(Vec::new());
        }
        let chunk = self.up_to(size)?;
        if chunk.len() < size || self.up_to(2)? != b"\r\n" {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(chunk)
    }

    fn chunks(&mut self, answer: &mut Response) -> io::Result<bool> {
        loop {
            match self.chunk() {
                Ok(chunk) if chunk.is_empty() => break,
                Ok(chunk) => answer.body.extend(chunk),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        loop {
            let line = self.up_to_and_with(b"\r\n")?;
            if line == b"\r\n" {
                return Ok(true);
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            answer.trailers.push(field(line.trim_end()).ok_or_else(|| invalid(&line))?);
        }
    }

    /// So many bytes, or fewer if the other side ends before.
    pub fn up_to(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + self.within;
        while self.waiting.len() < count && self.fill(deadline)? {}
        Ok(self.waiting.drain(..count.min(self.waiting.len())).collect())
    }

    /// All until the other side ends.
    pub fn to_end(&mut self) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + self.within;
        while self.fill(deadline)? {}
        Ok(std::mem::take(&mut self.waiting))
    }

    /// How the connection stands within a time: it is waited so long for something to happen.
    pub fn standing(&mut self, within: Duration) -> Standing {
        if !self.waiting.is_empty() {
            return Standing::Talking;
        }
        match self.fill(Instant::now() + within) {
            Ok(true) => Standing::Talking,
            Ok(false) => Standing::Closed,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Standing::Open,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Standing::Closed,
            Err(_) => Standing::Reset,
        }
    }

    fn up_to_and_with(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + self.within;
        loop {
            if let Some(at) = self.waiting.windows(end.len()).position(|window| window == end) {
                return Ok(self.waiting.drain(..at + end.len()).collect());
            }
            if self.waiting.len() > HEAD_BYTES_MAX {
                return Err(invalid("a head over 1 MiB"));
            }
            if !self.fill(deadline)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads once. False: the other side ended. After the deadline: `TimedOut`.
    fn fill(&mut self, deadline: Instant) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.tcp().set_read_timeout(Some(left))?;
        let mut piece = [0; 16 * 1024];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut piece),
            Stream::Tls(tls) => tls.read(&mut piece),
        };
        match read {
            Ok(count) => {
                self.waiting.extend_from_slice(&piece[..count]);
                Ok(count > 0)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }
}

fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_owned(), value.trim().to_owned()))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP answer: {what:?}"))
}
