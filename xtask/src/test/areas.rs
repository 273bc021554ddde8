//! The areas, in the order they run: the quick ones first.

use std::process::Command;

use anyhow::{Context, Result};

use super::Outcome;
use super::count::Counts;
use super::examples;
use super::need::Need;
use super::python;
use crate::shell::{self, cargo, describe, keep};
use crate::{bench, demo, fuzz, tidy};

/// A part of the tests that runs as a whole or, where something it needs is missing, not at all.
pub(crate) struct Area {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Need],
    /// Runs it; the argument says whether there is much time.
    pub(crate) run: fn(long: bool) -> Result<Outcome>,
}

/// Test binaries that need root and namespaces and are the end-to-end area's.
const END_TO_END: [&str; 2] = ["e2e", "netns"];
/// Test binaries that have an area of their own.
const APART: [&str; 4] = ["packets", "namespaces", "crs", "clients"];

/// Set where tests may take long: they do then all that was promised, not a part of it.
const LONG: &str = "TRANSOM_LONG";

/// The Core Rule Set with its regression tests; libmodsecurity's cases and libinjection's files lie beside it.
const RULE_SET: Need = Need::Data { variable: "TRANSOM_CRS", beside: "../shared/crs/v4.28.0" };

/// Version 3.3 with its tests: the folder that `apt-get source modsecurity-crs` unpacks.
const RULE_SET_3: Need = Need::Data { variable: "TRANSOM_CRS3", beside: "../shared/crs/v3.3.4" };

pub(crate) const AREAS: &[Area] = &[
    Area { name: "fmt", needs: &[Need::Cargo("fmt")], run: |_| once(&["fmt", "--all", "--check"]) },
    Area { name: "clippy", needs: &[Need::Cargo("clippy")], run: |_| clippy() },
    Area { name: "tidy", needs: &[Need::Program("git")], run: |_| tidy::area() },
    Area { name: "unit", needs: &[Need::Program("openssl"), Need::Program("curl")], run: |_| unit() },
    Area { name: "doc", needs: &[], run: |_| counted(&["test", "--workspace", "--doc", "--locked"]) },
    Area { name: "examples", needs: &[], run: |_| examples::area() },
    Area { name: "demo", needs: &[Need::Program("openssl"), Need::Program("curl")], run: |_| demo::area() },
    Area {
        name: "e2e",
        needs: &[
            Need::Root,
            Need::Namespaces,
            Need::Program("ip"),
            Need::Program("nginx"),
            Need::Program("openssl"),
            Need::Program("haproxy"),
            Need::Program("curl"),
            Need::Program("swaks"),
            Need::Program("chromium"),
            Need::Program("testssl"),
            Need::Program("h2load"),
            Need::Program("nft"),
        ],
        run: end_to_end,
    },
    Area { name: "clients", needs: &[Need::Program("python3")], run: |_| python::area() },
    Area {
        name: "packet",
        needs: &[Need::Root, Need::Namespaces, Need::Clang, Need::Program("ip"), Need::Program("curl")],
        run: |_| counted(&["test", "--package", "transom-packet", "--features", "root-tests", "--locked"]),
    },
    Area { name: "waf", needs: &[RULE_SET], run: |_| rule_set() },
    Area { name: "waf-3.3", needs: &[RULE_SET_3], run: |_| rule_set_3() },
    Area {
        name: "ratchet",
        needs: &[Need::Root, Need::Namespaces, Need::Program("ip"), Need::Program("valgrind")],
        run: |_| bench::ratchet_area(),
    },
    Area { name: "fuzz", needs: &[Need::Nightly, Need::Cargo("fuzz")], run: fuzz::area },
];

/// Lints everything, the test binaries that plain `cargo test` leaves alone among it.
fn clippy() -> Result<Outcome> {
    once(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--test",
        "e2e",
        "--test",
        "crs",
        "--test",
        "netns",
        "--test",
        "clients",
        "--features",
        "transom-packet/root-tests",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])
}

/// A command that is one check: it succeeds or it does not.
fn once(arguments: &[&str]) -> Result<Outcome> {
    let mut command = cargo(arguments);
    let ended = keep(&mut command)?;
    Ok(Outcome { counts: Counts::one(ended.success), ran: describe(&command), output: ended.output })
}

/// A test runner that says how many tests it ran.
fn counted(arguments: &[&str]) -> Result<Outcome> {
    counts_of(cargo(arguments))
}

fn counts_of(mut command: Command) -> Result<Outcome> {
    let ended = keep(&mut command)?;
    let counts = Counts::read(&ended.output, ended.success);
    Ok(Outcome { counts, ran: describe(&command), output: ended.output })
}

/// Every test of the workspace that is not end to end, with nextest where it is installed.
fn unit() -> Result<Outcome> {
    if Need::Cargo("nextest").met() {
        let filter = END_TO_END.map(|binary| format!("not binary(={binary})")).join(" and ");
        return counted(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "-E", &filter]);
    }
    let mut arguments = vec!["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins"];
    let binaries = integration_tests()?;
    let apart = |binary: &str| END_TO_END.contains(&binary) || APART.contains(&binary);
    for binary in binaries.iter().filter(|binary| !apart(binary)) {
        arguments.extend(["--test", binary]);
    }
    counted(&arguments)
}

/// The names of all integration test binaries.
fn integration_tests() -> Result<Vec<String>> {
    let metadata = shell::metadata()?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let targets = packages.iter().filter_map(|package| package["targets"].as_array()).flatten();
    let tests = targets.filter(|target| target["kind"][0] == "test");
    Ok(tests.filter_map(|target| target["name"].as_str()).map(ToOwned::to_owned).collect())
}

/// The test that needs version 3.3 of the rule set with its tests.
const VERSION_3: &str = "core_rule_set_3_passes_its_own_tests";

/// The Core Rule Set's own tests and those of the engines before ours. Optimised: there are five thousand.
fn rule_set() -> Result<Outcome> {
    let mut command = cargo(&[
        "test",
        "--release",
        "--package",
        "transom-waf",
        "--test",
        "crs",
        "--locked",
        "--",
        "--skip",
        VERSION_3,
    ]);
    let crs = RULE_SET.folder().context("the area needs a folder")?;
    if let Some(beside) = crs.parent() {
        command.env("TRANSOM_MODSECURITY_CASES", beside.join("modsecurity3-regression-json"));
        command.env("TRANSOM_LIBINJECTION", beside.join("libinjection-tests"));
    }
    command.env("TRANSOM_CRS", crs);
    let ended = keep(&mut command)?;
    let counts = Counts::read(&ended.output, ended.success);
    Ok(Outcome { counts, ran: describe(&command), output: ended.output })
}

/// Version 3.3 of the rule set against its own tests.
fn rule_set_3() -> Result<Outcome> {
    let mut command = cargo(&[
        "test",
        "--release",
        "--package",
        "transom-waf",
        "--test",
        "crs",
        "--locked",
        "--",
        VERSION_3,
    ]);
    command.env("TRANSOM_CRS3", RULE_SET_3.folder().context("the area needs a folder")?);
    let ended = keep(&mut command)?;
    let counts = Counts::read(&ended.output, ended.success);
    Ok(Outcome { counts, ran: describe(&command), output: ended.output })
}

fn end_to_end(long: bool) -> Result<Outcome> {
    let mut arguments = vec!["test", "--workspace", "--locked", "--no-fail-fast"];
    for binary in END_TO_END {
        arguments.extend(["--test", binary]);
    }
    let mut command = cargo(&arguments);
    if long {
        command.env(LONG, "1");
    }
    counts_of(command)
}
