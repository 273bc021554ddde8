//! Where rule files come from. The engine reads none itself.

/// Reads files for [`Loader`](super::Loader). Paths are as a rule file writes them, joined to the
/// directory of the file that names them when they are relative.
pub trait Files {
    /// The whole file.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
    /// The names of the entries of a directory, in any order.
    fn list(&self, directory: &str) -> Result<Vec<String>, String>;
}

/// Has no files: for rules that include nothing.
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("{path}: no file can be read here"))
    }
    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        Err(format!("{directory}: no directory can be read here"))
    }
}

/// The directory part of a path, with its slash.
fn directory(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

/// `name` as seen from `file`.
pub(crate) fn beside(file: &str, name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("{}{name}", directory(file)) }
}

/// The files a path with `*` or `?` in its last part means, sorted; itself when it has none.
pub(crate) fn expand(path: &str, files: &dyn Files) -> Result<Vec<String>, String> {
    let (parent, pattern) = path.split_at(directory(path).len());
    if !pattern.contains(['*', '?']) {
        return Ok(vec![path.to_owned()]);
    }
    let listed = files.list(if parent.is_empty() { "." } else { parent })?;
    let mut names: Vec<String> = listed
        .into_iter()
        .filter(|name| matches(pattern.as_bytes(), name.as_bytes()) && !name.starts_with('.'))
        .map(|name| format!("{parent}{name}"))
        .collect();
    names.sort();
    Ok(names)
}

/// `*` is any number of characters, `?` one. Steps back to the last `*` only, so it is quadratic at worst.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, is) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.example", false),
            ("R?-*-*.c", "R1-a-b-c.c", true),
            ("*", "", true),
            ("a", "b", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), is, "{pattern} {name}");
        }
    }

    #[test]
    fn relative_names_are_beside_their_file() {
        assert_eq!(beside("/etc/crs/a.conf", "x.data"), "/etc/crs/x.data");
        assert_eq!(beside("a.conf", "x.data"), "x.data");
        assert_eq!(beside("/etc/a.conf", "/x"), "/x");
    }
}
