//! Regression tests in go-ftw's form: a request, and which rules are to be in the log.

use saphyr::{LoadableYamlNode, Yaml};
use std::path::Path;

/// One request of a test and what is expected of it.
pub(crate) struct Stage {
    pub input: Input,
    pub output: Output,
}

pub(crate) struct Input {
    pub method: String,
    pub uri: String,
    pub version: String,
    pub headers: Vec<(String, String)>,
    pub data: Option<String>,
    pub autocomplete: bool,
    /// The whole request, byte for byte.
    pub raw: Option<Vec<u8>>,
}

#[derive(Default, Debug)]
pub(crate) struct Output {
    pub status: Option<u16>,
    pub expect: Vec<u64>,
    pub no_expect: Vec<u64>,
    pub match_regex: Option<String>,
    pub no_match_regex: Option<String>,
    pub expect_error: bool,
}

pub(crate) struct Test {
    pub name: String,
    pub stages: Vec<Stage>,
}

/// Reads a test file, of go-ftw's present form or the older one of rule sets before 4.
pub(crate) fn read(path: &Path) -> Vec<Test> {
    let text = std::fs::read_to_string(path).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tests = Vec::new();
    for document in &documents {
        let rule = number(get(document, "rule_id")).unwrap_or(0);
        for test in list(get(document, "tests")) {
            let title = get(test, "test_title").and_then(text_of);
            let id = number(get(test, "test_id")).unwrap_or(0);
            let stages = list(get(test, "stages")).iter().map(|stage| {
                let stage = get(stage, "stage").unwrap_or(stage);
                Stage { input: input(get(stage, "input")), output: output(get(stage, "output")) }
            });
            let stages = stages.collect();
            tests.push(Test { name: title.unwrap_or_else(|| format!("{rule}-{id}")), stages });
        }
    }
    tests
}

fn get<'y>(yaml: &'y Yaml<'y>, key: &str) -> Option<&'y Yaml<'y>> {
    yaml.as_mapping_get(key)
}

fn list<'y>(yaml: Option<&'y Yaml<'y>>) -> &'y [Yaml<'y>] {
    yaml.and_then(|yaml| yaml.as_sequence()).map_or(&[], |list| list.as_slice())
}

fn number(yaml: Option<&Yaml<'_>>) -> Option<u64> {
    yaml.and_then(text_of)?.parse().ok()
}

/// A scalar as text, whatever it looks like.
fn text_of(yaml: &Yaml<'_>) -> Option<String> {
    if let Some(text) = yaml.as_str() {
        return Some(text.to_owned());
    }
    if let Some(number) = yaml.as_integer() {
        return Some(number.to_string());
    }
    if let Some(number) = yaml.as_floating_point() {
        return Some(number.to_string());
    }
    yaml.as_bool().map(|flag| flag.to_string())
}

fn input(yaml: Option<&Yaml<'_>>) -> Input {
    let yaml = yaml.expect("a stage has an input");
    let text = |key: &str| get(yaml, key).and_then(text_of);
    let headers =
        get(yaml, "headers").and_then(|headers| headers.as_mapping()).map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|(name, value)| (text_of(name).unwrap(), text_of(value).unwrap_or_default()))
                .collect()
        });
    let data = get(yaml, "data").map(|data| match data.as_sequence() {
        Some(lines) => lines.iter().filter_map(text_of).collect::<Vec<_>>().join("\r\n"),
        None => text_of(data).unwrap_or_default(),
    });
    Input {
        method: text("method").unwrap_or_else(|| "GET".to_owned()),
        uri: text("uri").unwrap_or_else(|| "/".to_owned()),
        version: text("version").unwrap_or_else(|| "HTTP/1.1".to_owned()),
        headers,
        data,
        autocomplete: text("autocomplete_headers")
            .or_else(|| text("stop_magic").map(|on| (on != "true").to_string()))
            != Some("false".to_owned()),
        raw: text("encoded_request").map(|coded| base64(&coded)),
    }
}

fn output(yaml: Option<&Yaml<'_>>) -> Output {
    let Some(yaml) = yaml else { return Output::default() };
    let text = |yaml: &Yaml<'_>, key: &str| get(yaml, key).and_then(text_of);
    let mut output = Output {
        status: match get(yaml, "status") {
            Some(status) if status.as_sequence().is_some() => None,
            status => number(status).map(|status| status as u16),
        },
        match_regex: text(yaml, "log_contains"),
        no_match_regex: text(yaml, "no_log_contains"),
        expect_error: text(yaml, "expect_error") == Some("true".to_owned()),
        ..Output::default()
    };
    if let Some(log) = get(yaml, "log") {
        let ids = |key: &str| list(get(log, key)).iter().filter_map(|id| number(Some(id))).collect();
        output.expect = ids("expect_ids");
        output.no_expect = ids("no_expect_ids");
        output.match_regex = text(log, "match_regex");
        output.no_match_regex = text(log, "no_match_regex");
    }
    output
}

pub(crate) fn base64(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::new());
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for digit in text.bytes().filter_map(|byte| digits.iter().position(|digit| *digit == byte)) {
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// A request as it is on the wire.
pub(crate) struct Request {
    pub method: Vec<u8>,
    pub uri: Vec<u8>,
    pub version: Vec<u8>,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.as_slice())
    }
}

/// Builds the request that go-ftw would send.
pub(crate) fn request(input: &Input) -> Request {
    if let Some(raw) = &input.raw {
        return parse(raw);
    }
    let mut headers = input.headers.clone();
    let has = |headers: &[(String, String)], name: &str| {
        headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    };
    let mut data = input.data.clone().unwrap_or_default();
    if input.autocomplete {
        if !data.is_empty() && !has(&headers, "Content-Type") {
            headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        let form = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type") && value == "application/x-www-form-urlencoded"
        });
        if form {
            data = encode(&data);
        }
        if !has(&headers, "Connection") {
            headers.push(("Connection".to_owned(), "close".to_owned()));
        }
        let has_body = !data.is_empty() || input.method == "POST";
        if has_body && !has(&headers, "Content-Length") {
            headers.push(("Content-Length".to_owned(), data.len().to_string()));
        }
    }
    Request {
        method: input.method.clone().into_bytes(),
        uri: input.uri.clone().into_bytes(),
        version: input.version.clone().into_bytes(),
        headers: headers.into_iter().map(|(n, v)| (n.into_bytes(), v.trim().as_bytes().to_vec())).collect(),
        body: data.into_bytes(),
    }
}

/// Data without any escape is escaped, its arguments in the order of their names.
fn encode(data: &str) -> String {
    if data.contains(['%', '+', ';']) || data.is_empty() {
        return data.to_owned();
    }
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    char::from(byte).to_string()
                }
                b' ' => "+".to_owned(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    let mut pairs: Vec<(&str, &str)> = data
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .collect();
    pairs.sort_by_key(|(name, _)| *name);
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

fn parse(raw: &[u8]) -> Request {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").map_or(raw.len(), |at| at + 4);
    let mut lines =
        raw[..end].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut words = lines.next().unwrap_or(b"").splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec);
    let mut word = || words.next().unwrap_or_default();
    let (method, uri, version) = (word(), word(), word());
    let headers = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((line[..colon].to_vec(), line[colon + 1..].trim_ascii().to_vec()))
        })
        .collect();
    Request { method, uri, version, headers, body: raw[end..].to_vec() }
}
