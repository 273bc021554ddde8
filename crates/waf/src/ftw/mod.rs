//! Regression tests in go-ftw's form: a request, and which rules are to be in the log.
//!
//! [`read`] takes the text of a file, [`Site::check`] says what is wrong with a test's outcome. Both the present form
//! and the one of rule sets before version 4 are read. Nothing is sent anywhere: a site is an engine, a front end that
//! refuses what is no HTTP, and a server that answers what it is asked to.

mod request;
mod site;

pub use request::Request;
pub use site::{Outcome, Site};

use crate::xform::Xform;
use saphyr::{LoadableYamlNode, Yaml};

/// One request of a test and what is expected of it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The request as the test describes it.
    pub input: Input,
    /// What is to come of it.
    pub output: Output,
}

/// A request in the words of a test.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// `GET` if the test does not say.
    pub method: String,
    /// The request target.
    pub uri: String,
    /// `HTTP/1.1` if the test does not say.
    pub version: String,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub data: Option<String>,
    /// Headers that a body needs are added.
    pub autocomplete: bool,
    /// The whole request, byte for byte, in place of all the others.
    pub raw: Option<Vec<u8>>,
}

/// What a test expects.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The response's status.
    pub status: Option<u16>,
    /// Rules that must be in the log.
    pub expect: Vec<u64>,
    /// Rules that must not.
    pub no_expect: Vec<u64>,
    /// A pattern that a line of the log must match.
    pub match_regex: Option<String>,
    /// A pattern that none may match.
    pub no_match_regex: Option<String>,
    /// The request is to be refused as no HTTP.
    pub expect_error: bool,
}

/// A test: one request after the other.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its title, or the rule's id and its number.
    pub name: String,
    /// The requests.
    pub stages: Vec<Stage>,
}

/// Reads the text of a test file. What is not understood is an error, as in rules.
pub fn read(text: &str) -> Result<Vec<Test>, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let mut tests = Vec::new();
    for document in &documents {
        let rule = number(get(document, "rule_id")).unwrap_or(0);
        if get(document, "tests").is_none() {
            return Err("there is no list of tests".to_owned());
        }
        for test in list(get(document, "tests")) {
            let title = get(test, "test_title").and_then(text_of);
            let id = number(get(test, "test_id")).unwrap_or(0);
            let name = title.unwrap_or_else(|| format!("{rule}-{id}"));
            let mut stages = Vec::new();
            for stage in list(get(test, "stages")) {
                let stage = get(stage, "stage").unwrap_or(stage);
                let Some(given) = get(stage, "input") else {
                    return Err(format!("{name}: a stage without an input"));
                };
                stages.push(Stage { input: input(given), output: output(get(stage, "output")) });
            }
            tests.push(Test { name, stages });
        }
    }
    Ok(tests)
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

fn input(yaml: &Yaml<'_>) -> Input {
    let text = |key: &str| get(yaml, key).and_then(text_of);
    let headers =
        get(yaml, "headers").and_then(|headers| headers.as_mapping()).map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|(name, value)| (text_of(name).unwrap_or_default(), text_of(value).unwrap_or_default()))
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

/// Line feeds and spaces within do not count.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let mut out = Vec::new();
    Xform::Base64Decode.apply(&digits, None, &mut out);
    out
}
