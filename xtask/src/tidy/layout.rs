//! How large files may be, and where versions stand.

use super::{File, Finding};

/// Lines a file of code may have. Most should have 150 to 300.
const LINES_MAX: usize = 800;

/// No file of code is too long to be read at once.
pub(crate) fn size(files: &[File]) -> Vec<Finding> {
    let is_code = |file: &&File| {
        file.is_rust() || [".c", ".h", ".sh", ".py"].iter().any(|end| file.path.ends_with(end))
    };
    let mut findings = Vec::new();
    for file in files.iter().filter(is_code) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            findings.push(Finding::about(format!("{} has {lines} lines, more than {LINES_MAX}", file.path)));
        }
    }
    findings
}

/// Every version used anywhere stands once, in the workspace's own manifest.
pub(crate) fn versions(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let manifests =
        files.iter().filter(|file| file.path.ends_with("/Cargo.toml") && !file.path.starts_with("fuzz/"));
    for file in manifests {
        let mut in_dependencies = false;
        for (line, number) in file.text.lines().zip(1..) {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
            } else if in_dependencies
                && line.contains('=')
                && !line.starts_with('#')
                && !line.contains("workspace")
            {
                findings.push(Finding::at(
                    &file.path,
                    number,
                    "versions stand in the workspace's Cargo.toml",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{LINES_MAX, size, versions};
    use crate::tidy::{File, Finding};

    #[test]
    fn long_files_are_found() {
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(size(&[File::new("a.rs", &long[2..]), File::new("a.json", &long)]), []);
        assert_eq!(size(&[File::new("a.rs", &long)]), [Finding::about("a.rs has 801 lines, more than 800")]);
    }

    #[test]
    fn versions_of_ones_own_are_found() {
        let text = "[package]\nedition = \"2024\"\n[dependencies]\na.workspace = true\nb = { workspace = true }\nc = \"1\"\n";
        let found = versions(&[File::new("crates/wire/Cargo.toml", text), File::new("Cargo.toml", text)]);
        assert_eq!(
            found,
            [Finding::at("crates/wire/Cargo.toml", 6, "versions stand in the workspace's Cargo.toml")]
        );
    }
}
