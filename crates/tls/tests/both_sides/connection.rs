//! Connections in memory: bytes in any pieces, goodbyes, and hostile or old peers.

use std::sync::Arc;

use crate::lab::{Ends, Lab, Wish, acceptor, carry, connector, shake, trusting};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use transom_tls::rustls::{self, ConnectionTrafficSecrets, ServerConfig, ServerConnection};
use transom_tls::{
    Acceptor, Authorities, Certificate, Connection, ListenerPlan, RECORD_OVERHEAD_BYTES_MAX, ServerSidePlan,
    TlsFault, Trust, provider, server_name,
};

fn listener(lab: &Lab) -> Acceptor {
    let certificate = lab.issue(&Wish { names: &["a.test"], ..Wish::default() });
    acceptor(&ListenerPlan { tickets: true, ..Lab::plan(&[&certificate]) })
}

fn ends() -> Ends {
    shake(&connector(&trusting()), "a.test", &listener(&Lab::new()))
}

#[test]
fn a_handshake_may_come_one_byte_at_a_time() {
    let acceptor = listener(&Lab::new());
    let mut to_server = Vec::new();
    let mut client = connector(&trusting()).connect(server_name("a.test").unwrap(), &mut to_server).unwrap();
    let mut server = acceptor.accept().unwrap();
    let mut plain = Vec::new();
    while !to_server.is_empty() {
        let (mut to_client, mut answer) = (Vec::new(), Vec::new());
        for byte in &mut to_server {
            server.receive(std::slice::from_mut(byte), &mut plain, &mut to_client).unwrap();
        }
        for byte in &mut to_client {
            client.receive(std::slice::from_mut(byte), &mut plain, &mut answer).unwrap();
        }
        to_server = answer;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!(server.server_name(), Some("a.test"));
    assert_eq!(carry(&mut client, &mut server, b"hello"), b"hello");
}

#[test]
fn what_is_sent_arrives_whatever_the_pieces() {
    let message: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for piece in [1_usize, 7, 4096, 16 * 1024 + 22, 65_536, usize::MAX] {
        let mut ends = ends();
        let (mut wire, mut taken) = (Vec::new(), 0);
        let mut room = vec![0; 40_000];
        while taken < message.len() {
            let sent = ends.client.send(&message[taken..], &mut room).unwrap();
            assert!(sent.taken > 0 && sent.written <= room.len());
            wire.extend_from_slice(&room[..sent.written]);
            taken += sent.taken;
        }
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        for bytes in wire.chunks_mut(piece) {
            ends.server.receive(bytes, &mut plain, &mut out).unwrap();
        }
        assert!(plain == message, "in pieces of {piece}");
        assert!(out.is_empty());
    }
}

#[test]
fn little_room_is_enough_and_none_takes_nothing() {
    let mut ends = ends();
    for room in 0..RECORD_OVERHEAD_BYTES_MAX + 3 {
        let mut wire = vec![0; room];
        let sent = ends.client.send(b"hello", &mut wire).unwrap();
        assert_eq!(sent.taken, room.saturating_sub(RECORD_OVERHEAD_BYTES_MAX), "{room}");
        let mut plain = Vec::new();
        ends.server.receive(&mut wire[..sent.written], &mut plain, &mut Vec::new()).unwrap();
        assert_eq!(plain, &b"hello"[..sent.taken]);
    }
}

#[test]
fn nothing_is_sent_before_the_handshake_is_done() {
    let mut server = listener(&Lab::new()).accept().unwrap();
    let sent = server.send(b"hello", &mut [0; 1000]).unwrap();
    assert_eq!((sent.taken, sent.written), (0, 0));
    let mut out = Vec::new();
    server.close(&mut out);
    assert!(out.is_empty());
}

#[test]
fn one_side_may_say_goodbye_and_still_hear_the_other() {
    let mut ends = ends();
    let mut wire = Vec::new();
    ends.client.close(&mut wire);
    wire.extend_from_slice(b"whatever comes after it");
    let mut plain = Vec::new();
    ends.server.receive(&mut wire, &mut plain, &mut Vec::new()).unwrap();
    assert!(ends.server.has_goodbye() && plain.is_empty());
    assert!(ends.server.ended().is_none());
    assert_eq!(carry(&mut ends.server, &mut ends.client, b"the rest"), b"the rest");
    let mut wire = Vec::new();
    ends.server.close(&mut wire);
    ends.client.receive(&mut wire, &mut plain, &mut Vec::new()).unwrap();
    assert!(ends.client.has_goodbye());
    let mut again = Vec::new();
    ends.server.close(&mut again);
    assert_eq!(ends.server.send(b"more", &mut [0; 1000]).unwrap().taken, 0);
}

#[test]
fn a_broken_record_fails_with_an_alert_and_nothing_is_done_after_it() {
    let mut ends = ends();
    let mut wire = vec![0; 1000];
    let written = ends.client.send(b"hello", &mut wire).unwrap().written;
    wire[written - 1] ^= 1;
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let failure = ends.server.receive(&mut wire[..written], &mut plain, &mut out).unwrap_err();
    assert_eq!(failure.fault, TlsFault::ClientBad);
    assert!(plain.is_empty() && !out.is_empty());
    let failure = ends.client.receive(&mut out, &mut plain, &mut Vec::new()).unwrap_err();
    assert_eq!(failure.what, "alert BadRecordMac");
    assert_eq!(ends.server.receive(&mut [1, 2, 3], &mut plain, &mut out), Ok(()));
    assert!(ends.server.send(b"hello", &mut wire).is_err());
}

#[test]
fn what_is_not_tls_is_told_apart() {
    let mut server = listener(&Lab::new()).accept().unwrap();
    let mut request = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    let failure = server.receive(&mut request, &mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert_eq!(failure.fault.code(), "client-bad-request");
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail.example.com ESMTP\r\n", "SSH-2.0-x\r\n"] {
        let mut client =
            connector(&trusting()).connect(server_name("a.test").unwrap(), &mut Vec::new()).unwrap();
        let mut answer = answer.as_bytes().to_vec();
        let failure = client.receive(&mut answer, &mut Vec::new(), &mut Vec::new()).unwrap_err();
        assert_eq!(failure.fault.code(), "server-speaks-plain");
    }
}

#[test]
fn hanging_up_in_the_handshake_is_a_failure_and_later_it_is_not() {
    let client = connector(&trusting()).connect(server_name("a.test").unwrap(), &mut Vec::new()).unwrap();
    assert_eq!(client.ended().unwrap().fault.code(), "server-closed-before-response");
    let server = listener(&Lab::new()).accept().unwrap();
    assert_eq!(server.ended().unwrap().fault.code(), "client-closed");
    let ends = ends();
    assert!(ends.client.ended().is_none() && ends.server.ended().is_none());
}

#[test]
fn servers_are_verified_and_what_is_wrong_is_named() {
    let (lab, other) = (Lab::new(), Lab::named("Elsewhere"));
    let authorities = lab.authorities();
    let plan = ServerSidePlan { trust: Trust::SignedBy(&authorities), ..trusting() };
    let shows = |lab: &Lab, wish: &Wish<'_>| acceptor(&Lab::plan(&[&lab.issue(wish)]));
    let names = &["a.test", "192.0.2.1"];
    let table = [
        ("good", "a.test", shows(&lab, &Wish { names, ..Wish::default() }), None),
        ("good, by address", "192.0.2.1", shows(&lab, &Wish { names, ..Wish::default() }), None),
        (
            "for another name",
            "b.test",
            shows(&lab, &Wish { names, ..Wish::default() }),
            Some("server-tls-name"),
        ),
        (
            "over",
            "a.test",
            shows(&lab, &Wish { names, last_year: 2001, ..Wish::default() }),
            Some("server-tls-expired"),
        ),
        (
            "of a stranger",
            "a.test",
            shows(&other, &Wish { names, ..Wish::default() }),
            Some("server-tls-untrusted"),
        ),
    ];
    for (case, name, acceptor, want) in table {
        let ends = shake(&connector(&plan), name, &acceptor);
        assert_eq!(ends.codes().0, want, "{case}");
        assert_eq!(ends.codes().1, want.map(|_| "client-tls-alert"), "{case}");
        assert!(shake(&connector(&trusting()), name, &acceptor).is_done(), "{case}, unverified");
    }
    let ends = shake(&connector(&plan), "a.test", &shows(&other, &Wish { names, ..Wish::default() }));
    assert_eq!(
        ends.server_failed.unwrap().what,
        "alert UnknownCA: it says that it does not know who signed the certificate"
    );
}

/// What Exchange and IIS make for themselves: signed with its own key, and given to us as the authority to believe.
#[test]
fn a_server_may_be_believed_by_its_own_certificate() {
    let table = [
        (rcgen::IsCa::NoCa, None),
        (rcgen::IsCa::ExplicitNoCa, None),
        (
            rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
            Some("the certificate is that of an authority"),
        ),
    ];
    for (is_ca, want) in table {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["ex1.test".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let pem = params.self_signed(&key).unwrap().pem();
        let certificate =
            Certificate::from_pem(pem.as_bytes(), Some(key.serialize_pem().as_bytes())).unwrap();
        assert_eq!(certificate.notes(), []);
        let authorities = Authorities::from_pem(pem.as_bytes()).unwrap();
        let plan = ServerSidePlan { trust: Trust::SignedBy(&authorities), ..trusting() };
        let ends = shake(&connector(&plan), "ex1.test", &acceptor(&Lab::plan(&[&Arc::new(certificate)])));
        let what = ends.client_failed.map(|failure| failure.what);
        assert_eq!(what.is_some(), want.is_some(), "{what:?}");
        assert!(what.unwrap_or_default().starts_with(want.unwrap_or_default()));
    }
}

/// rustls 0.23 asserts in debug builds that it sends one alert at most, and a goodbye is one.
#[test]
#[cfg_attr(debug_assertions, ignore = "rustls has an assertion there that release builds leave out")]
fn a_broken_record_after_our_goodbye_is_a_failure_like_any_other() {
    let mut ends = ends();
    let mut wire = vec![0; 1000];
    let written = ends.server.send(b"hello", &mut wire).unwrap().written;
    wire[written - 1] ^= 1;
    ends.client.close(&mut Vec::new());
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    assert!(ends.client.receive(&mut wire[..written], &mut plain, &mut out).is_err());
}

/// A server of old, from rustls itself: TLS 1.2 with keys that can be taken out, to say what rustls never would.
struct Old {
    client: Connection,
    key: LessSafeKey,
    nonce: [u8; 12],
    next: u64,
}

impl Old {
    fn shake() -> Self {
        let mut old = rustls::crypto::CryptoProvider::clone(&provider());
        old.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).ends_with("WITH_AES_256_GCM_SHA384"));
        let key = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(old))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![key.cert.der().clone()],
                key.signing_key.serialize_der().try_into().unwrap(),
            )
            .unwrap();
        config.enable_secret_extraction = true;
        let mut server = ServerConnection::new(Arc::new(config)).unwrap();
        let mut to_server = Vec::new();
        let mut client =
            connector(&trusting()).connect(server_name("a.test").unwrap(), &mut to_server).unwrap();
        while client.is_handshaking() {
            let mut bytes = to_server.as_slice();
            while !bytes.is_empty() {
                server.read_tls(&mut bytes).unwrap();
                server.process_new_packets().unwrap();
            }
            let mut to_client = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut to_client).unwrap();
            }
            to_server.clear();
            client.receive(&mut to_client, &mut Vec::new(), &mut to_server).unwrap();
        }
        let (next, secrets) = server.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else { panic!("another suite") };
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
        Self { client, key, nonce: iv.as_ref().try_into().unwrap(), next }
    }

    /// A record of `content` (RFC 5288 section 3).
    fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap();
        let mut aad = self.next.to_be_bytes().to_vec();
        aad.extend_from_slice(&[kind, 3, 3]);
        aad.extend_from_slice(&length.to_be_bytes());
        self.nonce[4..].copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        let mut sealed = content.to_vec();
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed).unwrap();
        let mut record = vec![kind, 3, 3];
        record.extend_from_slice(&(length + 8 + 16).to_be_bytes());
        record.extend_from_slice(&self.nonce[4..]);
        record.extend_from_slice(&sealed);
        record
    }
}

