//! Running programs: where the workspace is, what is installed, output kept or shown.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// `cargo` in the root, with the same toolchain that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments).env("CARGO_TERM_COLOR", "never");
    // Cargo describes the package it runs to it; what we start must not take that for itself.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR") {
            command.env_remove(name);
        }
    }
    command
}

/// What `cargo metadata` says about the packages of the workspace.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps"]).output()?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let metadata = metadata()?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(folder.into())
}

/// Whether a program is somewhere on `PATH`, or where only root's `PATH` looks.
pub(crate) fn installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).any(|file| {
        fs::metadata(file)
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

/// Whether a command can be run and succeeds; what it writes is thrown away.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whether it succeeded.
    pub(crate) success: bool,
    /// What it wrote to both streams, in the order it came.
    pub(crate) output: String,
}

/// Runs a command to its end and keeps what it writes, both streams in one.
pub(crate) fn keep(command: &mut Command) -> Result<Ended> {
    let described = describe(command);
    let (mut reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot run {described}"))?;
    // The command holds both writing ends; reading would not end while they are open here.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut output = Vec::new();
    reader.read_to_end(&mut output)?;
    let status = child.wait()?;
    let mut output = String::from_utf8_lossy(&output).into_owned();
    if !status.success() {
        output.push_str(&format!("{described}: {status}\n"));
    }
    Ok(Ended { success: status.success(), output })
}

/// A command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = [program].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Every file of the project: tracked, or new and not ignored; relative to the root, sorted.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().context("git is needed to list the files")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = String::from_utf8(output.stdout)?;
    let mut files: Vec<PathBuf> = listed.split_terminator('\0').map(PathBuf::from).collect();
    files.retain(|file| root().join(file).is_file()); // deleted, but not yet from the index
    files.sort();
    files.dedup();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{describe, installed, keep};

    #[test]
    fn output_is_kept_in_order_and_a_failure_is_named() {
        let ended = keep(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"])).unwrap();
        assert!(!ended.success);
        assert_eq!(ended.output, "one\ntwo\nsh -c echo one; echo two >&2; exit 3: exit status: 3\n");
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(installed("sh"));
        assert!(!installed("no-such-program-anywhere"));
        assert_eq!(describe(Command::new("/usr/bin/cargo").arg("test")), "cargo test");
    }
}
