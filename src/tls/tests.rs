use std::time::Duration;

use transom_config::{Options, load};
use transom_testkit::ca::{Authority, Leaf, Validity};

use super::*;
use crate::files::Remembered;

const CONFIG: &str = r#"
[certificate.mail]
chain = "/mail.pem"
key = "/mail.key"
[listener.https]
bind = ["127.0.0.1:0"]
mode = "tls"
tls = { certificates = ["mail"] }
pool = "mail"
[pool.mail]
connect = { tls = { ca = "/ca.pem", name = "mail.test" } }
servers = [{ name = "ex1", address = "192.0.2.1:443" }, { name = "ex2", address = "ex2.test:443" }]
"#;

/// Path and contents.
type File<'a> = (&'static str, &'a [u8]);

/// 2026-01-01, which is within the time of good certificates.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn config(text: &str, files: &[(&str, &[u8])]) -> Config {
    let mut all = vec![("x.toml".into(), text.into())];
    all.extend(files.iter().map(|(path, contents)| ((*path).into(), contents.to_vec())));
    let files = Remembered { files: all, patterns: Vec::new() };
    let loaded = load("x.toml".as_ref(), &files, &Options::default());
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false)))
}

fn built(text: &str, files: &[(&str, &[u8])]) -> Result<Built, String> {
    build(&config(text, files), &Acceptors::new(), now()).map_err(|faults| faults.join("\n"))
}

fn authority() -> Authority {
    Authority::new("Lab").unwrap()
}

fn leaf(authority: &Authority) -> Leaf {
    authority.leaf(&["mail.test"]).unwrap()
}

fn files<'a>(leaf: &'a Leaf, authority: &'a Authority) -> [File<'a>; 3] {
    [
        ("/mail.pem", leaf.certificate.as_bytes()),
        ("/mail.key", leaf.key.as_bytes()),
        ("/ca.pem", authority.pem().as_bytes()),
    ]
}

#[test]
fn listeners_and_pools_get_what_they_ask_for() {
    let authority = authority();
    let leaf = leaf(&authority);
    let built = built(CONFIG, &files(&leaf, &authority)).unwrap();
    assert!(built.world.acceptors["https"].certificate_for(Some("mail.test")).is_some());
    let servers = &built.world.pools["mail"].servers;
    assert_eq!(servers["ex1"].name.to_str(), "mail.test");
    assert_eq!(servers["ex2"].name.to_str(), "mail.test");
    let warnings = built.notes.iter().filter(|note| matches!(note, Note::Warning(_)));
    assert_eq!(warnings.count(), 0, "{:?}", built.notes);
}

