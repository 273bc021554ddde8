//! The engine against the rule sets and regression tests of others.
//!
//! Their files are not part of this repository. `TRANSOM_CRS` names a directory with `rules/` and
//! `regression/` of the OWASP Core Rule Set; without it `../shared/crs/v4.28.0` beside the checkout is
//! tried. Where there is none the tests cannot run, so they have to be asked for: `-- --include-ignored`.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data cannot run")]

mod blocking;
mod cases;
mod cost;
mod data;
mod samples;
mod sites;
mod sys;

use data::{directory, files};
use sites::{REGRESSION, site};
use std::sync::Arc;
use transom_waf::ftw::{self, Request, Site};

/// Tests of the rule set of version 4 that do not pass, and why.
const FAILING_4: &[(&str, &str)] = &[(
    "920620-1",
    "two Content-Type headers: Apache joins them into one before the rules see them, others do not (its authors say so too)",
)];

/// Tests of the rule set of version 3.3 that do not pass, and why.
const FAILING_3: &[(&str, &str)] = &[
    (
        "920180-3",
        "go-ftw sends no Content-Length with an empty body here, and the runner does, as newer tests want",
    ),
    ("920340-2", WAITS),
    ("920400-1", WAITS),
    ("920460-1", APACHE),
    ("920460-2", APACHE),
    ("920460-3", APACHE),
    ("920460-4", APACHE),
    ("933160-21", NO_PATH),
    ("941330-1", APACHE),
    ("942500-1", NO_PATH),
];
const APACHE: &str = "the pattern doubles its backslashes because Apache's configuration reader halves them";
const WAITS: &str =
    "less body than Content-Length says: a server waits for the rest and gives up, which the runner does not";
const NO_PATH: &str =
    "a target without a path, which is no HTTP: Apache lets it through, a strict front end does not";

/// No test fails but those we can explain.
fn assert_known(failed: &[String], known: &[(&str, &str)]) {
    let name = |line: &String| line.split(':').next().unwrap_or("").to_owned();
    let known: Vec<String> = known.iter().map(|(name, _)| (*name).to_owned()).collect();
    let unknown: Vec<&String> = failed.iter().filter(|line| !known.contains(&name(line))).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    let failed: Vec<String> = failed.iter().map(name).collect();
    let passing: Vec<&String> = known.iter().filter(|name| !failed.contains(name)).collect();
    assert!(passing.is_empty(), "these pass now: {passing:?}");
}

