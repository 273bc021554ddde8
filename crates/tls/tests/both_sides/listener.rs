//! The side towards clients, over whole handshakes in memory.

use std::sync::Arc;

use crate::lab::{Lab, Noting, Wish, acceptor, connector, shake, trusting};
use transom_tls::rustls::{self, ClientConfig, ClientConnection, SignatureScheme};
use transom_tls::{
    Acceptor, Certificate, ClientCertificates, ListenerPlan, Oldest, ServerSidePlan, Unbuildable, provider,
    server_name,
};

fn issue(lab: &Lab, names: &[&str]) -> Arc<Certificate> {
    lab.issue(&Wish { names, ..Wish::default() })
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let lab = Lab::new();
    let first = issue(&lab, &["mail.example.com", "autodiscover.example.com"]);
    let wild = issue(&lab, &["*.example.com", "example.com"]);
    let deep = issue(&lab, &["*.b.example.com"]);
    let certificates = [&first, &wild, &deep];
    let plan = Lab::plan(&certificates);
    let strict = acceptor(&ListenerPlan { strict_sni: true, ..plan.clone() });
    let lenient = acceptor(&plan);
    let table = [
        (Some("mail.example.com"), Some(0)),
        (Some("MAIL.Example.COM"), Some(0)),
        (Some("mail.example.com."), Some(0)),
        (Some("autodiscover.example.com"), Some(0)),
        (Some("www.example.com"), Some(1)),
        (Some("WWW.EXAMPLE.COM"), Some(1)),
        (Some("example.com"), Some(1)),
        (Some("a.b.example.com"), Some(2)),
        (Some("b.example.com"), Some(1)),
        (Some("a.www.example.com"), None),
        (Some("example.org"), None),
        (Some("com"), None),
        (Some(""), None),
        (Some("."), None),
        (Some("*.example.com"), Some(1)),
        (None, None),
    ];
    let long = "a".repeat(300);
    for (name, want) in table.into_iter().chain([(Some(long.as_str()), None)]) {
        let of = |acceptor: &Acceptor| {
            let got = acceptor.certificate_for(name)?;
            certificates.iter().position(|other| Arc::ptr_eq(other, got))
        };
        assert_eq!(of(&strict), want, "{name:?}, strict");
        assert_eq!(of(&lenient), want.or(Some(0)), "{name:?}, with a default");
    }
}

#[test]
fn the_handshake_shows_what_was_chosen_and_says_which() {
    let lab = Lab::new();
    let (first, second) = (issue(&lab, &["a.test"]), issue(&lab, &["b.test"]));
    let acceptor = acceptor(&Lab::plan(&[&first, &second]));
    let table = [("a.test", &first), ("B.test", &second), ("c.test", &first), ("192.0.2.1", &first)];
    for (name, want) in table {
        let ends = shake(&connector(&trusting()), name, &acceptor);
        assert!(ends.is_done(), "{name}: {:?}", ends.codes());
        assert!(Arc::ptr_eq(ends.server.certificate_shown().unwrap(), want), "{name}");
        assert_eq!(ends.client.identity().unwrap().der(), &*want.chain()[0], "{name}");
        let asked = (!name.starts_with('1')).then(|| name.to_lowercase());
        assert_eq!(ends.server.server_name().map(str::to_owned), asked);
        assert_eq!(ends.server.version(), Some("TLSv1.3"));
        assert_eq!(ends.server.suite(), ends.client.suite());
    }
}

#[test]
fn strict_listeners_say_unrecognized_name() {
    let lab = Lab::new();
    let plan = ListenerPlan { strict_sni: true, ..Lab::plan(&[&issue(&lab, &["a.test"])]) };
    let acceptor = acceptor(&plan);
    assert!(shake(&connector(&trusting()), "a.test", &acceptor).is_done());
    // alert(21), fatal(2), unrecognized_name(112) and missing_extension(109)
    for (name, alert) in [("b.test", 112), ("192.0.2.1", 109)] {
        let ends = shake(&connector(&trusting()), name, &acceptor);
        assert_eq!(ends.codes(), (Some("server-tls-alert"), Some("no-sni-match")), "{name}");
        assert_eq!(ends.last, [21, 3, 3, 0, 2, 2, alert], "{name}");
    }
}

/// A handshake of rustls's own client with a listener of ours: the error at either end.
fn shake_raw(
    config: Arc<ClientConfig>,
    name: &str,
    acceptor: &Acceptor,
) -> (Option<rustls::Error>, Option<&'static str>) {
    let mut client = ClientConnection::new(config, server_name(name).unwrap()).unwrap();
    let mut server = acceptor.accept().unwrap();
    let (mut theirs, mut ours) = (None, None);
    loop {
        let (mut wire, mut out) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        ours = ours.or(server
            .receive(&mut wire, &mut Vec::new(), &mut out)
            .err()
            .map(|failure| failure.fault.code()));
        if out.is_empty() {
            return (theirs, ours);
        }
        let mut out = out.as_slice();
        while !out.is_empty() {
            client.read_tls(&mut out).unwrap();
            theirs = theirs.or(client.process_new_packets().err());
        }
    }
}

