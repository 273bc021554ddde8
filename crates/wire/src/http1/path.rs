//! Request targets, and the one form of a path that rules are matched with.
//!
//! A rule for `/ecp` must hold for whatever the server behind takes for `/ecp`. Windows and IIS decode once, take `\` for
//! `/`, resolve dot segments, ignore letter case, empty segments, and dots and blanks at the end of a segment. So does the
//! normal form here; what IIS and others might read in two ways is refused. The bytes that go on are the ones that came.

use std::fmt;

/// The parts of a request target (RFC 9112 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// Host and port, where the target names them: `http://host/path`, or CONNECT's `host:port`.
    pub authority: Option<&'a [u8]>,
    /// The path as it came, without the query; `*` for OPTIONS of the whole server, empty for `host:port`.
    pub path: &'a [u8],
    /// What stands behind the first `?`.
    pub query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Takes a target apart. `None`: it has none of the four forms, or one that does not go with the method.
    pub fn parse(method: &[u8], target: &'a [u8]) -> Option<Self> {
        if method == b"CONNECT" {
            let fine = !target.is_empty() && !target.iter().any(|byte| matches!(byte, b'/' | b'?' | b'@'));
            return fine.then_some(Self { authority: Some(target), path: b"", query: None });
        }
        if target == b"*" {
            return (method == b"OPTIONS").then_some(Self { authority: None, path: b"*", query: None });
        }
        if target.first() == Some(&b'/') {
            return Some(Self::with_path(None, target));
        }
        let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
            target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
        })?;
        let rest = target.get(scheme.len()..)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let fine = !authority.is_empty() && !authority.contains(&b'@') && !authority.contains(&b'\\');
        fine.then(|| Self::with_path(Some(authority), path))
    }

    fn with_path(authority: Option<&'a [u8]>, path_and_query: &'a [u8]) -> Self {
        let mut parts = path_and_query.splitn(2, |byte| *byte == b'?');
        let path = parts.next().filter(|path| !path.is_empty()).unwrap_or(b"/");
        Self { authority, path, query: parts.next() }
    }
}

/// Why a path has no normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathRefusal {
    /// `%2f` or `%5c`: a slash to some, a letter to others.
    EncodedSlash,
    /// `%00`
    EncodedNul,
    /// `%` without two hexadecimal digits, `%u0041` among others.
    BadEscape,
    /// Decoded once it holds an escape again: `%252e`.
    DoubleEncoding,
    /// Not UTF-8 once it is decoded, overlong forms among others.
    BadUtf8,
    /// A control character, encoded or not.
    Control,
}

impl PathRefusal {
    /// A short sentence for the log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::EncodedSlash => "an encoded slash in the path",
            Self::EncodedNul => "an encoded NUL in the path",
            Self::BadEscape => "a malformed escape in the path",
            Self::DoubleEncoding => "a path that is encoded twice",
            Self::BadUtf8 => "a path that is not UTF-8",
            Self::Control => "a control character in the path",
        }
    }
}

impl fmt::Display for PathRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// A path in the one form that rules are matched with: decoded, lower case, `/` alone between segments, nothing resolved
/// away left in it. Begins with `/` and does not end in one, unless it is `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NormalPath(String);