fn tests(file: &std::path::Path) -> Vec<ftw::Test> {
    let text = std::fs::read_to_string(file).unwrap();
    ftw::read(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Runs every test below `directory`; answers how many there are and which fail.
fn run(site: &Site, directory: &std::path::Path) -> (usize, Vec<String>) {
    let (mut count, mut failed) = (0, Vec::new());
    for file in files(directory, &["yaml", "yml"]) {
        for test in tests(&file) {
            count += 1;
            let faults = site.check(&test);
            if !faults.is_empty() {
                failed.push(format!("{}: {}", test.name, faults.join(", ")));
            }
        }
    }
    (count, failed)
}

#[test]
fn core_rule_set_4_passes_its_own_tests() {
    let crs = directory("TRANSOM_CRS", "shared/crs/v4.28.0");
    let rules = crs.join("rules");
    let path = |name: &str| rules.join(name).to_string_lossy().into_owned();
    let site = site(&path("crs-setup.conf.example"), &path("*.conf"), REGRESSION);
    let (count, failed) = run(&site, &crs.join("regression"));
    let passed = count - failed.len();
    println!("{passed} of {count} pass\n{}", failed.join("\n"));
    assert_known(&failed, FAILING_4);
    assert!(passed * 1000 >= count * 998, "{passed} of {count} pass");
}

#[test]
fn core_rule_set_3_passes_its_own_tests() {
    let crs = directory("TRANSOM_CRS3", "shared/crs/v3.3.4");
    let path = |name: &str| crs.join(name).to_string_lossy().into_owned();
    let site = site(&path("crs-setup.conf.example"), &path("rules/*.conf"), REGRESSION);
    let (count, failed) = run(&site, &crs.join("tests/regression/tests"));
    let passed = count - failed.len();
    println!("{passed} of {count} pass\n{}", failed.join("\n"));
    assert_known(&failed, FAILING_3);
    let codes: Vec<&str> = site.engine.warnings().iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["waf-geolookup-never-matches", "waf-rbl-never-matches"]);
    assert!(passed * 100 >= count * 98, "{passed} of {count} pass");
}

#[test]
fn libmodsecurity_cases_come_out_alike() {
    let cases =
        cases::run(&directory("TRANSOM_MODSECURITY_CASES", "shared/crs/modsecurity3-regression-json"));
    let mut reasons = std::collections::BTreeMap::new();
    let (mut passed, mut supported) = (0, 0);
    for case in &cases {
        match &case.result {
            cases::Result::Unsupported(reason) => *reasons.entry(reason).or_insert(0) += 1,
            cases::Result::Passed => (passed, supported) = (passed + 1, supported + 1),
            cases::Result::Failed(why) => {
                supported += 1;
                println!("{}: {why}", case.name);
            }
        }
    }
    println!("{passed} of {supported} supported cases pass; left out: {reasons:#?}");
    assert!(passed * 100 >= supported * 98, "{passed} of {supported} pass");
}

#[test]
fn libinjection_agrees_about_fingerprints_and_markup() {
    let directory = directory("TRANSOM_LIBINJECTION", "shared/crs/libinjection-tests");
    let (mut count, mut failed) = (0, Vec::new());
    for file in files(&directory, &["txt"]) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read(&file).unwrap();
        let part = |from: &str, to: &str| {
            let find =
                |wanted: &str| text.windows(wanted.len()).position(|window| window == wanted.as_bytes());
            let start = find(from).unwrap() + from.len();
            let end = if to.is_empty() { text.len() } else { find(to).unwrap() };
            text[start..end].trim_ascii().to_vec()
        };
        let (input, expected) = (part("--INPUT--\n", "--EXPECTED--"), part("--EXPECTED--", ""));
        let found = if name.starts_with("test-sqli") {
            transom_waf::detect_sqli(&input).unwrap_or_default()
        } else if name.starts_with("test-xss") {
            u8::from(transom_waf::detect_xss(&input)).to_string().into_bytes()
        } else {
            // Tokens and folding are steps on the way, which the library does not show.
            continue;
        };
        count += 1;
        if found != expected {
            let text = String::from_utf8_lossy;
            failed.push(format!("{name}: {} instead of {}", text(&found), text(&expected)));
        }
    }
    println!("{} of {count} pass\n{}", count - failed.len(), failed.join("\n"));
    assert!(failed.is_empty());
}

#[test]
fn the_fast_way_and_the_obvious_way_agree_on_the_core_rule_set() {
    let crs = directory("TRANSOM_CRS", "shared/crs/v4.28.0");
    let path = |name: &str| crs.join("rules").join(name).to_string_lossy().into_owned();
    let fast = site(&path("crs-setup.conf.example"), &path("*.conf"), REGRESSION);
    let slow = Site { traced: true, ..Site::new(Arc::clone(&fast.engine)) };
    for file in files(&crs.join("regression"), &["yaml", "yml"]) {
        for test in tests(&file) {
            for stage in &test.stages {
                let request = Request::from(&stage.input);
                let matches = |site: &Site| {
                    let report = site.ask(&request).report;
                    let ids: Vec<_> =
                        report.matches.iter().map(|found| (found.rule_id, found.matched.len())).collect();
                    (ids, report.inbound_score, report.outbound_score)
                };
                assert_eq!(matches(&fast), matches(&slow), "{}", test.name);
            }
        }
    }
}
