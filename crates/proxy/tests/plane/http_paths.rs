//! A rule for a path holds for whatever the server takes for that path; the bytes go on as they came.

use crate::door::Door;
use crate::http::{answering, client, ok};

/// A door that refuses `/ecp` and `/owa/secret.aspx`, and lets everything else pass.
fn guarded(address: std::net::SocketAddr) -> Door {
    Door::open(&format!(
        r#"
        workers = 1
        [listener.web]
        bind = ["127.0.0.1:0"]
        mode = "http"
        forwarded = {{ client = false, proto = false, host = false }}
        pool = "servers"
        [[listener.web.routes]]
        paths = ["/ecp"]
        refuse = 403
        [[listener.web.routes]]
        path-exact = ["/owa/secret.aspx"]
        refuse = 403
        [pool.servers]
        servers = [{{ name = "s", address = "{address}" }}]
        "#
    ))
}

#[test]
fn no_spelling_slips_past_a_rule() {
    let (server, seen) = answering(|request| Some(ok(request.line())));
    let door = guarded(server.address);
    let table: &[(&str, u16)] = &[
        ("/ecp", 403),
        ("/ecp/", 403),
        ("/ECP", 403),
        ("/Ecp/default.aspx", 403),
        ("/ecp?x=/owa", 403),
        ("/%65cp", 403),
        ("/%45%43%50/x", 403),
        ("//ecp", 403),
        ("///ecp//x", 403),
        ("/./ecp", 403),
        ("/owa/../ecp", 403),
        ("/owa/..//ecp", 403),
        ("/a/b/../../ecp/x", 403),
        ("/../ecp", 403),
        ("/owa/%2e%2e/ecp", 403),
        ("/owa/%2E./ecp", 403),
        ("/owa/..\\ecp", 403),
        ("/\\ecp", 403),
        ("/owa\\..\\ecp\\x", 403),
        ("/ecp.", 403),
        ("/ecp..", 403),
        ("/ecp%20", 403),
        ("/ecp%20/x", 403),
        ("/ecp.%20.", 403),
        ("/owa/.. /ecp", 400),
        ("http://a/ecp", 403),
        ("http://a/owa/../ecp", 403),
        ("/OWA/secret.aspx", 403),
        ("/owa/x/../Secret.ASPX", 403),
        ("/owa%2f..%2fecp", 400),
        ("/owa%5c..%5cecp", 400),
        ("/ecp%00", 400),
        ("/ecp%00.jpg", 400),
        ("/%2565cp", 400),
        ("/%25%36%35cp", 400),
        ("/%252e%252e/ecp", 400),
        ("/%u0065cp", 400),
        ("/%", 400),
        ("/%e", 400),
        ("/%zz", 400),
        ("/%c0%ae%c0%ae/ecp", 400),
        ("/%ff", 400),
        ("/ecp%0d%0ax", 400),
        ("/ecp%7f", 400),
        ("/", 200),
        ("/ecpx", 200),
        ("/owa/ecp", 200),
        ("/owa/secret.aspx/more", 200),
        ("/owa/?u=/ecp", 200),
        ("/owa/a%20b/%C3%A9?q=%2f%00%25", 200),
        ("/ecp/../owa", 200),
        ("/Owa//x/./y", 200),
        ("/100%25", 200),
    ];
    assert!(table.len() >= 40);
    for (target, status) in table {
        let mut client = client(&door);
        client.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.response().unwrap().status(), *status, "{target}");
        let line = seen.try_recv().ok().map(|(_, request)| request.line().to_owned());
        let expected = (*status == 200).then(|| format!("GET {target} HTTP/1.1"));
        assert_eq!(line, expected, "the bytes go on as they came, or not at all");
    }
}

#[test]
fn without_rules_every_path_passes() {
    let (server, seen) = answering(|_| Some(ok("")));
    let door = crate::http::door(&server, "", "");
    for target in ["/%2f%5c%00", "/%252e", "/%ff", "/a\\b"] {
        let mut client = client(&door);
        client.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.response().unwrap().status(), 200, "{target}");
        assert_eq!(seen.recv().unwrap().1.line(), format!("GET {target} HTTP/1.1"));
    }
}
