//! Strings that have a form: what a key's kind makes of one.

use std::time::Duration;

use super::Value;
use crate::LogSink;
use crate::model::Kind;
use crate::report::Code;
use crate::text::duration::NotDuration;
use crate::text::{self, Problem};

/// Characters of a free text or path at most.
const TEXT_CHARS_MAX: usize = 4096;

/// Bytes of a text of several lines at most.
const PAYLOAD_BYTES_MAX: usize = 65_536;

/// Whether a kind is written as one string.
pub(super) fn takes_string(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Integer { .. }
            | Kind::Bool
            | Kind::List(_)
            | Kind::Table(_)
            | Kind::Tables(_)
            | Kind::Named(_)
            | Kind::Choice(_)
            | Kind::Headers(_)
            | Kind::Later
    )
}

/// Reads a string of a kind.
pub(super) fn scalar(kind: &Kind, text: &str) -> Result<Value, Problem> {
    Ok(match kind {
        Kind::Name => Value::Text(text::name::name(text)?.into()),
        Kind::Host => Value::Text(text::name::host(text)?.to_lowercase().into()),
        Kind::Path => Value::Text(path(text)?.into()),
        Kind::UrlPath => Value::Text(url_path(text)?.into()),
        Kind::Duration { min, max } => Value::Duration(duration(text, *min, *max)?),
        Kind::Sink => Value::Sink(sink(text)?),
        Kind::Bind => Value::Bind(text::address::bind(text)?),
        Kind::Listen => {
            let (address, transport) = text::address::listen(text)?;
            Value::Listen(address, transport)
        }
        Kind::Server => Value::Server(text::address::server(text)?),
        Kind::Machine => Value::Text(machine(text)?.into()),
        Kind::Ip => Value::Ip(text::address::ip(text)?),
        Kind::Network => Value::Network(text::address::network(text)?),
        Kind::PacketRate => Value::PacketRate(text::shield::rate(text)?),
        Kind::Allow => Value::Allow(text::shield::allow(text)?),
        Kind::Interface => Value::Text(text::shield::interface(text)?.into()),
        Kind::ServerName => Value::ServerName(text::name::server_name(text)?),
        Kind::RoutePath => Value::Text(text::field::route_path(text)?),
        Kind::Token => Value::Text(text::field::token(text)?.into()),
        Kind::Header => Value::Text(text::field::header(text)?.into()),
        Kind::Regex => Value::Text(text::template::regex(text)?.into()),
        Kind::Template => Value::Template(text::template::template(text)?),
        Kind::PathTemplate => Value::Template(text::template::target(text, &["/"])?),
        Kind::QueryTemplate => Value::Template(text::template::target(text, &[""])?),
        Kind::UrlTemplate => Value::Template(text::template::target(text, &["http://", "https://"])?),
        Kind::Authority => Value::Text(text::field::authority(text)?.into()),
        Kind::Url => Value::Text(text::field::url(text)?.into()),
        Kind::RequestKey => Value::RequestKey(text::key::request_key(text)?),
        Kind::Statuses => Value::Statuses(text::key::statuses(text)?),
        Kind::Hex => Value::Octets(text::key::hex(text)?),
        Kind::Rate => Value::Rate(text::rate::rate(text)?),
        Kind::Payload => Value::Text(payload(text)?.into()),
        Kind::Bytes { min, max } => Value::Integer(text::size::bytes(text, *min, *max)?),
        Kind::RequestHost => Value::ServerName(text::name::request_host(text)?),
        Kind::PasswordHash => Value::PasswordHash(text::hash::password_hash(text)?),
        _ => Value::Text(plain(text)?.into()),
    })
}

fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, Problem> {
    let (least, most) = (text::duration::written(min), text::duration::written(max));
    let range = || {
        Problem::new(
            Code::OutOfRange,
            format!("`{text}` is too long"),
            format!("write \"{least}\" to \"{most}\""),
        )
    };
    match text::duration::duration(text) {
        Ok(duration) if duration > max => Err(range()),
        Ok(duration) if duration < min => {
            Err(Problem { message: format!("`{text}` is too short"), ..range() })
        }
        Ok(duration) => Ok(duration),
        Err(NotDuration::TooLong) => Err(range()),
        Err(NotDuration::MissingUnit { better }) => Err(Problem::new(
            Code::MissingUnit,
            format!("`{text}` has no unit"),
            format!("write \"{better}\", or another unit: ms, s, m, h, d"),
        )),
        Err(NotDuration::Malformed { better }) => Err(Problem::new(
            Code::BadDuration,
            format!("`{text}` is not a duration"),
            match better {
                Some(better) => format!("write \"{better}\": a whole number and one of ms, s, m, h, d"),
                None => "write a whole number and one of ms, s, m, h, d, such as \"5s\"".to_owned(),
            },
        )),
    }
}