#[test]
fn of_two_kinds_of_certificate_the_client_gets_one_it_can_verify_elliptic_first() {
    let lab = Lab::new();
    let (rsa, elliptic) = (lab.issue_rsa(&["a.test"]), issue(&lab, &["a.test"]));
    let both = acceptor(&Lab::plan(&[&rsa, &elliptic]));
    let modern = shake(&connector(&trusting()), "a.test", &both);
    assert!(Arc::ptr_eq(modern.server.certificate_shown().unwrap(), &elliptic));
    let unnamed = shake(&connector(&trusting()), "192.0.2.1", &both);
    assert!(Arc::ptr_eq(unnamed.server.certificate_shown().unwrap(), &elliptic));
    let rsa_only = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
    assert_eq!(shake_raw(Noting::new(rsa_only.to_vec()).client(), "a.test", &both), (None, None));
    let only_elliptic = acceptor(&Lab::plan(&[&elliptic]));
    let (theirs, ours) = shake_raw(Noting::new(rsa_only.to_vec()).client(), "a.test", &only_elliptic);
    assert_eq!(theirs, Some(rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure)));
    assert_eq!(ours, Some("client-tls-no-common-suite"));
}

#[test]
fn versions_and_protocols_are_agreed_on_or_the_difference_is_named() {
    let lab = Lab::new();
    let certificate = issue(&lab, &["a.test"]);
    let plan = |oldest, alpn: &[&str]| {
        let alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        acceptor(&ListenerPlan { oldest, alpn, ..Lab::plan(&[&certificate]) })
    };
    let client = |alpn: &[&str]| {
        let alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        connector(&ServerSidePlan { alpn, ..trusting() })
    };
    let table = [
        (plan(Oldest::V1_2, &["http/1.1"]), client(&["h2", "http/1.1"]), (None, None), Some("http/1.1")),
        (plan(Oldest::V1_2, &["http/1.1"]), client(&[]), (None, None), None),
        (plan(Oldest::V1_2, &[]), client(&["h2"]), (None, None), None),
        (
            plan(Oldest::V1_3, &["http/1.1"]),
            client(&["h2"]),
            (Some("server-tls-alert"), Some("client-tls-no-common-protocol")),
            None,
        ),
    ];
    for (acceptor, connector, codes, alpn) in table {
        let ends = shake(&connector, "a.test", &acceptor);
        assert_eq!(ends.codes(), codes);
        assert_eq!(ends.server.alpn(), alpn.map(str::as_bytes));
        assert_eq!(ends.client.alpn(), alpn.map(str::as_bytes));
    }
    let mut old = rustls::crypto::CryptoProvider::clone(&provider());
    old.cipher_suites.retain(|suite| suite.tls13().is_none());
    let old = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let builder = ClientConfig::builder_with_provider(Arc::new(old.clone()));
        let builder = builder.with_protocol_versions(versions).unwrap();
        Arc::new(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
    };
    let (theirs, ours) = shake_raw(old(&[&rustls::version::TLS12]), "a.test", &plan(Oldest::V1_3, &[]));
    assert_eq!(theirs, Some(rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion)));
    assert_eq!(ours, Some("client-tls-no-common-suite"));
}

#[test]
fn clients_come_back_without_a_whole_handshake() {
    let lab = Lab::new();
    let certificate = issue(&lab, &["a.test"]);
    for tickets in [true, false] {
        let acceptor = acceptor(&ListenerPlan { tickets, ..Lab::plan(&[&certificate]) });
        let server = connector(&trusting()).for_one_server();
        let elsewhere = connector(&trusting()).for_one_server();
        assert!(!shake(&server, "a.test", &acceptor).server.is_resumed());
        let again = shake(&server, "a.test", &acceptor);
        assert!(again.server.is_resumed() && again.client.is_resumed(), "tickets: {tickets}");
        assert!(!shake(&elsewhere, "a.test", &acceptor).server.is_resumed());
    }
}

#[test]
fn a_reload_keeps_tickets_only_if_it_vouches_for_the_same() {
    let lab = Lab::new();
    let (one, other) = (issue(&lab, &["a.test"]), issue(&lab, &["a.test"]));
    let plan = ListenerPlan { tickets: true, ..Lab::plan(&[&one]) };
    let clients = |required| {
        let revoked = lab.revoke(7, 2500);
        Some(ClientCertificates { authorities: lab.authorities(), revoked, required })
    };
    let table = [
        ("the same", plan.clone(), true),
        ("another protocol", ListenerPlan { alpn: vec![b"http/1.1".to_vec()], ..plan.clone() }, true),
        ("another certificate", ListenerPlan { certificates: vec![other], ..plan.clone() }, false),
        ("without tickets", ListenerPlan { tickets: false, ..plan.clone() }, false),
        ("client certificates", ListenerPlan { clients: clients(false), ..plan.clone() }, false),
    ];
    for (case, next, resumed) in table {
        let before = acceptor(&plan);
        let server = connector(&trusting()).for_one_server();
        assert!(shake(&server, "a.test", &before).is_done());
        let after = Acceptor::new(&next, Some(&before)).unwrap();
        let again = shake(&server, "a.test", &after);
        assert!(again.is_done(), "{case}");
        assert_eq!(again.server.is_resumed(), resumed, "{case}");
    }
    let demanding = acceptor(&ListenerPlan { clients: clients(true), ..plan });
    assert!(!shake(&connector(&trusting()).for_one_server(), "a.test", &demanding).is_done());
}

