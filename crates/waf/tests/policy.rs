//! What a proxy calls: verdicts under each mode, exclusions, decisions and what is written about them.

#![expect(clippy::unwrap_used, reason = "what is unwrapped here is written here")]

use std::sync::Arc;
use transom_waf::lang::NoFiles;
use transom_waf::lang::action::RuleSet;
use transom_waf::{
    Action, BodySeen, Broken, Connection, Counters, Decision, Engine, Exclude, Fed, Inspection, Mode, Now,
    Policy, Recent, RequestLine, RuleSource, Store, Verdict, WhenBroken, explain,
};

const RULES: &str = r#"
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit 100
SecRequestBodyLimitAction Reject
SecResponseBodyAccess On
SecAuditEngine RelevantOnly
SecAuditLogParts ABCFHZ
SecPcreMatchLimit 50
SecAction "id:1,phase:1,nolog,pass,setvar:tx.anomaly_score=0,ctl:ruleEngine=On"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|REQUEST_HEADERS:Authorization "@contains attack" "id:2,phase:2,block,log,capture,setvar:tx.anomaly_score=+5,severity:CRITICAL,msg:'An attack',logdata:'%{TX.0} in %{MATCHED_VAR}',tag:'test'"
SecRule ARGS:slow "@rx (a+)+\1!x" "id:3,phase:2,pass,nolog"
SecRule TX:anomaly_score "@ge 5" "id:949110,phase:2,deny,status:403,msg:'Score %{tx.anomaly_score}'"
SecRule RESPONSE_BODY "@contains leak" "id:5,phase:4,deny,status:502"
"#;

fn engine(exclude: &[Exclude]) -> Arc<Engine> {
    let source = RuleSource::Text { name: "own.conf", text: RULES };
    Engine::load_excluding(&[source], exclude, &NoFiles).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn policy(mode: Mode) -> Policy {
    let (engine, store) = (engine(&[]), Arc::new(Store::new()));
    Policy { engine, store, mode, when_broken: WhenBroken::Closed }
}

struct Asked {
    status: Option<u16>,
    held: bool,
    decision: Decision,
    json: String,
    native: String,
}

fn ask(policy: &Policy, uri: &str, form: &str) -> Asked {
    ask_with(policy, uri, form, "fine")
}

fn ask_with(policy: &Policy, uri: &str, form: &str, answer: &str) -> Asked {
    let ends =
        Connection { client: "192.0.2.1:1234".parse().unwrap(), server: "192.0.2.2:443".parse().unwrap() };
    let now = Now { unix_micros: 1_763_656_421_000_000, utc_offset_seconds: 3600 };
    let mut inspection = Inspection::begin(policy, ends, "request-1", now);
    let line = RequestLine { method: b"POST", uri: uri.as_bytes(), protocol: b"HTTP/1.1" };
    let headers: [(&[u8], &[u8]); 4] = [
        (b"Host", b"example.com"),
        (b"Content-Type", b"application/x-www-form-urlencoded"),
        (b"Cookie", b"sid=cookie-secret"),
        (b"Authorization", b"Basic dXNlcjphdHRhY2s="),
    ];
    let (mut status, mut held) = (None, false);
    match inspection.request_headers(line, headers) {
        Verdict::Refuse(refused) => status = Some(refused.status),
        Verdict::InspectBody { hold, .. } => {
            held = hold;
            for piece in form.as_bytes().chunks(7) {
                match inspection.request_body(piece) {
                    Fed::More => {}
                    Fed::Enough => break,
                    Fed::Refuse(refused) => {
                        status = Some(refused.status);
                        break;
                    }
                }
            }
        }
        Verdict::StreamUninspected => {}
    }
    if status.is_none() {
        status = inspection.request_end().map(|refused| refused.status);
    }
    if status.is_none() {
        inspection.response_headers(200, b"HTTP/1.1", [(&b"Content-Type"[..], &b"text/html"[..])]);
        inspection.response_body(answer.as_bytes());
        status = inspection.response_end().map(|refused| refused.status);
    }
    let decision = inspection.finish(now);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (json, native) =
        (text(inspection.audit_json(&decision)), text(inspection.audit_native(&decision, "0123abcd")));
    Asked { status, held, decision, json, native }
}

#[test]
fn an_engine_is_shared_among_threads() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}
    shared::<Engine>();
    shared::<Store>();
    shared::<Policy>();
    shared::<Counters>();
    moved::<Inspection>();
}