fn plain(text: &str) -> Result<&str, Problem> {
    let message = if text.is_empty() {
        "the text is empty".to_owned()
    } else if text.chars().count() > TEXT_CHARS_MAX {
        format!("the text is longer than {TEXT_CHARS_MAX} characters")
    } else if let Some(wrong) = text.chars().find(|c| c.is_control()) {
        format!("the text has {} in it", text::name::shown(wrong))
    } else {
        return Ok(text);
    };
    Err(Problem::new(Code::BadText, message, format!("write 1 to {TEXT_CHARS_MAX} characters on one line")))
}

fn machine(text: &str) -> Result<&str, Problem> {
    if text::address::server(text).is_ok() || text::address::ip(text).is_ok() {
        return Ok(text);
    }
    if text.contains([':', '[', ']']) {
        return text::address::server(text).map(|_| text);
    }
    text::name::host(text)
}

fn payload(text: &str) -> Result<&str, Problem> {
    if text.len() <= PAYLOAD_BYTES_MAX {
        return Ok(text);
    }
    let message = format!("the text is longer than {PAYLOAD_BYTES_MAX} bytes");
    Err(Problem::new(Code::BadText, message, "put it into a file"))
}

fn path(text: &str) -> Result<&str, Problem> {
    if text.starts_with('/') {
        return plain(text);
    }
    Err(Problem::new(
        Code::BadPath,
        format!("`{text}` is not an absolute path"),
        "write the whole path from `/` on: the program may run in any directory",
    ))
}

fn url_path(text: &str) -> Result<&str, Problem> {
    let bad = |message: String, remedy: &str| Err(Problem::new(Code::BadPath, message, remedy));
    if !text.starts_with('/') {
        return bad(
            format!("`{text}` does not begin with `/`"),
            "write path and query alone, such as \"/health\"",
        );
    }
    if let Some(wrong) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        let shown = text::name::shown(wrong);
        return bad(
            format!("a request cannot ask for a path with {shown} in it (RFC 3986)"),
            "write such characters as % and two hexadecimal digits; a space is %20",
        );
    }
    plain(text)
}

fn sink(text: &str) -> Result<LogSink, Problem> {
    match text {
        "off" => Ok(LogSink::Off),
        "stdout" => Ok(LogSink::Stdout),
        "stderr" => Ok(LogSink::Stderr),
        _ if text.starts_with('/') => plain(text).map(|path| LogSink::File(path.into())),
        _ => Err(Problem::new(
            Code::BadPath,
            format!("`{text}` is no place for a log"),
            match text::spelling::nearest(text, ["stdout", "stderr", "off"]) {
                Some(nearest) => {
                    format!("did you mean \"{nearest}\"? A file is written with its whole path from `/` on")
                }
                None => {
                    "write \"stdout\", \"stderr\", \"off\" or the whole path of a file from `/` on".to_owned()
                }
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_taken_or_get_a_remedy() {
        let seconds = |text: &str| duration(text, Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(seconds("1m"), Ok(Duration::from_secs(60)));
        for (text, code) in [
            ("61s", Code::OutOfRange),
            ("0s", Code::OutOfRange),
            ("999999999999999999999d", Code::OutOfRange),
            ("30", Code::MissingUnit),
            ("half a minute", Code::BadDuration),
        ] {
            assert_eq!(seconds(text).map_err(|problem| problem.code), Err(code), "{text}");
        }
        assert_eq!(sink("off"), Ok(LogSink::Off));
        assert_eq!(sink("/var/log/x"), Ok(LogSink::File("/var/log/x".into())));
        for text in ["", "var/log/x", "STDOUT", "/var/log/\u{0}"] {
            assert!(sink(text).is_err_and(|problem| !problem.remedy.is_empty()), "{text}");
        }
        assert_eq!(url_path("/owa/healthcheck.htm?a=%20"), Ok("/owa/healthcheck.htm?a=%20"));
        for text in ["", "owa", "/a b", "/ä", "/a#b", "/a\r\nHost: b"] {
            assert_eq!(url_path(text).map_err(|problem| problem.code), Err(Code::BadPath), "{text}");
        }
        let long = "a".repeat(TEXT_CHARS_MAX + 1);
        for text in ["", "a\nb", "a\u{7f}b", &long] {
            assert_eq!(plain(text).map_err(|problem| problem.code), Err(Code::BadText), "{text}");
        }
    }
}
