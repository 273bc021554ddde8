//! Where `unsafe` and printing may stand.

use super::{File, Finding};

/// `unsafe` only in files named `sys.rs`, each with the reason why it is sound.
pub(crate) fn no_unsafe(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && !file.path.ends_with("/sys.rs")) {
        let masked = super::mask::mask(&file.text);
        for (line, number) in masked.lines().zip(1..) {
            if words(line).any(|word| word == "unsafe") {
                findings.push(Finding::at(&file.path, number, "unsafe belongs into a file named sys.rs"));
            }
        }
    }
    findings
}

/// Only the program, the developer tools and examples print; crates use the `log` facade.
pub(crate) fn no_prints(files: &[File]) -> Vec<Finding> {
    let may_print = |path: &str| {
        path.contains("/examples/")
            || ["src/", "xtask/", "bench/"].iter().any(|folder| path.starts_with(folder))
    };
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (number, line) in file.code_lines() {
            for print in ["print!", "println!", "eprint!", "eprintln!"] {
                if has_macro(&line, print) && !may_print(&file.path) {
                    findings.push(Finding::at(&file.path, number, format!("{print} outside src/")));
                }
            }
            if has_macro(&line, "dbg!") {
                findings.push(Finding::at(&file.path, number, "dbg! was forgotten here"));
            }
        }
    }
    findings
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
}

/// Whether a macro of exactly that name is called in the line.
fn has_macro(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::{no_prints, no_unsafe};
    use crate::tidy::{File, Finding};

    #[test]
    fn unsafe_is_found_outside_its_files() {
        let text = "// unsafe\nfn f() { unsafe { g() } }\nlet unsafely = \"unsafe\";\n";
        let found = no_unsafe(&[
            File::new("crates/proxy/src/a.rs", text),
            File::new("crates/proxy/src/sys.rs", text),
        ]);
        assert_eq!(
            found,
            [Finding::at("crates/proxy/src/a.rs", 2, "unsafe belongs into a file named sys.rs")]
        );
    }

    #[test]
    fn prints_are_found_outside_the_program() {
        let text =
            "fn f() { println!(\"a\"); }\n// eprintln!\n#[cfg(test)]\nmod tests { fn g() { println!(); } }\n";
        let found = no_prints(&[
            File::new("crates/proxy/src/a.rs", text),
            File::new("src/main.rs", text),
            File::new("tests/e2e/main.rs", text),
            File::new("src/cmd/a.rs", "dbg!(1);"),
        ]);
        assert_eq!(
            found,
            [
                Finding::at("crates/proxy/src/a.rs", 1, "println! outside src/"),
                Finding::at("src/cmd/a.rs", 1, "dbg! was forgotten here"),
            ]
        );
    }
}