#[test]
fn block_refuses_detect_says_so_off_does_not_look() {
    let asked = ask(&policy(Mode::Block), "/a?x=1", "q=attack");
    assert_eq!((asked.status, asked.held), (Some(403), true));
    assert!(matches!(&asked.decision.action, Action::Refused(by) if by.rule_id == 949_110));
    assert_eq!(asked.decision.request_body, BodySeen::Whole(8));

    // The rules say `ctl:ruleEngine=On`; the configuration stands above them.
    let asked = ask(&policy(Mode::Detect), "/a?x=1", "q=attack");
    assert_eq!((asked.status, asked.held), (None, false));
    assert!(matches!(&asked.decision.action, Action::WouldRefuse(by) if by.rule_id == 949_110));
    assert_eq!((asked.decision.inbound_score, asked.decision.rule_ids().count()), (5, 2));

    let asked = ask(&policy(Mode::Off), "/a?x=1", "q=attack");
    assert!(asked.status.is_none() && asked.decision.is_clean());
}

#[test]
fn a_body_over_its_limit_is_refused_or_noted() {
    let long = format!("a={}", "b".repeat(200));
    let asked = ask(&policy(Mode::Block), "/", &long);
    assert_eq!((asked.status, asked.decision.request_body), (Some(413), BodySeen::Beginning(100)));
    let asked = ask(&policy(Mode::Detect), "/", &long);
    assert!(asked.status.is_none());
    assert!(matches!(&asked.decision.action, Action::WouldRefuse(by) if by.status == 413));
}

#[test]
fn a_response_is_refused_like_a_request() {
    let asked = ask_with(&policy(Mode::Block), "/", "", "a leak");
    assert_eq!(asked.status, Some(502));
    assert_eq!(asked.decision.response_body, BodySeen::Whole(6));
}

fn exclude(rules: RuleSet, path: &str, argument: Option<&str>) -> Exclude {
    let (paths, argument) = (vec![path.to_owned()], argument.map(str::to_owned));
    Exclude { rules, paths, argument, why: "a test".to_owned() }
}

#[test]
fn an_exclusion_holds_for_its_path_and_argument_only() {
    let one = RuleSet::Ids(2, 2);
    let entries =
        [exclude(one.clone(), "/search/", Some("q")), exclude(RuleSet::Tag("test".to_owned()), "/raw", None)];
    let policy = Policy { engine: engine(&entries), ..policy(Mode::Block) };
    for (uri, form, refused) in [
        ("/search", "q=attack", false),
        ("/Search/books?x=1", "q=attack", false),
        ("/se%61rch", "q=attack", false),
        ("/x/../search", "q=attack", false),
        ("/search", "r=attack", true),
        ("/search", "attack=q", true),
        ("/searching", "q=attack", true),
        ("/search/../admin", "q=attack", true),
        // Ways of writing a path that two readers read differently.
        ("/search%2f..%2fadmin", "q=attack", true),
        ("/search%252f", "q=attack", true),
        ("/raw", "r=attack", false),
        ("/rawer", "r=attack", true),
    ] {
        assert_eq!(ask(&policy, uri, form).status.is_some(), refused, "{uri} {form}");
    }
}

#[test]
fn an_exclusion_that_cannot_hold_does_not_load() {
    let source = [RuleSource::Text { name: "own.conf", text: RULES }];
    let none = exclude(RuleSet::Ids(77, 77), "search", Some("q"));
    let entries = [exclude(RuleSet::Ids(2, 2), "/", None), Exclude { why: " ".to_owned(), ..none }];
    let errors = Engine::load_excluding(&source, &entries, &NoFiles).err().unwrap();
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "exclude:2: no rule is 77",
            "exclude:2: an exclusion needs a reason in `why`",
            "exclude:2: the path \"search\" does not begin with a slash"
        ]
    );
    let entries = [exclude(RuleSet::Ids(949_000, 949_999), "/", None)];
    let loaded = Engine::load_excluding(&source, &entries, &NoFiles).unwrap();
    assert_eq!(loaded.warnings()[0].code, "waf-exclude-lets-all-through");
}

#[test]
fn what_cannot_be_looked_at_is_refused_or_let_through_as_configured() {
    let slow = format!("slow=x{}!", "a".repeat(40));
    let closed = ask(&policy(Mode::Block), "/", &slow);
    assert_eq!((closed.status, closed.decision.broken), (Some(503), Some(Broken::PatternLimit)));
    assert!(explain(&closed.decision).contains("when-broken is \"closed\""), "{}", explain(&closed.decision));
    let open = Policy { when_broken: WhenBroken::Open, ..policy(Mode::Block) };
    let open = ask(&open, "/", &slow);
    assert_eq!((open.status, open.decision.broken), (None, Some(Broken::PatternLimit)));
    assert!(ask(&policy(Mode::Detect), "/", &slow).status.is_none());
}

