//! Heads in, heads out.

use std::sync::Arc;

use transom_config::{
    Action, ClientTimeouts, CookieMode, Edits, FieldEdits, Forwarded, Http, Pattern, PoolCookie, Redirect,
    RequestLimits, Template, TemplatePart,
};
use transom_wire::http1::{Limits, request, response};

use super::*;

const DATE: &str = "Fri, 20 Nov 2026 14:02:31 GMT";

fn http() -> Http {
    let seconds = std::time::Duration::from_secs;
    Http {
        tls: None,
        routes: vec![],
        otherwise: Some(Action::Refuse(404)),
        edits: Edits::default(),
        forwarded: Forwarded {
            trust: vec!["10.0.0.0/8".parse().unwrap()],
            client: true,
            proto: true,
            host: true,
        },
        timeouts: ClientTimeouts {
            head: seconds(10),
            body: seconds(60),
            keep_alive: seconds(60),
            send: seconds(60),
        },
        limits: RequestLimits { head_bytes: 65_536, fields: 200, body: None, requests: None },
        error_pages: vec![],
        h2c: false,
        ready: false,
        waf: None,
    }
}

fn text(value: &str) -> Template {
    Template(vec![TemplatePart::Text(value.into())])
}

/// The listener of that configuration, live.
fn live(http: Http) -> Arc<transom_state::Listener> {
    let text = "[listener.l]\nbind = [\"127.0.0.1:0\"]\nmode = \"tcp\"\npool = \"p\"\n\
                [pool.p]\nservers = [{ name = \"a\", address = \"127.0.0.1:1\" }]\n";
    let loaded = transom_config::load_text("test.toml", text);
    let mut config = loaded.config.expect("a valid configuration");
    let listener = transom_config::Listener {
        mode: transom_config::ListenerMode::Http(Box::new(http)),
        ..(*config.listeners[0]).clone()
    };
    config.listeners = vec![Arc::new(listener)];
    let world = transom_state::World::first(Arc::new(config), 1, 7, std::time::Instant::now());
    Arc::clone(&world.listeners()[0])
}

/// A request as text with `\n` for line ends.
fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// What a server gets to see of a request from `client`.
fn to_server(http: Http, client: &str, cookie: Option<&PoolCookie>, connection: Says, text: &str) -> String {
    let (bytes, mut fields) = (wire(text), Vec::new());
    let request = request(&bytes, Limits::default(), &mut fields).unwrap().expect("a whole head");
    let target = Target::parse(request.method.of(&bytes), request.target.of(&bytes)).unwrap();
    let head = Head { bytes: &bytes, request, fields: &fields, target };
    let told = Told { id: 7, client: client.parse().unwrap(), secure: None, destination: None, server: None };
    let listener = live(http.clone());
    let route = listener.http().unwrap();
    let route = route.routes().first().unwrap_or(route.otherwise());
    let mut out = Vec::new();
    ToServer { head, told, http: &http, route, cookie, connection }.write(&mut out);
    String::from_utf8(out).unwrap().replace("\r\n", "\n")
}

fn quiet() -> Http {
    let forwarded = Forwarded { trust: vec![], client: false, proto: false, host: false };
    Http { forwarded, ..http() }
}

#[test]
fn what_nobody_asked_to_change_goes_on_byte_for_byte() {
    let text = "RPC_IN_DATA /rpc/rpcproxy.dll?ex1:6001 HTTP/1.1\nhOst:  mail.test\nX-ODD:\tvalue  \n\
                Content-Length: 4\naccept: a\nACCEPT: b\nExpect: 100-continue\n\n";
    assert_eq!(to_server(quiet(), "192.0.2.7:1", None, Says::Nothing, text), text);
}

