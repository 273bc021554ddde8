//! What an importer has to ask for: it opens no file, reads no environment and rolls no dice itself.

/// What the source names but does not hold.
pub trait Outside {
    /// The text of a file that the source names, if it can be read: patterns of an ACL, a list of certificates.
    fn read(&self, path: &str) -> Option<String>;

    /// The paths of the files in a folder that the source names, if it is one: certificates of `crt`.
    fn folder(&self, path: &str) -> Option<Vec<String>>;

    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// The argon2id hash of a password that stands in the source in clear, in PHC form.
    fn hash(&self, password: &str) -> Option<String>;
}

/// Nothing outside the source: no files, no variables, no hashes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Outside for Nothing {
    fn read(&self, _path: &str) -> Option<String> {
        None
    }

    fn folder(&self, _path: &str) -> Option<Vec<String>> {
        None
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn hash(&self, _password: &str) -> Option<String> {
        None
    }
}
