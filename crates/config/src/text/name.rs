//! Names: our own (of pools, listeners, …), of hosts, and those that a TLS client may ask for.

use std::borrow::Cow;

use super::{Problem, punycode};
use crate::ServerName;
use crate::report::Code;

/// Characters a name of ours may have at most. Names stand in log lines, metrics and paths of the admin API.
pub(crate) const NAME_CHARS_MAX: usize = 64;

/// Bytes of a host name at most (RFC 1035 section 2.3.4, without the final dot).
const HOST_BYTES_MAX: usize = 253;

/// Bytes of one label of a host name at most (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Checks a name of ours.
pub(crate) fn name(text: &str) -> Result<&str, Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fault = if text.is_empty() {
        "a name cannot be empty".to_owned()
    } else if text.len() > NAME_CHARS_MAX {
        format!("a name has at most {NAME_CHARS_MAX} characters, this one has {}", text.chars().count())
    } else if let Some(wrong) = text.chars().find(|c| !plain(*c)) {
        format!("a name cannot have {} in it", shown(wrong))
    } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "a name begins with a letter or a digit".to_owned()
    } else {
        return Ok(text);
    };
    Err(Problem::new(
        Code::BadName,
        fault,
        "use letters a to z, digits, `-`, `_` and `.`; names stand in log lines, metrics and addresses of the admin API",
    ))
}

/// Checks the name of a host, as DNS has it (RFC 1123 section 2.1; underscores are let pass, as many networks use
/// them).
pub(crate) fn host(text: &str) -> Result<&str, Problem> {
    let bad = |message: String, remedy: &str| Err(Problem::new(Code::BadAddress, message, remedy));
    if let Some((message, remedy)) = host_fault(text) {
        return bad(message, &remedy);
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return bad(
            format!("`{text}` is neither an IPv4 address nor a host name"),
            "an IPv4 address is four numbers from 0 to 255; a host name does not end in a number",
        );
    }
    Ok(text)
}

/// Reads a name of a route: `mail.example.com` or `*.example.com`, in any letter case.
pub(crate) fn server_name(text: &str) -> Result<ServerName, Problem> {
    let bad = |message: String, remedy: String| Err(Problem::new(Code::BadServerName, message, remedy));
    if text == "*" {
        return bad(
            "`*` alone is not a name".to_owned(),
            "write the pool for every other name as `pool` of the listener".to_owned(),
        );
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        return bad(
            format!("`{text}` is a URL, not a server name"),
            format!("write the name alone: \"{host}\""),
        );
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return bad(
            format!("`{text}` is an address; TLS clients send names only (RFC 6066 section 3)"),
            "a client that asks for an address sends no name and goes to the listener's own `pool`"
                .to_owned(),
        );
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return bad(format!("a server name has no port, but `{text}` does"), format!("write \"{host}\""));
    }
    let lower = text.strip_suffix('.').unwrap_or(text).to_lowercase();
    let (below, host) = lower.strip_prefix("*.").map_or((false, lower.as_str()), |host| (true, host));
    if host.contains('*') {
        return bad(
            format!("in `{text}` the `*` is not the whole first label"),
            "a wildcard stands for whole labels at the front: \"*.example.com\"".to_owned(),
        );
    }
    if let Some((message, remedy)) = host_fault(host) {
        return bad(message, remedy.into_owned());
    }
    Ok(if below { ServerName::Below(format!(".{host}").into()) } else { ServerName::Exact(host.into()) })
}

/// Reads a host that requests are for: as a name of a route, but clients may ask for an IPv4 address as well.
pub(crate) fn request_host(text: &str) -> Result<ServerName, Problem> {
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return Ok(ServerName::Exact(text.into()));
    }
    server_name(text)
}

