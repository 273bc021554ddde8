//! Request and response heads.

use memchr::memchr;

use super::Refusal;
use super::field::{self, Field, Known, Span, TOKEN};

/// What a head may measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole head. A Kerberos token of a user in many groups alone can have 64,000.
    pub head_bytes: usize,
    /// Number of fields.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 96 * 1024, fields: 200 }
    }
}

/// The versions we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A request's head; the places are in the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Bytes of the head, an empty line that came before it included.
    pub len: usize,
    /// The method.
    pub method: Span,
    /// The request target.
    pub target: Span,
    /// The version.
    pub version: Version,
}

/// A response's head; the places are in the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// Bytes of the head.
    pub len: usize,
    /// 100 to 999.
    pub status: u16,
    /// The version.
    pub version: Version,
    /// Where the first field begins.
    pub fields_at: usize,
}

/// Reads a request's head (RFC 9112 section 3) from all bytes that came so far. `fields` is cleared and filled.
/// `None`: more bytes are needed. An answer does not change when more bytes come.
pub fn request(bytes: &[u8], limits: Limits, fields: &mut Vec<Field>) -> Result<Option<Request>, Refusal> {
    fields.clear();
    // RFC 9112 section 2.2: one empty line before a request is ignored; old clients send one after a body.
    let start = match bytes {
        [b'\r', b'\n', ..] => 2,
        [] | [b'\r'] => return Ok(None),
        _ => 0,
    };
    let Some((line, next)) = line(bytes, start, limits)? else { return early_request(bytes, start) };
    let (method, target, version) = request_line(line, start)?;
    let Some(len) = field_lines(bytes, next, limits, fields)? else { return Ok(None) };
    let request = Request { len, method, target, version };
    check_host(bytes, version, fields)?;
    Ok(Some(request))
}

/// Reads a response's head (RFC 9112 section 4) from all bytes that came so far. `fields` is cleared and filled.
/// `None`: more bytes are needed. An answer does not change when more bytes come.
pub fn response(bytes: &[u8], limits: Limits, fields: &mut Vec<Field>) -> Result<Option<Response>, Refusal> {
    fields.clear();
    let Some((line, next)) = line(bytes, 0, limits)? else {
        let prefix = b"HTTP/1.";
        let same = bytes.iter().zip(prefix).all(|(byte, wanted)| byte == wanted);
        return if same { Ok(None) } else { Err(Refusal::StatusLine) };
    };
    let (version, status) = status_line(line)?;
    let Some(len) = field_lines(bytes, next, limits, fields)? else { return Ok(None) };
    Ok(Some(Response { len, status, version, fields_at: next }))
}

/// A request line that is not complete: what cannot become one is refused now, so that nobody waits for it.
fn early_request(bytes: &[u8], start: usize) -> Result<Option<Request>, Refusal> {
    let begun = bytes.get(start..).unwrap_or_default();
    let method = begun.iter().take_while(|byte| **byte != b' ').count();
    let plausible = method <= METHOD_BYTES_MAX && field::all(begun.get(..method).unwrap_or_default(), &TOKEN);
    if plausible { Ok(None) } else { Err(Refusal::RequestLine) }
}

/// Characters a method may have. The longest registered one has 17, Exchange's own RPC_OUT_DATA 12.
const METHOD_BYTES_MAX: usize = 32;

/// The line that begins at `at`, without its CR LF, and where the next one begins. `None`: not complete.
fn line(bytes: &[u8], at: usize, limits: Limits) -> Result<Option<(&[u8], usize)>, Refusal> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(end) = memchr(b'\n', rest) else {
        return if bytes.len() > limits.head_bytes { Err(Refusal::HeadTooLarge) } else { Ok(None) };
    };
    let next = at + end + 1;
    if next > limits.head_bytes {
        return Err(Refusal::HeadTooLarge);
    }
    let Some((line, [b'\r'])) = rest.get(..end).and_then(|line| line.split_at_checked(end.checked_sub(1)?))
    else {
        return Err(Refusal::BareLineEnd);
    };
    Ok(Some((line, next)))
}