#[test]
fn secrets_are_in_no_log() {
    let asked = ask(&policy(Mode::Block), "/?token=attack-token", "password=attack-word&q=attack-seen");
    let lines = asked.decision.error_log("192.0.2.1", "example.com", "/?token=attack-token").join("\n");
    for text in [&lines, &explain(&asked.decision), &asked.json, &asked.native] {
        for secret in ["attack-token", "attack-word", "cookie-secret", "dXNlcjphdHRhY2s="] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains("attack-seen") && text.contains("949110"), "{text}");
    }
}

#[test]
fn the_error_log_is_in_modsecuritys_form() {
    let asked = ask(&policy(Mode::Block), "/a", "q=attack");
    let lines = asked.decision.error_log("192.0.2.1", "example.com", "/a");
    assert_eq!(
        lines[1],
        "[client 192.0.2.1] ModSecurity: Access denied with code 403 (phase 2). Matched \"Operator `Ge' with \
         parameter `5' against variable `TX:anomaly_score' (Value: `5' )\" [file \"own.conf\"] [line \"13\"] \
         [id \"949110\"] [rev \"\"] [msg \"Score 5\"] [data \"\"] [severity \"0\"] [ver \"\"] [maturity \"0\"] \
         [accuracy \"0\"] [hostname \"example.com\"] [uri \"/a\"] [unique_id \"request-1\"]"
    );
}

#[test]
fn an_audit_entry_is_one_line_of_json_or_parts() {
    let asked = ask(&policy(Mode::Block), "/a?x=\n", "q=attack");
    assert!(asked.decision.audit);
    assert_eq!(asked.json.matches('\n').count(), 1);
    let entry: serde_json::Value = serde_json::from_str(&asked.json).unwrap();
    let entry = &entry["transaction"];
    assert_eq!(entry["client_ip"], "192.0.2.1");
    assert_eq!(entry["time_stamp"], "Thu Nov 20 17:33:41 2025");
    assert_eq!(entry["request"]["headers"]["Cookie"], "***");
    assert_eq!(entry["request"]["body"], "q=attack");
    assert_eq!(entry["response"]["http_code"], 403);
    assert_eq!(entry["messages"][0]["details"]["ruleId"], "2");
    let parts: Vec<&str> = asked.native.lines().filter(|line| line.starts_with("--")).collect();
    assert_eq!(parts, ["A", "B", "C", "F", "H", "Z"].map(|part| format!("--0123abcd-{part}--")));
    assert!(
        asked.native.contains("[20/Nov/2025:17:33:41 +0100] request-1 192.0.2.1 1234 192.0.2.2 443"),
        "{}",
        asked.native
    );
}

#[test]
fn explaining_names_the_rules_and_the_exclusion() {
    let asked = ask(&policy(Mode::Block), "/shop/search", "q=attack");
    assert_eq!(
        explain(&asked.decision),
        "request request-1 in block mode: refused with 403 by rule 949110 in phase 2\n  POST /shop/search\n  \
         anomaly score: inbound 5, outbound 0\n  request body: all 8 bytes looked at\n\
         rule 2 (phase 2, critical): An attack\n  ARGS:q was `attack`\n  attack in attack\n  \
         stands in own.conf:11\n  if that was no attack: \
         { rule = 2, paths = [\"/shop/search\"], argument = \"q\", why = \"…\" }\n\
         rule 949110 (phase 2): Score 5\n  TX:anomaly_score was `5`\n  stands in own.conf:13\n"
    );
}

#[test]
fn decisions_are_counted_and_the_last_are_kept() {
    let policy = policy(Mode::Block);
    let counters = Counters::new(&policy.engine);
    let mut recent = Recent::new(2);
    for form in ["q=attack", "q=fine", "a=attack&b=attack", "q=attack"] {
        let decision = ask(&policy, "/", form).decision;
        counters.record(&decision);
        recent.push(decision);
    }
    let totals = counters.totals();
    assert_eq!((totals.transactions, totals.refused, totals.broken), (4, 3, 0));
    assert_eq!(counters.rules(&policy.engine), [(2, 3), (949_110, 3)]);
    assert_eq!(recent.iter().count(), 2);
    assert!(recent.find("request-1").is_some() && recent.find("other").is_none());
}
