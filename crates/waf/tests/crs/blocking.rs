//! Blocking mode as a site runs it: attacks are refused at every paranoia level, ordinary requests are not refused at
//! the first. Exchange's clients go through with the package that is made for them, and attacks on it do not.

use crate::data;
use crate::samples::{ATTACKS, ORDINARY, escape, requests};
use crate::sites::{crs_3, crs_4, crs_4_excluding, exchange};
use std::path::Path;
use transom_waf::Exclude;
use transom_waf::ftw::{self, Request, Site};
use transom_waf::lang::action::RuleSet;

/// The requests of every test file of a folder of our own corpus, by title.
fn corpus(folder: &str) -> Vec<(String, Request)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let files = data::files(&folder, &["yaml"]);
    assert!(!files.is_empty());
    let tests = files.iter().flat_map(|file| ftw::read(&std::fs::read_to_string(file).unwrap()).unwrap());
    tests.map(|test| (test.name.clone(), Request::from(&test.stages[0].input))).collect()
}

fn describe(site: &Site, name: &str, request: &Request) -> String {
    let report = site.ask(request).report;
    let rules = report.matches.iter().map(|found| {
        let on = found.matched.last().map_or_else(String::new, |matched| matched.full_name());
        format!("{} on {on}", found.rule_id)
    });
    format!("{name}: {}", rules.collect::<Vec<_>>().join(", "))
}

/// Which of these are refused, and by what.
fn refused(site: &Site, requests: &[(String, Request)]) -> Vec<String> {
    let refused = requests.iter().filter(|(_, request)| site.ask(request).status != 200);
    refused.map(|(name, request)| describe(site, name, request)).collect()
}

/// Which of these are not refused by the rules.
fn passed(site: &Site, requests: &[(String, Request)]) -> Vec<String> {
    let passed = requests.iter().filter(|(_, request)| site.ask(request).report.interruption.is_none());
    passed.map(|(name, request)| describe(site, name, request)).collect()
}

/// What rules of version 4 refuse although it is no attack, and the exclusion that a site writes for it.
fn exclusions() -> Vec<Exclude> {
    let exclude = |rule, path: &str, argument: Option<&str>, why: &str| Exclude {
        rules: RuleSet::Ids(rule, rule),
        paths: vec![path.to_owned()],
        argument: argument.map(str::to_owned),
        why: why.to_owned(),
    };
    vec![
        exclude(930_130, "/repo.git", None, "git's own files are what is served here"),
        exclude(942_290, "/graphql", Some("json.query"), "variables of GraphQL begin with a dollar sign"),
        exclude(942_100, "/library/search", Some("q"), "SQL words in book titles"),
        exclude(920_340, "/files", None, "curl says no content type of a file it uploads"),
        exclude(920_640, "/files", None, "curl says no content type of a file it uploads"),
        exclude(920_450, "/files", None, "clients that upload ask first: Expect: 100-continue"),
    ]
}

#[test]
fn what_the_rule_set_refuses_in_error_an_exclusion_lets_through() {
    let falsely = corpus("excluded");
    let (strict, relaxed) = (crs_4(1), crs_4_excluding(&exclusions()));
    let through = passed(&strict, &falsely);
    assert!(through.is_empty(), "these need no exclusion any more: {}", through.join("\n"));
    let stopped = refused(&relaxed, &falsely);
    assert!(stopped.is_empty(), "{}", stopped.join("\n"));
    // The same attacks elsewhere are refused as before.
    let through = passed(&relaxed, &named(ATTACKS));
    assert!(through.is_empty(), "{}", through.join("\n"));
}

fn named(arguments: &[&str]) -> Vec<(String, Request)> {
    let each = |argument: &&str| {
        let name = format!("{argument:?}");
        requests(argument).into_iter().map(move |request| (name.clone(), request)).collect::<Vec<_>>()
    };
    arguments.iter().flat_map(each).collect()
}

#[test]
fn attacks_are_refused_at_every_paranoia_level() {
    let attacks = named(ATTACKS);
    for level in 1..=4 {
        let through = passed(&crs_4(level), &attacks);
        println!("paranoia {level}: {} of {} attacks refused", attacks.len() - through.len(), attacks.len());
        assert!(through.is_empty(), "paranoia {level}:\n{}", through.join("\n"));
    }
}