const HANDSHAKE: u8 = 22;
const APPLICATION: u8 = 23;
const HELLO_REQUEST: [u8; 4] = [0, 0, 0, 0];

#[test]
fn a_server_that_wants_another_handshake_is_refused_and_remembered() {
    let mut old = Old::shake();
    let mut answer = old.record(APPLICATION, b"before");
    answer.extend(old.record(HANDSHAKE, &HELLO_REQUEST));
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    old.client.receive(&mut answer, &mut plain, &mut out).unwrap();
    assert_eq!(plain, b"before");
    assert_eq!(out.first(), Some(&21), "no_renegotiation");
    assert!(old.client.was_asked_to_renegotiate());
    assert_eq!(old.client.ended().unwrap().fault.code(), "server-tls-renegotiation");
    // One that can do without goes on, one that insists is told off.
    let mut answer = old.record(APPLICATION, b"after");
    old.client.receive(&mut answer, &mut plain, &mut out).unwrap();
    assert_eq!(plain, b"beforeafter");
    let mut again = old.record(HANDSHAKE, &HELLO_REQUEST);
    let failure = old.client.receive(&mut again, &mut plain, &mut out).unwrap_err();
    assert_eq!(failure.fault.code(), "server-tls-renegotiation");
}

#[test]
fn an_unfinished_message_in_the_middle_does_not_keep_us_from_sending() {
    let mut old = Old::shake();
    let mut half = old.record(HANDSHAKE, &[4, 0, 1]);
    let mut out = Vec::new();
    old.client.receive(&mut half, &mut Vec::new(), &mut out).unwrap();
    let sent = old.client.send(b"hello", &mut [0; 1000]).unwrap();
    assert_eq!(sent.taken, 5);
    let mut rest = old.record(HANDSHAKE, &[0; 200]);
    let _ = old.client.receive(&mut rest, &mut Vec::new(), &mut out);
    old.client.close(&mut out);
}

