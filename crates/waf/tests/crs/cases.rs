//! The regression cases of libmodsecurity: a request, a response, a few rules, and what is to be found in
//! its logs. Our trace is put into its debug log's words.

use crate::data::{self, Disk};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use transom_waf::lang::Files;
use transom_waf::{
    Connection, Engine, Event, Fed, Interruption, Now, Refusal, RequestLine, RuleSource, Store,
};
use transom_waf::{Skip, Transaction, Verdict};

/// What a case came to.
pub(crate) enum Result {
    Passed,
    Failed(String),
    /// Is about something that this engine does not do, for this reason.
    Unsupported(&'static str),
}

pub(crate) struct Case {
    pub name: String,
    pub result: Result,
}

/// Runs every case of every file.
pub(crate) fn run(directory: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for file in data::files(directory, &["json"]) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let list: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for (number, case) in list.as_array().unwrap().iter().enumerate() {
            let title = format!("{name} {}", number + 1);
            let different = DIFFERENT.iter().find(|(known, _)| *known == title).map(|(_, why)| *why);
            let result = match unsupported(&name, case).or(different) {
                Some(reason) => Result::Unsupported(reason),
                None => check(directory, case).map_or_else(Result::Failed, |()| Result::Passed),
            };
            cases.push(Case { name: title, result });
        }
    }
    cases
}

/// Cases that come out differently on purpose.
const DIFFERENT: &[(&str, &str)] = &[
    ("action-ctl_request_body_access 2", BODY),
    ("action-ctl_request_body_access 3", BODY),
    ("variable-REQUEST_BODY 1", BODY),
    ("config-body_limits 1", LIMIT),
    ("config-body_limits 3", LIMIT),
    ("variable-INBOUND_DATA_ERROR 2", LIMIT),
    ("issue-1831 1", QUOTE),
    ("issue-1831 2", QUOTE),
    ("issue-1960 1", QUOTE),
    ("rule-920200 1", QUOTE),
    ("operator-rx 3", "a pattern that does not compile is a load error"),
    ("operator-rx 4", LINEAR),
    ("operator-rx 5", LINEAR),
    ("operator-rx 6", LINEAR),
    (
        "config-update-action-by-id 4",
        "a rule inherits the disruptive action of SecDefaultAction, as the manual says",
    ),
    ("config-update-target-by-id 4", "an exclusion of ARGS does not reach ARGS_NAMES"),
    ("config-xml_external_entity 1", "XML entities are never expanded, internal ones neither"),
    ("variable-XML 1", "XPath predicates"),
    ("issue-1725 1", "DURATION is in milliseconds, as the manual says"),
    ("collection-resource 1", WORDING),
    ("collection-resource 2", WORDING),
    ("action-ctl_request_body_processor 1", WORDING),
    ("config-update-action-by-id 3", WORDING),
    ("request-body-parser-multipart 54", WORDING),
    ("action-allow 1", WORDING),
    ("config-secdefaultaction 7", "writing the audit log is the caller's part"),
    ("issue-1812 1", "REQUEST_URI is as it came, not decoded, as the manual says"),
    ("request-body-parser-multipart-crlf 1", WORDING),
    ("variable-ENV 4", "the process's environment"),
    ("variable-RULE 7", "IP has to be initialised, as the manual says"),
    ("variable-FULL_REQUEST_LENGTH 1", "FULL_REQUEST begins with the request line, as the manual says"),
    ("variable-MODSEC_BUILD 1", "ModSecurity's build number"),
];
const BODY: &str = "REQUEST_BODY is there for forms or when forced, as the manual says";
const LIMIT: &str =
    "a body over its limit is refused with 413 or 500, and refused by default, as the manual says";
const QUOTE: &str = "a quote that is never closed is a load error";
const LINEAR: &str = "the pattern runs in linear time and hits no limit";
const WORDING: &str = "wording of the debug log";

/// Why a case does not apply.
fn unsupported(file: &str, case: &Value) -> Option<&'static str> {
    let rules = lines(&case["rules"]);
    let expected = case["expected"].to_string();
    let has = |text: &str| rules.to_lowercase().contains(&text.to_lowercase());
    if case["enabled"] == 0 {
        return Some("disabled by its authors");
    }
    let by_resource = match case["resource"].as_str() {
        Some("lua") => Some("Lua"),
        Some("geoip" | "maxmind") => Some("GeoIP database"),
        Some("ssdeep") => Some("ssdeep"),
        Some("curl") => Some("rules from the network"),
        _ => None,
    };
    let by_rule = [
        ("exec:", "exec runs programs"),
        (".lua", "Lua"),
        ("SecRuleScript", "Lua"),
        ("SecRemoteRules", "rules from the network"),
        ("@inspectFile", "inspectFile runs programs"),
        ("@fuzzyHash", "ssdeep"),
        ("@validateDTD", "DTD and schema validation"),
        ("@validateSchema", "DTD and schema validation"),
        ("@rsub", "rsub"),
        ("@rxGlobal", "rxGlobal"),
        ("@geoLookup", "GeoIP database"),
        ("GEO:", "GeoIP database"),
        ("ENV:", "the process's environment"),
        ("test-cases/", "a file that is not part of the data"),
    ]
    .into_iter()
    .find(|(text, _)| has(text))
    .map(|(_, reason)| reason);
    let by_file = match file {
        "auditlog" => Some("writing the audit log is the caller's part"),
        "offset-variable" => Some("byte offsets of variables in the request"),
        _ => None,
    };
    let by_expectation = (expected.contains("v\\d") || is_offset(&case["expected"]))
        .then_some("byte offsets of variables in the request");
    by_resource.or(by_rule).or(by_file).or(by_expectation)
}

