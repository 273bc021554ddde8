//! Tables of whole logins, and what must hold in every order of messages.

use super::*;

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../fuzz/corpus/auth_header/", $name)).as_slice()
    };
}

/// What a client may send. The letter is what tables write.
const REQUESTS: [(char, &[&[u8]]); 10] = [
    ('-', &[]),
    ('1', &[recorded!("pyspnego-ntlm-1-request")]),
    ('3', &[recorded!("pyspnego-ntlm-bound-3-request")]),
    ('n', &[recorded!("pyspnego-negotiate-1-request")]),
    ('p', &[recorded!("pyspnego-negotiate-3-request")]),
    // NegTokenResp with nothing but a signature of the mechanisms (RFC 4178 section 5).
    ('m', &[b"Negotiate oQowCKMGBAQBAgME"]),
    ('k', &[recorded!("curl-kerberos-1-request")]),
    ('B', &[b"Basic TEFCXGJvYjpTZWNyZXQxIQ=="]),
    ('T', &[b"Bearer eyJhbGciOiJub25lIn0"]),
    ('?', &[b"Basic TEFCXGJvYjpTZWNyZXQxIQ==", b"NTLM,x"]),
];

/// What a server may answer: status, challenges, Persistent-Auth.
type Reply = (u16, &'static [&'static [u8]], Option<&'static [u8]>);
const RESPONSES: [(char, Reply); 10] = [
    ('+', (200, &[], None)),
    ('P', (200, &[], Some(b"true"))),
    ('F', (200, &[], Some(b"false"))),
    ('a', (200, &[recorded!("pyspnego-negotiate-4-response")], None)),
    ('u', (401, &[b"Negotiate", b"NTLM", b"Basic realm=\"x\""], None)),
    ('b', (401, &[b"Basic realm=\"x\""], None)),
    ('c', (401, &[recorded!("pyspnego-ntlm-2-response")], None)),
    ('s', (401, &[recorded!("pyspnego-negotiate-2-response")], None)),
    ('x', (503, &[], None)),
    ('i', (100, &[], None)),
];

fn credentials(letter: char) -> &'static [&'static [u8]] {
    REQUESTS.iter().find(|(own, _)| *own == letter).unwrap().1
}

fn reply(letter: char) -> Reply {
    RESPONSES.iter().find(|(own, _)| *own == letter).unwrap().1
}

fn ask(login: &mut Login, protocol: Protocol, letter: char) -> Asked {
    login.request(protocol, credentials(letter).iter().copied())
}

fn answer(login: &mut Login, asked: &Asked, letter: char) -> Answered {
    let (status, offers, persistent) = reply(letter);
    login.response(asked, status, offers.iter().copied(), persistent)
}

/// Plays pairs of request and response; `L` alone is the loss of the server connection. After each: the outcome (`.`
/// none, `o` offered, `c` challenged, `A` accepted, `F` failed), `p` if pinned, `h` if half done, and who asked.
fn play(script: &str) -> String {
    let mut login = Login::default();
    let mut words = Vec::new();
    for step in script.split(' ') {
        let letters: Vec<char> = step.chars().collect();
        let [request, response] = letters[..] else {
            words.push(format!("{:?}", login.server_lost()));
            continue;
        };
        let asked = ask(&mut login, Protocol::Http1, request);
        let outcome = answer(&mut login, &asked, response).outcome;
        let outcome = match outcome {
            Outcome::None => ".",
            Outcome::Offered => "o",
            Outcome::Challenged => "c",
            Outcome::Accepted => "A",
            Outcome::Failed => "F",
        };
        let user = login.identity(&asked).map(|who| format!("={who}")).unwrap_or_default();
        let mark = |on, letter| if on { letter } else { "" };
        words.push(format!("{outcome}{}{}{user}", mark(login.pinned(), "p"), mark(login.half_done(), "h")));
    }
    words.join(" ")
}

#[test]
fn whole_logins() {
    for (description, script, expected) in [
        ("nobody logs in", "-+ -+ L -+", ". . Fresh ."),
        ("NTLM", "-u 1c 3+ -+", r"o cph Ap=LAB\alice .p=LAB\alice"),
        ("NTLM in SPNEGO", "-u ns pa -+", r"o cph Ap=LAB\alice .p=LAB\alice"),
        ("a wrong password, then the right one", "1c 3u 1c 3+", r"cph Fp=LAB\alice cph Ap=LAB\alice"),
        ("after a wrong password nobody is known", "1c 3u -+", r"cph Fp=LAB\alice .p"),
        ("NTLM is not offered", "1b -+", "op .p"),
        ("the page needs no login", "1+ -+", ".p .p"),
        ("Kerberos in one leg", "-u kP -+", "o Ap .p"),
        ("Kerberos for one request", "-u kF -+", "o Ap .p"),
        ("NTLM for one request", "1c 3F -+", r"cph Ap=LAB\alice .p"),
        ("Kerberos goes on as NTLM", "ks p+ -+", r"cph Ap=LAB\alice .p=LAB\alice"),
        ("a wrong ticket", "ku", "Fp"),
        ("a last message that names nobody", "ns ps m+ -+", r"cph cph=LAB\alice Ap=LAB\alice .p=LAB\alice"),
        ("another login in place of the last message", "ns ps kP -+", r"cph cph=LAB\alice Ap .p"),
        ("a login given up in the middle", "ns ps -u m+", r"cph cph=LAB\alice op .p"),
        ("the server is too busy to look", "1c 3x -+", r"cph .p=LAB\alice .p"),
        ("the login ends on the server", "1c 3+ -u", r"cph Ap=LAB\alice op"),
        ("another login on the same connection", "1c 3+ 1c", r"cph Ap=LAB\alice cph=LAB\alice"),
        ("Basic", "-u B+ -+ Bb", r"o A=LAB\bob . F=LAB\bob"),
        (
            "Basic on a connection that is logged in",
            "1c 3+ B+ -+",
            r"cph Ap=LAB\alice Ap=LAB\bob .p=LAB\alice",
        ),
        ("Bearer", "Tu T+", "o A"),
        ("two kinds at once: the connection's counts", "?+", "Ap"),
        ("an interim response says nothing", "3i", r".ph=LAB\alice"),
        ("loss after a login", "1c 3+ L -+", r"cph Ap=LAB\alice Fresh ."),
        ("loss in the middle of a login", "1c L -+", "cph Close ."),
        ("loss after a failed login", "1c 3u L", r"cph Fp=LAB\alice Fresh"),
        ("a bare request in the middle keeps the login open", "1c -+ 3+", r"cph .ph Ap=LAB\alice"),
    ] {
        assert_eq!(play(script), expected, "{description}: {script}");
    }
}

