//! The head of a request, read as strictly as RFC 9112 allows: whatever two readers could understand in two ways is
//! refused and remembered, so that a test of smuggling need only ask whether something ambiguous arrived here.

/// A request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    /// As it came.
    pub(super) target: String,
    /// HTTP/1.0 or 1.1: the second number.
    pub(super) minor: u8,
    /// Names and values in their order and spelling.
    pub(super) fields: Vec<(String, String)>,
    pub(super) framing: Framing,
}

/// How long a request's body is (RFC 9112 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

impl Head {
    /// Parses a head with its empty line. The error says what could be read in two ways.
    pub(super) fn parse(raw: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(raw).map_err(|_| "bytes outside UTF-8")?;
        let text = text.strip_suffix("\r\n\r\n").ok_or("the head ends with a bare LF")?;
        let mut lines = text.split("\r\n");
        let line = lines.next().ok_or("no request line")?;
        if text.replace("\r\n", "").contains(['\r', '\n', '\0']) {
            return Err("a bare CR, a bare LF or a NUL");
        }
        let [method, target, version] = words(line).ok_or("a request line without three words")?;
        let minor = match version {
            "HTTP/1.1" => 1,
            "HTTP/1.0" => 0,
            _ => return Err("neither HTTP/1.1 nor HTTP/1.0"),
        };
        if !is_token(method) || target.is_empty() || target.contains(|it: char| it.is_ascii_control()) {
            return Err("a method or a target that is none");
        }
        let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
        let framing = framing(&fields, minor)?;
        if minor == 1 && fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count() != 1 {
            return Err("no Host or several");
        }
        Ok(Self { method: method.to_owned(), target: target.to_owned(), minor, fields, framing })
    }

    /// The first field of that name in any letter case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let same = |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
        self.fields.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// Whether a field that is a list has this member.
    pub(super) fn lists(&self, name: &str, member: &str) -> bool {
        let same = self.fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        same.flat_map(|(_, value)| value.split(',')).any(|it| it.trim().eq_ignore_ascii_case(member))
    }

    /// Whether the connection goes on after this request (RFC 9112 9.3).
    pub(super) fn keeps(&self) -> bool {
        !self.lists("connection", "close") && (self.minor == 1 || self.lists("connection", "keep-alive"))
    }

    /// The path as a file server behind would see it: decoded once, `\` as `/`, dots resolved, small letters.
    pub(super) fn path(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let path = match path.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => path,
        };
        let plain = decode(path).replace('\\', "/").to_lowercase();
        let mut segments: Vec<&str> = Vec::new();
        for segment in plain.split('/').skip(1) {
            match segment {
                "." => {}
                ".." => drop(segments.pop()),
                segment => segments.push(segment),
            }
        }
        format!("/{}", segments.join("/"))
    }

    /// A parameter of the query, decoded; empty where it stands without `=`.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| {
            let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
            (own == name).then(|| decode(value))
        })
    }

    /// A parameter that is a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.query(name)?.parse().ok()
    }
}

fn words(line: &str) -> Option<[&str; 3]> {
    let words: Vec<&str> = line.split(' ').collect();
    words.try_into().ok()
}

fn field(line: &str) -> Result<(String, String), &'static str> {
    if line.starts_with([' ', '\t']) {
        return Err("a folded line");
    }
    let (name, value) = line.split_once(':').ok_or("a field without a colon")?;
    if !is_token(name) {
        return Err("a field name that is none, or white space before its colon");
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

fn framing(fields: &[(String, String)], minor: u8) -> Result<Framing, &'static str> {
    let named = |name: &str| -> Vec<&str> {
        let same = fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    };
    match (named("content-length").as_slice(), named("transfer-encoding").as_slice()) {
        ([], []) => Ok(Framing::Length(0)),
        ([len], []) if !len.is_empty() && len.bytes().all(|byte| byte.is_ascii_digit()) => {
            len.parse().map(Framing::Length).map_err(|_| "a Content-Length of more than 64 bits")
        }
        ([_], []) => Err("a Content-Length that is no number"),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && minor == 1 => Ok(Framing::Chunked),
        ([], [_]) => Err("a Transfer-Encoding other than chunked, or in HTTP/1.0"),
        ([], _) => Err("several Transfer-Encodings"),
        (_, []) => Err("several Content-Lengths"),
        (_, _) => Err("Content-Length and Transfer-Encoding"),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Percent-decoding, once; what is not two hex digits stays.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Framing, Head};

    fn parse(text: &str) -> Result<Head, &'static str> {
        Head::parse(text.as_bytes())
    }

    #[test]
    fn clear_heads_are_read() {
        let head =
            parse("POST /EWS/%45xchange.asmx?a=1&b=x%20y HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:\t5 \r\n\r\n");
        let head = head.unwrap();
        assert_eq!((head.method.as_str(), head.framing), ("POST", Framing::Length(5)));
        assert_eq!(head.path(), "/ews/exchange.asmx");
        assert_eq!((head.query("b").as_deref(), head.number("a")), (Some("x y"), Some(1)));
        assert_eq!(head.fields[1], ("content-LENGTH".to_owned(), "5".to_owned()));
        assert!(head.keeps());
        assert!(!parse("GET / HTTP/1.0\r\n\r\n").unwrap().keeps());
    }

    #[test]
    fn paths_are_made_plain_as_a_server_would() {
        let table = [
            ("/owa/../ecp", "/ecp"),
            ("/%65cp/", "/ecp/"),
            ("/owa/..%2fecp", "/ecp"),
            ("\\ecp", "/ecp"),
            ("/a\\..\\ecp", "/ecp"),
            ("/%2565cp", "/%65cp"),
            ("http://mail.test/ECP?x", "/ecp"),
            ("/../..", "/"),
        ];
        for (target, path) in table {
            let head = parse(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
            assert_eq!(head.path(), path, "{target}");
        }
    }

    #[test]
    fn whatever_has_two_meanings_is_refused() {
        let table = [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ];
        for text in table {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
