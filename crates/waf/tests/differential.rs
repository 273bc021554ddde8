//! The engine against its own slow, obvious way: while a transaction is traced every value is transformed
//! and tested by itself, without columns, byte sets or sharing. Both ways must come to the same end, and for the
//! part of the language that it knows, so must a second evaluator (`plain`).
//!
//! `SEED=n` replays one run; `RUNS=n` makes more of them.

mod plain;

use std::net::SocketAddr;
use std::sync::Arc;
use transom_waf::lang::NoFiles;
use transom_waf::{Connection, Engine, Fed, Now, Report, RequestLine, RuleSource, Transaction, Verdict};

/// Rules of our own that use every way of looking at values.
const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 4000
SecRequestBodyLimitAction ProcessPartial
SecDefaultAction "phase:1,log,pass"
SecDefaultAction "phase:2,log,pass"
SecAction "id:1,phase:1,nolog,pass,setvar:tx.level=2,setvar:tx.score=0,setvar:tx.words=GET POST,setvar:tx.5=five"
SecRule TX:level "@lt 2" "id:2,phase:1,nolog,skipAfter:END"
SecRule REQUEST_METHOD "!@within %{tx.words}" "id:3,phase:1,setvar:tx.score=+3"
SecRule REQUEST_HEADERS:Content-Type "json" "id:4,phase:1,nolog,t:lowercase,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "xml" "id:5,phase:1,nolog,t:lowercase,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:X-Off "@streq 1" "id:6,phase:1,nolog,ctl:ruleRemoveTargetById=20-29;ARGS:a,ctl:ruleRemoveById=33"
SecMarker END
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|!REQUEST_COOKIES:/^_/|XML:/* "@rx (?i)(sel)ect.+(fr)om" "id:20,t:none,t:urlDecodeUni,capture,setvar:tx.score=+5,logdata:'%{TX.1}%{TX.2} in %{MATCHED_VAR_NAME}'"
SecRule ARGS|ARGS_NAMES|REQUEST_HEADERS|!REQUEST_HEADERS:Host "@pm select drop cat ../ <script" "id:21,t:none,t:urlDecodeUni,t:lowercase,capture,setvar:'tx.score=+1'"
SecRule ARGS|REQUEST_URI "@rx <script[^>]*>" "id:22,t:none,t:urlDecodeUni,t:htmlEntityDecode,t:jsDecode,t:lowercase,multiMatch,setvar:tx.score=+2"
SecRule &ARGS "@gt 4" "id:23,setvar:tx.score=+1"
SecRule &ARGS:a "@eq 2" "id:24"
SecRule ARGS:/^[ab]$/ "@contains ../" "id:25,t:none,t:urlDecodeUni,chain"
  SecRule MATCHED_VARS "@rx etc|passwd" "t:none,t:normalizePath,setvar:tx.%{matched_var_name}=%{matched_var}"
SecRule TX:/args:/ "@rx ." "id:26"
SecRule ARGS_COMBINED_SIZE "@ge 200" "id:27"
SecRule ARGS|ARGS_NAMES "@validateByteRange 32-126" "id:28,t:none,t:urlDecodeUni"
SecRule ARGS|REQUEST_COOKIES "@detectSQLi" "id:29,t:none,t:removeNulls,setvar:tx.score=+5"
SecRule ARGS "@detectXSS" "id:30,t:none,t:urlDecodeUni,setvar:tx.score=+5"
SecRule ARGS|XML://@* "!@rx ^[a-z0-9]*$" "id:31,t:none,t:lowercase,t:removeWhitespace"
SecRule REQBODY_ERROR "!@eq 0" "id:32"
SecRule ARGS "@rx (?:^|\s)cat(?:\s|$)" "id:33,t:none,t:cmdLine,t:compressWhitespace"
SecRule FILES|FILES_NAMES|MULTIPART_PART_HEADERS "@rx \.(?:php|asp)" "id:34,t:none,t:lowercase"
SecRule TX:score "@ge 12" "id:90,deny,status:403,msg:'score %{tx.score}'"
SecRule TX:score "@ge 1" "id:91,phase:5,log"
"#;

const WORDS: &[&str] = &[
    "select",
    "SELECT",
    " from ",
    "from",
    "union",
    "1' or '1'='1",
    "<script>",
    "%3Cscript%3e",
    "&lt;script&gt;",
    "\\u003cscript>",
    "../",
    "..%2f",
    "etc/passwd",
    "cat ",
    "c^a't",
    "+",
    " ",
    "%00",
    "\0",
    "é",
    "\u{ff}",
    "a",
    "B",
    "0",
    "12",
    "x=y",
    "/*x*/",
    "hello",
    "onload=alert(1)",
    "%",
    "%zz",
    "\t",
    "--",
    "drop",
    "\"",
    "{",
    "}",
    ",",
];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) as usize % below
    }

    fn text(&mut self, words: usize) -> String {
        (0..self.roll(words + 1)).map(|_| WORDS[self.roll(WORDS.len())]).collect()
    }
}

