//! Every file in `haproxy`, `aloha` and `squid` against what it becomes: `NAME.toml` and `NAME.account` beside it,
//! `UPDATE=1` rewrites those. The first comment of a file names the guide that it follows, where it follows one.

#![expect(clippy::disallowed_methods, reason = "the tests read their files")]
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files should say so at once")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use transom_config::{Severity, load_text};
use transom_import::{
    Format, Imported, Nothing, Outside, coming_from, features, import, import_bytes, recognise,
};
use transom_testkit::golden::assert_golden;

/// Files that cases name, below `tests/outside`; one password hash for all.
struct Prepared;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

impl Outside for Prepared {
    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(root().join("outside").join(path.trim_start_matches('/'))).ok()
    }

    fn folder(&self, path: &str) -> Option<Vec<String>> {
        let entries = std::fs::read_dir(root().join("outside").join(path.trim_start_matches('/'))).ok()?;
        let name = |entry: std::fs::DirEntry| {
            format!("{}/{}", path.trim_end_matches('/'), entry.file_name().to_string_lossy())
        };
        Some(entries.filter_map(Result::ok).map(name).collect())
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "EXCHANGE").then(|| "192.0.2.10".to_owned())
    }

    fn hash(&self, _password: &str) -> Option<String> {
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$8riclmvrXIbrsnYrEjziWQ$AS/zq7hXI/G5hur6ZWgb+oH7IyTu4RUCVFOgXzO0FP8";
        Some(hash.to_owned())
    }
}

/// Every case of a product, with its bytes.
fn cases(product: &str, ending: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(root().join(product)).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|own| own == ending)).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

fn all() -> Vec<(PathBuf, Vec<u8>)> {
    [("haproxy", "cfg"), ("aloha", "cfg"), ("squid", "conf")]
        .iter()
        .flat_map(|(product, ending)| cases(product, ending))
        .collect()
}

fn imported(path: &Path, bytes: &[u8]) -> Imported {
    import_bytes(bytes, None, &Prepared).unwrap_or_else(|failure| panic!("{}: {failure}", path.display()))
}

#[test]
fn every_file_becomes_what_stands_beside_it() {
    for (path, bytes) in all() {
        let imported = imported(&path, &bytes);
        assert_golden(path.with_extension("toml"), &imported.toml);
        assert_golden(path.with_extension("account"), &imported.account.render());
    }
}

#[test]
fn every_file_is_recognised() {
    for (product, ending) in [("haproxy", "cfg"), ("aloha", "cfg"), ("squid", "conf")] {
        for (path, bytes) in cases(product, ending) {
            let format = recognise(&String::from_utf8_lossy(&bytes)).map(Format::word);
            assert_eq!(format, Some(product), "{}", path.display());
        }
    }
}

#[test]
fn every_line_of_every_file_is_accounted_for() {
    for (path, bytes) in all() {
        let imported = imported(&path, &bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let held: Vec<u32> =
            text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()).map(|(_, n)| n).collect();
        let said: Vec<u32> = imported.account.lines().iter().map(|line| line.number).collect();
        assert_eq!(said, held, "{}", path.display());
        let unread = imported.account.lines().iter().find(|line| line.reasons == ["nothing here reads it"]);
        assert_eq!(unread, None, "{}", path.display());
    }
}

/// A file that is meant to have unsupported lines says so in its name.
#[test]
fn nothing_is_unsupported_but_where_a_case_is_about_that() {
    for (path, bytes) in all() {
        let imported = imported(&path, &bytes);
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let whole = imported.account.is_whole();
        assert_eq!(whole, !name.contains("unsupported"), "{name}:\n{}", imported.account.render());
    }
}

#[test]
fn everything_that_is_claimed_is_in_a_case() {
    let used: BTreeSet<String> =
        all().iter().flat_map(|(path, bytes)| imported(path, bytes).account.features().clone()).collect();
    let missing: Vec<String> = features().into_iter().filter(|feature| !used.contains(feature)).collect();
    assert!(missing.is_empty(), "claimed, but in no case: {missing:#?}");
}

#[test]
fn there_are_forty_files_of_haproxy_and_half_follow_a_guide() {
    let cases = cases("haproxy", "cfg");
    let guides =
        cases.iter().filter(|(_, bytes)| String::from_utf8_lossy(bytes).starts_with("# Guide: ")).count();
    assert!(cases.len() >= 40, "{}", cases.len());
    assert!(guides * 2 >= cases.len(), "{guides} of {}", cases.len());
}