#[test]
fn clients_prove_who_they_are_or_stay_outside() {
    let (lab, other) = (Lab::new(), Lab::new());
    let listener = issue(&lab, &["a.test"]);
    let clients = |required, revoked| {
        let clients = ClientCertificates { authorities: lab.authorities(), revoked, required };
        acceptor(&ListenerPlan { clients: Some(clients), ..Lab::plan(&[&listener]) })
    };
    let (required, optional) = (clients(true, Vec::new()), clients(false, Vec::new()));
    let (revoked, outdated) = (clients(true, lab.revoke(7, 2500)), clients(true, lab.revoke(7, 2021)));
    let elsewhere = clients(true, other.revoke(7, 2500));
    let good = lab.issue(&Wish { subject: "Alice, \"A\"", ..Wish::default() });
    let taken_back = lab.issue(&Wish { serial: 7, ..Wish::default() });
    let over = lab.issue(&Wish { last_year: 2001, ..Wish::default() });
    let stranger = other.issue(&Wish::default());
    let table = [
        ("required, good", &required, Some(&good), true),
        ("required, none", &required, None, false),
        ("required, over", &required, Some(&over), false),
        ("required, of a stranger", &required, Some(&stranger), false),
        ("optional, good", &optional, Some(&good), true),
        ("optional, none", &optional, None, true),
        ("optional, of a stranger", &optional, Some(&stranger), false),
        ("not revoked", &revoked, Some(&good), true),
        ("revoked", &revoked, Some(&taken_back), false),
        ("revoked where nobody asks", &required, Some(&taken_back), true),
        ("a list past its time", &outdated, Some(&good), false),
        ("a list of somebody else", &elsewhere, Some(&good), false),
    ];
    for (case, acceptor, certificate, fine) in table {
        let plan = ServerSidePlan { certificate: certificate.map(Arc::as_ref), ..trusting() };
        let ends = shake(&connector(&plan), "a.test", acceptor);
        let want = (!fine).then_some("client-tls-certificate");
        assert_eq!(ends.codes().1, want, "{case}: {:?}", ends.server_failed);
        assert_eq!(ends.codes().0, want.map(|_| "server-tls-alert"), "{case}");
        let proven = ends.server.identity().map(|identity| identity.der().to_vec());
        assert_eq!(proven, certificate.filter(|_| fine).map(|one| one.chain()[0].to_vec()), "{case}");
    }
}

#[test]
fn an_identity_is_fit_for_headers() {
    let lab = Lab::new();
    let certificate = lab.issue(&Wish { subject: "Zoë\r\nX: y, \"z\"", serial: 0x1234, ..Wish::default() });
    let clients = ClientCertificates { authorities: lab.authorities(), revoked: Vec::new(), required: true };
    let plan = ListenerPlan { clients: Some(clients), ..Lab::plan(&[&issue(&lab, &["a.test"])]) };
    let shown = ServerSidePlan { certificate: Some(&certificate), ..trusting() };
    let ends = shake(&connector(&shown), "a.test", &acceptor(&plan));
    let identity = ends.server.identity().unwrap();
    assert_eq!(&*identity.facts().subject, "CN=Zo\\C3\\AB\\0D\\0AX: y\\, \\\"z\\\"");
    assert_eq!(&*identity.facts().issuer, "CN=Lab");
    assert_eq!(&*identity.facts().serial, "1234");
    let encoded = identity.pem_url_encoded();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    assert!(encoded.bytes().all(unreserved), "{encoded}");
    let decoded = encoded
        .replace("%0A", "\n")
        .replace("%20", " ")
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    use rustls::pki_types::pem::PemObject;
    let der = rustls::pki_types::CertificateDer::from_pem_slice(decoded.as_bytes()).unwrap();
    assert_eq!(&*der, identity.der());
}

#[test]
fn a_staple_reaches_the_client_that_asks() {
    let response = [0x30, 0x06, 0x0a, 0x01, 0x00, 0xa0, 0x01, 0x00];
    let lab = Lab::new();
    let stapled = Arc::new(issue(&lab, &["a.test"]).with_staple(&response).unwrap());
    let asks = Noting::new(provider().signature_verification_algorithms.supported_schemes());
    assert_eq!(shake_raw(asks.client(), "a.test", &acceptor(&Lab::plan(&[&stapled]))), (None, None));
    assert_eq!(asks.response(), response);
}

#[test]
fn a_listener_without_certificates_is_refused() {
    assert!(matches!(Acceptor::new(&ListenerPlan::default(), None), Err(Unbuildable::NoCertificate)));
}
