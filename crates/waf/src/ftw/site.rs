//! The rule set under test with the web site it protects.

use super::{Output, Request, Stage, Test, base64};
use crate::{
    Connection, Engine, Fed, Interruption, Mode, Now, Report, RequestLine, Store, Transaction, Verdict,
};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The status the client gets.
    pub status: u16,
    /// What the engine says; values are as they came, no secret is masked.
    pub report: Report,
    /// The error log, a line each.
    pub log: Vec<String>,
}

/// An engine with the site behind it.
pub struct Site {
    /// The rules.
    pub engine: Arc<Engine>,
    /// What outlives a request.
    pub store: Arc<Store>,
    /// In place of what the rule files say.
    pub mode: Option<Mode>,
    /// Takes the slow, obvious way.
    pub traced: bool,
}

struct Response {
    status: u16,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Site {
    /// A site whose rules decide the mode.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, store: Arc::new(Store::new()), mode: None, traced: false }
    }

    /// What is wrong with the outcome of a test; nothing if it passes.
    pub fn check(&self, test: &Test) -> Vec<String> {
        test.stages.iter().flat_map(|stage| self.check_stage(stage)).collect()
    }

    fn check_stage(&self, stage: &Stage) -> Vec<String> {
        let outcome = self.ask(&Request::from(&stage.input));
        let output = &stage.output;
        if output.expect_error {
            return if outcome.status == 400 { Vec::new() } else { vec!["an error expected".to_owned()] };
        }
        faults(&outcome, output)
    }

    /// Sends a request.
    pub fn ask(&self, request: &Request) -> Outcome {
        if !is_http(request) {
            return Outcome { status: 400, report: Report::default(), log: Vec::new() };
        }
        let request = &framed(request);
        let ends = Connection {
            client: SocketAddr::from(([127, 0, 0, 1], 51_234)),
            server: SocketAddr::from(([127, 0, 0, 1], 80)),
        };
        let now = Now { unix_micros: 1_700_000_000_000_000, utc_offset_seconds: 0 };
        let mut transaction = Transaction::new(&self.engine, Some(&self.store), ends, "test-1", now);
        if let Some(mode) = self.mode {
            transaction.set_mode(mode.engine());
        }
        if self.traced {
            transaction.start_trace();
        }
        let refused = inspect_request(&mut transaction, request);
        let status = match refused {
            Some(interruption) => interruption.status,
            None => {
                let response = respond(request);
                inspect_response(&mut transaction, &response)
                    .map_or(response.status, |refused| refused.status)
            }
        };
        let report = transaction.finish();
        let log = report
            .matches
            .iter()
            .filter(|found| found.log)
            .map(|found| found.error_log_line("127.0.0.1", "localhost", "/", "test-1", 403))
            .collect();
        Outcome { status, report, log }
    }
}

/// Which expectations are not met.
fn faults(outcome: &Outcome, output: &Output) -> Vec<String> {
    let logged = outcome.report.matches.iter().filter(|found| found.log);
    let ids: Vec<u64> = logged.map(|found| found.rule_id).collect();
    let mut faults = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            faults.push(format!("{what}; got {ids:?}, status {}", outcome.status));
        }
    };
    for id in &output.expect {
        check(ids.contains(id), format!("{id} expected"));
    }
    for id in &output.no_expect {
        check(!ids.contains(id), format!("{id} not expected"));
    }
    for (pattern, wanted) in [(&output.match_regex, true), (&output.no_match_regex, false)] {
        let Some(pattern) = pattern else { continue };
        match regex_automata::meta::Regex::new(pattern) {
            Ok(regex) => {
                let found = outcome.log.iter().any(|line| regex.is_match(line));
                check(found == wanted, format!("{pattern} {}expected", if wanted { "" } else { "not " }));
            }
            Err(error) => check(false, format!("{pattern} is no pattern: {error}")),
        }
    }
    if let Some(status) = output.status {
        let says_more = output.expect.len() + output.no_expect.len() > 0 || output.match_regex.is_some();
        check(outcome.status == status || says_more, format!("status {status} expected"));
    }
    faults
}

fn borrow(headers: &[(Vec<u8>, Vec<u8>)]) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
}

