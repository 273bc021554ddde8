//! Tells systemd how we are: datagrams to the socket it names in `NOTIFY_SOCKET` (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What systemd is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// It serves (the first time, and again after a reload).
    Ready,
    /// A reload began; `Ready` follows whatever its outcome.
    Reloading,
    /// It is on its way out.
    Stopping,
}

/// Tells whoever started us, when it asked to be told. A failure is logged and harms nothing.
pub(crate) fn tell(what: Tell) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    let text = text(what, std::process::id());
    if let Err(error) = send(&socket, text.as_bytes()) {
        log::warn!("systemd could not be told ({}): {error}", socket.to_string_lossy());
    }
}

fn text(what: Tell, pid: u32) -> String {
    match what {
        Tell::Ready => format!("READY=1\nMAINPID={pid}\n"),
        Tell::Reloading => "RELOADING=1\n".to_owned(),
        Tell::Stopping => "STOPPING=1\n".to_owned(),
    }
}

fn send(socket: &OsStr, text: &[u8]) -> io::Result<()> {
    UnixDatagram::unbound()?.send_to_addr(text, &address(socket)?).map(drop)
}

/// A name that begins with `@` is in the abstract namespace (unix(7)).
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_sd_notify() {
        assert_eq!(text(Tell::Ready, 12), "READY=1\nMAINPID=12\n");
        assert_eq!(text(Tell::Reloading, 12), "RELOADING=1\n");
        assert_eq!(text(Tell::Stopping, 12), "STOPPING=1\n");
    }

    #[test]
    fn a_path_and_an_abstract_name_are_both_reached() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), b"READY=1").unwrap();
        let name = format!("transom-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(format!("@{name}").as_ref(), b"READY=1").unwrap();
        for socket in [by_path, by_name] {
            let mut buffer = [0; 16];
            assert_eq!(socket.recv(&mut buffer).unwrap(), 7);
        }
    }
}
