//! Values of headers with places to fill in, and regular expressions.

use regex::RegexBuilder;

use super::{Problem, field, spelling};
use crate::report::Code;
use crate::{Template, TemplatePart};

/// What may be filled in.
const PLACES: &[(&str, TemplatePart)] = &[
    ("client-ip", TemplatePart::ClientIp),
    ("client-port", TemplatePart::ClientPort),
    ("host", TemplatePart::Host),
    ("port", TemplatePart::Port),
    ("destination", TemplatePart::Destination),
    ("uri", TemplatePart::Uri),
    ("query", TemplatePart::Query),
    ("method", TemplatePart::Method),
    ("listener", TemplatePart::Listener),
    ("pool", TemplatePart::Pool),
    ("server", TemplatePart::Server),
    ("scheme", TemplatePart::Scheme),
    ("path", TemplatePart::Path),
    ("id", TemplatePart::RequestId),
    ("server-name", TemplatePart::ServerName),
    ("tls-version", TemplatePart::TlsVersion),
    ("client-certificate-subject", TemplatePart::ClientCertificateSubject),
    ("client-certificate", TemplatePart::ClientCertificate),
    ("client-certificate-name", TemplatePart::ClientCertificateName),
    ("client-certificate-issuer", TemplatePart::ClientCertificateIssuer),
    ("client-certificate-serial", TemplatePart::ClientCertificateSerial),
    ("client-certificate-sha256", TemplatePart::ClientCertificateSha256),
    ("client-certificate-pem", TemplatePart::ClientCertificatePem),
];

/// Characters of a value at most.
const VALUE_CHARS_MAX: usize = 4096;

/// Bytes that a compiled regular expression may take.
pub(crate) const REGEX_BYTES_MAX: usize = 1 << 20;

/// Reads the value of a header: `{client-ip}` is filled in, `{{` is `{`. `}` alone stands for itself.
pub(crate) fn template(text: &str) -> Result<Template, Problem> {
    field::value(text)?;
    if text.chars().count() > VALUE_CHARS_MAX {
        let message = format!("the value is longer than {VALUE_CHARS_MAX} characters");
        return Err(Problem::new(Code::BadHeader, message, "shorten it: servers refuse such headers"));
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        literal.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            literal.push('{');
            rest = after;
            continue;
        }
        let Some(end) = rest.find('}') else {
            return Err(Problem::new(
                Code::BadPlaceholder,
                format!("in `{text}` a `{{` is not closed"),
                "write `{{` for the character itself, or close it: `{client-ip}`",
            ));
        };
        if !literal.is_empty() {
            parts.push(TemplatePart::Text(std::mem::take(&mut literal).into()));
        }
        parts.push(place(&rest[..end])?);
        rest = &rest[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(TemplatePart::Text(literal.into()));
    }
    Ok(Template(parts))
}

/// Reads a target or a URL with places to fill in: it begins with one of `begins`, or with a place.
pub(crate) fn target(text: &str, begins: &[&str]) -> Result<Template, Problem> {
    let bad = |message: String, remedy: String| Problem::new(Code::BadPath, message, remedy);
    let begun = begins.iter().any(|begin| text.starts_with(begin));
    let place = text.starts_with('{') && !text.starts_with("{{");
    if !begun && !place {
        let begins = begins.iter().map(|begin| format!("`{begin}`")).collect::<Vec<_>>().join(" or ");
        return Err(bad(
            format!("`{text}` does not begin with {begins}"),
            format!("write {begins} in front"),
        ));
    }
    if let Some(wrong) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        let message = format!("a request cannot ask for {} (RFC 3986)", super::name::shown(wrong));
        return Err(bad(message, "write it as % and two hexadecimal digits; a space is %20".to_owned()));
    }
    template(text)
}

