//! How long a transaction takes: `cargo run --release --example speed -- RULES-DIRECTORY [SECONDS [WHAT]]`.
//!
//! RULES-DIRECTORY holds `crs-setup.conf.example` (or `crs-setup.conf`) and `*.conf` of the Core Rule Set.
//! Runs on one core, in blocking mode, at the paranoia level of the setup file: a browser's GET and its POST of
//! a form of 1.7 KB. WHAT may be `get` or `post` for one of them, `json` for JSON bodies of growing size, or `worst`
//! for bodies that repeat one piece. `libmodsecurity.c` beside this file does the same with the same requests.

#![expect(clippy::print_stdout, reason = "an example's results are its output")]

use rustix::time::{ClockId, clock_gettime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use transom_waf::lang::Files;
use transom_waf::{Connection, Engine, Fed, Now, RequestLine, RuleSource, Transaction, Verdict};

struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| format!("{path}: {error}"))
    }
    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(directory).map_err(|error| format!("{directory}: {error}"))?;
        Ok(entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect())
    }
}

const ENGINE: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 1310720
SecResponseBodyAccess Off
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
"#;

const GET_URI: &str = "/catalog/search?q=garden+furniture&category=outdoor&page=2&sort=price_asc&max=250";
const POST_URI: &str = "/account/profile";

const HEADERS: &[(&str, &str)] = &[
    ("Host", "shop.example.com"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "https://shop.example.com/catalog/"),
    ("Cookie", "sid=4f6c8e21a07b4d5e9c3a1b2d; theme=dark; cart=3"),
    ("Connection", "keep-alive"),
];

/// A form as people fill it in: short fields, an address, and a few paragraphs.
fn form() -> String {
    let mut form = String::from(
        "first_name=Margaret&last_name=Atkinson&email=margaret.atkinson%40example.com&phone=%2B44+20+7946+0018\
         &street=17+Orchard+Lane&city=Tunbridge+Wells&postcode=TN1+2AB&country=GB&newsletter=1&token=9f86d081884c7d65",
    );
    let text = "I+have+been+a+customer+for+many+years+and+am+very+pleased+with+the+chairs+we+bought+last+spring.+\
        The+delivery+took+a+little+longer+than+promised%2C+but+the+driver+was+kind+and+helped+us+carry+them.+";
    let mut part = 1;
    while form.len() < 1700 {
        let rest = 1700 - form.len();
        form.push_str(&format!("&note{part}="));
        form.push_str(&text[..rest.min(text.len())]);
        part += 1;
    }
    form
}

/// An object of plain sentences, in at most nine hundred members.
fn json(bytes: usize) -> String {
    let sentence =
        "The delivery took a little longer than promised but the driver was kind and helped us carry them. ";
    let per_member = (bytes / 900).max(90);
    let mut json = String::from("{");
    let mut member = 0;
    while json.len() < bytes {
        json.push_str(if member == 0 { "" } else { "," });
        let text: String = sentence.chars().cycle().take(per_member).collect();
        json.push_str(&format!("\"field{member}\":\"{text}\""));
        member += 1;
    }
    json.push('}');
    json
}

/// Bodies of one argument that repeats something: the time for twice the length shows whether any pattern or
/// transformation is worse than linear.
fn worst(engine: &Arc<Engine>, headers: &[(&[u8], &[u8])]) {
    let pieces = [
        "a", " ", "'", "\"", "<", "(", "{", "%2e%2e/", "%5c", "/*", "&lt;", "%25", "select ", "a.b.", "1e1",
        "--", "`", ";a", "$(", "=1", "or 1", "@@", "%0d%0a", "x%00", "<a ", "on=", "%c3%a9", "cat ",
        "\\u0061", "0x61",
    ];
    let mut results: Vec<(f64, f64, &str)> = Vec::new();
    for piece in pieces {
        let time = |bytes: usize| {
            let body = format!("a={}", piece.repeat(bytes / piece.len()));
            let mut headers = headers.to_vec();
            headers.push((b"Content-Type", b"application/x-www-form-urlencoded"));
            let begin = cpu_time();
            inspect(engine, POST_URI, Some(&body), &headers);
            (cpu_time() - begin).as_secs_f64() * 1e3
        };
        time(32 * 1024);
        results.push((time(64 * 1024), time(128 * 1024), piece));
    }
    results.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (half, whole, piece) in results.iter().take(8) {
        println!("{piece:?}: 64 KiB {half:.1} ms, 128 KiB {whole:.1} ms");
    }
}

/// A transaction whose verdict does not matter.
fn inspect(engine: &Arc<Engine>, uri: &str, body: Option<&str>, headers: &[(&[u8], &[u8])]) {
    let end = |port| SocketAddr::from(([192, 0, 2, 7], port));
    let ends = Connection { client: end(51_234), server: end(443) };
    let mut transaction = Transaction::new(engine, None, ends, "1", Now::default());
    let line = RequestLine { method: b"POST", uri: uri.as_bytes(), protocol: b"HTTP/1.1" };
    transaction.request_headers(line, headers.iter().copied());
    transaction.request_body(body.unwrap_or("").as_bytes());
    transaction.request_end();
    transaction.finish();
}