/// Reads field lines up to the empty one; gives the length of the whole head.
fn field_lines(
    bytes: &[u8],
    mut at: usize,
    limits: Limits,
    fields: &mut Vec<Field>,
) -> Result<Option<usize>, Refusal> {
    loop {
        let Some((line, next)) = line(bytes, at, limits)? else { return Ok(None) };
        if line.is_empty() {
            return Ok(Some(next));
        }
        if fields.len() >= limits.fields {
            return Err(Refusal::TooManyFields);
        }
        fields.push(field::read(bytes, at, line, next)?);
        at = next;
    }
}

fn request_line(line: &[u8], at: usize) -> Result<(Span, Span, Version), Refusal> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::RequestLine);
    };
    let version = self::version(version)?;
    let fine = !method.is_empty()
        && method.len() <= METHOD_BYTES_MAX
        && field::all(method, &TOKEN)
        && !target.is_empty()
        && field::is_target(target);
    if !fine {
        return Err(Refusal::RequestLine);
    }
    let target_at = at + method.len() + 1;
    Ok((Span::new(at, at + method.len()), Span::new(target_at, target_at + target.len()), version))
}

fn version(text: &[u8]) -> Result<Version, Refusal> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::Version)
        }
        _ => Err(Refusal::RequestLine),
    }
}

/// `HTTP/1.1 200 OK`; the reason may be missing, and old servers leave the space before it out as well.
fn status_line(line: &[u8]) -> Result<(Version, u16), Refusal> {
    let (version, rest) = line.split_at_checked(8).ok_or(Refusal::StatusLine)?;
    let version = self::version(version).map_err(|refusal| match refusal {
        Refusal::Version => Refusal::Version,
        _ => Refusal::StatusLine,
    })?;
    let [b' ', hundreds, tens, ones, reason @ ..] = rest else { return Err(Refusal::StatusLine) };
    let digits = [hundreds, tens, ones];
    let reason_fits = reason.first().is_none_or(|byte| *byte == b' ') && field::is_value(reason);
    if !digits.iter().all(|digit| digit.is_ascii_digit()) || !reason_fits {
        return Err(Refusal::StatusLine);
    }
    let status = digits.iter().fold(0u16, |sum, digit| sum * 10 + u16::from(**digit - b'0'));
    if status < 100 { Err(Refusal::StatusLine) } else { Ok((version, status)) }
}

/// RFC 9112 section 3.2: exactly one Host in HTTP/1.1, at most one in 1.0, and nothing in it that ends a host name.
fn check_host(bytes: &[u8], version: Version, fields: &[Field]) -> Result<(), Refusal> {
    let mut hosts = fields.iter().filter(|field| field.known == Known::Host);
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.value.of(bytes)) => Ok(()),
        (None, _) if version == Version::Http10 => Ok(()),
        _ => Err(Refusal::Host),
    }
}

