//! The HTTP probe: one request over HTTP/1.1 (RFC 9112), its status and, where asked, text in its body.

use std::borrow::Cow;
use std::fmt;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use transom_config::{Expect, Pattern, StatusRange};
use transom_state::Fault;

use super::exchange::{printable, spoke_tls};
use super::{Deadline, Failure, tcp};

/// Bytes of a response's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Fields of a response's head.
const FIELDS_MAX: usize = 100;
/// Bytes of a body that are searched for the expected text, as they come over the wire.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// `GET` mostly.
    pub(super) method: &'a str,
    /// The `Host` header.
    pub(super) host: &'a str,
    /// Path and query.
    pub(super) path: &'a str,
    /// Further headers; they stand in place of ours of the same names.
    pub(super) headers: &'a [(Box<str>, Box<str>)],
}

/// Headers that are sent unless the configuration has them.
const HEADERS: [(&str, &str); 2] = [("User-Agent", "transom-health-check"), ("Accept", "*/*")];

impl Request<'_> {
    fn head(&self) -> String {
        let own = |name: &str| self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let ours = HEADERS.into_iter().filter(|(name, _)| !own(name));
        let all = ours.chain(self.headers.iter().map(|(name, value)| (&**name, &**value)));
        let fields: String = all.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{self} HTTP/1.1\r\nHost: {}\r\n{fields}Connection: close\r\n\r\n", self.host)
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Sends the request and compares the answer with `expect`.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: Request<'_>,
    expect: &Expect,
    deadline: Deadline,
) -> Result<(), Failure> {
    let text = request.head();
    let sent = async {
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await
    };
    deadline
        .wait(Fault::ServerResponseTimeout, "room for the request", sent)
        .await?
        .map_err(|error| tcp::failure(&error, "sending the request"))?;
    let mut unread = Vec::new();
    let head = head(&mut stream, &mut unread, request, deadline).await?;
    if !expect.takes(head.status) {
        return Err(unexpected(&head, expect, request, &mut stream, unread, deadline).await);
    }
    let wants =
        Wants { holds: expect.body.as_deref(), lacks: expect.lacks.as_deref(), regex: expect.regex.as_ref() };
    if wants.nothing() {
        return Ok(());
    }
    body_is(&mut stream, unread, &head, wants, deadline).await
}

/// What a probe needs of a response's head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    location: Option<String>,
    framing: Framing,
}

/// Where the body ends (RFC 9112 section 6.3).
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// Reads until a final response's head is whole; informational ones (1xx) before it are skipped.
async fn head<S: AsyncRead + Unpin>(
    stream: &mut S,
    unread: &mut Vec<u8>,
    request: Request<'_>,
    deadline: Deadline,
) -> Result<Head, Failure> {
    loop {
        match parse(unread)? {
            Some((head, len)) => {
                unread.drain(..len);
                if head.status >= 200 {
                    return Ok(head);
                }
            }
            None if unread.len() >= HEAD_BYTES_MAX => {
                return Err(Failure::new(Fault::ServerBadResponse, "the head of the response does not end"));
            }
            None => {
                let step = format!("answer to {request}");
                if more(stream, unread, &step, deadline).await? == 0 {
                    let why = format!("the server closed the connection without an answer to {request}");
                    return Err(Failure::new(Fault::ServerClosedBeforeResponse, why));
                }
            }
        }
    }
}

