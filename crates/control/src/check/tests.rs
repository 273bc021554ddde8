//! Probes against real little servers on loopback.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use transom_config::{Expect, NamedFile, ServerTls, ServerVerify, StatusRange, TlsVersion, Verify};
use transom_tls::rustls::ServerConfig;
use transom_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// What a little server does with a connection.
#[derive(Clone)]
enum Does {
    /// Reads what is there, answers this, closes.
    Says(&'static [u8]),
    /// Speaks first: a greeting, then one answer a line that comes.
    Talks(&'static [&'static str]),
    /// Accepts and is silent.
    Nothing,
    /// Accepts and closes.
    Closes,
}

async fn serve(does: Does, tls: Option<Arc<ServerConfig>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (does, tls) = (does.clone(), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => act(does, stream).await,
                    Some(config) => {
                        if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                            act(does, stream).await;
                        }
                    }
                }
            });
        }
    });
    address
}

async fn act<S: AsyncRead + AsyncWrite + Unpin>(does: Does, mut stream: S) {
    let mut buffer = [0; 4096];
    match does {
        Does::Says(bytes) => {
            drop(stream.read(&mut buffer).await);
            drop(stream.write_all(bytes).await);
            drop(stream.shutdown().await);
        }
        Does::Talks(lines) => {
            for line in lines {
                drop(stream.write_all(line.as_bytes()).await);
                if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        }
        Does::Nothing => while stream.read(&mut buffer).await.unwrap_or(0) > 0 {},
        Does::Closes => {}
    }
}

async fn ask(address: SocketAddr, probe: &Probe) -> Result<(), Failure> {
    let trusted = Trusted::of(probe, None);
    ask_with(address, probe, &trusted, None).await
}

async fn ask_with(
    address: SocketAddr,
    probe: &Probe,
    trusted: &Trusted,
    proxy_protocol: Option<ProxyProtocol>,
) -> Result<(), Failure> {
    let timeout = Duration::from_secs(5);
    let (source, authority) = (&Source::Any, "server.test:443");
    super::probe(&Target { address, authority, probe, proxy_protocol, source, trusted, timeout }).await
}

fn words(result: Result<(), Failure>) -> String {
    match result {
        Ok(()) => "passed".to_owned(),
        Err(failure) => failure.to_string(),
    }
}

fn exactly(status: u16) -> StatusRange {
    StatusRange { first: status, last: status }
}

fn http(status: Option<u16>, body: Option<&str>) -> Probe {
    let expect = Expect {
        statuses: status.map(exactly).into_iter().collect(),
        body: body.map(Into::into),
        ..Expect::default()
    };
    Probe::Http {
        tls: None,
        method: "GET".into(),
        headers: Vec::new(),
        path: "/health?x=1".into(),
        host: Some("mail.example.com".into()),
        expect,
    }
}

fn https(verify: Verify) -> Probe {
    let expect = Expect { statuses: vec![exactly(200)], ..Expect::default() };
    Probe::Http {
        tls: Some(verify),
        method: "GET".into(),
        headers: Vec::new(),
        path: "/".into(),
        host: None,
        expect,
    }
}

#[tokio::test]
async fn http_probes_say_what_was_wrong() {
    const TLS_ALERT: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";
    let table: [(&[u8], Probe, &str); 13] = [
        (b"HTTP/1.1 200 OK\r\n\r\n", http(None, None), "passed"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", http(Some(200), None), "passed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n200 OK!", http(Some(200), Some("200 OK")), "passed"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n200\r\n3\r\n OK\r\n0\r\n\r\n",
            http(Some(200), Some("200 OK")),
            "passed",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /owa/\r\n\r\n",
            http(Some(200), None),
            "GET /health?x=1 is answered 302, to \"/owa/\" instead of 200 (server-bad-response)",
        ),
        (
            b"HTTP/1.1 503 No\r\n\r\n",
            http(None, None),
            "GET /health?x=1 is answered 503 instead of 200 to 399 (server-bad-response)",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong, healthy",
            http(Some(200), Some("healthy")),
            "the body does not hold \"healthy\" (server-bad-response)",
        ),
        (TLS_ALERT, http(None, None), "the server speaks TLS on this port (server-speaks-tls)"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n<h1>The plain HTTP request was sent to HTTPS port</h1>",
            http(Some(200), None),
            "the server says that it speaks HTTPS on this port (server-speaks-tls)",
        ),
        (
            b"220 mail.example.com ESMTP\r\n",
            http(None, None),
            "the answer is not HTTP/1.1: it begins \"220 mail.example.com ESMTP\" (invalid HTTP version) (server-bad-response)",
        ),
        (
            b"",
            http(None, None),
            "the server closed the connection without an answer to GET /health?x=1 (server-closed-before-response)",
        ),
        (
            b"HTTP/1.1 200 O",
            http(None, None),
            "the server closed the connection without an answer to GET /health?x=1 (server-closed-before-response)",
        ),
        (
            b"HTTP/1.1 200 OK\r\n\r\n",
            https(Verify::None),
            "the server does not speak TLS on this port: received corrupt message of type InvalidContentType (server-speaks-plain)",
        ),
    ];
    for (answer, probe, want) in table {
        let address = serve(Does::Says(answer), None).await;
        assert_eq!(words(ask(address, &probe).await), want, "{probe:?}");
    }
}

#[tokio::test]
async fn a_head_or_a_body_without_end_is_given_up() {
    let endless_head: &[u8] = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'a'; 20_000]].concat().leak();
    let address = serve(Does::Says(endless_head), None).await;
    assert_eq!(
        words(ask(address, &http(None, None)).await),
        "the head of the response does not end (server-bad-response)"
    );
    let long_body: &[u8] =
        [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'a'; 100_000], b"healthy"].concat().leak();
    let address = serve(Does::Says(long_body), None).await;
    assert_eq!(
        words(ask(address, &http(None, Some("healthy"))).await),
        "the first 65536 bytes of the body do not hold \"healthy\" (server-bad-response)"
    );
}

