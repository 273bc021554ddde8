//! The pretend Exchange server, asked by the kit's own client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use transom_testkit::ca::Authority;
use transom_testkit::client::Trust;
use transom_testkit::fake_exchange::{
    ANY, Condition, Connection, ControlPort, Directory, Ending, ExtendedProtection, FakeExchange, KERBEROS,
    Options, Service,
};
use transom_testkit::ntlm;
use transom_testkit::pattern::Pattern;
use transom_testkit::raw::{Link, Response, Standing};
use transom_testkit::wait;

const SOON: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(100);

fn exchange() -> FakeExchange {
    FakeExchange::start(Options::new("EX1")).expect("it starts")
}

fn link(exchange: &FakeExchange) -> Link {
    Link::plain(exchange.address(), SOON).expect("it listens")
}

fn alice() -> ntlm::Client {
    ntlm::Client::new("LAB", "alice", "Wonderland-1")
}

fn who(answer: &Response) -> &str {
    answer.field("x-authenticated-user").expect("every answer says whose it is")
}

#[test]
fn each_directory_has_a_health_of_its_own() {
    let exchange = exchange();
    let mut link = link(&exchange);
    exchange.set_condition(Directory::Mapi, Condition::Out);
    exchange.set_condition(Directory::Ews, Condition::PageOut);
    for directory in Directory::ALL {
        let page = link.get("a", &format!("/{}/healthcheck.htm", directory.name()), "").unwrap();
        let up = !matches!(directory, Directory::Mapi | Directory::Ews);
        let expected =
            if up { (200, "200 OK<br/>ex1.lab.test") } else { (503, "503 - Service Unavailable\n") };
        assert_eq!((page.status, page.text().as_str()), expected, "{directory:?}");
    }
    assert_eq!(link.get("a", "/mapi/emsmdb", "").unwrap().status, 401);
    let [_, answer] = link.login(&alice(), "NTLM", ["a", "/mapi/emsmdb"], "").unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(link.get("a", "/ews/", "").unwrap().status, 200);
    exchange.set_condition(Directory::Mapi, Condition::Up);
    assert_eq!(link.get("a", "/mapi/healthcheck.htm", "").unwrap().status, 200);
}

#[test]
fn a_login_belongs_to_its_connection() {
    let exchange = exchange();
    for scheme in ["NTLM", "Negotiate"] {
        let (mut mine, mut other) = (link(&exchange), link(&exchange));
        let offer = mine.get("a", "/ews/", "").unwrap();
        assert_eq!(offer.all("www-authenticate"), ["Negotiate", "NTLM", "Basic realm=\"ex1.lab.test\""]);
        let [challenge, answer] = mine.login(&alice(), scheme, ["a", "/ews/"], "").unwrap();
        assert_eq!((challenge.status, answer.status, who(&answer)), (401, 200, "LAB\\alice"));
        assert_eq!(answer.field("persistent-auth"), Some("true"));
        for number in 4..7 {
            let later = mine.get("a", "/ews/", "").unwrap();
            assert_eq!((later.status, who(&later)), (200, "LAB\\alice"));
            assert_eq!(later.field("x-request-number"), Some(number.to_string().as_str()));
        }
        assert_eq!(other.get("a", "/ews/", "").unwrap().status, 401, "another connection is nobody's");
    }
    let mut wrong = link(&exchange);
    let liar = ntlm::Client::new("LAB", "alice", "wrong");
    let [_, answer] = wrong.login(&liar, "NTLM", ["a", "/ews/"], "").unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(exchange.refusals(), ["wrong-password alice"]);
}

#[test]
fn one_leg_of_negotiate_is_enough_for_a_ticket() {
    let exchange = exchange();
    let mut link = link(&exchange);
    let token = base64(format!("{KERBEROS}bob").as_bytes());
    let answer = link.get("a", "/ews/", &format!("Authorization: Negotiate {token}\r\n")).unwrap();
    assert_eq!((answer.status, who(&answer)), (200, "LAB\\bob"));
    assert_eq!(who(&link.get("a", "/whoami", "").unwrap()), "LAB\\bob", "the connection is bob's");
}