async fn more<S: AsyncRead + Unpin>(
    stream: &mut S,
    unread: &mut Vec<u8>,
    step: &str,
    deadline: Deadline,
) -> Result<usize, Failure> {
    unread.reserve(4096);
    match deadline.wait(Fault::ServerResponseTimeout, step, stream.read_buf(unread)).await? {
        Ok(read) => Ok(read),
        // TLS that ends without close_notify: what was read stands by itself.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(0),
        Err(error) => Err(tcp::failure(&error, "reading the answer")),
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Failure> {
    if spoke_tls(bytes) {
        return Err(Failure::new(Fault::ServerSpeaksTls, "the server speaks TLS on this port"));
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => Ok(Some((Head::of(&response), len))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => {
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = printable(line.strip_suffix(b"\r").unwrap_or(line));
            let why = format!("the answer is not HTTP/1.1: it begins {line:?} ({error})");
            Err(Failure::new(Fault::ServerBadResponse, why))
        }
    }
}

impl Head {
    fn of(response: &httparse::Response<'_, '_>) -> Self {
        let field = |name: &str| {
            response
                .headers
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(name))
                .map(|field| field.value)
        };
        let text = |name: &str| field(name).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim);
        let chunked =
            text("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().ends_with("chunked"));
        let framing = match text("content-length").map(str::parse) {
            _ if chunked => Framing::Chunked,
            Some(Ok(length)) => Framing::Length(length),
            _ => Framing::UntilClose,
        };
        Self { status: response.code.unwrap_or(0), location: field("location").map(printable), framing }
    }
}

/// Says what was wrong with the status, and for a 400 looks whether the server meant "this port is for TLS".
async fn unexpected<S: AsyncRead + Unpin>(
    head: &Head,
    expect: &Expect,
    request: Request<'_>,
    stream: &mut S,
    unread: Vec<u8>,
    deadline: Deadline,
) -> Failure {
    if head.status == 400 && wants_tls(stream, unread, head, deadline).await {
        return Failure::new(Fault::ServerSpeaksTls, "the server says that it speaks HTTPS on this port");
    }
    let shown =
        |ranges: &[StatusRange]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let wanted = match (expect.statuses.as_slice(), expect.not_statuses.as_slice()) {
        ([], []) => "200 to 399".to_owned(),
        ([], not) => format!("anything but {}", shown(not)),
        (ranges, _) => shown(ranges),
    };
    let location = head.location.as_ref().map(|to| format!(", to {to:?}")).unwrap_or_default();
    let why = format!("{request} is answered {}{location} instead of {wanted}", head.status);
    Failure::new(Fault::ServerBadResponse, why)
}

/// What nginx, Apache and Go answer to plain HTTP on an HTTPS port.
const WANTS_TLS: [&str; 3] =
    ["sent to HTTPS port", "speaking plain HTTP to an SSL-enabled", "HTTP request to an HTTPS server"];

async fn wants_tls<S: AsyncRead + Unpin>(
    stream: &mut S,
    unread: Vec<u8>,
    head: &Head,
    deadline: Deadline,
) -> bool {
    let mut body = Body::new(unread, head.framing);
    loop {
        if WANTS_TLS.iter().any(|text| body.holds(text)) {
            return true;
        }
        if body.ended() || !matches!(body.read(stream, deadline).await, Ok(true)) {
            return false;
        }
    }
}

/// What a body must be.
#[derive(Debug, Clone, Copy)]
struct Wants<'a> {
    holds: Option<&'a str>,
    lacks: Option<&'a str>,
    regex: Option<&'a Pattern>,
}

impl Wants<'_> {
    fn nothing(&self) -> bool {
        self.holds.is_none() && self.lacks.is_none() && self.regex.is_none()
    }

    /// Whether what must be there is there.
    fn found(&self, body: &Body) -> bool {
        self.holds.is_none_or(|text| body.holds(text))
            && self.regex.is_none_or(|regex| regex.regex().is_match(&body.content()))
    }
}

/// Reads until what must be there is, or to the end where something must not be there.
async fn body_is<S: AsyncRead + Unpin>(
    stream: &mut S,
    unread: Vec<u8>,
    head: &Head,
    wants: Wants<'_>,
    deadline: Deadline,
) -> Result<(), Failure> {
    let bad = |why: String| Err(Failure::new(Fault::ServerBadResponse, why));
    let mut body = Body::new(unread, head.framing);
    loop {
        if let Some(text) = wants.lacks.filter(|text| body.holds(text)) {
            return bad(format!("the body holds {text:?}"));
        }
        if wants.lacks.is_none() && wants.found(&body) {
            return Ok(());
        }
        if body.ended() || !body.read(stream, deadline).await? {
            if wants.found(&body) {
                return Ok(());
            }
            let what = match (wants.holds.filter(|text| !body.holds(text)), wants.regex) {
                (Some(text), _) => format!("{text:?}"),
                (None, Some(regex)) => format!("what `{}` finds", regex.text()),
                (None, None) => "what it must".to_owned(),
            };
            return bad(if body.raw.len() >= BODY_BYTES_MAX {
                format!("the first {BODY_BYTES_MAX} bytes of the body do not hold {what}")
            } else {
                format!("the body does not hold {what}")
            });
        }
    }
}

/// A body as it comes: the bytes of the wire, searched without their framing.
struct Body {
    raw: Vec<u8>,
    framing: Framing,
}

impl Body {
    fn new(raw: Vec<u8>, framing: Framing) -> Self {
        Self { raw, framing }
    }

