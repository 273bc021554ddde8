//! Silenced rules and left-out tests say why, or are not there.

use super::{File, Finding, mask};

/// Finds `allow` (it is `expect` here, which complains once it is not needed), `expect` without a reason, and ignored
/// tests: a test that cannot run belongs into an area that needs what it needs.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let masked = mask::mask(&file.text);
        for (at, _) in masked.match_indices('#') {
            let Some((inside, from)) = attribute(&masked, at) else { continue };
            let written = &file.text[from..from + inside.len()];
            if let Some(fault) = fault(inside, written) {
                let line = 1 + masked[..at].matches('\n').count();
                findings.push(Finding::at(&file.path, line, fault));
            }
        }
    }
    findings
}

/// What stands between the brackets of an attribute that begins at `at`, and where.
fn attribute(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text[at..].strip_prefix('#')?;
    let rest = rest.strip_prefix('!').unwrap_or(rest).strip_prefix('[')?;
    let from = text.len() - rest.len();
    let mut depth = 1;
    for (index, character) in rest.char_indices() {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&rest[..index], from));
        }
    }
    None
}

/// `masked` is the attribute without the words of its strings.
fn fault(masked: &str, written: &str) -> Option<&'static str> {
    let calls = |name: &str| {
        masked.match_indices(name).any(|(at, _)| {
            let before = masked[..at].chars().next_back();
            before.is_none_or(|character| !character.is_alphanumeric() && character != '_')
        })
    };
    if calls("allow(") {
        return Some("allow: use #[expect(lint, reason = \"…\")]");
    }
    if calls("expect(") && !written.contains("reason = \"") {
        return Some("expect without a reason");
    }
    if masked.trim() == "ignore"
        || masked.trim_start().starts_with("ignore =")
        || masked.trim_start().starts_with("ignore=")
    {
        return Some("an ignored test: put it into an area that needs what it needs");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::File;

    #[test]
    fn silenced_rules_without_a_reason_are_found() {
        let table = [
            ("#[allow(dead_code)]", true),
            ("#![allow(dead_code)]", true),
            ("#[cfg_attr(test, allow(dead_code))]", true),
            ("#[expect(dead_code)]", true),
            ("#[expect(\n    dead_code,\n    reason = \"why\"\n)]", false),
            ("#[ignore]", true),
            ("#[ignore = \"slow\"]", true),
            ("// #[allow(dead_code)]", false),
            ("let a = \"#[allow(x)]\";", false),
            ("#[derive(Debug)]", false),
            ("#[serde(disallow(x))]", false),
        ];
        for (text, found) in table {
            assert_eq!(!check(&[File::new("a.rs", text)]).is_empty(), found, "{text}");
        }
    }
}
