//! What routes and listeners change in requests and answers, from the text of a configuration on.

use std::sync::Arc;

use transom_config::{ErrorBody, ListenerMode};
use transom_state::{Listener, World};
use transom_wire::http1::{Limits, request, response};

use super::*;

fn live(listener: &str) -> (Arc<Listener>, Arc<transom_config::Listener>) {
    let text = format!(
        "[listener.l]\nbind = [\"127.0.0.1:0\"]\nmode = \"http\"\nforwarded = {{ client = false, proto = false, \
         host = false }}\n{listener}\n[pool.p]\nservers = [{{ name = \"a\", address = \"127.0.0.1:1\" }}]\n"
    );
    let loaded = transom_config::load_text("test.toml", &text);
    let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false)));
    let world = World::first(Arc::new(config), 1, 7, std::time::Instant::now());
    let listener = Arc::clone(&world.listeners()[0]);
    let config = Arc::clone(&listener.config);
    (listener, config)
}

/// What a server sees, and what a client sees of the answer.
fn both(listener: &str, asked: &str, answered: &str) -> (String, String) {
    let (listener, config) = live(listener);
    let ListenerMode::Http(http) = &config.mode else { unreachable!() };
    let routes = listener.http().unwrap();
    let route = routes.routes().first().unwrap_or(routes.otherwise());
    let (asked, answered) = (asked.replace('\n', "\r\n"), answered.replace('\n', "\r\n"));
    let (bytes, mut fields) = (asked.as_bytes(), Vec::new());
    let request = request(bytes, Limits::default(), &mut fields).unwrap().unwrap();
    let target = Target::parse(request.method.of(bytes), request.target.of(bytes)).unwrap();
    let head = Head { bytes, request, fields: &fields, target };
    let client = "192.0.2.7:99".parse().unwrap();
    let destination = Some("198.51.100.1:443".parse().unwrap());
    let told = Told { id: 7, client, secure: None, destination, server: None };
    let mut up = Vec::new();
    ToServer { head, told, http, route, cookie: None, connection: Says::Nothing }.write(&mut up);
    let (bytes, mut fields) = (answered.as_bytes(), Vec::new());
    let response = response(bytes, Limits::default(), &mut fields).unwrap().unwrap();
    let mut down = Vec::new();
    let (told, framing) = (Told { server: Some("a"), ..told }, Framing::AsCame);
    let connection = Says::Nothing;
    ToClient { bytes, response, fields: &fields, head, told, http, route, cookie: None, connection, framing }
        .write(&mut down);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("\r\n", "\n");
    (text(up), text(down))
}

const OK: &str = "HTTP/1.1 200 OK\n\n";

#[test]
fn targets_and_methods_are_rewritten() {
    for (route, asked, line) in [
        ("set-path = \"/owa/\"", "GET /a?b=c", "GET /owa/?b=c"),
        ("set-path = \"/mail{path}\"", "GET /a?b=c", "GET /mail/a?b=c"),
        ("set-uri = \"/x?y={header:x-y}\"", "GET /a?b=c", "GET /x?y=1%202"),
        ("set-uri = \"/x{cookie:who}\"", "GET /a", "GET /x%23me"),
        ("set-query = \"from={client-ip}&q={query:b}\"", "GET /a?b=c", "GET /a?from=192.0.2.7&q=c"),
        ("replace-uri = { regex = \"^/r/(.*)\", with = \"/s/$1\" }", "GET /r/a?b=c", "GET /s/a?b=c"),
        ("replace-uri = { regex = \"^/r\", with = \"\\\\ \" }", "GET /r", "GET /\\%20"),
        ("set-method = \"GET\"", "HEAD /m", "GET /m"),
    ] {
        let listener = format!("routes = [{{ pool = \"p\", {route} }}]");
        let asked = format!("{asked} HTTP/1.1\nHost: a\nX-Y: 1 2\nCookie: b=c; who=#me\n\n");
        let (up, _) = both(&listener, &asked, OK);
        assert_eq!(up.lines().next(), Some(format!("{line} HTTP/1.1").as_str()), "{route}");
    }
}