fn inspect_request(transaction: &mut Transaction, request: &Request) -> Option<Interruption> {
    let line = RequestLine { method: &request.method, uri: &request.uri, protocol: &request.version };
    match transaction.request_headers(line, borrow(&request.headers)) {
        Verdict::Refuse(interruption) => return Some(interruption),
        Verdict::InspectBody { .. } => {
            // Pieces of an odd size, so that nothing depends on how a body is cut.
            for piece in request.body.chunks(1021) {
                match transaction.request_body(piece) {
                    Fed::More => {}
                    Fed::Enough => break,
                    Fed::Refuse(interruption) => return Some(interruption),
                }
            }
        }
        Verdict::StreamUninspected => {}
    }
    transaction.request_end().cloned()
}

fn inspect_response(transaction: &mut Transaction, response: &Response) -> Option<Interruption> {
    match transaction.response_headers(response.status, b"HTTP/1.1", borrow(&response.headers)) {
        Verdict::Refuse(interruption) => return Some(interruption),
        Verdict::InspectBody { .. } => {
            if let Fed::Refuse(interruption) = transaction.response_body(&response.body) {
                return Some(interruption);
            }
        }
        Verdict::StreamUninspected => {}
    }
    transaction.response_end().cloned()
}

/// A front end passes on nothing that is no HTTP/1 (RFC 9112): it answers 400 itself.
fn is_http(request: &Request) -> bool {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let version = matches!(request.version.as_slice(), [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if matches!(major, b'1'..=b'9') && minor.is_ascii_digit());
    let method = !request.method.is_empty() && request.method.iter().all(token);
    let target = match request.uri.first() {
        Some(b'/') => true,
        Some(b'*') => request.uri.len() == 1,
        Some(_) if request.method == b"CONNECT" => request.uri.contains(&b':'),
        Some(_) => request.uri.windows(3).any(|window| window == b"://"),
        None => false,
    };
    let target = target && !request.uri.iter().any(|byte| *byte <= b' ' || *byte == 0x7f || *byte == b'#');
    let mut values = request.headers.iter().map(|(_, value)| value);
    let values = !values.any(|value| value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    let host = match request.header("host") {
        Some(host) => {
            (!host.is_empty() || request.version != b"HTTP/1.1")
                && host.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'%')
        }
        None => request.version != b"HTTP/1.1",
    };
    let digits = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let length = request.header("content-length").is_none_or(digits);
    version && method && target && values && host && length
}

/// What a front end makes of a message (RFC 9112 section 6): a body is there only if a header says so, and
/// `Transfer-Encoding` overrides `Content-Length`, which is not passed on beside it.
fn framed(request: &Request) -> Request {
    let chunked =
        request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
    let sized = request.header("content-length").is_some();
    let keep = |name: &[u8]| !(chunked && name.eq_ignore_ascii_case(b"content-length"));
    let body = match (chunked, sized) {
        (true, _) => unchunk(&request.body),
        (false, true) => request.body.clone(),
        (false, false) => Vec::new(),
    };
    Request {
        method: request.method.clone(),
        uri: request.uri.clone(),
        version: request.version.clone(),
        headers: request.headers.iter().filter(|(name, _)| keep(name)).cloned().collect(),
        body,
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let Some(size) = size.filter(|size| *size > 0 && end + 2 + size <= rest.len()) else { break };
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = rest[end + 2 + size..].strip_prefix(b"\r\n").unwrap_or(b"");
    }
    body
}

/// `/reflect` answers what the request's JSON says; everything else answers nothing, with 200.
fn respond(request: &Request) -> Response {
    let mut response = Response { status: 200, headers: Vec::new(), body: Vec::new() };
    let path = request.uri.split(|byte| *byte == b'?').next().unwrap_or(b"");
    if path != b"/reflect" {
        return response;
    }
    let Ok(wanted) = serde_json::from_slice::<Value>(&request.body) else {
        response.status = 400;
        return response;
    };
    if let Some(status) = wanted["status"].as_u64() {
        response.status = status as u16;
    }
    for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
        response.headers.push((name.clone().into_bytes(), value.as_str().unwrap_or("").as_bytes().to_vec()));
    }
    if let Some(body) = wanted["body"].as_str() {
        response.body = body.as_bytes().to_vec();
    } else if let Some(body) = wanted["encodedBody"].as_str() {
        response.body = base64(body);
    }
    let typed = response.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-type"));
    if !typed && !response.body.is_empty() {
        response.headers.push((b"Content-Type".to_vec(), b"text/plain; charset=utf-8".to_vec()));
    }
    response
}