#[tokio::test]
async fn a_request_names_the_host_that_was_given_or_the_server() {
    for (host, want) in [(Some("mail.example.com"), "mail.example.com"), (None, "server.test:443")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let expect = Expect::default();
        let probe = Probe::Http {
            tls: None,
            method: "GET".into(),
            headers: Vec::new(),
            path: "/h".into(),
            host: host.map(Into::into),
            expect,
        };
        assert_eq!(ask(address, &probe).await, Ok(()));
        let request = server.await.unwrap();
        assert!(request.starts_with(&format!("GET /h HTTP/1.1\r\nHost: {want}\r\n")), "{request}");
        assert!(request.contains("\r\nConnection: close\r\n"), "{request}");
    }
}

#[test]
fn what_servers_say_cannot_break_the_log() {
    let failure = Failure::new(Fault::ServerReset, format!("a\nb\x1b[1m{}", "c".repeat(1000)));
    assert!(failure.why.starts_with("a\u{fffd}b\u{fffd}[1mccc"), "{failure}");
    assert_eq!(failure.why.chars().count(), WHY_CHARS_MAX + 1);
}

#[tokio::test]
async fn smtp_probes_read_a_greeting_and_an_answer_of_many_lines() {
    let table: [(&'static [&'static str], &str); 6] = [
        (&["220 mail\r\n", "250 hello\r\n", "221 bye\r\n"], "passed"),
        (&["220-mail\r\n220 ready\r\n", "250-hello\r\n250-SIZE 1\r\n250 HELP\r\n", "221 bye\r\n"], "passed"),
        (&["554 go away\r\n"], "the greeting is \"554 go away\" instead of 220 (server-bad-response)"),
        (
            &["220 mail\r\n", "421-busy\r\n421 later\r\n"],
            "the answer to EHLO is \"421 later\" instead of 250 (server-bad-response)",
        ),
        (
            &["HTTP/1.1 400 Bad Request\r\n"],
            "\"HTTP/1.1 400 Bad Request\" is not an SMTP reply (server-bad-response)",
        ),
        (
            &["220 mail\r\n"],
            "the server closed the connection instead of the answer to EHLO (server-closed-before-response)",
        ),
    ];
    for (lines, want) in table {
        let address = serve(Does::Talks(lines), None).await;
        assert_eq!(words(ask(address, &Probe::Smtp { expect: 250 }).await), want, "{lines:?}");
    }
}

#[tokio::test]
async fn connections_that_fail_have_their_words() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = ask(free, &Probe::Tcp).await.unwrap_err();
    assert_eq!(refused.fault, Fault::ServerRefused);
    let closes = serve(Does::Closes, None).await;
    assert_eq!(ask(closes, &Probe::Tcp).await, Ok(()));
    let cut = ask(closes, &Probe::Tls { verify: Verify::None }).await.unwrap_err();
    assert!(matches!(cut.fault, Fault::ServerClosedBeforeResponse | Fault::ServerReset), "{cut}");
}

#[tokio::test]
async fn silence_is_over_at_the_deadline() {
    let silent = serve(Does::Nothing, None).await;
    let timeout = Duration::from_millis(50);
    let table = [
        (http(None, None), "no answer to GET /health?x=1 within 50ms (server-response-timeout)"),
        (Probe::Smtp { expect: 250 }, "no greeting within 50ms (server-response-timeout)"),
        (
            Probe::Tls { verify: Verify::None },
            "no end of the TLS handshake within 50ms (server-response-timeout)",
        ),
    ];
    for (probe, want) in table {
        let trusted = Trusted::of(&probe, None);
        let target = Target {
            address: silent,
            authority: "server.test:443",
            probe: &probe,
            proxy_protocol: None,
            source: &Source::Any,
            trusted: &trusted,
            timeout,
        };
        assert_eq!(words(super::probe(&target).await), want);
    }
}

