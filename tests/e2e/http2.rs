//! HTTP/2 beside connection logins on one listener, with clients of others.

use transom_testkit::ca::Authority;
use transom_testkit::fake_exchange::{FakeExchange, Options};

use crate::lab::{Lab, PUBLIC, Transom};

const HOST: &str = "mail.example.com";

struct Site {
    lab: Lab,
    server: FakeExchange,
    transom: Transom,
}

fn site() -> Site {
    let lab = Lab::new();
    let authority = Authority::new("Lab").unwrap();
    authority.write(lab.path("ca.pem")).unwrap();
    authority.leaf(&[HOST]).unwrap().write(lab.folder.path(), "mail").unwrap();
    let server = lab.door.enter(|| FakeExchange::start(Options::new("EX1")).unwrap()).unwrap();
    let transom = lab.start(&format!(
        "[certificate.mail]\nchain = {:?}\nkey = {:?}\n\
         [listener.https]\nbind = [\"{PUBLIC}:443\"]\nmode = \"http\"\ntls = {{ certificates = [\"mail\"] }}\npool = \"p\"\n\
         [pool.p]\nservers = [{{ name = \"ex1\", address = \"{}\" }}]\n",
        lab.path("mail.pem"),
        lab.path("mail.key"),
        server.address(),
    ));
    Site { lab, server, transom }
}

impl Site {
    fn curl(&self, arguments: &[&str]) -> String {
        let resolve = format!("{HOST}:443:{PUBLIC}");
        let ca = self.lab.path("ca.pem");
        let mut all = vec!["-s", "--max-time", "20", "--resolve", &resolve, "--cacert", ca.to_str().unwrap()];
        all.extend(arguments);
        self.lab.run("curl", &all).unwrap()
    }
}

#[test]
fn curl_gets_http_2_and_its_upload_and_download_are_whole() {
    let site = site();
    let whole = ["-w", " %{http_version} %{http_code}", "https://mail.example.com/whoami"];
    assert!(site.curl(&whole).ends_with(" 2 200"));
    let size = site.curl(&[
        "-o",
        "/dev/null",
        "-w",
        "%{http_version} %{size_download}",
        "https://mail.example.com/bytes/5000000",
    ]);
    assert_eq!(size, "2 5000000");
    let file = site.lab.path("upload");
    std::fs::write(&file, vec![b'x'; 3_000_000]).unwrap();
    let data = format!("@{}", file.display());
    let answer = site.curl(&["--data-binary", &data, "https://mail.example.com/upload"]);
    assert!(answer.contains("3000000"), "{answer}");
    let lines = site.transom.wait_for_access(3);
    assert!(lines.iter().all(|line| line["proto"] == "HTTP/2.0"), "{lines:?}");
}

/// The same listener, the same client: a login needs HTTP/1.1 and gets it.
#[test]
fn curl_logs_in_with_ntlm_over_http_1_1_where_everybody_else_gets_http_2() {
    let site = site();
    let url = "https://mail.example.com/ews/";
    let answer =
        site.curl(&["--ntlm", "-u", "LAB\\alice:Wonderland-1", "-w", " %{http_version} %{http_code}", url]);
    assert!(answer.ends_with(" 1.1 200") && answer.contains("LAB\\alice"), "{answer}");
    assert!(site.server.connections().iter().any(|one| one.users.iter().any(|user| user == "LAB\\alice")));
}

/// Many streams at a time; every one of them answered.
#[test]
fn h2load_has_no_failed_stream() {
    let site = site();
    let address = format!("https://{PUBLIC}/bytes/1000");
    let said = site.lab.run(
        "h2load",
        &["-n", "4000", "-c", "8", "-m", "16", "-H", ":authority: mail.example.com", &address],
    );
    let said = said.unwrap();
    assert!(said.contains("4000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    assert!(site.server.accepted() < 200, "{} connections for 4000 requests", site.server.accepted());
}