struct Request {
    method: &'static str,
    uri: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn escaped(text: &str) -> String {
    text.replace(' ', "+").replace(['&', '#'], "%26")
}

fn request(dice: &mut Dice) -> Request {
    let names = ["a", "b", "id", "q", "select", "A", "x.y"];
    let form = |dice: &mut Dice| {
        let many = dice.roll(20) == 0;
        let count = dice.roll(if many { 90 } else { 7 });
        let pairs: Vec<String> = (0..count)
            .map(|_| format!("{}={}", names[dice.roll(names.len())], escaped(&dice.text(4))))
            .collect();
        pairs.join("&")
    };
    let mut headers = vec![("Host".to_owned(), "example.com".to_owned())];
    headers.push(("Cookie".to_owned(), format!("sid={}; _ga={}", dice.text(2), dice.text(2))));
    if dice.roll(4) == 0 {
        headers.push(("X-Off".to_owned(), "1".to_owned()));
    }
    headers.push(("User-Agent".to_owned(), dice.text(3)));
    let (kind, body) = match dice.roll(5) {
        0 => ("application/json", format!("{{\"a\":\"{}\",\"b\":[1,\"{}\"]}}", dice.text(2), dice.text(2))),
        1 => ("text/xml", format!("<r a=\"{}\"><b>{}</b></r>", dice.text(1), dice.text(2))),
        2 => (
            "multipart/form-data; boundary=zz",
            format!(
                "--zz\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}.php\"\r\n\r\n{}\r\n--zz--\r\n",
                dice.text(1),
                dice.text(1),
                dice.text(3)
            ),
        ),
        3 => ("application/x-www-form-urlencoded", form(dice)),
        _ => ("application/octet-stream", dice.text(5)),
    };
    headers.push(("Content-Type".to_owned(), kind.to_owned()));
    let method = ["GET", "POST", "PUT"][dice.roll(3)];
    Request { method, uri: format!("/p/{}?{}", escaped(&dice.text(1)), form(dice)), headers, body }
}

fn run(engine: &Arc<Engine>, request: &Request, traced: bool) -> Report {
    let end = SocketAddr::from(([127, 0, 0, 1], 80));
    let ends = Connection { client: end, server: end };
    let mut transaction = Transaction::new(engine, None, ends, "1", Now::default());
    if traced {
        transaction.start_trace();
    }
    let line =
        RequestLine { method: request.method.as_bytes(), uri: request.uri.as_bytes(), protocol: b"HTTP/1.1" };
    let headers = request.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let verdict = transaction.request_headers(line, headers);
    if matches!(verdict, Verdict::InspectBody { .. }) {
        for piece in request.body.as_bytes().chunks(7) {
            if transaction.request_body(piece) != Fed::More {
                break;
            }
        }
    }
    transaction.request_end();
    transaction.finish()
}

/// What a report comes to, whatever the order in which the values of one rule were looked at.
fn summary(report: &Report) -> (Vec<(u64, usize)>, Option<u64>, i64) {
    let matches = report.matches.iter().map(|found| (found.rule_id, found.matched.len())).collect();
    (matches, report.interruption.as_ref().map(|refused| refused.rule_id), report.inbound_score)
}

#[test]
fn the_fast_way_and_the_obvious_way_agree() {
    let engine = Engine::load(&[RuleSource::Text { name: "own.conf", text: RULES }], &NoFiles)
        .unwrap_or_else(|errors| panic!("{errors:#?}"));
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let runs = number("RUNS").unwrap_or(3_000);
    let seeds = number("SEED").map_or(1..runs + 1, |seed| seed..seed + 1);
    let mut seen = std::collections::BTreeSet::new();
    for seed in seeds {
        let request = request(&mut Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
        let (fast, slow) = (run(&engine, &request, false), run(&engine, &request, true));
        seen.extend(fast.matches.iter().map(|found| found.rule_id));
        let shown = || {
            format!(
                "SEED={seed}: {} {} {:?} {:?}",
                request.method, request.uri, request.headers, request.body
            )
        };
        assert_eq!(summary(&fast), summary(&slow), "{}", shown());
    }
    // A rule that never matches is compared with nothing.
    if number("SEED").is_none() {
        for rule in [3, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 90, 91] {
            assert!(seen.contains(&rule), "rule {rule} never matched");
        }
    }
}

#[test]
fn the_engine_and_the_plain_evaluator_agree() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let runs = number("RUNS").unwrap_or(1_000);
    let seeds = number("SEED").map_or(1..runs + 1, |seed| seed..seed + 1);
    let (mut matched, mut refused) = (0, 0);
    for seed in seeds {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let bytes: Vec<u8> = (0..400).map(|_| dice.roll(256) as u8).collect();
        let case = plain::Case::from_bytes(&bytes);
        case.assert_agreement();
        let outcome = case.expected();
        matched += usize::from(!outcome.matches.is_empty());
        refused += usize::from(outcome.refused.is_some());
    }
    assert!(
        number("SEED").is_some() || matched > 400 && refused > 20,
        "{matched} match, {refused} are refused"
    );
}
