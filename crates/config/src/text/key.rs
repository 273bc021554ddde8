//! What requests are told apart by, and classes of statuses.

use super::{Problem, field, spelling};
use crate::report::Code;
use crate::{RequestKey, StatusRange};

/// Keys of one word.
const WORDS: [&str; 3] = ["source", "path", "uri"];

/// Keys that need a name.
const NAMED: [&str; 3] = ["header", "cookie", "query"];

/// Reads `"source"`, `"path"`, `"uri"`, `"header:NAME"`, `"cookie:NAME"`, `"query:NAME"`.
pub(crate) fn request_key(text: &str) -> Result<RequestKey, Problem> {
    match text {
        "source" => return Ok(RequestKey::Source),
        "path" => return Ok(RequestKey::Path),
        "uri" => return Ok(RequestKey::Uri),
        _ => {}
    }
    let Some((kind, name)) = text.split_once(':') else {
        let all = WORDS.iter().chain(&NAMED).copied();
        let remedy = match spelling::nearest(text, all) {
            Some(nearest) if NAMED.contains(&nearest) => format!("write which one: \"{nearest}:NAME\""),
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None => "write \"source\", \"path\", \"uri\", \"header:NAME\", \"cookie:NAME\" or \"query:NAME\""
                .to_owned(),
        };
        return Err(Problem::new(
            Code::UnknownWord,
            format!("clients are not told apart by `{text}`"),
            remedy,
        ));
    };
    let name = name.trim();
    match kind {
        "header" => field::token(name).map(|name| RequestKey::Header(name.into())),
        "cookie" => field::token(name).map(|name| RequestKey::Cookie(name.into())),
        "query" if !name.is_empty() && !name.contains(char::is_control) => Ok(RequestKey::Query(name.into())),
        "query" => Err(Problem::new(
            Code::BadText,
            format!("`{text}` names no parameter"),
            "write its name: \"query:user\"",
        )),
        _ => Err(Problem::new(
            Code::UnknownWord,
            format!("`{kind}` is no part of a request that has names"),
            "write \"header:NAME\", \"cookie:NAME\" or \"query:NAME\"",
        )),
    }
}

/// A key as it is written.
pub(crate) fn written(key: &RequestKey) -> String {
    match key {
        RequestKey::Source => "source".to_owned(),
        RequestKey::Path => "path".to_owned(),
        RequestKey::Uri => "uri".to_owned(),
        RequestKey::Header(name) => format!("header:{name}"),
        RequestKey::Cookie(name) => format!("cookie:{name}"),
        RequestKey::Query(name) => format!("query:{name}"),
    }
}

/// Reads `"200"`, `"2xx"` or `"200-299"`.
pub(crate) fn statuses(text: &str) -> Result<StatusRange, Problem> {
    let number = |text: &str| {
        text.parse::<u16>().ok().filter(|status| (100..=599).contains(status) && text.len() == 3)
    };
    let class = text
        .strip_suffix("xx")
        .or_else(|| text.strip_suffix("XX"))
        .and_then(|digit| digit.parse::<u16>().ok());
    let range = match (class, text.split_once('-')) {
        (Some(class @ 1..=5), _) => Some((class * 100, class * 100 + 99)),
        (_, Some((first, last))) => number(first).zip(number(last)),
        _ => number(text).map(|status| (status, status)),
    };
    match range {
        Some((first, last)) if first <= last => Ok(StatusRange { first, last }),
        _ => Err(Problem::new(
            Code::BadText,
            format!("`{text}` stands for no statuses"),
            "write a status from 100 to 599, a class such as \"2xx\", or a range such as \"200-399\"",
        )),
    }
}

/// Reads bytes written as two hexadecimal digits each; spaces may part them.
pub(crate) fn hex(text: &str) -> Result<Box<[u8]>, Problem> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let bytes: Option<Box<[u8]>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                Some(digit(*high)? * 16 + digit(*low)?)
            }
            _ => None,
        })
        .collect();
    bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| {
        let message = format!("`{text}` is not bytes in hexadecimal digits");
        Problem::new(Code::BadText, message, "write two digits a byte, such as \"0d 0a\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_a_word_or_name_a_part_of_the_request() {
        for text in ["source", "path", "uri", "header:X-User", "cookie:sid", "query:user id"] {
            assert_eq!(request_key(text).map(|key| written(&key)).as_deref(), Ok(text));
        }
        for (text, remedy) in [
            ("sorce", "\"source\""),
            ("header", "\"header:NAME\""),
            ("header:", "letters"),
            ("header:a b", "letters"),
            ("query:", "query:user"),
            ("path:x", "\"header:NAME\""),
            ("", "\"source\""),
        ] {
            let problem = request_key(text).expect_err(text);
            assert!(problem.remedy.contains(remedy), "{text}: {}", problem.remedy);
        }
    }

    #[test]
    fn statuses_are_one_or_a_class_or_a_range() {
        for (text, first, last) in [("200", 200, 200), ("2xx", 200, 299), ("200-399", 200, 399)] {
            assert_eq!(statuses(text), Ok(StatusRange { first, last }));
        }
        for text in ["", "2x", "6xx", "99", "0200", "399-200", "200-", "ok"] {
            assert!(statuses(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_are_pairs_of_digits() {
        assert_eq!(hex("0d 0A").as_deref(), Ok(&b"\r\n"[..]));
        for text in ["", "0", "0x0d", "zz", "0d0"] {
            assert!(hex(text).is_err(), "{text}");
        }
    }
}