#[test]
fn values_are_replaced_listener_first_and_groups_of_clients_stay_text() {
    let listener = "replace-request-headers = [{ name = \"cookie\", regex = \"foo=([^;]*);(.*)\", with = \"foo=$1;ip={client-ip};$2\" }]\n\
        replace-response-headers = [{ name = \"location\", regex = \"^http:\", with = \"https:\" }]\n\
        routes = [{ pool = \"p\", replace-request-headers = [{ name = \"X-A\", regex = \"b(.)\", with = \"{header:x-b}$1$$\" }] }]";
    let asked =
        "GET / HTTP/1.1\nHost: a\nCookie: x=1;foo=bar; y=2\nx-a: abcbd\nX-B: $1${0}\nX-C: as it was\n\n";
    let (up, down) = both(listener, asked, "HTTP/1.1 302 Found\nLocation: http://a/\nlocation: ftp://b/\n\n");
    assert_eq!(
        up,
        "GET / HTTP/1.1\nHost: a\nCookie: x=1;foo=bar;ip=192.0.2.7; y=2\nx-a: a$1${0}c$bd\nX-B: $1${0}\n\
         X-C: as it was\n\n"
    );
    assert_eq!(down, "HTTP/1.1 302 Found\nLocation: https://a/\nlocation: ftp://b/\n\n");
}

#[test]
fn values_are_filled_in_with_what_is_known() {
    let set = "set-request-headers = { X-All = \"{destination}:{port} {method} {uri} {query} {listener} {pool} {server}.\" }\n\
               set-response-headers = { X-Server = \"{pool}/{server}\" }\npool = \"p\"";
    let (up, down) = both(set, "PUT /a?b HTTP/1.1\nHost: a\n\n", OK);
    assert!(up.contains("X-All: 198.51.100.1:443 PUT /a?b b l p .\n"), "{up}");
    assert!(down.contains("X-Server: p/a\n"), "{down}");
}

#[test]
fn error_answers_may_send_elsewhere_and_fixed_ones_have_headers() {
    let text = "error-pages = [{ status = 503, redirect = \"https://status.test/\" }]\nroutes = [{ fixed = { status = 200, \
                body = \"x\", headers = { Retry-After = \"5\" } } }]";
    let (listener, config) = live(text);
    let ListenerMode::Http(http) = &config.mode else { unreachable!() };
    assert!(matches!(http.error_pages[0].body, ErrorBody::Redirect(_)));
    let bare = Answer {
        status: 503,
        id: 7,
        fault: Some(transom_state::Fault::PoolEmpty),
        location: None,
        headers: &[],
        body: None,
        bodyless: false,
        connection: Says::Nothing,
        date: "then",
    };
    let mut out = Vec::new();
    bare.write(&mut out, http, None);
    let sent = String::from_utf8(out).unwrap();
    assert!(
        sent.starts_with("HTTP/1.1 302 Found\r\n") && sent.contains("Location: https://status.test/\r\n"),
        "{sent}"
    );

    let Some(transom_config::Action::Fixed(fixed)) = listener.http().unwrap().routes()[0].action() else {
        unreachable!()
    };
    let (bytes, mut fields) = (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Vec::new());
    let request = request(bytes, Limits::default(), &mut fields).unwrap().unwrap();
    let head = Head { bytes, request, fields: &fields, target: Target::parse(b"GET", b"/").unwrap() };
    let client = "192.0.2.7:99".parse().unwrap();
    let told = Told { id: 7, client, secure: None, destination: None, server: None };
    let mut out = Vec::new();
    let answer = Answer { status: 200, headers: &fixed.headers, body: Some(("text/plain", b"x")), ..bare };
    answer.write(&mut out, http, Some((&head, &told, &listener.http().unwrap().routes()[0])));
    assert!(String::from_utf8(out).unwrap().contains("Retry-After: 5\r\n"));
}
