//! Compiles the BPF programs with clang (`$CLANG`), unless the feature `bpf` is off.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What clang on a Debian of the last years may be called; `$CLANG` goes first.
const CLANGS: [&str; 5] = ["clang", "clang-19", "clang-16", "clang-15", "clang-14"];

fn main() {
    tell("cargo::rerun-if-changed=src/bpf");
    tell("cargo::rerun-if-env-changed=CLANG");
    if env::var_os("CARGO_FEATURE_BPF").is_none() {
        return;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let clang = clang();
    for source in sources() {
        compile(&clang, &source, &out);
    }
}

fn sources() -> Vec<PathBuf> {
    let entries = fs::read_dir("src/bpf").expect("the crate has src/bpf");
    let paths = entries.map(|entry| entry.expect("src/bpf is readable").path());
    paths.filter(|path| path.to_string_lossy().ends_with(".bpf.c")).collect()
}

fn clang() -> String {
    if let Ok(chosen) = env::var("CLANG") {
        return chosen;
    }
    let works =
        |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success());
    let Some(found) = CLANGS.iter().find(works) else {
        tell(
            "cargo::error=the packet data plane needs clang: install the package clang, name one in $CLANG,",
        );
        tell(
            "cargo::error=or build with --no-default-features, which leaves out the modes nat, dsr and tunnel",
        );
        std::process::exit(1);
    };
    (*found).to_owned()
}

fn compile(clang: &str, source: &Path, out: &Path) {
    let object = out.join(source.file_name().expect("a source is a file")).with_extension("o");
    let status = Command::new(clang)
        .args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wextra", "-Werror", "-c"])
        .arg(source)
        .arg("-o")
        .arg(&object)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("{clang} could not compile {}: {status}", source.display())),
        Err(error) => fail(&format!("{clang} could not be started: {error}")),
    }
}

fn fail(why: &str) -> ! {
    tell(&format!("cargo::error={why}"));
    std::process::exit(1);
}

/// What cargo reads.
fn tell(line: &str) {
    let mut cargo = std::io::stdout();
    writeln!(cargo, "{line}").expect("cargo listens");
}
