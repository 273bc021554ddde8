//! Certificates from files in every form they come in, and what is said of those that cannot be used.
//! `fixtures/make.sh` tells how the files were made.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, SystemTime};

use transom_tls::{Certificate, KeyKind, Note, Unreadable, Validity};

const RSA: &[u8] = include_bytes!("fixtures/rsa-chain.pem");
const RSA_PKCS8: &[u8] = include_bytes!("fixtures/rsa-pkcs8.key");
const RSA_PKCS1: &[u8] = include_bytes!("fixtures/rsa-pkcs1.key");
const ROOT: &[u8] = include_bytes!("fixtures/root.pem");
const ELLIPTIC: &[u8] = include_bytes!("fixtures/elliptic.pem");
const ELLIPTIC_PKCS8: &[u8] = include_bytes!("fixtures/elliptic-pkcs8.key");
const ELLIPTIC_SEC1: &[u8] = include_bytes!("fixtures/elliptic-sec1.key");
const PSS: &[u8] = include_bytes!("fixtures/pss-combined.pem");
const MODERN: &[u8] = include_bytes!("fixtures/rsa-modern.pfx");
const LEGACY: &[u8] = include_bytes!("fixtures/rsa-legacy.pfx");
const NO_PASSWORD: &[u8] = include_bytes!("fixtures/elliptic-no-password.pfx");
const ONLY_ROOT: &[u8] = include_bytes!("fixtures/only-root.pfx");
const ENCRYPTED_PKCS8: &[u8] = include_bytes!("fixtures/encrypted-pkcs8.key");
const ENCRYPTED_PKCS1: &[u8] = include_bytes!("fixtures/encrypted-pkcs1.key");

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The certificates of a PEM file, each in PEM.
fn each(pem: &[u8]) -> Vec<String> {
    let text = str::from_utf8(pem).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    text.split_inclusive(end).filter(|part| part.ends_with(end)).map(str::to_owned).collect()
}

fn der(pem: &[u8]) -> Vec<u8> {
    use transom_tls::rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_slice(pem).unwrap().to_vec()
}

#[test]
fn every_form_gives_the_same_certificate_and_the_same_chain() {
    let crlf = String::from_utf8(RSA.to_vec()).unwrap().replace('\n', "\r\n");
    let forms = [
        ("two files", Certificate::from_pem(RSA, Some(RSA_PKCS8))),
        ("a PKCS #1 key", Certificate::from_pem(RSA, Some(RSA_PKCS1))),
        ("the key last", Certificate::from_pem(&joined(&[RSA, RSA_PKCS8]), None)),
        ("the key first", Certificate::from_pem(&joined(&[RSA_PKCS1, RSA]), None)),
        ("files exchanged", Certificate::from_pem(RSA_PKCS8, Some(RSA))),
        ("everything twice", Certificate::from_pem(&joined(&[RSA, RSA, RSA_PKCS8, RSA_PKCS8]), None)),
        ("another key, too", Certificate::from_pem(&joined(&[ELLIPTIC_PKCS8, RSA]), Some(RSA_PKCS8))),
        ("lines of Windows", Certificate::from_pem(crlf.as_bytes(), Some(RSA_PKCS8))),
        ("saved by Notepad", Certificate::from_pem(&joined(&[b"\xef\xbb\xbf", RSA]), Some(RSA_PKCS8))),
        ("modern PFX", Certificate::from_pfx(MODERN, "secret")),
        ("legacy PFX", Certificate::from_pfx(LEGACY, "secret")),
    ];
    let leaf = der(RSA);
    for (form, certificate) in forms {
        let certificate = certificate.unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(certificate.chain().len(), 2, "{form}");
        assert_eq!(*certificate.chain()[0], *leaf, "{form}");
    }
}

#[test]
fn elliptic_keys_and_single_files_in_der_are_read() {
    let alone = der(ELLIPTIC);
    let forms = [
        Certificate::from_pem(ELLIPTIC, Some(ELLIPTIC_PKCS8)),
        Certificate::from_pem(ELLIPTIC, Some(ELLIPTIC_SEC1)),
        Certificate::from_pem(&alone, Some(ELLIPTIC_SEC1)),
        Certificate::from_pfx(NO_PASSWORD, ""),
    ];
    for certificate in forms {
        let certificate = certificate.unwrap();
        assert_eq!(certificate.facts().key, KeyKind::Ecdsa { bits: 256 });
        let issuer = "CN=Lab Middle,O=Lab".into();
        assert_eq!(certificate.notes(), [Note::LeafAlone { issuer }]);
    }
}