#[tokio::test]
async fn a_pool_with_proxy_protocol_is_probed_with_a_header() {
    let table = [
        (ProxyProtocol::V1, b"PROXY UNKNOWN\r\nGET ".as_slice()),
        (ProxyProtocol::V2, b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00GET ".as_slice()),
    ];
    for (version, want) in table {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut start = vec![0; want.len()];
            stream.read_exact(&mut start).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            start
        });
        assert_eq!(ask_with(address, &http(None, None), &Trusted::Plain, Some(version)).await, Ok(()));
        assert_eq!(server.await.unwrap(), want);
    }
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn server(&self, name: &str, last_year: i32) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(transom_tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate.der().to_vec())], key);
        Arc::new(config.unwrap())
    }
}

#[tokio::test]
async fn certificates_are_verified_as_asked() {
    let (ours, other) = (Authority::new(), Authority::new());
    let signed_by = |pem: &str| Verify::Full {
        ca: NamedFile { path: Path::new("/ca.pem").into(), contents: pem.as_bytes().into() },
        name: "mail.example.com".into(),
    };
    let full = || signed_by(&ours.0.pem());
    let good = || ours.server("mail.example.com", 2500);
    let table = [
        (full(), good(), "passed"),
        (full(), ours.server("other.example.com", 2500), "the certificate is for another name: "),
        (full(), ours.server("mail.example.com", 2001), "the certificate is not valid at this time: "),
        (full(), other.server("mail.example.com", 2500), "the certificate is not to be trusted: "),
        (signed_by(""), good(), "the file of authorities "),
        (Verify::None, other.server("other.example.com", 2001), "passed"),
    ];
    for (verify, server, want) in table {
        let address = serve(Does::Says(b"HTTP/1.1 200 OK\r\n\r\n"), Some(server)).await;
        for probe in [Probe::Tls { verify: verify.clone() }, https(verify.clone())] {
            let got = words(ask(address, &probe).await);
            assert!(got.starts_with(want), "{probe:?}: {got}");
        }
    }
}

#[tokio::test]
async fn a_probe_believes_what_the_connections_of_its_pool_do() {
    let (ours, other) = (Authority::new(), Authority::new());
    let by = |pem: &str| ServerVerify::Full {
        ca: NamedFile { path: Path::new("/ca.pem").into(), contents: pem.as_bytes().into() },
    };
    let pem = ours.0.pem();
    let good = || ours.server("mail.example.com", 2500);
    let table = [
        (by(&pem), Some("mail.example.com"), good(), "passed"),
        (by(&pem), Some("other.example.com"), good(), "the certificate is for another name: "),
        (by(&pem), None, good(), "the certificate is for another name: "),
        (
            by(&pem),
            Some("mail.example.com"),
            other.server("mail.example.com", 2500),
            "the certificate is not to be",
        ),
        (by(""), Some("mail.example.com"), good(), "the file of authorities "),
        (ServerVerify::None, Some("mail.example.com"), other.server("other.example.com", 2001), "passed"),
        (ServerVerify::None, None, other.server("other.example.com", 2001), "passed"),
    ];
    for (verify, name, server, want) in table {
        let address = serve(Does::Says(b"HTTP/1.1 200 OK\r\n\r\n"), Some(server)).await;
        let name = name.map(Into::into);
        let connect = ServerTls { verify, name, certificate: None, min: TlsVersion::V12 };
        for probe in [Probe::Tls { verify: Verify::Pool }, https(Verify::Pool)] {
            let trusted = Trusted::of(&probe, Some(&connect));
            let got = words(ask_with(address, &probe, &trusted, None).await);
            assert!(got.starts_with(want), "{probe:?} {connect:?}: {got}");
        }
    }
}

/// Random numbers that a seed decides (xorshift).
fn chance(mut state: u64) -> impl FnMut(usize) -> usize {
    move |bound| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    }
}

#[tokio::test]
async fn whatever_a_server_says_is_an_outcome() {
    const START: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nffff\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 400 No\r\nContent-Length: 18446744073709551615\r\nLocation: x\r\n\r\nbody",
        b"220-mail\r\n220 mail\r\n250-SIZE\r\n250 ok\r\n",
        b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03",
    ];
    for seed in 1..=256_u64 {
        let mut chance = chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut said = START[chance(START.len())].to_vec();
        for _ in 0..chance(8) {
            let at = chance(said.len());
            match chance(3) {
                0 => said[at] = chance(256) as u8,
                1 => said.truncate(at + 1),
                _ => said.insert(at, chance(256) as u8),
            }
        }
        let deadline =
            Deadline { at: Instant::now() + Duration::from_secs(5), allowed: Duration::from_secs(5) };
        let expect = Expect { body: Some("never there".into()), ..Expect::default() };
        let request = http::Request { method: "GET", host: "a.test", path: "/", headers: &[] };
        let stream = || tokio::io::join(std::io::Cursor::new(said.clone()), tokio::io::sink());
        let outcomes = [
            http::ask(stream(), request, &expect, deadline).await,
            smtp::greet(stream(), [127, 0, 0, 1].into(), 999, deadline).await,
        ];
        assert!(outcomes.iter().all(Result::is_err), "seed {seed}: {outcomes:?}");
    }
}