#[test]
fn a_loss_on_the_way_depends_on_the_message() {
    for (letter, after, pinned) in [
        ('-', AfterLoss::Fresh, false),
        ('B', AfterLoss::Fresh, false),
        ('1', AfterLoss::Fresh, true),
        ('n', AfterLoss::Fresh, true),
        ('3', AfterLoss::Close, false),
        ('k', AfterLoss::Close, false),
        ('?', AfterLoss::Close, false),
    ] {
        let mut login = Login::default();
        let _ = ask(&mut login, Protocol::Http1, letter);
        assert_eq!((login.server_lost(), login.pinned()), (after, pinned), "{letter}");
    }
}

/// Every request with every answer: exchange.md's rule for HTTP/2.
#[test]
fn http_2_never_carries_a_login_of_the_connection() {
    for (request, _) in REQUESTS {
        for (response, (status, offers, _)) in RESPONSES {
            let mut login = Login::default();
            let asked = ask(&mut login, Protocol::Http2, request);
            assert_eq!(asked.needs_http1(), "13npmk?".contains(request), "{request}");
            let answered = answer(&mut login, &asked, response);
            let offered = status == 401 && offers.iter().any(|offer| !offer.starts_with(b"Basic"));
            assert_eq!(answered.needs_http1, offered && !"BT".contains(request), "{request}{response}");
            assert!(!login.pinned() && !login.half_done());
            let mut login = Login::default();
            let asked = ask(&mut login, Protocol::Http1, request);
            assert!(!asked.needs_http1() && !answer(&mut login, &asked, response).needs_http1);
        }
    }
}

#[test]
fn bindings_are_those_the_client_used() {
    let end_point =
        super::super::fixture::hex("caf6bc887f8fd8705056311a892eb58d178bee0eb14790f871a2a80f5b323ca1");
    for (letter, binding) in [
        ('-', ClientBinding::NotTold),
        ('1', ClientBinding::NotTold),
        ('3', ClientBinding::Bound(Binding::of_end_point(&end_point))),
        ('p', ClientBinding::Unbound),
        ('k', ClientBinding::Hidden),
    ] {
        let mut login = Login::default();
        let asked = ask(&mut login, Protocol::Http1, letter);
        answer(&mut login, &asked, 'u');
        assert_eq!(login.binding(), binding, "{letter}");
    }
}

/// All orders of up to three exchanges and losses between them: 100 kinds of exchange and the loss, cubed.
#[test]
fn what_holds_in_every_order() {
    let kinds: Vec<Option<(char, char)>> = REQUESTS
        .iter()
        .flat_map(|(request, _)| RESPONSES.iter().map(|(response, _)| Some((*request, *response))))
        .chain([None])
        .collect();
    let mut all = vec![(Login::default(), false)];
    for _ in 0..3 {
        all = all.iter().flat_map(|before| kinds.iter().map(|kind| step(before, *kind))).collect();
        // Orders that came to the same have the same future.
        all.sort_by_key(|(login, pinned)| format!("{login:?}{pinned}"));
        all.dedup_by_key(|(login, pinned)| format!("{login:?}{pinned}"));
    }
    assert!(all.len() >= 8, "{}", all.len());
}

/// One more event; the second value is whether the server connection has seen connection authentication.
fn step((login, seen): &(Login, bool), kind: Option<(char, char)>) -> (Login, bool) {
    let (mut login, mut seen) = (login.clone(), *seen);
    let Some((request, response)) = kind else {
        let half_done = login.half_done();
        let in_flight = login.state == State::Opened;
        assert_eq!(login.server_lost() == AfterLoss::Close, half_done);
        assert!(login.identity.is_none() && login.pinned() == in_flight && !login.half_done());
        return (login, in_flight);
    };
    let known = login.identity.clone();
    let asked = ask(&mut login, Protocol::Http1, request);
    seen |= "13npmk?".contains(request);
    assert_eq!(asked.pins(), "13npmk?".contains(request));
    assert_eq!(login.pinned(), seen, "pinned from the request on");
    let outcome = answer(&mut login, &asked, response).outcome;
    assert_eq!(login.pinned(), seen, "whatever the answer is");
    assert!(!login.half_done() || seen);
    if login.identity != known && login.identity.is_some() {
        assert_eq!(outcome, Outcome::Accepted, "{request}{response}: nobody is known who was not accepted");
    }
    if outcome == Outcome::Failed {
        assert!(known.is_none() || "B".contains(request) || login.identity.is_none());
    }
    (login, seen)
}
