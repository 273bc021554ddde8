//! Tables that are kept: a file each in `docs/bench/`, the newest linked from its README.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The line of the README that is replaced begins so.
const NEWEST: &str = "Newest table: ";

/// Writes `text` as `DAY-COMMIT.md` into `dir` and links it; returns its path.
///
/// # Errors
/// A sentence when a file cannot be read or written, or the README has no line to replace.
pub(crate) fn save(dir: &Path, day: &str, commit: &str, text: &str) -> anyhow::Result<PathBuf> {
    let name = format!("{day}-{}.md", commit.trim_end_matches('+'));
    let readme = dir.join("README.md");
    let old = fs::read_to_string(&readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let Some(new) = linked(&old, &name) else {
        bail!("{} has no line that begins with `{NEWEST}`", readme.display());
    };
    let path = dir.join(&name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::write(&readme, new).with_context(|| format!("cannot write {}", readme.display()))?;
    Ok(path)
}

/// `readme` with its newest table being `name`.
fn linked(readme: &str, name: &str) -> Option<String> {
    let mut found = false;
    let lines = readme.lines().map(|line| {
        if line.starts_with(NEWEST) {
            found = true;
            format!("{NEWEST}[{name}]({name})\n")
        } else {
            format!("{line}\n")
        }
    });
    let text = lines.collect();
    found.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_table_is_linked() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("README.md"), "# Bench\n\nNewest table: none yet\n\nMore.\n").unwrap();
        let path = save(dir.path(), "2026-11-20", "413b1f7+", "| a |\n").unwrap();
        assert_eq!(path.file_name().unwrap(), "2026-11-20-413b1f7.md");
        assert_eq!(fs::read_to_string(path).unwrap(), "| a |\n");
        let readme = fs::read_to_string(dir.path().join("README.md")).unwrap();
        assert_eq!(
            readme,
            "# Bench\n\nNewest table: [2026-11-20-413b1f7.md](2026-11-20-413b1f7.md)\n\nMore.\n"
        );
    }

    #[test]
    fn a_readme_without_the_line_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("README.md"), "# Bench\n").unwrap();
        assert!(save(dir.path(), "2026-11-20", "413b1f7", "").is_err());
    }
}