fn is_offset(expected: &Value) -> bool {
    let pattern = regex_automata::meta::Regex::new(r"^o?\d+,.*v\d+,\d+|^v\d+,\d+").unwrap();
    expected["error_log"].as_str().is_some_and(|text| pattern.is_match(text))
}

fn lines(value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(|line| format!("{line}\n")).collect(),
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}

/// Files beside the cases; there are none, and that is what the cases about missing files want.
struct Beside<'d>(&'d Path);

impl Files for Beside<'_> {
    fn read(&self, path: &str) -> std::result::Result<Vec<u8>, String> {
        Disk.read(&self.0.join(path).to_string_lossy())
    }
    fn list(&self, directory: &str) -> std::result::Result<Vec<String>, String> {
        Disk.list(&self.0.join(directory).to_string_lossy())
    }
}

fn check(directory: &Path, case: &Value) -> std::result::Result<(), String> {
    let expected = &case["expected"];
    let text = format!(
        "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n{}",
        lines(&case["rules"])
    );
    let wants_error = expected["parser_error"].as_str();
    let engine = match Engine::load(&[RuleSource::Text { name: "case", text: &text }], &Beside(directory)) {
        Ok(engine) => engine,
        Err(errors) => {
            let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            return if wants_error.is_some() { Ok(()) } else { Err(format!("does not load: {text}")) };
        }
    };
    if wants_error.is_some_and(|error| !error.is_empty()) {
        return Err("loads, though it should not".to_owned());
    }
    let outcome = ask(&engine, case);
    if let Some(code) = expected["http_code"].as_u64()
        && code != u64::from(outcome.status)
    {
        return Err(format!("status {} instead of {code}", outcome.status));
    }
    if let Some(url) = expected["redirect_url"].as_str()
        && outcome.redirect.as_deref() != Some(url)
    {
        return Err(format!("redirects to {:?} instead of {url}", outcome.redirect));
    }
    for (key, log) in [("debug_log", &outcome.debug), ("error_log", &outcome.errors)] {
        let wanted = expected[key].as_str().into_iter().chain(expected[key.to_owned() + "s"].as_str());
        for pattern in wanted {
            if let Some(rule) =
                pattern.strip_prefix("Skipped rule id '").and_then(|rest| rest.split_once("'. Removed by"))
            {
                if log.contains(&format!("(Rule: {})", rule.0)) {
                    return Err(format!("rule {} runs", rule.0));
                }
                continue;
            }
            let regex = fancy_regex::RegexBuilder::new(pattern)
                .case_insensitive(true)
                .dot_matches_new_line(true)
                .build()
                .unwrap();
            if !regex.is_match(log.as_str()).unwrap_or(false) {
                return Err(format!("{key} lacks {pattern}\n{log}"));
            }
        }
    }
    Ok(())
}

struct Outcome {
    status: u16,
    redirect: Option<String>,
    debug: String,
    errors: String,
}

fn headers(value: &Value) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        found.push((name.clone().into_bytes(), text.into_bytes()));
    }
    found
}

fn ask(engine: &Arc<Engine>, case: &Value) -> Outcome {
    let end = |value: &Value| {
        let ip = value["ip"].as_str().unwrap_or("127.0.0.1").parse().unwrap();
        SocketAddr::new(ip, value["port"].as_u64().unwrap_or(80) as u16)
    };
    let ends = Connection { client: end(&case["client"]), server: end(&case["server"]) };
    let now = Now { unix_micros: 1_700_000_000_000_000, utc_offset_seconds: 0 };
    let store = Arc::new(Store::new());
    let mut transaction = Transaction::new(engine, Some(&store), ends, "1700000000", now);
    transaction.start_trace();
    let refused = feed(&mut transaction, case);
    let report = transaction.finish();
    let mut debug = String::new();
    let mut operator = "";
    for event in transaction.take_trace() {
        debug.push(' ');
        write_event(event, &mut operator, &mut debug);
    }
    let status = refused.as_ref().map_or(200, |refused| refused.status);
    let redirect = refused.and_then(|refused| match refused.action {
        Refusal::Redirect(to) => Some(to),
        _ => None,
    });
    let mut errors = String::new();
    for found in report.matches.iter().filter(|found| found.log) {
        let _ = writeln!(errors, "{}", found.error_log_line("127.0.0.1", "localhost", "/", "1", status));
        let _ = writeln!(debug, "Saving msg: {}", found.msg);
        if report.audit {
            let _ = writeln!(debug, "Request was relevant to be saved.");
        }
        for tag in &found.tags {
            let _ = writeln!(debug, "Rule tag: {tag}");
        }
    }
    Outcome { status, redirect, debug, errors }
}

