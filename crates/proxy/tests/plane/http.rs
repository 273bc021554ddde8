//! For tests of `mode = "http"`: a door, a server that speaks HTTP by a script, a client that reads responses.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::door::{Door, Server};

/// A door in front of one server.
pub(crate) fn door(server: &Server, listener: &str, pool: &str) -> Door {
    Door::open(&text(&[server.address.to_string()], listener, pool))
}

/// The configuration of a listener with one pool of servers at these addresses.
pub(crate) fn text(servers: &[String], listener: &str, pool: &str) -> String {
    let servers: Vec<_> = servers
        .iter()
        .enumerate()
        .map(|(at, address)| format!(r#"{{ name = "s{at}", address = "{address}" }}"#))
        .collect();
    format!(
        r#"
        workers = 1
        [listener.web]
        bind = ["127.0.0.1:0"]
        mode = "http"
        forwarded = {{ client = false, proto = false, host = false }}
        {listener}
        pool = "servers"
        [pool.servers]
        servers = [{}]
        {pool}
        "#,
        servers.join(", ")
    )
}

/// One message, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// The head as text, with the empty line.
    pub(crate) head: String,
    /// The body without framing.
    pub(crate) body: Vec<u8>,
    /// The body as it came.
    pub(crate) raw: Vec<u8>,
}

impl Message {
    /// The first line.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The value of a field, in any letter case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub(crate) fn status(&self) -> u16 {
        self.line().split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads messages from a stream, keeping what comes behind one for the next.
pub(crate) struct Reader {
    pub(crate) stream: TcpStream,
    pub(crate) held: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, held: Vec::new() }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// More bytes; false: the end, or a reset.
    pub(crate) fn more(&mut self) -> bool {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(read) => {
                self.held.extend_from_slice(&buffer[..read]);
                read > 0
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("waited too long"),
            Err(_) => false,
        }
    }

    /// A head alone; `None`: the end came first.
    pub(crate) fn head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.held.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.held.drain(..at + 4).collect();
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Exactly so many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.held.len() < count {
            if !self.more() {
                return None;
            }
        }
        Some(self.held.drain(..count).collect())
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.held.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.held.drain(..at + 2).collect();
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// A request, whole.
    pub(crate) fn request(&mut self) -> Option<Message> {
        let head = self.head()?;
        let message = Message { head, ..Message::default() };
        self.body(message, false)
    }

    /// A response, whole; not to HEAD.
    pub(crate) fn response(&mut self) -> Option<Message> {
        let head = self.head()?;
        let message = Message { head, ..Message::default() };
        let none = matches!(message.status(), 100..200 | 204 | 304);
        if none { Some(message) } else { self.body(message, true) }
    }

    fn body(&mut self, mut message: Message, until_close: bool) -> Option<Message> {
        if message.field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            self.chunks(&mut message)?;
        } else if let Some(length) = message.field("content-length") {
            message.body = self.bytes(length.parse().unwrap())?;
            message.raw.clone_from(&message.body);
        } else if until_close {
            while self.more() {}
            message.body = std::mem::take(&mut self.held);
            message.raw.clone_from(&message.body);
        }
        Some(message)
    }

    fn chunks(&mut self, message: &mut Message) -> Option<()> {
        loop {
            let line = self.line()?;
            message.raw.extend_from_slice(line.as_bytes());
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            if size == 0 {
                break;
            }
            let data = self.bytes(size + 2)?;
            message.raw.extend_from_slice(&data);
            message.body.extend_from_slice(&data[..size]);
        }
        loop {
            let line = self.line()?;
            message.raw.extend_from_slice(line.as_bytes());
            if line == "\r\n" {
                return Some(());
            }
        }
    }

    /// Whether the stream ends here, in whatever way.
    pub(crate) fn ends(&mut self) -> bool {
        self.held.is_empty() && !self.more()
    }
}

/// A client of the door's first listener.
pub(crate) fn client(door: &Door) -> Reader {
    Reader::new(door.connect())
}

/// A server that answers each request with `answer` of it (`None` closes), and tells the test what it saw: the number
/// of the connection, and the request.
pub(crate) fn answering(
    answer: impl Fn(&Message) -> Option<String> + Send + Sync + 'static,
) -> (Server, Receiver<(usize, Message)>) {
    let (seen, told) = channel();
    (scripted(seen, answer), told)
}

fn scripted(
    seen: Sender<(usize, Message)>,
    answer: impl Fn(&Message) -> Option<String> + Send + Sync + 'static,
) -> Server {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let seen = std::sync::Mutex::new(seen);
    Server::start(move |stream| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut reader = Reader::new(stream);
        while let Some(request) = reader.request() {
            let answer = answer(&request);
            let _ = seen.lock().unwrap().send((number, request));
            let Some(answer) = answer else { return };
            if reader.stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// A response with a length.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A server that answers 200 with the first line of the request.
pub(crate) fn mirror() -> (Server, Receiver<(usize, Message)>) {
    answering(|request| Some(ok(request.line())))
}