#[test]
fn servers_without_a_name_for_all_are_asked_for_by_their_own() {
    let authority = authority();
    let leaf = leaf(&authority);
    let text = CONFIG.replace(", name = \"mail.test\"", "").replace("192.0.2.1", "ex1.test");
    let own = built(&text, &files(&leaf, &authority)).unwrap();
    assert_eq!(own.world.pools["mail"].servers["ex1"].name.to_str(), "ex1.test");
    let text = CONFIG.replace("ca = \"/ca.pem\", name = \"mail.test\"", "verify = \"none\"");
    let unverified = built(&text, &files(&leaf, &authority)).unwrap();
    assert_eq!(unverified.world.pools["mail"].servers["ex1"].name.to_str(), "192.0.2.1");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place_and_a_remedy() {
    let (authority, other) = (authority(), authority());
    let (leaf, stranger) = (leaf(&authority), leaf(&other));
    let good = files(&leaf, &authority);
    let with = |path: &'static str, contents: &'static [u8]| {
        let mut files = good;
        files.iter_mut().filter(|(own, _)| *own == path).for_each(|(_, own)| *own = contents);
        files
    };
    let mut another = good;
    another[1].1 = stranger.key.as_bytes();
    let table: [(&str, &[File<'_>], &[&str]); 8] = [
        (
            CONFIG,
            &another,
            &[
                "x.toml:2: the certificate `mail` (/mail.pem and /mail.key)",
                "does not belong",
                "name the key",
            ],
        ),
        (CONFIG, &with("/mail.key", b""), &["no private key", "key = "]),
        (CONFIG, &with("/mail.pem", b""), &["no certificate", "`chain`"]),
        (CONFIG, &with("/mail.pem", b"-----BEGIN CERTIFICATE-----\nAAAA"), &["not PEM", "`pfx`"]),
        (
            CONFIG,
            &with("/ca.pem", b"x"),
            &["x.toml:10: the pool `mail`", "/ca.pem", "no certificate", "PEM file"],
        ),
        (
            &CONFIG.replace(
                "certificates = [\"mail\"]",
                "certificates = [\"mail\"], client-certificates = { ca = \"/mail.key\" }",
            ),
            &good,
            &["x.toml:5: the listener `https` believes clients", "/mail.key", "no certificate"],
        ),
        (
            &CONFIG.replace(
                "certificates = [\"mail\"]",
                "certificates = [\"mail\"], client-certificates = { ca = \"/ca.pem\", crl = \"/ca.pem\" }",
            ),
            &good,
            &["x.toml:5: the listener `https` refuses clients", "/ca.pem", "revocation list"],
        ),
        (
            &CONFIG.replace("key = \"/mail.key\"", "key = \"/mail.key\"\nstaple = \"/ca.pem\""),
            &good,
            &["the certificate `mail` (/ca.pem)", "OCSP", "responder"],
        ),
    ];
    for (text, files, wanted) in table {
        let sentence = built(text, files).err().unwrap_or_else(|| panic!("{wanted:?}"));
        for part in wanted.iter().chain(&["\nhelp: "]) {
            assert!(sentence.contains(part), "{part} is not in {sentence}");
        }
        assert_eq!(sentence.matches("help: ").count(), 1, "{sentence}");
    }
}

const PFX: &[u8] = include_bytes!("../../crates/tls/tests/fixtures/rsa-modern.pfx");

#[test]
fn a_pfx_file_is_opened_with_the_first_line_of_its_password_file() {
    let authority = authority();
    let text = CONFIG.replace(
        "chain = \"/mail.pem\"\nkey = \"/mail.key\"",
        "pfx = \"/mail.pfx\"\npassword-file = \"/password\"",
    );
    let open = |text: &str, password: &[u8]| {
        let ca = authority.pem().as_bytes();
        built(text, &[("/mail.pfx", PFX), ("/password", password), ("/ca.pem", ca)]).map(drop)
    };
    for password in ["secret", "secret\n", "secret\r\nanything", "\u{feff}secret\r\n"] {
        assert_eq!(open(&text, password.as_bytes()), Ok(()), "{password:?}");
    }
    let wrong = open(&text, b" secret").unwrap_err();
    assert!(
        wrong.contains("the password is wrong") && wrong.contains("the first line of `password-file`"),
        "{wrong}"
    );
    let none = open(&text.replace("password-file = \"/password\"\n", ""), b"").unwrap_err();
    assert!(none.contains("`password-file = \"…\"`"), "{none}");
    let binary = open(&text, b"\xff\xfe").unwrap_err();
    assert!(binary.contains("its password file /password is not text\nhelp: "), "{binary}");
    assert!(!wrong.contains(" secret"), "a password is never shown");
}

#[test]
fn certificates_out_of_their_time_are_served_and_warned_about() {
    let authority = authority();
    for (validity, words) in
        [(Validity::Expired, "clients refuse it"), (Validity::NotYet, "is not valid yet")]
    {
        let leaf = authority.leaf_with(&["mail.test"], validity).unwrap();
        let built = built(CONFIG, &files(&leaf, &authority)).unwrap();
        let warned = |note: &Note| matches!(note, Note::Warning(text) if text.starts_with("x.toml:2: the certificate `mail` for mail.test") && text.contains(words));
        assert!(built.notes.iter().any(warned), "{:?}", built.notes);
    }
}

#[test]
fn a_file_with_more_than_the_chain_is_told() {
    let (authority, other) = (authority(), authority());
    let (leaf, stranger) = (leaf(&authority), leaf(&other));
    let chain = format!("{}{}", stranger.certificate, leaf.certificate);
    let mut files = files(&leaf, &authority);
    files[0].1 = chain.as_bytes();
    let built = built(CONFIG, &files).unwrap();
    assert!(built.notes.iter().any(|note| note.text().contains("no part of its chain")), "{:?}", built.notes);
}

#[test]
fn days_are_whole_ones() {
    let authority = authority();
    let leaf = leaf(&authority);
    let certificate = Certificate::from_pem(leaf.certificate.as_bytes(), Some(leaf.key.as_bytes())).unwrap();
    let end = certificate.facts().not_after;
    let day = Duration::from_secs(86_400);
    assert_eq!(expiry(&certificate, end - day), Expiry::In(1));
    assert_eq!(expiry(&certificate, end - Duration::from_secs(1)), Expiry::In(0));
    assert_eq!(expiry(&certificate, end + Duration::from_secs(1)), Expiry::Ago(0));
    assert_eq!(expiry(&certificate, end + 3 * day), Expiry::Ago(3));
}
