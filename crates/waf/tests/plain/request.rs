//! Requests made from bytes, and what their variables are.

use super::Source;

/// A request whose body, if any, is a form.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) query: Vec<u8>,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// A name and a value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

const WORDS: &[&str] = &[
    "select",
    "SELECT",
    " from ",
    "from",
    "<script>",
    "%3Cscript%3e",
    "../",
    "..%2f",
    "cat",
    "+",
    " ",
    "%00",
    "%ff",
    "a",
    "B",
    "0",
    "12",
    "=",
    "&",
    "&a=",
    "&b=",
    "&A=",
    "&id=",
    "%",
    "%4",
    "%zz",
    "\t",
    "--",
    "%26",
    "%2b",
    ";",
    "aa",
    "ab",
    "xyz",
    "%0a",
    "/",
    "a%00b",
    "GET",
];

impl Request {
    pub(crate) fn generate(source: &mut Source<'_>) -> Self {
        let method = source.pick(&["GET", "POST", "PUT"]);
        let path = source.pick(&["/", "/p/a.php", "/p/%41%2f..", "/a/../b"]);
        let query = text(source);
        let cookie = text(source);
        let agent = text(source);
        let mut headers = vec![("Host", b"example.com".to_vec()), ("Cookie", cookie), ("X-A", agent)];
        let mut body = Vec::new();
        if source.once_in(2) {
            headers.push(("Content-Type", b"application/x-www-form-urlencoded".to_vec()));
            body = text(source);
        }
        Self { method, path, query, headers, body }
    }

    pub(crate) fn uri(&self) -> Vec<u8> {
        [self.path.as_bytes(), b"?", &self.query].concat()
    }

    pub(crate) fn has_form(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == "Content-Type")
    }

    pub(crate) fn cookies(&self) -> Vec<Pair> {
        let mut found = Vec::new();
        for (_, value) in self.headers.iter().filter(|(name, _)| *name == "Cookie") {
            for part in value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
                if !part.is_empty() {
                    found.push(cut(part));
                }
            }
        }
        found
    }
}

/// Up to fifteen words, some of them any bytes.
fn text(source: &mut Source<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..source.roll(16) {
        if source.once_in(8) {
            text.push(source.roll(256) as u8);
        } else {
            text.extend_from_slice(source.pick(WORDS).as_bytes());
        }
    }
    // A fragment is no part of a request.
    text.retain(|byte| *byte != b'#');
    text
}

fn cut(part: &[u8]) -> Pair {
    match part.iter().position(|byte| *byte == b'=') {
        Some(at) => (part[..at].to_vec(), part[at + 1..].to_vec()),
        None => (part.to_vec(), Vec::new()),
    }
}

/// A form's arguments.
pub(crate) fn arguments(text: &[u8]) -> Vec<Pair> {
    let parts = text.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    parts.map(cut).map(|(name, value)| (decode(&name, true), decode(&value, true))).collect()
}

/// Percent codes, and `+` where it is a space.
pub(crate) fn decode(text: &[u8], plus: bool) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) if plus => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    out
}