fn transaction(engine: &Arc<Engine>, uri: &str, body: Option<&str>, headers: &[(&[u8], &[u8])]) -> usize {
    let end = |port| SocketAddr::from(([192, 0, 2, 7], port));
    let ends = Connection { client: end(51_234), server: end(443) };
    let now = Now { unix_micros: 1_700_000_000_000_000, utc_offset_seconds: 0 };
    let mut transaction = Transaction::new(engine, None, ends, "1700000000.000001", now);
    let method: &[u8] = if body.is_some() { b"POST" } else { b"GET" };
    let line = RequestLine { method, uri: uri.as_bytes(), protocol: b"HTTP/1.1" };
    let verdict = transaction.request_headers(line, headers.iter().copied());
    assert!(!matches!(verdict, Verdict::Refuse(_)), "{:?}", transaction.finish());
    if let (Some(body), Verdict::InspectBody { .. }) = (body, verdict) {
        assert_eq!(transaction.request_body(body.as_bytes()), Fed::More);
    }
    assert!(transaction.request_end().is_none(), "{:?}", transaction.finish());
    transaction.response_headers(200, b"HTTP/1.1", [(&b"Content-Type"[..], &b"text/html"[..])]);
    transaction.response_end();
    transaction.finish().matches.len()
}

/// Time this thread spent on a processor, which other programs on the machine do not add to.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn measure(name: &str, seconds: f64, mut run: impl FnMut() -> usize) {
    let begin = cpu_time();
    let matches = run();
    let first = cpu_time() - begin;
    for _ in 0..if first > Duration::from_millis(3) { 2 } else { 200 } {
        run();
    }
    let round = if first > Duration::from_millis(3) { 2 } else { 50 };
    let (mut best, mut total, mut count) = (Duration::MAX, Duration::ZERO, 0u32);
    // A negative time is a number of rounds, for counting instructions from outside.
    while if seconds < 0.0 { f64::from(count) < -seconds } else { total.as_secs_f64() < seconds } {
        let begin = cpu_time();
        for _ in 0..round {
            run();
        }
        let took = cpu_time() - begin;
        best = best.min(took / round);
        total += took;
        count += round;
    }
    let mean = total / count;
    println!(
        "{name}: mean {:.1} µs, best {:.1} µs, the first {:.1} ms; {matches} rules matched",
        mean.as_secs_f64() * 1e6,
        best.as_secs_f64() * 1e6,
        first.as_secs_f64() * 1e3
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("the rules' directory is the first argument");
    let seconds = arguments.next().map_or(3.0, |text| text.parse().expect("seconds are a number"));
    let setup = format!("{directory}/crs-setup.conf.example");
    let rules = format!("{directory}/*.conf");
    let sources = [
        RuleSource::Text { name: "engine.conf", text: ENGINE },
        RuleSource::File(&setup),
        RuleSource::File(&rules),
    ];
    let begin = cpu_time();
    let engine = match Engine::load(&sources, &Disk) {
        Ok(engine) => engine,
        Err(errors) => {
            errors.iter().for_each(|error| println!("{error}"));
            return;
        }
    };
    println!("{} rules compiled in {:.2} s", engine.rule_count(), (cpu_time() - begin).as_secs_f64());
    let headers: Vec<(&[u8], &[u8])> = HEADERS.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    let only = arguments.next().unwrap_or_default();
    if !["post", "json", "worst"].contains(&only.as_str()) {
        measure("GET", seconds, || transaction(&engine, GET_URI, None, &headers));
    }
    let form = form();
    let length = form.len().to_string();
    let mut post = headers.clone();
    post.push((b"Content-Type", b"application/x-www-form-urlencoded"));
    post.push((b"Content-Length", length.as_bytes()));
    if !["get", "json", "worst"].contains(&only.as_str()) {
        measure("POST 1.7 KB", seconds, || transaction(&engine, POST_URI, Some(&form), &post));
    }
    if only == "json" {
        // Linear means that eight times the body takes eight times as long.
        for kilobytes in [16, 128, 1024] {
            let json = json(kilobytes * 1024);
            let mut headers = headers.clone();
            headers.push((b"Content-Type", b"application/json"));
            headers.push((b"Content-Length", b"1"));
            let name = format!("JSON of {kilobytes} KiB");
            measure(&name, seconds, || transaction(&engine, POST_URI, Some(&json), &headers));
        }
    }
    if only == "worst" {
        worst(&engine, &headers);
    }
    if std::env::args().any(|argument| argument == "--print") {
        println!("{form}");
    }
}