#[test]
fn fields_of_one_connection_stop_here() {
    let text = "GET / HTTP/1.1\nConnection: keep-alive, X-Own, Cookie, Host\nKeep-Alive: 5\nProxy-Connection: x\n\
                TE: gzip, trailers\nUpgrade: h2c\nHTTP2-Settings: AAA\nx-own: 1\nCookie: a=1\nHost: mail.test\n\
                TE: trailers\n\n";
    assert_eq!(
        to_server(quiet(), "192.0.2.7:1", None, Says::Nothing, text),
        "GET / HTTP/1.1\nCookie: a=1\nHost: mail.test\nTE: trailers\n\n"
    );
}

#[test]
fn an_upgrade_that_is_meant_goes_on() {
    let text = "GET /ws HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\n\n";
    assert_eq!(
        to_server(quiet(), "192.0.2.7:1", None, Says::Upgrade, text),
        "GET /ws HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\n\n"
    );
}

#[test]
fn a_whole_url_becomes_a_path_and_a_host() {
    let text = "GET http://mail.test:8080/owa?x=/y HTTP/1.1\nHost: other.test\nA: b\n\n";
    assert_eq!(
        to_server(quiet(), "192.0.2.7:1", None, Says::Nothing, text),
        "GET /owa?x=/y HTTP/1.1\nA: b\nHost: mail.test:8080\n\n"
    );
    let text = "GET http://mail.test?x HTTP/1.1\nHost: other.test\n\n";
    assert_eq!(
        to_server(quiet(), "192.0.2.7:1", None, Says::Nothing, text),
        "GET /?x HTTP/1.1\nHost: mail.test\n\n"
    );
}

#[test]
fn forwarded_fields_of_strangers_are_replaced_and_of_friends_continued() {
    let text = "GET / HTTP/1.1\nHost: a\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nX-Forwarded-Host: b\n\n";
    assert_eq!(
        to_server(http(), "192.0.2.7:1", None, Says::Nothing, text),
        "GET / HTTP/1.1\nHost: a\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: http\nX-Forwarded-Host: a\n\n"
    );
    assert_eq!(
        to_server(http(), "10.1.1.1:1", None, Says::Nothing, text),
        "GET / HTTP/1.1\nHost: a\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nX-Forwarded-Host: b\n\
         X-Forwarded-For: 10.1.1.1\n\n"
    );
    assert_eq!(to_server(quiet(), "192.0.2.7:1", None, Says::Nothing, text), "GET / HTTP/1.1\nHost: a\n\n");
}

#[test]
fn edits_remove_then_set_then_add() {
    let request = FieldEdits {
        remove: vec!["Server-Secret".into()],
        set: vec![("Front-End-Https".into(), text("On"))],
        add: vec![(
            "X-Client".into(),
            Template(vec![TemplatePart::ClientIp, TemplatePart::Text(":".into()), TemplatePart::ClientPort]),
        )],
        ..FieldEdits::default()
    };
    let http = Http { edits: Edits { request, ..Edits::default() }, ..quiet() };
    let text = "GET / HTTP/1.1\nfront-end-https: off\nHost: a\nserver-secret: 1\nX-Client: mine\n\n";
    assert_eq!(
        to_server(http, "192.0.2.7:99", None, Says::Nothing, text),
        "GET / HTTP/1.1\nHost: a\nX-Client: mine\nFront-End-Https: On\nX-Client: 192.0.2.7:99\n\n"
    );
}

fn cookie(mode: CookieMode) -> PoolCookie {
    PoolCookie {
        name: "SRV".into(),
        mode,
        key: None,
        preserve: false,
        secure: None,
        http_only: true,
        same_site: Some("Lax".into()),
        max_age: None,
        domain: None,
    }
}