/// Whether this can be a Host value (RFC 3986 section 3.2.2 with a port). An empty one is allowed by RFC 9112.
fn is_host(value: &[u8]) -> bool {
    const HOST_BYTES_MAX: usize = 253 + 6;
    let fits = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'%')
    };
    value.len() <= HOST_BYTES_MAX && value.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Request>, Refusal> {
        request(text.as_bytes(), Limits { head_bytes: 256, fields: 4 }, &mut Vec::new())
    }

    #[test]
    fn a_head_is_places_in_its_bytes() {
        let text = b"RPC_IN_DATA /rpc/rpcproxy.dll?ex1:6001 HTTP/1.1\r\nHost: Mail.example.com\r\nX-a:  b c \t\r\n\r\nrest";
        let mut fields = Vec::new();
        let head = request(text, Limits::default(), &mut fields).unwrap().unwrap();
        assert_eq!(head.method.of(text), b"RPC_IN_DATA");
        assert_eq!(head.target.of(text), b"/rpc/rpcproxy.dll?ex1:6001");
        assert_eq!(&text[head.len..], b"rest");
        assert_eq!(fields.len(), 2);
        assert_eq!((fields[1].name.of(text), fields[1].value.of(text)), (&b"X-a"[..], &b"b c"[..]));
        assert_eq!(fields[1].line.of(text), b"X-a:  b c \t\r\n");
        assert_eq!(fields[0].known, Known::Host);
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for (text, refusal) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::BareLineEnd),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::BareLineEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::BareLineEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", Refusal::BareLineEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", Refusal::ControlCharacter),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{b}b\r\n\r\n", Refusal::ControlCharacter),
            ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", Refusal::FoldedField),
            ("GET / HTTP/1.1\r\n folded\r\nHost: a\r\n\r\n", Refusal::FoldedField),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refusal::FieldName),
            ("GET / HTTP/1.1\r\n: a\r\n\r\n", Refusal::FieldName),
            ("GET / HTTP/1.1\r\nHost\r\n\r\n", Refusal::FieldName),
            ("GET / HTTP/1.1\r\nHo\u{e9}st: a\r\n\r\n", Refusal::FieldName),
            ("GET /\r\n\r\n", Refusal::RequestLine),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Refusal::RequestLine),
            ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
            ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
            ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
            ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Refusal::Version),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", Refusal::Version),
            ("GET / HTTP/1.1\r\n\r\n", Refusal::Host),
            ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Refusal::Host),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Refusal::Host),
            ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Refusal::Host),
            ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", Refusal::Host),
            ("GET / HTTP/1.1\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\n\r\n", Refusal::TooManyFields),
        ] {
            assert_eq!(read(text), Err(refusal), "{text:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(300));
        assert_eq!(read(&long), Err(Refusal::HeadTooLarge));
        assert_eq!(read(&long[..290]), Err(Refusal::HeadTooLarge));
        assert_eq!(read(&"A".repeat(40)), Err(Refusal::RequestLine));
        assert_eq!(read("\u{16}\u{3}\u{1}"), Err(Refusal::RequestLine));
    }

    #[test]
    fn what_old_and_odd_clients_send_is_accepted() {
        for text in [
            "GET / HTTP/1.0\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
            "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
            "X-MS-ENUMATTS / HTTP/1.1\r\nHost: a\r\nEmpty:\r\nBlank: \t \r\n\r\n",
        ] {
            assert!(matches!(read(text), Ok(Some(head)) if head.len == text.len()), "{text:?}");
        }
    }

    #[test]
    fn a_head_split_anywhere_is_the_same_head() {
        let text = "POST /ews HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        let whole = read(text).unwrap().unwrap();
        for split in 0..text.len() {
            let expected = if split < whole.len { None } else { Some(whole) };
            assert_eq!(read(&text[..split]), Ok(expected), "{split}");
        }
    }

    #[test]
    fn status_lines() {
        let read = |text: &str| response(text.as_bytes(), Limits::default(), &mut Vec::new());
        for (text, status) in [
            ("HTTP/1.1 200 OK\r\n\r\n", 200),
            ("HTTP/1.0 404 \r\n\r\n", 404),
            ("HTTP/1.1 204\r\n\r\n", 204),
            ("HTTP/1.1 999 caf\u{e9}\r\n\r\n", 999),
        ] {
            assert_eq!(read(text).unwrap().unwrap().status, status, "{text:?}");
        }
        for (text, refusal) in [
            ("HTTP/1.1 20 OK\r\n\r\n", Refusal::StatusLine),
            ("HTTP/1.1 2000 OK\r\n\r\n", Refusal::StatusLine),
            ("HTTP/1.1  200 OK\r\n\r\n", Refusal::StatusLine),
            ("HTTP/1.1 099 OK\r\n\r\n", Refusal::StatusLine),
            ("HTTP/1.1 +99 OK\r\n\r\n", Refusal::StatusLine),
            ("HTTP/2.0 200 OK\r\n\r\n", Refusal::Version),
            ("ICY 200 OK\r\n\r\n", Refusal::StatusLine),
            ("SSH-2.0-OpenSSH", Refusal::StatusLine),
            ("HTTP/1.1 200 OK\nA: b\r\n\r\n", Refusal::BareLineEnd),
        ] {
            assert_eq!(read(text), Err(refusal), "{text:?}");
        }
        assert_eq!(read("HTTP/1."), Ok(None));
    }
}
