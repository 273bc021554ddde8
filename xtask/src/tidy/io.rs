//! Crates that do no I/O and read no clock: time, chance, bytes and files are arguments there.

use super::{File, Finding};

const FOLDERS: &[&str] =
    &["crates/wire/", "crates/waf/", "crates/config/", "crates/import/", "crates/state/"];

/// What does I/O, reads a clock or asks for chance.
const FORBIDDEN: &[&str] = &[
    "std::fs",
    "std::process",
    "std::thread::sleep",
    "std::env",
    "File::open",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "Instant::now",
    "SystemTime::now",
    ".elapsed()",
    "RandomState::new",
];

/// Looks at their code, and at the settings that make clippy look as well.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in FOLDERS {
        let inside: Vec<&File> = files.iter().filter(|file| file.path.starts_with(folder)).collect();
        if inside.is_empty() {
            continue;
        }
        let settings = format!("{folder}clippy.toml");
        let bans_clocks =
            |file: &&File| file.path == settings && file.text.contains("std::time::Instant::now");
        if !inside.iter().any(bans_clocks) {
            findings.push(Finding::about(format!("{settings} does not ban the clock")));
        }
        // An example is a program of its own.
        let own = |file: &&&File| file.is_rust() && !file.path.contains("/examples/");
        for file in inside.iter().filter(own) {
            for (number, line) in file.code_lines() {
                for forbidden in FORBIDDEN.iter().filter(|forbidden| line.contains(**forbidden)) {
                    findings.push(Finding::at(
                        &file.path,
                        number,
                        format!("{forbidden} in a crate without I/O"),
                    ));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::{File, Finding};

    #[test]
    fn clocks_and_files_are_found_where_they_are_arguments() {
        let text = "let now = Instant::now(); // Instant::now\nlet text = std::fs::read(path);\n#[cfg(test)]\nInstant::now();\n";
        let settings = File::new("crates/state/clippy.toml", "path = \"std::time::Instant::now\"");
        let found = check(&[
            settings,
            File::new("crates/state/src/a.rs", text),
            File::new("crates/proxy/src/a.rs", text),
        ]);
        assert_eq!(
            found,
            [
                Finding::at("crates/state/src/a.rs", 1, "Instant::now in a crate without I/O"),
                Finding::at("crates/state/src/a.rs", 2, "std::fs in a crate without I/O"),
            ]
        );
        let found = check(&[File::new("crates/state/src/a.rs", "")]);
        assert_eq!(found, [Finding::about("crates/state/clippy.toml does not ban the clock")]);
    }
}