#[test]
fn basic_says_with_each_request_whose_it_is() {
    let exchange = exchange();
    let mut link = link(&exchange);
    let basic = |pair: &str| format!("Authorization: Basic {}\r\n", base64(pair.as_bytes()));
    let answer = link.get("a", "/ews/", &basic("LAB\\carol:Christmas-3")).unwrap();
    assert_eq!((answer.status, who(&answer)), (200, "LAB\\carol"));
    assert_eq!(link.get("a", "/ews/", "").unwrap().status, 401);
    assert_eq!(link.get("a", "/ews/", &basic("carol:no")).unwrap().status, 401);
}

#[test]
fn strangers_on_a_connection_that_belongs_to_somebody_are_found() {
    let table: [(&[(&str, bool)], bool); 5] = [
        (&[("1", true), ("1", false)], false),
        (&[("1", false), ("2", false)], false),
        (&[("1", false), ("2", true), ("2", false)], false),
        (&[("1", true), ("2", false)], true),
        (&[("1", true), ("2", true)], true),
    ];
    for (requests, leaks) in table {
        let exchange = exchange();
        let mut link = link(&exchange);
        for (client, logs_in) in requests {
            let lines = format!("X-Test-Client: {client}\r\n");
            if *logs_in {
                link.login(&alice(), "NTLM", ["a", "/ews/"], &lines).unwrap();
            } else {
                link.get("a", "/", &lines).unwrap();
            }
        }
        assert_eq!(exchange.connections().iter().any(Connection::leaks), leaks, "{requests:?}");
    }
}

#[test]
fn an_idle_connection_is_closed_when_told_so() {
    let exchange = exchange();
    let mut link = link(&exchange);
    assert_eq!(link.get("a", "/?idle=5000", "").unwrap().status, 200);
    assert_eq!(link.get("a", "/?idle=10", "").unwrap().status, 200, "in time");
    assert_eq!(link.standing(SOON), Standing::Closed);
}

#[test]
fn extended_protection_holds_logins_to_the_certificate() {
    let authority = Authority::new("test authority").unwrap();
    let leaf = authority.leaf(&["mail.example.com"]).unwrap();
    let required = Options { protection: ExtendedProtection::Require, ..Options::tls("EX1", &leaf) };
    let exchange = FakeExchange::start(required).unwrap();
    let own = ntlm::tls_server_end_point(&leaf.der);
    for (binding, status) in [(Some(own), 200), (Some([1; 16]), 401), (None, 401)] {
        let mut link = Link::tls(exchange.address(), Some("mail.example.com"), Trust::Anyone, SOON).unwrap();
        assert_eq!(link.certificate(), leaf.der);
        let client = ntlm::Client { binding, ..alice() };
        let [_, answer] = link.login(&client, "NTLM", ["a", "/ews/"], "").unwrap();
        assert_eq!(answer.status, status, "{binding:?}");
    }
    let bound = "bound-elsewhere alice 01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01";
    assert_eq!(exchange.refusals(), [bound, "not-bound alice"]);
    assert_eq!(exchange.connections()[0].server_name.as_deref(), Some("mail.example.com"));
}

#[test]
fn channels_of_rpc_carry_bytes_from_in_to_out() {
    let exchange = exchange();
    let (mut inward, mut outward) = (link(&exchange), link(&exchange));
    for link in [&mut inward, &mut outward] {
        link.login(&alice(), "NTLM", ["a", "/whoami?login"], "").unwrap();
    }
    let open = |method: &str, len: u64| {
        format!(
            "{method} /rpc/rpcproxy.dll?ex1:6001 HTTP/1.1\r\nHost: a\r\nX-Test-Channel: 7\r\nContent-Length: {len}\r\n\r\n"
        )
    };
    outward.send(open("RPC_OUT_DATA", 76) + &"x".repeat(76)).unwrap();
    let head = outward.answer_head().unwrap();
    assert_eq!((head.status, head.field("content-length")), (200, Some("1073741824")));
    inward.send(open("RPC_IN_DATA", 1 << 30)).unwrap();
    for text in ["one", "two", "three"] {
        inward.send(text).unwrap();
        assert_eq!(outward.up_to(text.len()).unwrap(), text.as_bytes());
    }
    let mut echo = link(&exchange);
    echo.login(&alice(), "NTLM", ["a", "/whoami?login"], "").unwrap();
    let answer = echo.ask("RPC_IN_DATA", open("RPC_IN_DATA", 4) + "\0\0\0\0").unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 20));
}