fn feed(transaction: &mut Transaction, case: &Value) -> Option<Interruption> {
    let request = &case["request"];
    let version = match &request["http_version"] {
        Value::Null => "1.1".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let method = request["method"].as_str().unwrap_or("GET");
    let line = RequestLine {
        method: method.as_bytes(),
        uri: request["uri"].as_str().unwrap_or("/").as_bytes(),
        protocol: &[b"HTTP/", version.as_bytes()].concat(),
    };
    let request_headers = headers(&request["headers"]);
    let borrowed = |headers: &[(Vec<u8>, Vec<u8>)]| -> Vec<(Vec<u8>, Vec<u8>)> { headers.to_vec() };
    let owned = borrowed(&request_headers);
    let verdict = transaction.request_headers(line, owned.iter().map(|(n, v)| (n.as_slice(), v.as_slice())));
    if let Verdict::Refuse(interruption) = verdict {
        return Some(interruption);
    }
    let body = lines(&request["body"]);
    if let Fed::Refuse(interruption) = transaction.request_body(body.as_bytes()) {
        return Some(interruption);
    }
    if let Some(interruption) = transaction.request_end() {
        return Some(interruption.clone());
    }
    let response_headers = headers(&case["response"]["headers"]);
    let protocol = case["response"]["protocol"].as_str().unwrap_or("HTTP/1.1");
    let pairs = response_headers.iter().map(|(n, v)| (n.as_slice(), v.as_slice()));
    match transaction.response_headers(200, protocol.as_bytes(), pairs) {
        Verdict::Refuse(interruption) => return Some(interruption),
        Verdict::InspectBody { .. } => {
            let body = lines(&case["response"]["body"]);
            if let Fed::Refuse(interruption) = transaction.response_body(body.as_bytes()) {
                return Some(interruption);
            }
        }
        Verdict::StreamUninspected => {}
    }
    transaction.response_end().cloned()
}

/// As that log shows bytes that are no printable ASCII.
fn escape(text: &str) -> String {
    let byte = |byte| {
        if (b' '..0x7f).contains(&byte) { char::from(byte).to_string() } else { format!("\\x{byte:02x}") }
    };
    text.bytes().map(byte).collect()
}

fn write_event(event: Event, operator: &mut &'static str, log: &mut String) {
    let _ = match event {
        Event::Operator { rule, name, argument, targets } => {
            *operator = name;
            writeln!(
                log,
                "(Rule: {rule}) Executing operator \"{name}\" with param \"{argument}\" against {targets}."
            )
        }
        Event::Transformed { xform, value } => writeln!(log, "[9]  T (0) t:{}: \"{value}\"", xform.name()),
        Event::Target { variable, value } => {
            writeln!(log, "Target value: \"{}\" (Variable: {variable})", escape(&value))
        }
        Event::Captured { slot, value } => match *operator {
            "Rx" => writeln!(log, "Added regex subexpression TX.{slot}: {value}"),
            name => writeln!(log, "Added {name} match TX.{slot}: {value}"),
        },
        Event::Returned { matched, .. } => writeln!(log, "Rule returned {}.", u8::from(matched)),
        Event::Skipped { rule, why } => match why {
            Skip::Removed => writeln!(
                log,
                "Rule id: {rule} was skipped due to a ruleRemoveById action...\nSkipped rule id '{rule}'. Skipped due to a ruleRemoveByTag action."
            ),
            Skip::Allowed => writeln!(
                log,
                "Skipped rule id 'case.json:{rule}' as request trough the utilization of an `allow' action\nDropping the evaluation of upcoming rules in favor of\nSkipped rule id '{rule}'"
            ),
            Skip::Jumped => writeln!(log, "[9] Skipped rule id '{rule}' due to a `skip' action."),
        },
        Event::Note(text) => {
            let argument = text.strip_prefix("Adding request argument (BODY): name \"");
            if let Some((name, value)) = argument.and_then(|rest| rest.split_once("\", value \"")) {
                let _ = writeln!(log, "name: {name}, variable: {value}");
            }
            writeln!(log, "{text}\n {}", text.replace("action:", "action"))
        }
    };
}
