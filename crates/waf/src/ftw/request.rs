//! The request that a test means.

use super::Input;

/// A request as it is on the wire.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the parts of a request")]
pub struct Request {
    pub method: Vec<u8>,
    pub uri: Vec<u8>,
    pub version: Vec<u8>,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.as_slice())
    }
}

impl From<&Input> for Request {
    /// The request that go-ftw would send.
    fn from(input: &Input) -> Self {
        build(input)
    }
}

fn build(input: &Input) -> Request {
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