#[test]
fn a_server_does_not_see_our_cookie() {
    let sent = |mode, value: &str| {
        let text = format!("GET / HTTP/1.1\nHost: a\nCookie: {value}\nB: c\n\n");
        let out = to_server(quiet(), "192.0.2.7:1", Some(&cookie(mode)), Says::Nothing, &text);
        out.lines().find_map(|line| line.strip_prefix("Cookie: ")).map(str::to_owned)
    };
    for (mode, value, seen) in [
        (CookieMode::Insert, "a=1; SRV=ex1; b=2", Some("a=1; b=2")),
        (CookieMode::Insert, "SRV=ex1", None),
        (CookieMode::Insert, "a=1;b=2", Some("a=1;b=2")),
        (CookieMode::Prefix, "a=1; SRV=ex1~abc=d", Some("a=1; SRV=abc=d")),
        (CookieMode::Prefix, "SRV=abc", Some("SRV=abc")),
        (CookieMode::Rewrite, "SRV=ex1", Some("SRV=ex1")),
    ] {
        assert_eq!(sent(mode, value).as_deref(), seen, "{mode:?} {value}");
    }
}

/// What a client gets to see of a response.
fn to_client(
    http: Http,
    cookie: Option<SetServer<'_>>,
    connection: Says,
    framing: Framing,
    text: &str,
) -> String {
    let asked = wire("GET / HTTP/1.1\nHost: a\n\n");
    let (mut asked_fields, mut fields) = (Vec::new(), Vec::new());
    let asked_head = request(&asked, Limits::default(), &mut asked_fields).unwrap().unwrap();
    let target = Target::parse(b"GET", b"/").unwrap();
    let head = Head { bytes: &asked, request: asked_head, fields: &asked_fields, target };
    let told =
        Told { id: 7, client: "192.0.2.7:1".parse().unwrap(), secure: None, destination: None, server: None };
    let bytes = wire(text);
    let response = response(&bytes, Limits::default(), &mut fields).unwrap().unwrap();
    let listener = live(http.clone());
    let route = listener.http().unwrap().otherwise();
    let mut out = Vec::new();
    let whole = ToClient {
        bytes: &bytes,
        response,
        fields: &fields,
        head,
        told,
        http: &http,
        route,
        cookie,
        connection,
        framing,
    };
    whole.write(&mut out);
    String::from_utf8(out).unwrap().replace("\r\n", "\n")
}

#[test]
fn responses_go_on_as_they_came_but_for_their_connection() {
    let text = "HTTP/1.0 299 Odd reason\nserver: IIS\nSet-Cookie: a=1\nset-cookie: b=2\nConnection: close, x-y\nX-Y: 1\n\
                Keep-Alive: 1\nWWW-Authenticate: NTLM\nPersistent-Auth: true\n\n";
    assert_eq!(
        to_client(http(), None, Says::Nothing, Framing::AsCame, text),
        "HTTP/1.1 299 Odd reason\nserver: IIS\nSet-Cookie: a=1\nset-cookie: b=2\nWWW-Authenticate: NTLM\n\
         Persistent-Auth: true\n\n"
    );
    let text = "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n";
    assert_eq!(
        to_client(http(), None, Says::Close, Framing::UntilClose, text),
        "HTTP/1.1 200 OK\nConnection: close\n\n"
    );
}

#[test]
fn cookies_remember_the_server() {
    let seen = |mode, known, text: &str| {
        let cookie = cookie(mode);
        let set = SetServer { cookie: &cookie, server: "ex1", known, secure: true };
        to_client(http(), Some(set), Says::Nothing, Framing::AsCame, text)
    };
    let plain = "HTTP/1.1 200 OK\nSet-Cookie: SRV=abc; Path=/x\nSet-Cookie: other=1\n\n";
    assert_eq!(
        seen(CookieMode::Insert, false, "HTTP/1.1 200 OK\nA: b\n\n"),
        "HTTP/1.1 200 OK\nA: b\nSet-Cookie: SRV=ex1; Path=/; Secure; HttpOnly; SameSite=Lax\n\
         Cache-Control: private\n\n"
    );
    assert_eq!(seen(CookieMode::Insert, true, "HTTP/1.1 200 OK\nA: b\n\n"), "HTTP/1.1 200 OK\nA: b\n\n");
    assert_eq!(
        seen(CookieMode::Prefix, false, plain),
        "HTTP/1.1 200 OK\nSet-Cookie: SRV=ex1~abc; Path=/x\nSet-Cookie: other=1\n\n"
    );
    assert_eq!(
        seen(CookieMode::Rewrite, false, plain),
        "HTTP/1.1 200 OK\nSet-Cookie: SRV=ex1; Path=/x\nSet-Cookie: other=1\n\n"
    );
}