/// What is wrong with a host name, and what to do.
fn host_fault(text: &str) -> Option<(String, Cow<'static, str>)> {
    if text.is_empty() {
        return Some((
            "a host name cannot be empty".to_owned(),
            "write a name such as \"mail.example.com\"".into(),
        ));
    }
    if let Some(wrong) = text.chars().find(|c| !c.is_ascii()) {
        return Some((
            format!("host names on the wire are ASCII, but `{text}` has {}", shown(wrong)),
            match punycode::ascii(text) {
                Some(ascii) => format!("write its ASCII form: \"{ascii}\"").into(),
                None => "write its ASCII form; this one would be too long for DNS".into(),
            },
        ));
    }
    if let Some(wrong) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        return Some((
            format!("a host name cannot have {} in it", shown(wrong)),
            "use letters, digits and hyphens, with dots between the labels".into(),
        ));
    }
    if text.len() > HOST_BYTES_MAX {
        return Some((
            format!("a host name has at most {HOST_BYTES_MAX} characters, this one has {}", text.len()),
            "shorten it: DNS carries no longer one".into(),
        ));
    }
    text.split('.').find_map(|label| {
        let message = if label.is_empty() {
            format!("`{text}` has an empty label")
        } else if label.len() > LABEL_BYTES_MAX {
            format!("a label of `{text}` is longer than {LABEL_BYTES_MAX} characters")
        } else if label.starts_with('-') || label.ends_with('-') {
            format!("the label `{label}` begins or ends with a hyphen")
        } else {
            return None;
        };
        Some((
            message,
            "labels are 1 to 63 letters, digits and inner hyphens, with single dots between them".into(),
        ))
    })
}

/// A character in a message; those one cannot see by their number.
pub(crate) fn shown(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        c if c.is_control() || c.is_whitespace() => format!("the character U+{:04X}", u32::from(c)),
        c => format!("`{c}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ours_are_plain_words() {
        for good in ["a", "exchange01", "npm-https", "site.web_2", "0"] {
            assert_eq!(name(good), Ok(good));
        }
        let long = "a".repeat(65);
        for bad in ["", "-a", ".a", "a b", "a/b", "a\u{0}", "größe", "a\"b", &long] {
            assert_eq!(name(bad).expect_err(bad).code, Code::BadName, "{bad}");
        }
    }

    #[test]
    fn server_names_are_exact_or_below() {
        let exact = |text: &str| Ok(ServerName::Exact(text.into()));
        let below = |text: &str| Ok(ServerName::Below(text.into()));
        assert_eq!(server_name("Mail.Example.COM"), exact("mail.example.com"));
        assert_eq!(server_name("mail.example.com."), exact("mail.example.com"));
        assert_eq!(server_name("localhost"), exact("localhost"));
        assert_eq!(server_name("xn--mnchen-3ya.test"), exact("xn--mnchen-3ya.test"));
        assert_eq!(server_name("*.Example.com"), below(".example.com"));
        assert_eq!(server_name("*.com"), below(".com"));
    }

    #[test]
    fn requests_are_for_names_and_addresses() {
        assert_eq!(request_host("192.0.2.1"), Ok(ServerName::Exact("192.0.2.1".into())));
        assert_eq!(request_host("*.A.test"), Ok(ServerName::Below(".a.test".into())));
        assert!(request_host("a.test:80").is_err());
    }

    #[test]
    fn what_no_client_can_ask_for_is_refused_with_a_remedy() {
        let long = format!("{}.test", "a.".repeat(130));
        for (text, remedy) in [
            ("*", "`pool`"),
            ("mail.*.com", "*.example.com"),
            ("mail*.example.com", "*.example.com"),
            ("*mail.example.com", "*.example.com"),
            ("https://mail.example.com/owa", "\"mail.example.com\""),
            ("mail.example.com:443", "\"mail.example.com\""),
            ("192.0.2.1", "`pool`"),
            ("2001:db8::1", "`pool`"),
            ("münchen.test", "xn--"),
            ("a..test", "single dots"),
            ("-a.test", "hyphens"),
            ("a b.test", "letters"),
            ("", "mail.example.com"),
            ("*.", "*.example.com"),
            (&long, "DNS"),
        ] {
            let problem = server_name(text).expect_err(text);
            assert!(problem.remedy.contains(remedy), "{text}: {}", problem.remedy);
        }
    }

    #[test]
    fn hosts_are_names_not_broken_addresses() {
        for good in ["mail.internal", "exchange01", "a_b.test", "3com.test"] {
            assert_eq!(host(good), Ok(good));
        }
        for bad in ["10.0.0.300", "10.0.0", "", "a/b", "a b", "ex:1", "münchen.test"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }
}
