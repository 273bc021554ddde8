//! Which crate may import which (ARCHITECTURE.md): a graph without circles, drawn once here.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Finding;

/// Package and what of ours it may import.
const ARROWS: &[(&str, &[&str])] = &[
    ("transom-wire", &[]),
    ("transom-waf", &[]),
    ("transom-testkit", &[]),
    ("transom-config", &[]),
    ("transom-import", &["transom-config"]),
    ("transom-state", &["transom-config"]),
    ("transom-tls", &["transom-config"]),
    ("transom-control", &["transom-state", "transom-tls", "transom-config", "transom-wire"]),
    ("transom-proxy", &["transom-state", "transom-tls", "transom-config", "transom-waf", "transom-wire"]),
    ("transom-packet", &["transom-state", "transom-config", "transom-wire"]),
    (
        "transom",
        &[
            "transom-control",
            "transom-proxy",
            "transom-packet",
            "transom-state",
            "transom-tls",
            "transom-import",
            "transom-config",
            "transom-waf",
            "transom-wire",
        ],
    ),
];

/// Developer tools: they may import everything and are imported by nobody.
const TOOLS: &[&str] = &["xtask", "transom-bench"];

/// Foreign packages only some of ours may import, because only they may know of them.
const ONLY: &[(&str, &[&str])] = &[
    ("toml", &["transom-config", "transom-import"]),
    ("toml_edit", &["transom-import"]),
    ("annotate-snippets", &["transom-config", "transom-import"]),
    ("rustls", &["transom-tls", "transom-proxy", "transom-control", "transom-testkit"]),
    ("tokio", &["transom-control", "transom", "transom-testkit"]),
    ("hyper", &["transom-control"]),
    ("axum", &["transom-control"]),
];

/// Crates that do no I/O, and packages that do nothing else.
const NO_IO: &[&str] = &["transom-wire", "transom-waf", "transom-config", "transom-import", "transom-state"];
const IO: &[&str] = &["tokio", "rustix", "nix", "libc", "hyper", "axum", "mio", "socket2", "getrandom"];

/// Checks what `cargo metadata --no-deps` says.
pub(crate) fn check(metadata: &Value) -> Result<Vec<Finding>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let ours: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut findings = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package without a name")?;
        if TOOLS.contains(&name) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(own, _)| *own == name) else {
            findings.push(Finding::about(format!("{name} is not in the graph of crates (xtask, arrows.rs)")));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let imported = dependency["name"].as_str().context("a dependency without a name")?;
            let for_tests = dependency["kind"] == "dev";
            let fine = if ours.contains(&imported) {
                allowed.contains(&imported) || for_tests && imported == "transom-testkit" && name != imported
            } else {
                for_tests || foreign_is_fine(name, imported)
            };
            if !fine {
                findings.push(Finding::about(format!("{name} may not import {imported}")));
            }
        }
    }
    Ok(findings)
}

fn foreign_is_fine(name: &str, imported: &str) -> bool {
    let listed = ONLY.iter().find(|(package, _)| *package == imported);
    let does_io = NO_IO.contains(&name) && IO.contains(&imported);
    !does_io && listed.is_none_or(|(_, importers)| importers.contains(&name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ARROWS, check};
    use crate::tidy::Finding;

    /// A package and what it imports; the second word is cargo's kind of dependency.
    type Package<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    fn metadata(packages: &[Package<'_>]) -> Value {
        let package = |(name, dependencies): &Package<'_>| {
            let dependencies: Vec<Value> =
                dependencies.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
            json!({ "name": name, "dependencies": dependencies })
        };
        json!({ "packages": packages.iter().map(package).collect::<Vec<_>>() })
    }

    #[test]
    fn arrows_along_the_graph_are_fine() {
        let sound = metadata(&[
            ("transom-wire", &[]),
            ("transom-testkit", &[("rustls", None)]),
            ("transom-config", &[("toml", None), ("transom-testkit", Some("dev"))]),
            ("transom-state", &[("transom-config", None), ("tokio", Some("dev"))]),
            ("xtask", &[("transom-state", None), ("transom-testkit", None)]),
        ]);
        assert_eq!(check(&sound).unwrap(), []);
    }

    #[test]
    fn arrows_against_the_graph_are_found() {
        let table: [(Package<'_>, &str); 9] = [
            (("transom-wire", &[("transom-config", None)]), "transom-wire may not import transom-config"),
            (("transom-state", &[("transom-proxy", None)]), "transom-state may not import transom-proxy"),
            (("transom-proxy", &[("transom-control", None)]), "transom-proxy may not import transom-control"),
            (("transom-proxy", &[("transom-testkit", None)]), "transom-proxy may not import transom-testkit"),
            (
                ("transom-control", &[("transom-proxy", Some("dev"))]),
                "transom-control may not import transom-proxy",
            ),
            (("transom-testkit", &[("transom-wire", None)]), "transom-testkit may not import transom-wire"),
            (("transom-proxy", &[("toml", None)]), "transom-proxy may not import toml"),
            (("transom-state", &[("rustix", None)]), "transom-state may not import rustix"),
            (("transom-new", &[]), "transom-new is not in the graph of crates (xtask, arrows.rs)"),
        ];
        for ((name, dependencies), expected) in table {
            let others =
                ["transom-wire", "transom-config", "transom-proxy", "transom-control", "transom-testkit"];
            let mut packages: Vec<Package<'_>> =
                others.iter().filter(|other| **other != name).map(|other| (*other, &[][..])).collect();
            packages.push((name, dependencies));
            assert_eq!(check(&metadata(&packages)).unwrap(), [Finding::about(expected)]);
        }
    }

    /// Every package stands below all that it may import: then there can be no circle.
    #[test]
    fn the_graph_has_no_circle() {
        for (index, (name, allowed)) in ARROWS.iter().enumerate() {
            for import in *allowed {
                let at =
                    ARROWS.iter().position(|(own, _)| own == import).expect("only packages of the graph");
                assert!(at < index, "{name} imports {import}");
            }
        }
    }
}
