//! One word a thing (ARCHITECTURE.md, vocabulary), and no names of places that exist on one machine only.

use super::{File, Finding};

/// Words for our own things that other products use, and what we say. Configurations and output of those products
/// have to use them, see [`speaks_foreign`].
const BANNED: &[(&str, &str)] = &[
    ("upstream", "server, pool"),
    ("downstream", "client"),
    ("backend", "pool, server"),
    ("target group", "pool"),
    ("load-balanced set", "pool"),
];

/// "session" for a connection. TLS, SMTP and cookies have sessions of their own.
const SESSION: &str = "session";
const SESSIONS_OF_OTHERS: &[&str] =
    &["session id", "session-id", "session_id", "session ticket", "session resum"];

/// SecLang has a collection of that name.
const SECLANG: &str = "crates/waf/";

/// Places of one machine.
const PLACES: &[&str] = &["/home/", "/root/", "/Users/", "/work/"];

/// Files that show other products' words: importers, log lines in their form, what their users read, tests and
/// benchmarks against them, and this one.
fn speaks_foreign(path: &str) -> bool {
    const FILES: &[&str] = &[
        "crates/import/",
        "fuzz/corpus/import_",
        "crates/proxy/src/log/haproxy.rs",
        "docs/coming-from.md",
        "docs/bench/",
        "tests/",
        "bench/",
        "xtask/src/bench",
        "xtask/src/tidy/words.rs",
        "ARCHITECTURE.md",
    ];
    FILES.iter().any(|prefix| path.starts_with(prefix))
}

/// Finds words we do not use.
pub(crate) fn vocabulary(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lock = |path: &str| path.ends_with("Cargo.lock");
    for file in files.iter().filter(|file| !speaks_foreign(&file.path) && !lock(&file.path)) {
        for (line, number) in file.text.lines().zip(1..) {
            let lower = line.to_lowercase();
            for (word, ours) in BANNED.iter().filter(|(word, _)| has_word(&lower, word)) {
                findings.push(Finding::at(&file.path, number, format!("we do not say {word:?}, but {ours}")));
            }
            let others = SESSIONS_OF_OTHERS.iter().any(|theirs| lower.contains(theirs));
            if has_word(&lower, SESSION) && !others && !file.path.starts_with(SECLANG) {
                findings.push(Finding::at(&file.path, number, "we do not say \"session\", but connection"));
            }
        }
    }
    findings
}

/// Finds paths that begin in somebody's home.
pub(crate) fn places(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path != "xtask/src/tidy/words.rs") {
        for (line, number) in file.text.lines().zip(1..) {
            for place in PLACES.iter().filter(|place| has_place(line, place)) {
                findings.push(Finding::at(
                    &file.path,
                    number,
                    format!("{place}… exists on one machine only"),
                ));
            }
        }
    }
    findings
}

/// Whether a path in the line begins with `place`: not a longer path that has it inside (`/usr/share/work/`).
fn has_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|character| !character.is_alphanumeric() && !"_-./".contains(character))
    })
}

/// Whether the word, or its plural, stands in a line of lower case.
fn has_word(line: &str, word: &str) -> bool {
    let letter = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        let behind = &line[at + word.len()..];
        let behind = behind.strip_prefix('s').unwrap_or(behind);
        !letter(line[..at].chars().next_back()) && !letter(behind.chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::{places, vocabulary};
    use crate::tidy::File;

    #[test]
    fn words_of_other_products_are_found() {
        let table = [
            ("src/main.rs", "the upstream server", true),
            ("src/main.rs", "Backends: none", true),
            ("src/main.rs", "fn choose_backend()", true),
            ("src/main.rs", "a target group", true),
            ("src/main.rs", "a session of the client", true),
            ("src/main.rs", "a TLS session id", false),
            ("src/main.rs", "obsessions", false),
            ("src/main.rs", "pool, server", false),
            ("docs/coming-from.md", "HAProxy's backend is a pool", false),
            ("tests/e2e/peers.rs", "backend exchange", false),
        ];
        for (path, text, found) in table {
            assert_eq!(!vocabulary(&[File::new(path, text)]).is_empty(), found, "{path}: {text}");
        }
    }

    #[test]
    fn places_of_one_machine_are_found() {
        let table = [
            ("see /home/somebody/x", true),
            ("\"/root/.cargo\"", true),
            ("https://example.com/home/page", false),
            ("/usr/share/work/", false),
            ("/etc/transom/", false),
        ];
        for (text, found) in table {
            assert_eq!(!places(&[File::new("a.md", text)]).is_empty(), found, "{text}");
        }
    }
}