#[test]
fn ordinary_requests_are_not_refused_at_paranoia_1() {
    let mut ordinary = named(ORDINARY);
    ordinary.extend(corpus("ordinary"));
    let stopped = refused(&crs_4(1), &ordinary);
    println!("{} of {} ordinary requests pass", ordinary.len() - stopped.len(), ordinary.len());
    assert!(stopped.is_empty(), "{}", stopped.join("\n"));
}

#[test]
fn clients_of_exchange_are_not_refused() {
    let requests = corpus("exchange");
    for site in exchange() {
        let stopped = refused(&site, &requests);
        println!("{} of {} requests to Exchange pass", requests.len() - stopped.len(), requests.len());
        assert!(stopped.is_empty(), "{}", stopped.join("\n"));
    }
}

#[test]
fn without_the_package_they_are() {
    let requests = corpus("exchange");
    let stopped = refused(&crs_4(1), &requests).len();
    println!("{stopped} of {} are refused without the package", requests.len());
    assert!(stopped > requests.len() / 4, "{stopped}");
}

/// The same request with an attack in another part.
fn attacked(request: &Request) -> Vec<(String, Request)> {
    let with = |name: &str, change: &dyn Fn(&mut Request)| {
        let mut request = request.clone();
        change(&mut request);
        (name.to_owned(), request)
    };
    let header = |request: &mut Request, name: &str, value: &str| {
        let known = request.headers.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        match known {
            Some((_, own)) => own.extend_from_slice(value.as_bytes()),
            None => request.headers.push((name.into(), value.into())),
        }
    };
    let query = |request: &mut Request, attack: &str| {
        let sign = if request.uri.contains(&b'?') { '&' } else { '?' };
        request.uri.extend_from_slice(format!("{sign}x={}", escape(attack)).as_bytes());
    };
    vec![
        with("query", &|request| query(request, "<script>alert(1)</script>")),
        with("query", &|request| query(request, "1' UNION SELECT password FROM users--")),
        with("query", &|request| query(request, "../../../../etc/passwd")),
        with("cookie", &|request| header(request, "Cookie", "; x=1' or sleep(5) or '1'='1")),
        with("user agent", &|request| header(request, "User-Agent", " <script>alert(1)</script>")),
        with("cookie of ProxyLogon", &|request| {
            header(request, "Cookie", "; X-BEResource=evil/api?a=~1942062522; a=b");
        }),
    ]
}

#[test]
fn attacks_in_other_parts_of_the_same_requests_are_refused() {
    for site in exchange() {
        let attacks: Vec<(String, Request)> = corpus("exchange")
            .iter()
            .flat_map(|(name, request)| {
                attacked(request)
                    .into_iter()
                    .map(move |(part, request)| (format!("{part} of {name}"), request))
            })
            .collect();
        let through = passed(&site, &attacks);
        println!("{} of {} attacks refused", attacks.len() - through.len(), attacks.len());
        assert!(through.is_empty(), "{}", through.join("\n"));
    }
}