#[test]
fn a_channel_carries_volume_without_loss() {
    const BYTES: usize = 20_000_000;
    let exchange = exchange();
    let (mut inward, mut outward) = (link(&exchange), link(&exchange));
    for link in [&mut inward, &mut outward] {
        link.login(&alice(), "NTLM", ["a", "/whoami?login"], "").unwrap();
    }
    let open = |method: &str, len: usize| {
        format!(
            "{method} /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a\r\nX-Test-Channel: 8\r\nContent-Length: {len}\r\n\r\n"
        )
    };
    outward.send(open("RPC_OUT_DATA", 76) + &"x".repeat(76)).unwrap();
    outward.answer_head().unwrap();
    let sender = thread::spawn(move || {
        inward.send(open("RPC_IN_DATA", BYTES)).expect("the server reads");
        inward.send(Pattern::new().bytes(BYTES)).expect("the server reads");
        inward.answer("RPC_IN_DATA").expect("the end of the channel is answered").status
    });
    let received = outward.up_to(BYTES).unwrap();
    assert_eq!((received.len(), Pattern::new().fault(0, &received)), (BYTES, None));
    assert_eq!((sender.join().unwrap(), outward.standing(SOON)), (200, Standing::Closed));
}

#[test]
fn a_401_comes_while_the_body_is_not_done() {
    let exchange = exchange();
    let mut link = link(&exchange);
    link.send("RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\nxxxx")
        .unwrap();
    assert_eq!(link.answer("RPC_IN_DATA").unwrap().status, 401);
    assert_eq!(link.standing(MOMENT), Standing::Open);
}

