//! Words of HTTP: methods, names of headers, hosts and URLs, paths of routes.

use super::name::{self, shown};
use super::{Problem, address};
use crate::report::Code;

/// Characters of a word at most.
const TOKEN_CHARS_MAX: usize = 256;

/// Headers that say how a message is framed or belong to one connection alone (RFC 9110 section 7.6.1, RFC 9112
/// section 6): whoever edits them breaks messages in two, or glues them together.
const OWN: [&str; 10] = [
    "Connection",
    "Content-Length",
    "Expect",
    "HTTP2-Settings",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

/// Whether a character may stand in a word of HTTP (RFC 9110 section 5.6.2).
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// Checks a word of HTTP: a method, a name.
pub(crate) fn token(text: &str) -> Result<&str, Problem> {
    let message = if text.is_empty() {
        "the word is empty".to_owned()
    } else if text.len() > TOKEN_CHARS_MAX {
        format!("the word is longer than {TOKEN_CHARS_MAX} characters")
    } else if let Some(wrong) = text.chars().find(|c| !is_token(*c)) {
        format!("`{text}` cannot have {} in it (RFC 9110 section 5.6.2)", shown(wrong))
    } else {
        return Ok(text);
    };
    Err(Problem::new(Code::BadHeader, message, "use letters, digits and hyphens"))
}

/// Checks the name of a header that is to be edited.
pub(crate) fn header(text: &str) -> Result<&str, Problem> {
    if let Some(name) = text.strip_suffix(':') {
        return Err(Problem::new(
            Code::BadHeader,
            format!("`{text}` has a colon, which is not part of the name"),
            format!("write `{name}`"),
        ));
    }
    let name = token(text)?;
    if OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Err(Problem::new(
            Code::BadHeader,
            format!("`{name}` says where a message ends or how the connection is used, and cannot be edited"),
            "take it out; it is set as each connection needs it",
        ));
    }
    Ok(name)
}

/// Checks the value of a header: no control characters but the tab (RFC 9110 section 5.5).
pub(crate) fn value(text: &str) -> Result<&str, Problem> {
    let message = if let Some(wrong) = text.chars().find(|c| c.is_control() && *c != '\t') {
        format!("the value of a header cannot have {} in it", shown(wrong))
    } else if text.trim_matches([' ', '\t']).len() != text.len() {
        "the value of a header neither begins nor ends with a space".to_owned()
    } else {
        return Ok(text);
    };
    Err(Problem::new(Code::BadHeader, message, "write the value on one line, without spaces around it"))
}

/// Checks a host, perhaps with a port: `mail.example.com`, `[2001:db8::1]:8443`.
pub(crate) fn authority(text: &str) -> Result<&str, Problem> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if bare.is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok())
        || text.parse::<std::net::Ipv4Addr>().is_ok()
    {
        return Ok(text);
    }
    if text.contains(':') {
        return address::server(text).map(|_| text);
    }
    name::host(text)
}

/// Checks a whole URL.
pub(crate) fn url(text: &str) -> Result<&str, Problem> {
    let bad = |message: String, remedy: &str| Err(Problem::new(Code::BadPath, message, remedy));
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return bad(
            format!("`{text}` does not begin with `https://` or `http://`"),
            "write the whole URL, such as \"https://mail.example.com/owa/\"; for a path alone there is `path`",
        );
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    authority(host)?;
    if let Some(wrong) = path.chars().find(|c| !c.is_ascii_graphic()) {
        return bad(
            format!("a URL cannot have {} in it (RFC 3986)", shown(wrong)),
            "write such characters as % and two hexadecimal digits; a space is %20",
        );
    }
    Ok(text)
}

/// Reads a path that requests are compared with: it is compared decoded, in lower case.
pub(crate) fn route_path(text: &str) -> Result<Box<str>, Problem> {
    let bad = |message: String, remedy: String| Err(Problem::new(Code::BadPath, message, remedy));
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        return bad(format!("`{text}` is a URL, not a path"), format!("write the path alone: \"{path}\""));
    }
    if !text.starts_with('/') {
        return bad(format!("`{text}` does not begin with `/`"), format!("write \"/{text}\""));
    }
    if let Some(at) = text.find(['?', '#']) {
        return bad(
            format!("`{text}` has more in it than a path"),
            format!("write \"{}\"; `query` looks at parameters", &text[..at]),
        );
    }
    if let Some(star) = text.find('*') {
        let base = text[..star].trim_end_matches('/');
        return bad(
            format!("in `{text}` the `*` would be taken as it is"),
            format!(
                "write \"{}\" in `paths`, which takes all below it, or use `path-regex`",
                if base.is_empty() { "/" } else { base }
            ),
        );
    }
    if text.contains('%') {
        return bad(
            format!("`{text}` is encoded, but paths are compared decoded"),
            "write the characters themselves, a space for %20".to_owned(),
        );
    }
    if let Some(wrong) = text.chars().find(|c| c.is_control() || *c == '\\') {
        return bad(format!("no path has {} in it", shown(wrong)), "write `/` between segments".to_owned());
    }
    let segments = || text.split('/').skip(1);
    if segments().any(|segment| matches!(segment, "." | "..")) {
        return bad(
            format!("`{text}` has dot segments, which no path has when it is compared"),
            "write the path that they lead to".to_owned(),
        );
    }
    let inner = text.trim_end_matches('/');
    if inner.contains("//") || text.ends_with("//") {
        return bad(format!("`{text}` has an empty segment"), "write single slashes".to_owned());
    }
    Ok(text.chars().flat_map(char::to_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_framing_and_connections_are_not_edited() {
        for good in ["Front-End-Https", "x_y", "Host", "Authorization"] {
            assert_eq!(header(good), Ok(good));
        }
        for bad in ["", "content-length", "TRANSFER-ENCODING", "Connection", "A:", "a b", "ä", "a\r\nb", "te"]
        {
            assert!(header(bad).is_err_and(|problem| problem.code == Code::BadHeader), "{bad}");
        }
    }

    #[test]
    fn values_stay_on_one_line() {
        for good in ["", "On", "max-age=1; a=\"b\"", "tab\tinside", "ä"] {
            assert_eq!(value(good), Ok(good));
        }
        for bad in ["a\r\nb", "a\n", "\u{0}", " a", "a ", "\u{7f}"] {
            assert!(value(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn paths_of_routes_are_decoded_and_lower() {
        for (text, path) in [("/", "/"), ("/OWA", "/owa"), ("/a b/Ö", "/a b/ö"), ("/owa/", "/owa/")] {
            assert_eq!(route_path(text).as_deref(), Ok(path));
        }
        for (text, remedy) in [
            ("owa", "\"/owa\""),
            ("/owa/*", "\"/owa\""),
            ("/*", "\"/\""),
            ("/owa?x=1", "\"/owa\""),
            ("/a%20b", "themselves"),
            ("/a/../b", "lead to"),
            ("/a//b", "single"),
            ("/a//", "single"),
            ("/a\\b", "`/`"),
            ("https://mail.example.com/owa", "\"/owa\""),
        ] {
            let problem = route_path(text).expect_err(text);
            assert!(problem.remedy.contains(remedy), "{text}: {}", problem.remedy);
        }
    }

    #[test]
    fn urls_are_whole() {
        for good in ["https://mail.example.com/owa/?a=b", "http://192.0.2.1:8080", "https://[2001:db8::1]/"] {
            assert_eq!(url(good), Ok(good));
        }
        for bad in
            ["/owa", "mail.example.com", "https://", "https:///x", "ftp://a/", "https://a/ b", "https://a b/"]
        {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