impl NormalPath {
    /// Brings a path into the normal form.
    pub fn new(path: &[u8]) -> Result<Self, PathRefusal> {
        let decoded = decode(path)?;
        let text = String::from_utf8(decoded).map_err(|_| PathRefusal::BadUtf8)?;
        let mut segments: Vec<&str> = Vec::new();
        for segment in text.split(['/', '\\']) {
            match trim(segment) {
                "" | "." => {}
                ".." => drop(segments.pop()),
                segment => segments.push(segment),
            }
        }
        let mut normal = String::with_capacity(text.len() + 1);
        for segment in &segments {
            normal.push('/');
            normal.extend(segment.chars().flat_map(char::to_lowercase));
        }
        if normal.is_empty() {
            normal.push('/');
        }
        Ok(Self(normal))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `prefix` or lies below it; `prefix` is a normal path itself.
    pub fn is_below(&self, prefix: &Self) -> bool {
        prefix.0 == "/"
            || self.0.strip_prefix(&*prefix.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Without the dots and blanks that Windows ignores at the end of a name; `.` and `..` stay what they are.
fn trim(segment: &str) -> &str {
    let bare = segment.trim_end_matches([' ', '.']);
    if !bare.is_empty() {
        return bare;
    }
    let dots = segment.trim_end_matches(' ');
    if dots.is_empty() {
        ""
    } else if dots == "." {
        "."
    } else {
        ".."
    }
}

fn decode(path: &[u8]) -> Result<Vec<u8>, PathRefusal> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        if *byte != b'%' {
            if byte.is_ascii_control() {
                return Err(PathRefusal::Control);
            }
            decoded.push(*byte);
            rest = after;
            continue;
        }
        let [high, low, after @ ..] = after else { return Err(PathRefusal::BadEscape) };
        let byte =
            hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low).ok_or(PathRefusal::BadEscape)?;
        match byte {
            0 => return Err(PathRefusal::EncodedNul),
            b'/' | b'\\' => return Err(PathRefusal::EncodedSlash),
            1..0x20 | 0x7f => return Err(PathRefusal::Control),
            // Decoded, it would be an escape with what follows, or could become one further on.
            b'%' if matches!(after, [high, low, ..] if hex(*high).and(hex(*low)).is_some() || *high == b'%' || *low == b'%') =>
            {
                return Err(PathRefusal::DoubleEncoding);
            }
            _ => decoded.push(byte),
        }
        rest = after;
    }
    Ok(decoded)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_ecp_to_iis_is_ecp_here() {
        for path in [
            "/ecp",
            "/ECP",
            "/Ecp/",
            "/%65cp",
            "/%45%43%50",
            "/owa/../ecp",
            "/owa/..\\ecp",
            "/./ecp",
            "//ecp",
            "/\\ecp",
            "\\ecp",
            "/owa/%2e%2e/ecp",
            "/owa/.%2E/ecp",
            "/a/b/../../ecp",
            "/../ecp",
            "/ecp.",
            "/ecp..",
            "/ecp%20",
            "/ecp. .",
            "/owa/.. /ecp",
            "/owa/../\\/ecp//",
            "/%e2%84%aaecp/../ecp",
        ] {
            assert_eq!(NormalPath::new(path.as_bytes()).unwrap().as_str(), "/ecp", "{path}");
        }
    }

    #[test]
    fn what_may_be_read_in_two_ways_is_refused() {
        for (path, refusal) in [
            ("/owa%2f..%2fecp", PathRefusal::EncodedSlash),
            ("/owa%2F", PathRefusal::EncodedSlash),
            ("/owa%5c..%5cecp", PathRefusal::EncodedSlash),
            ("/ecp%00", PathRefusal::EncodedNul),
            ("/ecp%0a", PathRefusal::Control),
            ("/ecp%7f", PathRefusal::Control),
            ("/ecp\t", PathRefusal::Control),
            ("/%2565cp", PathRefusal::DoubleEncoding),
            ("/%252e%252e/ecp", PathRefusal::DoubleEncoding),
            ("/%25%36%35cp", PathRefusal::DoubleEncoding),
            ("/%u0065cp", PathRefusal::BadEscape),
            ("/%", PathRefusal::BadEscape),
            ("/%6", PathRefusal::BadEscape),
            ("/%zz", PathRefusal::BadEscape),
            ("/%c0%ae%c0%ae/ecp", PathRefusal::BadUtf8),
            ("/%c0%afecp", PathRefusal::BadUtf8),
            ("/%ff", PathRefusal::BadUtf8),
            ("/%ed%a0%80", PathRefusal::BadUtf8),
        ] {
            assert_eq!(NormalPath::new(path.as_bytes()), Err(refusal), "{path}");
        }
    }

    #[test]
    fn other_paths_stay_apart() {
        for (path, normal) in [
            ("/", "/"),
            ("", "/"),
            ("/owa/", "/owa"),
            ("/ecpx", "/ecpx"),
            ("/ecp;x", "/ecp;x"),
            ("/100%25", "/100%"),
            ("/a%20b", "/a b"),
            ("/caf%C3%89", "/café"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/"),
        ] {
            assert_eq!(NormalPath::new(path.as_bytes()).unwrap().as_str(), normal, "{path}");
        }
    }

    #[test]
    fn prefixes_end_at_segments() {
        let is_below = |path: &str, prefix: &str| {
            NormalPath::new(path.as_bytes()).unwrap().is_below(&NormalPath::new(prefix.as_bytes()).unwrap())
        };
        assert!(is_below("/owa", "/OWA/"));
        assert!(is_below("/owa/x", "/owa"));
        assert!(is_below("/anything", "/"));
        assert!(!is_below("/owax", "/owa"));
        assert!(!is_below("/", "/owa"));
    }

    #[test]
    fn the_four_forms_of_a_target() {
        let parse = |method: &str, target: &'static str| Target::parse(method.as_bytes(), target.as_bytes());
        let origin = parse("GET", "/a/b?c?d").unwrap();
        assert_eq!((origin.authority, origin.path, origin.query), (None, &b"/a/b"[..], Some(&b"c?d"[..])));
        let absolute = parse("GET", "HTTP://Host:8080/a").unwrap();
        assert_eq!((absolute.authority, absolute.path), (Some(&b"Host:8080"[..]), &b"/a"[..]));
        assert_eq!(parse("GET", "http://host").unwrap().path, b"/");
        assert_eq!(parse("GET", "http://host?q").unwrap().query, Some(&b"q"[..]));
        assert_eq!(parse("OPTIONS", "*").unwrap().path, b"*");
        assert_eq!(parse("CONNECT", "host:443").unwrap().authority, Some(&b"host:443"[..]));
        for (method, target) in [
            ("GET", "*"),
            ("GET", "host:443"),
            ("GET", "owa"),
            ("GET", "ftp://host/"),
            ("GET", "http://user@host/"),
            ("GET", "http:///a"),
            ("CONNECT", "/a"),
        ] {
            assert_eq!(Target::parse(method.as_bytes(), target.as_bytes()), None, "{method} {target}");
        }
    }
}
