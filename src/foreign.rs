//! Another product's file in place of ours: imported in memory, then served or checked like any other.
//!
//! What is loaded is called `FILE.toml` in messages, beside `FILE`; it is written nowhere. `transom import FILE` prints it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use transom_import::{Format, Imported, Outside, SOURCE_BYTES_MAX, import_bytes};

use crate::files::Disk;

/// Files that a source names are read up to this size.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Bytes of a file; one that is too long for a configuration is not read to its end.
fn source(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(SOURCE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Imports a file; `None` recognises its product by what stands in it. The error is a sentence.
pub(crate) fn read(path: &Path, format: Option<Format>) -> Result<Imported, String> {
    let bytes = source(path).map_err(|error| error.to_string())?;
    import_bytes(&bytes, format, &Machine).map_err(|failure| failure.to_string())
}

/// What the result is called: beside the source, so that relative paths mean the same.
pub(crate) fn called(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".toml");
    name.into()
}

/// A disk on which the result stands where [`called`] says.
pub(crate) fn disk(path: &Path, imported: &Imported) -> Disk {
    Disk::holding(called(path), imported.toml.clone().into_bytes())
}

/// Why a file is not served: what its lines without a counterpart did would be missing, a refusal perhaps.
pub(crate) fn not_whole(path: &Path, imported: &Imported) -> String {
    let lines = imported.account.lines().iter();
    let numbers: Vec<String> = lines
        .filter(|line| line.verdict == transom_import::Verdict::Unsupported)
        .map(|line| line.number.to_string())
        .collect();
    format!(
        "{}: lines {} have no counterpart here, and what they did would be missing\nhelp: `transom import {0} -o \
         transom.toml` keeps them as comments; decide what is to become of each, and serve that file",
        path.display(),
        numbers.join(", ")
    )
}

/// What a file names on this machine.
pub(crate) struct Machine;

impl Outside for Machine {
    fn read(&self, path: &str) -> Option<String> {
        let about = fs::metadata(path).ok()?;
        (about.is_file() && about.len() <= FILE_BYTES_MAX).then(|| fs::read_to_string(path).ok())?
    }

    fn folder(&self, path: &str) -> Option<Vec<String>> {
        let files = fs::read_dir(path).ok()?.filter_map(Result::ok).map(|file| file.path());
        let mut files: Vec<String> =
            files.filter(|file| file.is_file()).map(|file| file.display().to_string()).collect();
        files.sort();
        Some(files)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    /// As `[admin] users` has it: argon2id with 19 MiB and two passes (RFC 9106 section 4, OWASP's least).
    fn hash(&self, password: &str) -> Option<String> {
        let params = Params::new(19_456, 2, 1, None).ok()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).ok()?;
        Some(argon2.hash_password_with_salt(password.as_bytes(), &salt).ok()?.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_becomes_a_hash_that_is_another_each_time_and_that_check_takes() {
        let (one, two) = (Machine.hash("secret").unwrap(), Machine.hash("secret").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, two);
        let text = format!("[admin]\nusers = [{{ name = \"a\", password-hash = \"{one}\" }}]\n");
        let loaded = transom_config::load_text("x.toml", &text);
        let bad = loaded.report.faults().any(|fault| fault.code.word() == "bad-password-hash");
        assert!(!bad);
    }

    #[test]
    fn relative_paths_mean_the_same_beside_the_source() {
        assert_eq!(called("/etc/haproxy/haproxy.cfg".as_ref()), Path::new("/etc/haproxy/haproxy.cfg.toml"));
    }
}
