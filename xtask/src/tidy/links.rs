//! Links from one page to another lead somewhere.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use super::{File, Finding};

/// Looks at every relative link of every page.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut known: HashSet<PathBuf> = HashSet::new();
    for file in files {
        known.extend(Path::new(&file.path).ancestors().map(Path::to_owned));
    }
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, number) in file.text.lines().zip(1..) {
            for target in links(line) {
                if !known.contains(&resolve(&file.path, target)) {
                    findings.push(Finding::at(&file.path, number, format!("{target} does not exist")));
                }
            }
        }
    }
    findings
}

/// The files that the links of a line lead to, without the place inside them.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let targets = targets.map(|target| target.split('#').next().unwrap_or_default());
    targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
}

/// Where a link of a page leads.
fn resolve(page: &str, target: &str) -> PathBuf {
    let mut path = Path::new(page).parent().unwrap_or(Path::new("")).to_owned();
    for component in Path::new(target).components() {
        match component {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::{File, Finding};

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let page = "[a](start.md) [b](../README.md#top) [c](https://example.com/x) [d](#here)\n[e](how-to) [f](gone.md)\n";
        let files = [
            File::new("docs/page.md", page),
            File::new("docs/start.md", ""),
            File::new("docs/how-to/sni.md", ""),
            File::new("README.md", ""),
        ];
        assert_eq!(check(&files), [Finding::at("docs/page.md", 2, "gone.md does not exist")]);
    }
}