fn place(word: &str) -> Result<TemplatePart, Problem> {
    if let Some((kind, name)) = word.split_once(':') {
        let named = match kind {
            "header" => field::token(name).ok().map(|name| TemplatePart::Header(name.into())),
            "cookie" => field::token(name).ok().map(|name| TemplatePart::Cookie(name.into())),
            "query" if !name.is_empty() => Some(TemplatePart::Parameter(name.into())),
            _ => None,
        };
        let message = format!("nothing is called `{{{word}}}`");
        let remedy = "write `{header:NAME}`, `{cookie:NAME}` or `{query:NAME}`";
        return named.ok_or_else(|| Problem::new(Code::BadPlaceholder, message, remedy));
    }
    if let Some((_, part)) = PLACES.iter().find(|(own, _)| *own == word) {
        return Ok(part.clone());
    }
    let remedy = match spelling::nearest(word, PLACES.iter().map(|(own, _)| *own)) {
        Some(nearest) => format!("did you mean `{{{nearest}}}`?"),
        None => {
            let all: Vec<String> = PLACES.iter().map(|(own, _)| format!("`{{{own}}}`")).collect();
            format!("there are {}; `{{{{` is the character itself", all.join(", "))
        }
    };
    Err(Problem::new(Code::BadPlaceholder, format!("nothing is called `{{{word}}}`"), remedy))
}

/// A template as it is written.
pub(crate) fn written(template: &Template) -> String {
    let part = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => text.replace('{', "{{"),
        TemplatePart::Header(name) => format!("{{header:{name}}}"),
        TemplatePart::Cookie(name) => format!("{{cookie:{name}}}"),
        TemplatePart::Parameter(name) => format!("{{query:{name}}}"),
        part => {
            let word = PLACES.iter().find(|(_, own)| own == part).map_or("", |(word, _)| *word);
            format!("{{{word}}}")
        }
    };
    template.0.iter().map(part).collect()
}

/// Checks a regular expression: it compiles, and to no more than [`REGEX_BYTES_MAX`].
pub(crate) fn regex(text: &str) -> Result<&str, Problem> {
    if text.is_empty() {
        let message = "the regular expression is empty, and found everywhere";
        return Err(Problem::new(Code::BadRegex, message, "write one, such as \"^/sites/[0-9]+/\""));
    }
    match RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build() {
        Ok(_) => Ok(text),
        Err(regex::Error::CompiledTooBig(limit)) => Err(Problem::new(
            Code::BadRegex,
            format!("the regular expression takes more than {limit} bytes of memory"),
            "repeat less: `{1,1000}` of a large class is a thousand copies of it",
        )),
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let why = why.trim().trim_start_matches("error: ");
            Err(Problem::new(
                Code::BadRegex,
                format!("`{text}` is not a regular expression: {why}"),
                "write it as the crate `regex` has it: without look-around and back-references; '…' keeps backslashes",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_parted_at_their_places() {
        let text = |text: &str| TemplatePart::Text(text.into());
        for (written, parts) in [
            ("On", vec![text("On")]),
            ("", vec![]),
            ("{client-ip}", vec![TemplatePart::ClientIp]),
            (
                "a {id}-{host} b",
                vec![text("a "), TemplatePart::RequestId, text("-"), TemplatePart::Host, text(" b")],
            ),
            ("{{id}} {{", vec![text("{id}} {")]),
            (
                "{header:X-A}{cookie:b}{query:c d}",
                vec![
                    TemplatePart::Header("X-A".into()),
                    TemplatePart::Cookie("b".into()),
                    TemplatePart::Parameter("c d".into()),
                ],
            ),
            ("a{path}{{", vec![text("a"), TemplatePart::Path, text("{")]),
        ] {
            let template = template(written).unwrap();
            assert_eq!(template.0, parts, "{written}");
            assert_eq!(super::template(&super::written(&template)), Ok(template));
        }
    }

    #[test]
    fn what_is_not_there_to_fill_in_gets_the_nearest() {
        for (text, remedy) in [
            ("{client_ip}", "`{client-ip}`"),
            ("{clientip}", "`{client-ip}`"),
            ("{hosts}", "`{host}`"),
            ("{}", "`{tls-version}`"),
            ("{whatever-this-is}", "`{scheme}`"),
            ("a{", "`{{`"),
            ("a\r\nb", "one line"),
        ] {
            let problem = template(text).expect_err(text);
            assert!(problem.remedy.contains(remedy), "{text}: {}", problem.remedy);
        }
    }

    #[test]
    fn regular_expressions_compile_and_stay_small() {
        for good in ["^/owa", "(?i)a|b", "a{2,5}"] {
            assert_eq!(regex(good), Ok(good));
        }
        for (bad, why) in [
            ("", "empty"),
            ("(", "unclosed group"),
            ("(?=a)b", "look-around"),
            ("[\\w\\s]{1,5000}", "bytes of memory"),
        ] {
            let problem = regex(bad).expect_err(bad);
            assert!(problem.message.contains(why), "{bad}: {}", problem.message);
        }
    }
}