#[test]
fn the_gateways_channels_meet_by_their_id() {
    let exchange = exchange();
    let (mut inward, mut outward) = (link(&exchange), link(&exchange));
    let open = |method: &str, more: &str| {
        format!(
            "{method} /remoteDesktopGateway/ HTTP/1.1\r\nHost: a\r\nRDG-Connection-Id: {{1}}\r\n{more}\r\n"
        )
    };
    for link in [&mut inward, &mut outward] {
        link.login(&alice(), "NTLM", ["a", "/whoami?login"], "").unwrap();
    }
    outward.send(open("RDG_OUT_DATA", "")).unwrap();
    let head = outward.answer_head().unwrap();
    assert_eq!(
        (head.status, head.field("content-length"), head.field("transfer-encoding")),
        (200, None, None)
    );
    inward.send(open("RDG_IN_DATA", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n").unwrap();
    assert_eq!(outward.up_to(5).unwrap(), b"hello");
}

#[test]
fn mapi_says_once_in_a_while_that_it_is_not_done() {
    let exchange = exchange();
    let mut link = link(&exchange);
    link.login(&alice(), "NTLM", ["a", "/whoami?login"], "").unwrap();
    link.send("POST /mapi/emsmdb/?pending=2&every=30 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx")
        .unwrap();
    let head = link.answer_head().unwrap();
    assert_eq!((head.status, head.field("x-pendingperiod")), (200, Some("30")));
    let started = Instant::now();
    assert_eq!(link.chunk().unwrap(), b"PROCESSING\r\n");
    assert_eq!(link.chunk().unwrap(), b"PENDING\r\n");
    assert_eq!(link.chunk().unwrap(), b"PENDING\r\n");
    assert!(started.elapsed() >= Duration::from_millis(50), "they come one by one");
    assert!(link.chunk().unwrap().starts_with(b"DONE\r\n"));
    assert!(link.chunk().unwrap().is_empty());
}

#[test]
fn long_answers_are_held_and_streamed() {
    let exchange = exchange();
    let mut link = link(&exchange);
    link.login(&alice(), "NTLM", ["a", "/whoami?login"], "").unwrap();
    let started = Instant::now();
    let ping =
        "POST /Microsoft-Server-ActiveSync?Cmd=Ping&hold=80 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(link.ask("POST", ping).unwrap().status, 200);
    assert!(started.elapsed() >= Duration::from_millis(80));
    let body = "<GetStreamingEvents/>";
    let len = body.len();
    let events = format!(
        "POST /EWS/Exchange.asmx?count=2&every=10 HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n{body}"
    );
    let events = link.ask("POST", events).unwrap().text();
    assert_eq!(events.matches("<m:Notification>").count(), 2);
    let news = link.get("a", "/owa/ev.owa2?ns=PendingRequest&count=2&every=10", "").unwrap();
    assert_eq!(news.text(), "<script>notify(1)</script>\n<script>notify(2)</script>\n");
}

#[test]
fn the_form_lets_its_users_in() {
    let exchange = exchange();
    let mut link = link(&exchange);
    let moved = link.get("a", "/owa/", "").unwrap();
    assert_eq!((moved.status, moved.field("location")), (302, Some("/owa/auth/logon.aspx?replaceCurrent=1")));
    let mut submit = |body: &str| {
        let len = body.len();
        let request =
            format!("POST /owa/auth.owa HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n{body}");
        link.ask("POST", request).unwrap()
    };
    assert_eq!(submit("username=alice&password=no").field("location"), Some("/owa/auth/logon.aspx?reason=2"));
    let inside = submit("username=LAB%5Calice&password=Wonderland-1");
    let cookie = inside.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let mailbox = link.get("a", "/owa/", &format!("Cookie: {cookie}\r\n")).unwrap();
    assert_eq!(mailbox.text(), "EX1 mailbox of LAB\\alice\n");
}

#[test]
fn bodies_arrive_whole_in_every_framing() {
    let exchange = exchange();
    let pattern = Pattern::new();
    for framing in ["length", "chunked", "close"] {
        let answer = link(&exchange).get("a", &format!("/bytes/200000?framing={framing}"), "").unwrap();
        assert!(answer.complete && answer.body == pattern.bytes(200_000), "{framing}");
        assert_eq!(answer.field("x-sha256"), Some(pattern.sha256(200_000).as_str()));
    }
    let mut link = link(&exchange);
    link.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").unwrap();
    link.send(pattern.bytes(100_000)).unwrap();
    let expected = format!("bytes=100000 sha256={} fault=-\n", pattern.sha256(100_000));
    assert_eq!(link.answer("POST").unwrap().text(), expected);
    link.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").unwrap();
    link.answer_head().unwrap();
    assert_eq!(link.chunk().unwrap(), b"abc", "before the body is complete");
    link.send("0\r\n\r\n").unwrap();
    assert!(link.chunk().unwrap().is_empty());
}

#[test]
fn clients_that_wait_are_told_to_go_on() {
    let exchange = exchange();
    let mut link = link(&exchange);
    let expecting = |target: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    };
    link.send(expecting("/upload")).unwrap();
    assert_eq!(link.answer("POST").unwrap().status, 100);
    link.send("ab").unwrap();
    assert_eq!(link.answer("POST").unwrap().status, 200);
    link.send(expecting("/ews/")).unwrap();
    assert_eq!(link.answer("POST").unwrap().status, 401, "refused without asking for the body");
}

#[test]
fn a_websocket_echoes() {
    let exchange = exchange();
    let mut link = link(&exchange);
    let lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let answer = link.get("a", "/ws", lines).unwrap();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455 1.3");
    link.send([0x81, 0x85, 1, 2, 3, 4, b'h' ^ 1, b'e' ^ 2, b'l' ^ 3, b'l' ^ 4, b'o' ^ 1]).unwrap();
    assert_eq!(link.up_to(7).unwrap(), b"\x81\x05hello");
    link.send([0x88, 0x80, 0, 0, 0, 0]).unwrap();
    assert_eq!(link.to_end().unwrap(), b"\x88\x00");
}

#[test]
fn it_misbehaves_as_it_is_told() {
    let exchange = exchange();
    let ask = |how: &str| {
        let mut link = link(&exchange);
        let answer = link.get("a", &format!("/?close={how}"), "");
        (answer, link)
    };
    for how in ["before", "reset", "mid-head", "bad-head", "bad-field", "bad-chunk", "old"] {
        let (answer, _) = ask(how);
        let fine = how == "bad-field" && answer.as_ref().is_ok_and(|it| it.head.contains("Length : 3"));
        assert!(answer.is_err() || fine, "{how}: {answer:?}");
    }
    for how in ["mid-body", "mid-chunk"] {
        assert!(!ask(how).0.unwrap().complete, "{how}");
    }
    let (answer, mut link) = ask("after");
    assert_eq!((answer.unwrap().status, link.standing(SOON)), (200, Standing::Closed));
    let (answer, mut link) = ask("extra");
    assert_eq!(answer.unwrap().text(), "first\n");
    assert_eq!(link.answer("GET").unwrap().text(), "STOLEN");
}

#[test]
fn what_can_be_read_in_two_ways_is_remembered() {
    let exchange = FakeExchange::start(Options { received_bytes_max: 4096, ..Options::new("EX1") }).unwrap();
    let mut fine = link(&exchange);
    fine.get("a", "/", "").unwrap();
    let twice =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(link(&exchange).ask("POST", twice).unwrap().status, 400);
    let chunk =
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\n\r\n";
    assert_eq!(link(&exchange).ask("POST", chunk).unwrap().status, 400);
    let ambiguous = exchange.ambiguous();
    let found: Vec<_> = ambiguous.iter().map(|it| it.ambiguous.as_deref().unwrap()).collect();
    assert_eq!(found, ["Content-Length and Transfer-Encoding", "a chunk size that is none, or an extension"]);
    assert_eq!(ambiguous[0].received, twice.as_bytes());
}

#[test]
fn heads_cut_anywhere_are_the_same() {
    let exchange = exchange();
    let request = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut link = link(&exchange);
    for place in 1..request.len() {
        link.send_cut(request, &[place], Duration::ZERO).unwrap();
        assert_eq!(link.answer("GET").unwrap().status, 200, "{place}");
    }
}

#[test]
fn proxy_headers_name_the_client() {
    let exchange = FakeExchange::start(Options { proxy_header: true, ..Options::new("EX1") }).unwrap();
    let v2 =
        [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec(), vec![10, 0, 0, 9, 10, 0, 0, 1, 0x12, 0x34, 1, 0xbb]]
            .concat();
    let table = [
        (b"PROXY TCP4 10.0.0.9 10.0.0.1 4660 443\r\n".to_vec(), Some("10.0.0.9:4660")),
        (v2, Some("10.0.0.9:4660")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
    ];
    for (header, client) in table {
        let mut link = link(&exchange);
        link.send(header).unwrap();
        let answer = link.get("a", "/", "").unwrap();
        let own = link.tcp().local_addr().unwrap().to_string();
        assert_eq!(answer.field("x-client"), Some(client.unwrap_or(&own)));
    }
    assert!(link(&exchange).get("a", "/", "").is_err(), "no header, no answer");
}

#[test]
fn mail_servers_name_the_client_they_see() {
    let services = [Service::Smtp, Service::Imap, Service::Pop].map(|service| (service, ANY));
    let exchange =
        FakeExchange::start(Options { services: services.to_vec(), ..Options::new("EX1") }).unwrap();
    let table = [
        (Service::Smtp, "220 ", "AUTH PLAIN AGFsaWNlAFdvbmRlcmxhbmQtMQ==\r\n", "235 "),
        (Service::Smtp, "220 ", "AUTH PLAIN AGFsaWNlAG5v\r\n", "535 "),
        (Service::Imap, "* OK ", "a LOGIN alice Wonderland-1\r\n", "a OK "),
        (Service::Imap, "* OK ", "a LOGIN alice no\r\n", "a NO "),
        (Service::Pop, "+OK ", "PASS no\r\n", "-ERR "),
    ];
    for (service, greeting, line, answer) in table {
        let mut link = Link::plain(exchange.address_of(service).unwrap(), SOON).unwrap();
        let hello = read_line(&mut link);
        assert!(hello.starts_with(greeting) && hello.ends_with("sees 127.0.0.1\r\n"), "{hello}");
        link.send(line).unwrap();
        let said = read_line(&mut link);
        assert!(said.starts_with(answer), "{said}");
    }
    assert_eq!(exchange.refusals(), ["mail alice", "mail alice", "mail "]);
}

#[test]
fn it_dies_stalls_and_comes_back() {
    let exchange = exchange();
    let mut open = link(&exchange);
    open.get("a", "/", "").unwrap();
    exchange.stop().unwrap();
    assert_eq!(open.standing(SOON), Standing::Reset);
    assert!(Link::plain(exchange.address(), SOON).is_err());
    exchange.resume().unwrap();
    assert_eq!(link(&exchange).get("a", "/", "").unwrap().status, 200);
    exchange.stall().unwrap();
    let mut waiting = link(&exchange);
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(waiting.standing(MOMENT), Standing::Open);
    exchange.resume().unwrap();
    assert_eq!(waiting.answer("GET").unwrap().status, 200);
    assert!(exchange.close_connections(Ending::Close) >= 1);
    assert_eq!(waiting.standing(SOON), Standing::Closed);
}

#[test]
fn orders_in_words_do_the_same() {
    let exchange = Arc::new(exchange());
    let port = ControlPort::open(&exchange, ANY).unwrap();
    let mut control = Link::plain(port.address(), SOON).unwrap();
    let mut order = |line: &str| {
        control.send(format!("{line}\n")).unwrap();
        let mut answer = String::new();
        loop {
            let line = read_line(&mut control);
            if line == "\n" {
                return answer;
            }
            answer.push_str(&line);
        }
    };
    let table = [
        ("break mapi", "EX1 answers 503 below /mapi, the rest goes on\n"),
        ("break ews page-out", "EX1 serves /ews, but its health page says no\n"),
        ("break", "EX1 is dead: its connections are cut, new ones are refused\n"),
        ("mend", "EX1 is back\n"),
        ("count", "accepted=0 open=0 requests=0\n"),
        ("dance", "error: nobody knows the order \"dance\"\n"),
    ];
    for (line, answer) in table {
        assert_eq!(order(line), answer);
    }
    link(&exchange).get("a", "/", "X-Test-Client: 9\r\n").unwrap();
    assert!(order("connections").contains("clients=9"));
    assert_eq!(order("requests"), "1 1 GET / HTTP/1.1\n");
}

#[test]
fn thousands_of_connections_are_held() {
    let exchange = exchange();
    let address: SocketAddr = exchange.address();
    let mut links: Vec<Link> = (0..3000).map(|_| Link::plain(address, SOON).unwrap()).collect();
    wait::until("all of them", SOON, || exchange.open() == 3000).unwrap();
    for link in &mut links {
        assert_eq!(link.get("a", "/", "").unwrap().status, 200);
    }
    drop(links);
    wait::until("the end of them", SOON, || exchange.open() == 0).unwrap();
    assert_eq!((exchange.accepted(), exchange.answered()), (3000, 3000));
}

fn read_line(link: &mut Link) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let byte = link.up_to(1).expect("a byte in time");
        assert!(!byte.is_empty(), "ended within {line:?}");
        line.extend(byte);
    }
    String::from_utf8(line).expect("text")
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