/// What a fuzzer looks for, in small: a handshake with single bytes changed, in pieces, ends one way or the other.
#[test]
fn no_bytes_make_a_connection_panic() {
    let lab = Lab::new();
    let acceptor = listener(&lab);
    let connector = connector(&trusting());
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 1).unwrap() % below
    };
    for _ in 0..150 {
        let mut to_server = Vec::new();
        let mut client = connector.connect(server_name("a.test").unwrap(), &mut to_server).unwrap();
        let mut server = acceptor.accept().unwrap();
        let mut plain = Vec::new();
        for _ in 0..6 {
            let mut to_client = Vec::new();
            if !to_server.is_empty() && next(2) == 0 {
                let at = next(to_server.len());
                to_server[at] = u8::try_from(next(256)).unwrap();
            }
            let piece = 1 + next(700);
            for bytes in to_server.chunks_mut(piece) {
                let _ = server.receive(bytes, &mut plain, &mut to_client);
            }
            let _ = server.send(b"hello", &mut [0; 100]);
            to_server.clear();
            if !to_client.is_empty() && next(2) == 0 {
                let at = next(to_client.len());
                to_client[at] = u8::try_from(next(256)).unwrap();
            }
            for bytes in to_client.chunks_mut(piece) {
                let _ = client.receive(bytes, &mut plain, &mut to_server);
            }
            let _ = client.send(b"hello", &mut [0; 100]);
        }
        server.close(&mut to_server);
        client.close(&mut to_server);
    }
}
