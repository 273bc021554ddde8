//! What an area needs before it can run.

use std::fs;
use std::path::PathBuf;

use crate::shell::{installed, succeeds};

/// Something an area cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// To be root: low ports, other users.
    Root,
    /// To make network namespaces, which not even root may in some containers.
    Namespaces,
    /// A program.
    Program(&'static str),
    /// A subcommand of cargo.
    Cargo(&'static str),
    /// A nightly compiler.
    Nightly,
    /// clang, by whichever name.
    Clang,
    /// Test data of others that is not copied into this repository: a folder named by this variable, or beside the
    /// checkout.
    Data {
        /// The variable.
        variable: &'static str,
        /// Where it is looked for otherwise, seen from the repository.
        beside: &'static str,
    },
}

impl Need {
    /// Whether it is there.
    pub(crate) fn met(self) -> bool {
        match self {
            Self::Root => effective_user() == Some(0),
            Self::Namespaces => succeeds("unshare", &["--net", "true"]),
            Self::Program(program) => installed(program),
            Self::Cargo(subcommand) => installed(&format!("cargo-{subcommand}")),
            Self::Nightly => succeeds("rustup", &["run", "nightly", "rustc", "--version"]),
            Self::Clang => CLANGS.iter().any(|name| installed(name)) || std::env::var_os("CLANG").is_some(),
            Self::Data { .. } => self.folder().is_some_and(|folder| folder.is_dir()),
        }
    }

    /// Where the data lies.
    pub(crate) fn folder(self) -> Option<PathBuf> {
        let Self::Data { variable, beside } = self else { return None };
        let named = std::env::var_os(variable).map(PathBuf::from);
        Some(named.unwrap_or_else(|| crate::shell::root().join(beside)))
    }
}

/// Names that Debian gives it.
const CLANGS: [&str; 3] = ["clang", "clang-14", "clang-19"];

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Namespaces => f.write_str("network namespaces"),
            Self::Program(program) => f.write_str(program),
            Self::Cargo(subcommand) => write!(f, "cargo-{subcommand}"),
            Self::Nightly => f.write_str("a nightly toolchain"),
            Self::Clang => f.write_str("clang"),
            Self::Data { variable, .. } => write!(f, "the data that {variable} names"),
        }
    }
}

/// Those of `needs` that are not met, as one would name them in a sentence.
pub(crate) fn missing(needs: &[Need]) -> Option<String> {
    let missing: Vec<String> = needs.iter().filter(|need| !need.met()).map(ToString::to_string).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// The effective user id of this process (proc(5)).
fn effective_user() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Need, effective_user, missing};

    #[test]
    fn what_is_missing_is_named() {
        assert!(effective_user().is_some());
        assert_eq!(missing(&[Need::Program("sh")]), None);
        let needs = [Need::Program("sh"), Need::Program("no-such-program"), Need::Cargo("no-such-command")];
        assert_eq!(missing(&needs).as_deref(), Some("no-such-program, cargo-no-such-command"));
    }
}
