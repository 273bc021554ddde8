//! `bench waf`: what a transaction costs, beside libmodsecurity in the same run, with the same rules and requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, installed, keep, root, target_folder};

/// Seconds for each request and program.
const SECONDS: &str = "3";
/// What we promise: so many times faster than libmodsecurity.
const PROMISED: [(&str, f64); 2] = [("GET", 25.0), ("POST 1.7 KB", 20.0)];

/// Builds both programs, runs them one after the other and prints a table; true when what is promised holds, or
/// when there is no libmodsecurity to compare with.
pub(super) fn run() -> Result<bool> {
    let rules = rules()?;
    let build = cargo(&["build", "--quiet", "--release", "--package", "transom-waf", "--example", "speed"])
        .status()?;
    if !build.success() {
        bail!("the example does not build");
    }
    let folder = target_folder()?.join("release/examples");
    let ours = output(Command::new(folder.join("speed")).arg(&rules).args([SECONDS, "both", "--print"]))?;
    let form = ours.lines().last().context("the example prints its form")?;
    let own = figures(&ours);
    let Some(theirs) = libmodsecurity(&folder, &rules, form)? else {
        println!("{ours}\nno libmodsecurity-dev here: nothing to compare with");
        return Ok(true);
    };
    let mut kept = true;
    println!("µs a transaction, mean of {SECONDS} s of one processor; load {}", load());
    for (name, promised) in PROMISED {
        let (Some(own), Some(theirs)) = (own.get(name), theirs.get(name)) else {
            bail!("no figure for {name}")
        };
        let times = theirs / own;
        kept &= times >= promised;
        println!(
            "{name:<12} transom {own:>8.1}  libmodsecurity {theirs:>8.1}  {times:>5.1} x (promised {promised} x)"
        );
    }
    Ok(kept)
}

/// The rules of the Core Rule Set, where `TRANSOM_CRS` names it or beside the checkout.
fn rules() -> Result<PathBuf> {
    let named = std::env::var_os("TRANSOM_CRS").map(PathBuf::from);
    let rules = named.unwrap_or_else(|| root().join("../shared/crs/v4.28.0")).join("rules");
    if !rules.is_dir() {
        bail!("there is no Core Rule Set: TRANSOM_CRS names its folder");
    }
    Ok(rules)
}

/// Compiles and runs the other program, where its library is installed.
fn libmodsecurity(folder: &Path, rules: &Path, form: &str) -> Result<Option<BTreeMap<String, f64>>> {
    if !Path::new("/usr/include/modsecurity/modsecurity.h").exists() || !installed("cc") {
        return Ok(None);
    }
    let (program, text) = (folder.join("libmodsecurity"), folder.join("form.txt"));
    std::fs::write(&text, format!("{form}\n"))?;
    let source = root().join("crates/waf/examples/libmodsecurity.c");
    output(Command::new("cc").arg("-O2").arg("-o").arg(&program).arg(source).arg("-lmodsecurity"))?;
    Ok(Some(figures(&output(Command::new(program).arg(rules).arg(text).arg(SECONDS))?)))
}

fn output(command: &mut Command) -> Result<String> {
    let ended = keep(command)?;
    if !ended.success {
        bail!("{command:?}: {}", ended.output);
    }
    Ok(ended.output)
}

/// `GET: mean 26.1 µs, …` is a figure.
fn figures(text: &str) -> BTreeMap<String, f64> {
    let figure = |line: &str| {
        let (name, rest) = line.split_once(": mean ")?;
        Some((name.to_owned(), rest.split(' ').next()?.parse().ok()?))
    };
    text.lines().filter_map(figure).collect()
}

/// The average load of the last minute: what else the machine had to do.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn figures_of_both_programs_are_read() {
        let found =
            figures("3 rules\nGET: mean 26.1 µs, best 25 µs\nPOST 1.7 KB: mean 4203.0 us, best 1 us\na=b");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("GET".to_owned(), 26.1), ("POST 1.7 KB".to_owned(), 4203.0)]
        );
    }
}
