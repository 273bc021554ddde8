//! Where the admin API is reached, and who may reach it: the unix socket and the address.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::supply::{AdminTcp, AdminUnix, Supply};
use crate::users;

/// Admin connections that may wait to be accepted.
const BACKLOG: i32 = 64;
/// Where root's is.
const SYSTEM: &str = "/run/transom/admin.sock";

/// The socket where no other was asked for; `None`: this user has no directory for it.
pub(crate) fn default_path() -> Option<PathBuf> {
    if users::is_root() { Some(SYSTEM.into()) } else { users_own() }
}

fn users_own() -> Option<PathBuf> {
    let directory = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty())?;
    Some(Path::new(&directory).join("transom/admin.sock"))
}

/// Where `transom ctl` looks, best first: the user's own, then the system's.
pub(crate) fn candidates() -> Vec<PathBuf> {
    let own = users_own().filter(|_| !users::is_root());
    own.into_iter().chain([SYSTEM.into()]).collect()
}

/// Listens on `path`. Members of the group `transom` may connect, where it exists; else only this user.
///
/// A socket file that nobody answers on is a leftover and makes room; one that answers is another instance's.
pub(crate) fn listen_unix(path: &Path) -> io::Result<AdminUnix> {
    make_directory(path)?;
    make_room(path)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The file takes over this mode (unix(7)), whatever the umask: nobody else connects before the group is set.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    if users::is_root()
        && let Some(group) = users::own_group()
    {
        std::os::unix::fs::chown(path, None, Some(group))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    net::listen(&socket, BACKLOG)?;
    Ok(AdminUnix { path: path.to_owned(), socket })
}

fn make_directory(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mode = if users::is_root() { 0o755 } else { 0o700 };
    match fs::DirBuilder::new().mode(mode).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn make_room(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket is there"));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program answers there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// Removes the socket file, if it is there.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        log::warn!("the admin socket {} stays behind: {error}", path.display());
    }
}

/// Removes the socket file of a supply that nobody serves any more, unless `other` has the same.
pub(crate) fn forget(gone: &Supply, other: Option<&Supply>) {
    let path = |supply: &Supply| supply.unix.as_ref().map(|unix| unix.path.clone());
    if let Some(gone) = path(gone)
        && other.and_then(path).as_ref() != Some(&gone)
    {
        remove(&gone);
    }
}

/// Listens on an address.
pub(crate) fn listen_tcp(asked: SocketAddr) -> io::Result<AdminTcp> {
    let listener = TcpListener::bind(asked)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok(AdminTcp { asked, address, socket: listener.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_makes_room_and_one_that_answers_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/admin.sock");
        let first = listen_unix(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o660);
        assert_eq!(listen_unix(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(path.exists());
        listen_unix(&path).unwrap();
        remove(&path);
        remove(&path);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_file_goes_with_the_last_supply_that_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let unix = || AdminUnix { path: path.clone(), socket: tempfile::tempfile().unwrap().into() };
        let supply = |unix| Supply { unix, ..Supply::empty("a.toml") };
        fs::write(&path, "").unwrap();
        forget(&supply(Some(unix())), Some(&supply(Some(unix()))));
        forget(&supply(None), Some(&supply(Some(unix()))));
        assert!(path.exists());
        forget(&supply(Some(unix())), Some(&supply(None)));
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        assert!(listen_unix(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