    /// Reads some more; false: there is no more, or no more is wanted.
    async fn read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        if self.raw.len() >= BODY_BYTES_MAX {
            return Ok(false);
        }
        Ok(more(stream, &mut self.raw, "end of the body", deadline).await? > 0)
    }

    fn holds(&self, text: &str) -> bool {
        memchr::memmem::find(&self.content(), text.as_bytes()).is_some()
    }

    /// What has come of it, without its framing.
    fn content(&self) -> Cow<'_, [u8]> {
        match self.framing {
            Framing::Chunked => unchunked(&self.raw).0.into(),
            Framing::Length(length) => {
                self.raw[..self.raw.len().min(usize::try_from(length).unwrap_or(usize::MAX))].into()
            }
            Framing::UntilClose => self.raw.as_slice().into(),
        }
    }

    fn ended(&self) -> bool {
        match self.framing {
            Framing::Chunked => unchunked(&self.raw).1,
            Framing::Length(length) => self.raw.len() as u64 >= length,
            Framing::UntilClose => false,
        }
    }
}

/// The content of the chunks that are there so far, and whether the last one was among them (RFC 9112 section 7.1).
/// A broken chunk ends it.
fn unchunked(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    loop {
        match httparse::parse_chunk_size(raw) {
            Ok(httparse::Status::Complete((_, 0))) | Err(_) => return (content, true),
            Ok(httparse::Status::Partial) => return (content, false),
            Ok(httparse::Status::Complete((start, len))) => {
                let chunk = &raw[start..];
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                content.extend_from_slice(&chunk[..chunk.len().min(len)]);
                let Some(rest) = len.checked_add(2).and_then(|next| chunk.get(next..)) else {
                    return (content, false);
                };
                raw = rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use transom_config::StatusRange;

    use super::*;

    #[test]
    fn heads_are_read_as_far_as_a_probe_needs() {
        let table = [
            ("HTTP/1.1 200 OK\r\n\r\n", "200 UntilClose"),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "200 Length(5)"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 5\r\n\r\n",
                "200 Chunked",
            ),
            ("HTTP/1.1 302 Found\r\nLocation: /owa/\r\nContent-Length: x\r\n\r\n", "302 UntilClose to /owa/"),
            ("HTTP/1.1 200 OK\r\nContent-Le", "more"),
            ("SSH-2.0-OpenSSH\r\n", "the answer is not HTTP/1.1: it begins \"SSH-2.0-OpenSSH\""),
            ("HTTP/2 200 OK\r\n\r\n", "the answer is not HTTP/1.1"),
            ("\x15\x03\x01\0\x02\x02\x46", "the server speaks TLS"),
        ];
        for (bytes, want) in table {
            let got = match parse(bytes.as_bytes()) {
                Ok(Some((head, _))) => {
                    let to = head.location.map(|to| format!(" to {to}")).unwrap_or_default();
                    format!("{} {:?}{to}", head.status, head.framing)
                }
                Ok(None) => "more".to_owned(),
                Err(failure) => failure.why,
            };
            assert!(got.starts_with(want), "{bytes:?}: {got}");
        }
    }

    #[test]
    fn chunks_are_joined_even_when_the_text_spans_them() {
        let table = [
            ("5\r\nhealt\r\n3;x=y\r\nhy!\r\n0\r\n\r\n", "healthy!", true),
            ("5\r\nhealt\r\n3\r\nhy", "healthy", false),
            ("5\r\nhealt", "healt", false),
            ("5\r\nhealt\r\n", "healt", false),
            ("", "", false),
            ("zz\r\n", "", true),
            ("ffffffffffffffff\r\nabc", "abc", false),
        ];
        for (raw, content, ended) in table {
            let got = unchunked(raw.as_bytes());
            assert_eq!((String::from_utf8_lossy(&got.0).as_ref(), got.1), (content, ended), "{raw:?}");
        }
    }

    #[test]
    fn headers_of_the_configuration_stand_in_place_of_ours() {
        let headers = [("accept".into(), "text/html".into()), ("X-Health".into(), "1".into())];
        let request = Request { method: "HEAD", host: "a.test", path: "/h?x=1", headers: &headers };
        let head = "HEAD /h?x=1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: transom-health-check\r\naccept: text/html\r\n\
                    X-Health: 1\r\nConnection: close\r\n\r\n";
        assert_eq!(request.head(), head);
    }

    #[test]
    fn without_a_status_anything_that_is_not_an_error_will_do() {
        let range = |first, last| vec![StatusRange { first, last }];
        let table = [
            (200, vec![], true),
            (302, vec![], true),
            (404, vec![], false),
            (302, range(200, 200), false),
            (401, range(401, 401), true),
            (250, range(200, 299), true),
        ];
        for (status, statuses, want) in table {
            assert_eq!(Expect { statuses, ..Expect::default() }.takes(status), want, "{status}");
        }
    }
}