#[test]
fn what_cannot_be_used_says_why() {
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let table = [
        (Certificate::from_pem(RSA, None), "there is no private key for it"),
        (Certificate::from_pem(RSA_PKCS8, None), "there is no certificate in it"),
        (Certificate::from_pem(b"", None), "there is no certificate in it"),
        (Certificate::from_pem(RSA, Some(ENCRYPTED_PKCS8)), "its private key is encrypted"),
        (Certificate::from_pem(RSA, Some(ENCRYPTED_PKCS1)), "its private key is encrypted"),
        (
            Certificate::from_pem(RSA, Some(ELLIPTIC_PKCS8)),
            "the private key does not belong to the certificate for mail.example.com (SHA-256 ",
        ),
        (
            Certificate::from_pem(&joined(&[RSA, garbled.as_bytes()]), Some(RSA_PKCS8)),
            "its certificate 3 cannot",
        ),
        (Certificate::from_pem(MODERN, Some(RSA_PKCS8)), "it is not PEM: it is binary; if it is a PFX file"),
        (
            Certificate::from_pem(
                RSA,
                Some(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            ),
            "its private key cannot be used",
        ),
        (
            Certificate::from_pem(RSA, Some(b"-----BEGIN PRIVATE KEY-----\nAAAA")),
            "it is not PEM: a section has no end",
        ),
        (Certificate::from_pem(&RSA.repeat(40), Some(RSA_PKCS8)), "it holds more than 64 certificates"),
        (Certificate::from_pfx(MODERN, "Secret"), "the password is wrong, or the PFX file is damaged"),
        (Certificate::from_pfx(LEGACY, ""), "the password is wrong, or the PFX file is damaged"),
        (Certificate::from_pfx(RSA, "secret"), "it is not a PFX file"),
        (Certificate::from_pfx(b"", "secret"), "it is not a PFX file"),
        (Certificate::from_pfx(ONLY_ROOT, "secret"), "there is no private key for it"),
    ];
    for (result, want) in table {
        let got = result.unwrap_err().to_string();
        assert!(got.starts_with(want), "{got}\nnot {want}");
    }
}

#[test]
fn a_chain_is_put_in_order_and_what_does_not_belong_is_left_out() {
    let chain = each(RSA);
    let (leaf, middle, root) = (chain[0].as_bytes(), chain[1].as_bytes(), ROOT);
    let root_left_out = || Note::RootLeftOut("CN=Lab Root,O=Lab".into());
    let stranger = || Note::StrangerLeftOut("CN=mail.example.com".into());
    type Case<'a> = (&'a str, &'a [&'a [u8]], usize, &'a [Note]);
    let table: [Case<'_>; 6] = [
        ("in order", &[leaf, middle], 2, &[]),
        ("with its root", &[leaf, middle, root], 2, &[root_left_out()]),
        ("the other way round", &[root, middle, leaf], 2, &[Note::Reordered, root_left_out()]),
        ("with a stranger", &[leaf, ELLIPTIC, middle], 2, &[stranger()]),
        ("without its middle", &[leaf], 1, &[Note::LeafAlone { issuer: "CN=Lab Middle,O=Lab".into() }]),
        (
            "a gap",
            &[leaf, root],
            1,
            &[Note::LeafAlone { issuer: "CN=Lab Middle,O=Lab".into() }, root_left_out()],
        ),
    ];
    for (case, files, sent, notes) in table {
        let certificate = Certificate::from_pem(&joined(files), Some(RSA_PKCS8)).unwrap();
        assert_eq!(*certificate.chain()[0], *der(leaf), "{case}");
        assert_eq!(certificate.chain().len(), sent, "{case}");
        assert_eq!(certificate.notes(), notes, "{case}");
    }
}

