//! Nothing that is sent can panic the engine: seeded noise through every parser.
//!
//! `SEED=n` replays one run; `RUNS=n` makes more of them.

use std::net::SocketAddr;
use std::sync::Arc;
use transom_waf::lang::NoFiles;
use transom_waf::{Connection, Engine, Fed, Now, RequestLine, RuleSource, Store, Transaction, Verdict};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) as usize % below
    }

    /// A sample with some of its bytes changed, doubled, cut out or put elsewhere.
    fn mutate(&mut self, sample: &[u8]) -> Vec<u8> {
        let mut bytes = sample.to_vec();
        for _ in 0..self.roll(8) {
            if bytes.is_empty() {
                break;
            }
            let at = self.roll(bytes.len());
            match self.roll(6) {
                0 => bytes[at] = self.roll(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\"'\\%&=;:,{}[]<>\r\n\0-/ \xc0\xff"[self.roll(23)]),
                3 => bytes.truncate(at),
                4 => {
                    let end = (at + self.roll(12)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    let to = self.roll(bytes.len());
                    bytes.splice(to..to, copy);
                }
                _ => bytes.swap(at, 0),
            }
        }
        bytes
    }
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let runs = number("RUNS").unwrap_or(4_000);
    number("SEED").map_or(1..runs + 1, |seed| seed..seed + 1)
}

fn dice(seed: u64) -> Dice {
    Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
}

const LANGUAGE: &[&str] = &[
    "SecRule ARGS|!ARGS:/^a|b/|&TX:x|XML:/*|XML://@* \"!@rx (?i)a[^b-]{2,}\\x{bc}+?(?=c)\" \"id:1,phase:2,t:none,t:lowercase,chain\"\n SecRule MATCHED_VARS \"@pm a |0d 0a|\" \"setvar:'tx.%{rule.id}=+%{tx.a}'\"",
    "SecAction \\\n  \"id:'7',initcol:ip=%{remote_addr},expirevar:ip.x=60,ctl:ruleRemoveTargetByTag=t;ARGS:a,skipAfter:M\"\nSecMarker M",
    "SecRule REMOTE_ADDR \"@ipMatch 10.0.0.0/8,::1/128\" \"id:2,deny,status:403,xmlns:a=urn:b\"\nSecDefaultAction phase:1,log,pass",
    "SecRule ARGS \"@validateByteRange 1-5,9\" id:3\nSecRuleUpdateTargetById 3 !ARGS:b\nSecRuleRemoveById 1-9\nSecRequestBodyLimit 10",
    "SecRule ARGS \"@rx \\Qa\\E[[:alpha:]\\w-.]\\R\\012(?#c)(?>a|b)++\\1{1,3}\" \"id:4,msg:'a,\\'b'\"",
];

#[test]
fn no_rule_file_panics_the_loader() {
    let mut loaded = 0;
    for seed in seeds() {
        let mut dice = dice(seed);
        let sample = LANGUAGE[dice.roll(LANGUAGE.len())];
        let text = String::from_utf8_lossy(&dice.mutate(sample.as_bytes())).into_owned();
        loaded +=
            usize::from(Engine::load(&[RuleSource::Text { name: "noise", text: &text }], &NoFiles).is_ok());
    }
    assert!(loaded > 0 || std::env::var_os("SEED").is_some(), "some noise still loads");
}

const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecRule REQUEST_HEADERS:Content-Type "json" "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "xml" "id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
SecAction "id:3,phase:1,pass,nolog,initcol:ip=%{remote_addr},ctl:forceRequestBodyVariable=On"
SecRule ARGS|ARGS_NAMES|REQUEST_BODY|FILES|MULTIPART_PART_HEADERS|XML:/*|XML://@*|REQUEST_COOKIES|RESPONSE_BODY "@rx (a)(b)?" "id:4,phase:4,pass,capture,t:none,t:utf8toUnicode,t:urlDecodeUni,t:htmlEntityDecode,t:jsDecode,t:cssDecode,t:escapeSeqDecode,t:base64DecodeExt,t:sqlHexDecode,t:cmdLine,t:normalizePathWin,t:replaceComments,t:removeComments,t:compressWhitespace,multiMatch,setvar:ip.n=+1,logdata:'%{TX.1}%{MATCHED_VAR}'"
SecRule ARGS|REQUEST_URI|REQUEST_HEADERS "@detectSQLi" "id:5,phase:2,pass,capture"
SecRule ARGS|REQUEST_URI|REQUEST_HEADERS "@detectXSS" "id:6,phase:2,pass,t:none,t:hexDecode,t:trim,t:removeCommentsChar"
SecRule ARGS "@verifyCC \d{13,16}" "id:7,phase:2,pass"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:8,phase:2,deny"
"#;

const BODIES: &[(&str, &str)] = &[
    ("application/json", "{\"a\":[1,-2.5e3,true,null,{\"b\":\"x\\u00e9\\ud83d\\ude00\"}],\"c\":\"\"}"),
    (
        "text/xml",
        "<?xml version='1.0'?><!DOCTYPE a><a b='1&amp;'><c>t&#x41;</c><![CDATA[x]]><!-- c --><d/></a>",
    ),
    (
        "multipart/form-data; boundary=\"zz\"",
        "x\r\n--zz\r\nContent-Disposition: form-data; name='a'; filename=\"b\\\"c\"\r\n folded\r\n\r\n1\r\n--zz\r\nA:b\n\n--zz--\r\n",
    ),
    (
        "application/x-www-form-urlencoded",
        "a=%41+%u0041&b=<a onload=x>&c=1' or 1.e(1)--&d=4111111111111111&=&",
    ),
];

#[test]
fn no_message_panics_a_transaction() {
    let engine = Engine::load(&[RuleSource::Text { name: "own.conf", text: RULES }], &NoFiles)
        .unwrap_or_else(|errors| panic!("{errors:#?}"));
    let store = Arc::new(Store::new());
    for seed in seeds() {
        let mut dice = dice(seed);
        let (kind, sample) = BODIES[dice.roll(BODIES.len())];
        let content_type =
            if dice.roll(3) == 0 { dice.mutate(kind.as_bytes()) } else { kind.as_bytes().to_vec() };
        let (uri, cookie) = (dice.mutate(b"/a/../b%2f.php?q=1&a[]=%zz#f"), dice.mutate(b"a=1; b=\"2\";c"));
        let end = SocketAddr::from(([127, 0, 0, 1], 80));
        let ends = Connection { client: end, server: end };
        let mut transaction = Transaction::new(&engine, Some(&store), ends, "1", Now::default());
        if dice.roll(4) == 0 {
            transaction.start_trace();
        }
        let line = RequestLine { method: &dice.mutate(b"POST"), uri: &uri, protocol: b"HTTP/1.1" };
        let headers: [(&[u8], &[u8]); 3] =
            [(b"Content-Type", &content_type), (b"Cookie", &cookie), (b"Authorization", b"Basic x")];
        if let Verdict::InspectBody { .. } = transaction.request_headers(line, headers) {
            let body = dice.mutate(sample.as_bytes());
            for piece in body.chunks(1 + dice.roll(40)) {
                if transaction.request_body(piece) != Fed::More {
                    break;
                }
            }
        }
        transaction.request_end();
        transaction.response_headers(200, b"HTTP/1.1", [(&b"Content-Type"[..], &b"text/html"[..])]);
        transaction.response_body(&dice.mutate(b"<html>ab</html>"));
        transaction.response_end();
        for found in transaction.finish().matches {
            found.error_log_line("c", "h", "/", "1", 403);
        }
    }
}
