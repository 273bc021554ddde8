//! The user the worker becomes, and the group that may use the admin socket.

use nix::unistd::{Gid, Group, Uid, User};

/// Who the program is when nothing else is said and it exists.
const OWN_NAME: &str = "transom";

/// A user to serve as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its name.
    pub(crate) name: String,
    /// Its number.
    pub(crate) uid: u32,
    /// Its primary group; the worker has no other.
    pub(crate) gid: u32,
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Who serves: for root `asked` if it was said, else `transom` if that user exists, else `nobody`; an ordinary user
/// stays who it is. The error is a sentence.
pub(crate) fn identity(asked: Option<&str>) -> Result<Identity, String> {
    if is_root() { named(asked) } else { Ok(own()) }
}

fn own() -> Identity {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Identity { name: own_name(), uid, gid }
}

fn named(asked: Option<&str>) -> Result<Identity, String> {
    let candidates = asked.map_or(vec![OWN_NAME, "nobody"], |name| vec![name]);
    for name in &candidates {
        match User::from_name(name) {
            Ok(Some(user)) => {
                return Ok(Identity { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() });
            }
            Ok(None) => {}
            Err(error) => return Err(format!("the user `{name}` cannot be looked up: {error}")),
        }
    }
    Err(format!(
        "there is no user `{}` for the worker to become\nhelp: create it, or name another with `[process] user`",
        candidates.join("` or `")
    ))
}

/// The group `transom`, where there is one.
pub(crate) fn own_group() -> Option<u32> {
    Group::from_name(OWN_NAME).ok().flatten().map(|group| Gid::as_raw(group.gid))
}

/// The name of the user this process runs as, or its number.
pub(crate) fn own_name() -> String {
    let uid = Uid::effective();
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_everywhere() {
        let root = named(Some("root")).unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
    }

    #[test]
    fn a_user_that_is_not_there_is_a_sentence_with_a_remedy() {
        let text = named(Some("no-such-user-here")).unwrap_err();
        assert!(text.contains("no-such-user-here") && text.contains("[process] user"), "{text}");
    }
}