#[test]
fn facts_are_what_openssl_says_of_the_same_file() {
    let rsa = Certificate::from_pem(RSA, Some(RSA_PKCS8)).unwrap();
    let facts = rsa.facts();
    assert_eq!(&*facts.subject, "CN=mail.example.com,O=Lab\\, Inc.,C=CH");
    assert_eq!(&*facts.issuer, "CN=Lab Middle,O=Lab");
    assert_eq!(
        facts.dns_names.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        ["mail.example.com", "*.mail.example.com"]
    );
    assert_eq!(facts.addresses.first().unwrap().to_string(), "192.0.2.1");
    assert_eq!(facts.common_name.as_deref(), Some("mail.example.com"));
    assert_eq!(facts.key, KeyKind::Rsa { bits: 2048 });
    assert_eq!(facts.fingerprint(), "8ad440a79515cdd470a87025ddc1bfce65f83b3debaeaabee932cae30cf0e3d4");
    assert!(!facts.self_issued && !facts.authority);
    let day = Duration::from_secs(86_400);
    assert_eq!(facts.validity(facts.not_before), Validity::Now);
    assert_eq!(facts.validity(facts.not_before - day), Validity::NotYet);
    assert_eq!(facts.validity(facts.not_after + day), Validity::Over);
    assert_eq!(facts.validity(SystemTime::UNIX_EPOCH), Validity::NotYet);
}

/// RFC 5929 section 4.1: the hash function of the signature. The values are those of `openssl x509 -outform der | sha…sum`.
#[test]
fn the_channel_binding_is_hashed_as_the_certificate_is_signed() {
    type Case = (&'static [u8], Option<&'static [u8]>, &'static str);
    let table: [Case; 3] = [
        (RSA, Some(RSA_PKCS8), "8ad440a79515cdd470a87025ddc1bfce65f83b3debaeaabee932cae30cf0e3d4"),
        (
            ELLIPTIC,
            Some(ELLIPTIC_PKCS8),
            "7fe3eca5287c5fafb4b416119018bdbdbb8d9d2473fc95398e14a3c589a9763e976c1f99575d2498e6ea9f2d78435a50",
        ),
        (
            PSS,
            None,
            "850dfdf29f7cea51d0b884ee73adc1103be9a93104951c4a9d2598cc9b686d6478c881ac2e62fc33f58dba431f800244c89b647a184b3c3134ae5605c3524f25",
        ),
    ];
    for (chain, key, want) in table {
        let certificate = Certificate::from_pem(chain, key).unwrap();
        let got: String =
            certificate.facts().end_point.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(got, want);
    }
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let edwards = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let edwards =
        Certificate::from_pem(edwards.pem().as_bytes(), Some(key.serialize_pem().as_bytes())).unwrap();
    assert_eq!(edwards.facts().key, KeyKind::Ed25519);
    assert_eq!(edwards.facts().end_point, None);
}

#[test]
fn only_a_successful_response_is_stapled() {
    let certificate = Certificate::from_pem(RSA, Some(RSA_PKCS8)).unwrap();
    let table: [(&[u8], bool); 7] = [
        (&[0x30, 0x06, 0x0a, 0x01, 0x00, 0xa0, 0x01, 0x00], true),
        (&[0x30, 0x81, 0x06, 0x0a, 0x01, 0x00, 0xa0, 0x01, 0x00], true),
        (&[0x30, 0x03, 0x0a, 0x01, 0x06], false),
        (&[0x30, 0x07, 0x0a, 0x01, 0x00, 0xa0, 0x01, 0x00], false),
        (&[0x30, 0x80, 0x0a, 0x01, 0x00, 0xa0], false),
        (&[0x30, 0x8f], false),
        (b"", false),
    ];
    for (response, fine) in table {
        let got = certificate.with_staple(response);
        assert_eq!(got.is_ok(), fine, "{response:02x?}");
        assert!(fine || matches!(got, Err(Unreadable::Staple)));
    }
}

/// What a fuzzer looks for, in small: every fixture with single bytes changed, cut short, or run together.
#[test]
fn no_bytes_make_reading_panic() {
    let files = [RSA, RSA_PKCS1, ELLIPTIC_SEC1, PSS, NO_PASSWORD, ONLY_ROOT, ENCRYPTED_PKCS1];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 1).unwrap() % below
    };
    let ders = files.map(|file| {
        if file[0] == b'-' && file.starts_with(b"-----BEGIN CERT") { der(file) } else { file.to_vec() }
    });
    for _ in 0..300 {
        let mut bytes = ders[next(ders.len())].clone();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            bytes[at] = u8::try_from(next(256)).unwrap();
        }
        bytes.truncate(bytes.len() - next(2) * next(bytes.len()));
        drop(Certificate::from_pem(&bytes, Some(RSA_PKCS8)));
        drop(Certificate::from_pem(RSA, Some(&bytes)));
        drop(transom_tls::RevocationList::read(&bytes));
    }
}