/// What this release cannot do yet is an error that names it: the list is exact, so that what comes takes its line out.
#[test]
fn every_result_loads_but_those_with_what_this_release_lacks() {
    let mut ahead: BTreeSet<String> = BTreeSet::new();
    for (path, bytes) in all() {
        let imported = imported(&path, &bytes);
        let result = load_text("transom.toml", &imported.toml);
        let errors = result.report.faults().filter(|fault| fault.code.severity() == Severity::Error);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        ahead.extend(errors.map(|fault| format!("{name}: {}: {}", fault.code.word(), fault.message)));
    }
    let ahead: String = ahead.into_iter().map(|line| format!("{line}\n")).collect();
    assert_golden(root().join("not-loaded.txt"), &ahead);
}

#[test]
fn the_page_says_what_the_tables_say() {
    assert_golden(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coming-from.md"), &coming_from());
}

#[test]
fn what_is_no_configuration_is_a_failure_with_its_line() {
    let long = format!("global\n{}\n", "x".repeat(10 << 20));
    let table: [(&[u8], u32); 6] = [
        (b"\x00\x01\x02", 1),
        (b"global\n maxconn 1\x00\n", 2),
        (b"global\n \xff\xfe\n", 2),
        (long.as_bytes(), 0),
        (b"", 0),
        (b"server {\n}\n", 0),
    ];
    for (bytes, line) in table {
        let failure = import_bytes(bytes, None, &Nothing).expect_err("it is no configuration");
        assert_eq!(failure.line, line, "{failure}");
        assert!(!failure.message.is_empty());
    }
}

/// Hostile files: nothing panics, and the result is TOML.
#[test]
fn hostile_files_come_to_an_end() {
    let many_acls = (0..300).map(|n| format!(" acl a{n} path_beg /{n}\n")).collect::<String>();
    let all = (0..300).map(|n| format!(" !a{n}")).collect::<String>();
    let either = (0..300).map(|n| format!(" a{n} or")).collect::<String>();
    let nested = "{ ".repeat(2000);
    let files = [
        format!("frontend f\n mode http\n bind :80\n{many_acls} use_backend b if{all}\n default_backend b\nbackend b\n server s 1.2.3.4:80\n"),
        format!("frontend f\n mode http\n bind :80\n{many_acls} use_backend b if{either}\n use_backend b unless{either}\nbackend b\n server s 1.2.3.4:80\n"),
        format!("frontend f\n bind :80\n use_backend b if {nested}\n"),
        "defaults a from a\ndefaults b from c\nfrontend f from f\n bind :1-65535\n".to_owned(),
        "frontend f\n http-request set-var(a) var(a)\n mode http\n bind :80\n http-request set-header x %[var(a)]\n".to_owned(),
        "backend b\n server s 1.2.3.4:80 weight 99999999999999999999 inter 9999999999999999999d maxconn -1\n".to_owned(),
        "director d 1.2.3.4:80 TCP\n check interval 99999999999999999999\n server\n balance\n mode\n option\n".to_owned(),
        "https_port\ncache_peer\nacl\nhttp_access\ncache_peer_access\ndeny_info\nacl a\ncache_peer a parent 99999 0\n".to_owned(),
        "frontend \"]\\n[x]\"\n bind :80\n mode tcp\n default_backend \"]\\n[x]\"\nbackend \"]\\n[x]\"\n server \"a\\\"b\" h\\\"x:80\n".to_owned(),
    ];
    for file in files {
        let imported = import(&file, None, &Nothing).unwrap_or_else(|failure| panic!("{failure}: {file}"));
        let loaded = load_text("transom.toml", &imported.toml);
        let syntax = loaded.report.faults().find(|fault| fault.code.word() == "syntax");
        assert!(syntax.is_none(), "{syntax:?}\n{}", imported.toml);
    }
}

/// A number that looks like chance, and is the same in each run.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as usize
}

/// A case with some of its bytes taken out, doubled or exchanged for others of it.
fn spoiled(bytes: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=next(state) % 8 {
        let (from, to) = (next(state) % bytes.len().max(1), next(state) % bytes.len().max(1));
        let some: Vec<u8> = bytes.iter().skip(from).take(next(state) % 40).copied().collect();
        let end = (to + next(state) % 20).min(bytes.len());
        bytes.splice(to.min(end)..end, some);
    }
    bytes
}

/// Some seeds are tried each time; `SEED=n` tries one.
#[test]
fn spoiled_cases_neither_panic_nor_break_the_result() {
    let one = std::env::var("SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds: Vec<u64> = one.map_or_else(|| (1..=4).collect(), |seed| vec![seed]);
    for seed in seeds {
        for (path, bytes) in all() {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ bytes.len() as u64;
            let bytes = spoiled(&bytes, &mut state);
            let Ok(imported) = import_bytes(&bytes, None, &Nothing) else { continue };
            let loaded = load_text("transom.toml", &imported.toml);
            let syntax = loaded.report.faults().find(|fault| fault.code.word() == "syntax");
            assert!(syntax.is_none(), "SEED={seed} {}: {syntax:?}\n{}", path.display(), imported.toml);
        }
    }
}
