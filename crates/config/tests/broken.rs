//! Broken configurations and what is said of them: each `broken/NAME.toml` has its report beside it, `UPDATE=1`
//! rewrites those.

#![expect(clippy::disallowed_methods, reason = "the tests read the broken files")]
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files should say so at once")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use transom_config::{Code, Loaded, load_bytes};
use transom_testkit::golden::assert_golden;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

/// Every broken file and what loading it gave.
fn all() -> Vec<(PathBuf, Loaded)> {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    files.sort();
    let load = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let loaded = load_bytes(&name, &std::fs::read(&path).unwrap());
        (path, loaded)
    };
    files.into_iter().map(load).collect()
}

#[test]
fn every_broken_file_gets_the_report_beside_it() {
    for (path, loaded) in all() {
        assert_golden(path.with_extension("txt"), &loaded.report.render(false));
    }
}

#[test]
fn every_fault_names_file_and_line_and_a_remedy() {
    let all = all();
    assert!(all.len() >= 20, "{} broken files", all.len());
    for (path, loaded) in all {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let rendered = loaded.report.render(false);
        assert!(loaded.report.errors() + loaded.report.warnings() > 0, "{name} is sound");
        assert_eq!(loaded.config.is_none(), loaded.report.errors() > 0, "{name}");
        for fault in loaded.report.faults() {
            let at = loaded.report.location(fault).unwrap_or_else(|| panic!("{name}: {fault:?} is nowhere"));
            assert!(at.line >= 1 && at.column >= 1 && at.path == name);
            assert!(rendered.contains(&format!("{name}:{}:{}", at.line, at.column)), "{name}: {fault:?}");
            assert!(!fault.remedy.trim().is_empty() && !fault.message.ends_with('.'), "{name}: {fault:?}");
        }
    }
}

#[test]
fn the_form_for_programs_says_the_same() {
    for (path, loaded) in all() {
        let json = loaded.report.to_json();
        let faults = json["faults"].as_array().unwrap();
        assert_eq!(faults.len() as u64 + json["left-out"].as_u64().unwrap(), {
            json["errors"].as_u64().unwrap() + json["warnings"].as_u64().unwrap()
        });
        for fault in faults {
            for key in ["code", "severity", "message", "file", "remedy"] {
                assert!(
                    fault[key].as_str().is_some_and(|text| !text.is_empty()),
                    "{}: {fault}",
                    path.display()
                );
            }
            assert!(fault["line"].as_u64().unwrap() >= 1 && fault["column"].as_u64().unwrap() >= 1);
        }
    }
}

#[test]
fn color_adds_only_escapes() {
    let loaded = load_bytes("x", b"polo = 1");
    let (plain, colored) = (loaded.report.render(false), loaded.report.render(true));
    assert!(!plain.contains('\u{1b}') && colored.contains('\u{1b}'));
}

/// Those that take several files or a file that cannot be read; see `includes.rs`.
const ELSEWHERE: &[Code] =
    &[Code::FileUnreadable, Code::FileTooLarge, Code::TooManyFiles, Code::IncludeCycle, Code::IncludedTwice];

#[test]
fn every_code_has_a_broken_file() {
    let seen: HashSet<Code> = all()
        .iter()
        .flat_map(|(_, loaded)| loaded.report.faults().map(|fault| fault.code).collect::<Vec<_>>())
        .collect();
    for code in Code::ALL {
        assert!(seen.contains(code) != ELSEWHERE.contains(code), "{}", code.word());
    }
}