fn get(uri: &str, cookie: &str) -> Request {
    let headers = [
        ("Host", "mail.contoso.example"),
        ("User-Agent", "Mozilla/5.0"),
        ("Accept", "*/*"),
        ("Cookie", cookie),
    ];
    Request {
        method: b"GET".to_vec(),
        uri: uri.as_bytes().to_vec(),
        version: b"HTTP/1.1".to_vec(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect(),
        body: Vec::new(),
    }
}

#[test]
fn the_virtual_patches_hold_by_themselves() {
    let site = crate::sites::package_only();
    let table = [
        // ProxyLogon, CVE-2021-26855.
        (
            "/owa/auth/x.js",
            "X-AnonResource=true; X-AnonResource-Back\x65nd=localhost/ecp/default.flt?~3",
            33_001_001,
        ),
        (
            "/ecp/y.js",
            "X-BEResource=Admin@EXCH01:444/autodiscover/autodiscover.xml?a=~1942062522;",
            33_001_001,
        ),
        ("/ecp/y.js", "x-beresource=EXCH01/EWS/Exchange.asmx?a=~1942062522;", 33_001_001),
        // ProxyShell, CVE-2021-34473 and CVE-2021-34523.
        (
            "/autodiscover/autodiscover.json?@evil.example/mapi/nspi/?&Email=autodiscover/autodiscover.json%3F@evil.example",
            "a=b",
            33_001_002,
        ),
        ("/autodiscover/autodiscover.json?a=a@evil.example/EWS/exchange.asmx", "a=b", 33_001_002),
        (
            "/Autodiscover/Autodiscover.json?a..foo.var/owa/?&Email=autodiscover/autodiscover.json?a..foo.var",
            "a=b",
            33_001_002,
        ),
        ("/autodiscover/autodiscover.json%3f@evil.example/%65cp/", "a=b", 33_001_002),
        ("/autodiscover/autodiscover.json%253f@evil.example%252fews/", "a=b", 33_001_002),
        ("/owa/?X-Rps-CAT=VgEAVAdXaW5kb3dzQwBBCEtlcmJlcm9zTBNhZG1pbg", "a=b", 33_001_003),
        ("/autodiscover/x?a=b", "Email=autodiscover/autodiscover.json?a=a@evil.example", 33_001_004),
        // ProxyNotShell, CVE-2022-41040.
        ("/autodiscover/autodiscover.xml?@evil.example/x&Email=y/PowerShell", "a=b", 33_001_005),
        ("/autodiscover/admin@localhost/powershell/autodiscover.xml", "a=b", 33_001_005),
        ("/%61utodiscover/admin@localhost/%70owershell/x", "a=b", 33_001_005),
        ("/autodiscover%2fx%40localhost%2fpowershell%2f", "a=b", 33_001_005),
        // ProxyToken, CVE-2021-33766.
        (
            "/ecp/alice@contoso.example/PersonalSettings/HomePage.aspx?showhelp=false",
            "SecurityToken=x",
            33_001_006,
        ),
        ("/ECP/default.aspx", "a=b; securitytoken=", 33_001_006),
        ("/owa/../%65cp/x", "SecurityToken=x", 33_001_006),
        // What is no attack.
        ("/autodiscover/autodiscover.json?Email=alice%40contoso.example&Protocol=EWS", "a=b", 0),
        ("/powershell?PSVersion=5.1", "a=b", 0),
        ("/owa/", "SecurityToken=x; X-BackEndCookie=S-1-5-21", 0),
        ("/ecp/", "a=b", 0),
        ("/ecpx/", "SecurityToken=x", 0),
    ];
    for (uri, cookie, rule) in table {
        let outcome = site.ask(&get(uri, cookie));
        let refused = outcome.report.interruption.as_ref().map_or(0, |refused| refused.rule_id);
        assert_eq!(refused, rule, "{uri} {cookie}");
    }
}

#[test]
fn the_exceptions_hold_for_exchange_only() {
    let post = |uri: &str, kind: &str, body: &str| Request {
        method: b"POST".to_vec(),
        body: body.as_bytes().to_vec(),
        headers: [
            ("Host", "shop.example.com"),
            ("User-Agent", "Mozilla/5.0"),
            ("Accept", "*/*"),
            ("Content-Type", kind),
            ("Content-Length", &body.len().to_string()),
        ]
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .to_vec(),
        ..get(uri, "")
    };
    let attack = "<a>&lt;script>alert(1)&lt;/script> 1' union select password from users--</a>";
    let json = r#"{"Body":{"Items":[{"Id":"<script>alert(1)</script>","Value":"fine"}]}}"#;
    for site in exchange() {
        for (uri, kind, body, refused) in [
            ("/ews/exchange.asmx", "text/xml", attack, false),
            ("/shop/exchange.asmx", "text/xml", attack, true),
            ("/ews/../shop/exchange.asmx", "text/xml", attack, true),
            ("/ews%2fexchange.asmx", "text/xml", attack, true),
            ("/ews/exchange.asmx/x", "text/xml", attack, true),
            ("/ews/exchange.asmx", "application/x-www-form-urlencoded", "a=<script>alert(1)</script>", true),
            ("/owa/service.svc?action=CreateItem", "application/json", json, true),
            ("/mapi/emsmdb/", "application/mapi-http", attack, false),
            ("/mapi/emsmdb/x.php", "application/mapi-http", attack, true),
            ("/shop/", "application/vnd.ms-sync.wbxml", attack, true),
            ("/rpc/rpcproxy.dll", "application/rpc", attack, true),
        ] {
            let interruption = site.ask(&post(uri, kind, body)).report.interruption;
            assert_eq!(interruption.is_some(), refused, "{uri} {kind}: {interruption:?}");
        }
    }
}

#[test]
fn core_rule_set_3_refuses_attacks_as_well() {
    let Some(site) = crs_3() else { return };
    let through = passed(&site, &named(ATTACKS));
    assert!(through.is_empty(), "{}", through.join("\n"));
}