#[test]
fn redirects_keep_what_they_are_not_told_to_change() {
    let base = Redirect { status: 308, scheme: None, host: None, replace_host: None, path: None, to: None };
    let https = Redirect { scheme: Some("https".into()), ..base.clone() };
    let sent = |redirect: &Redirect, text: &str| {
        let (bytes, mut fields) = (wire(text), Vec::new());
        let request = request(&bytes, Limits::default(), &mut fields).unwrap().unwrap();
        let target = Target::parse(request.method.of(&bytes), request.target.of(&bytes)).unwrap();
        let head = Head { bytes: &bytes, request, fields: &fields, target };
        let told = Told {
            id: 7,
            client: "192.0.2.7:1".parse().unwrap(),
            secure: None,
            destination: None,
            server: None,
        };
        let listener = live(http());
        let route = listener.http().unwrap().otherwise();
        location(redirect, &head, &told, route).map(|location| String::from_utf8(location).unwrap())
    };
    let asked = "GET /owa/?x=1 HTTP/1.1\nHost: mail.test:8080\n\n";
    assert_eq!(sent(&https, asked).as_deref(), Some("https://mail.test/owa/?x=1"));
    let host = Redirect { host: Some("new.test".into()), ..base.clone() };
    assert_eq!(sent(&host, asked).as_deref(), Some("http://new.test/owa/?x=1"));
    let path = Redirect { path: Some(text("/owa")), ..base.clone() };
    assert_eq!(sent(&path, asked).as_deref(), Some("http://mail.test:8080/owa"));
    let within = Template(vec![TemplatePart::Text("/new".into()), TemplatePart::Uri]);
    let within = Redirect { path: Some(within), ..base.clone() };
    assert_eq!(sent(&within, asked).as_deref(), Some("http://mail.test:8080/new/owa/?x=1"));
    let replace = transom_config::ReplaceHost { regex: Pattern::new("^mail").unwrap(), with: "www".into() };
    let replaced = Redirect { replace_host: Some(replace), ..https.clone() };
    assert_eq!(sent(&replaced, asked).as_deref(), Some("https://www.test/owa/?x=1"));
    let bad = transom_config::ReplaceHost { regex: Pattern::new("mail").unwrap(), with: "a/b@".into() };
    let bad = Redirect { replace_host: Some(bad), ..base.clone() };
    assert_eq!(sent(&bad, asked), None, "what comes out is no host");
    let to = Redirect { to: Some(text("https://www.test/")), ..base };
    assert_eq!(sent(&to, asked).as_deref(), Some("https://www.test/"));
    assert_eq!(sent(&https, "GET / HTTP/1.0\n\n"), None);
}

#[test]
fn errors_name_their_fault_and_request_and_nothing_else() {
    let answer = Answer {
        status: 502,
        id: 0x7f3a,
        fault: Some(transom_state::Fault::ServerRefused),
        headers: &[],
        location: None,
        body: None,
        bodyless: false,
        connection: Says::Close,
        date: DATE,
    };
    let mut out = Vec::new();
    answer.write(&mut out, &http(), None);
    let out = String::from_utf8(out).unwrap();
    let (head, body) = out.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 502 Bad Gateway\r\nDate: Fri, 20 Nov 2026 14:02:31 GMT\r\n"),
        "{head}"
    );
    for line in ["Transom-Fault: server-refused", "Transom-Request: 0000000000007f3a", "Connection: close"] {
        assert!(head.contains(line), "{head}");
    }
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    assert!(body.contains("server-refused") && body.contains("0000000000007f3a"), "{body}");
    let mut bodyless = Vec::new();
    Answer { bodyless: true, ..answer }.write(&mut bodyless, &http(), None);
    assert!(bodyless.ends_with(b"\r\n\r\n"));
}
