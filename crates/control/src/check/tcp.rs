//! The connection every probe begins with.

use std::io;

use rustix::io::Errno;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use transom_config::{ProxyProtocol, Source};
use transom_state::Fault;

use super::{Deadline, Failure, Target};

/// Connects and sends the PROXY header the pool's servers expect.
pub(super) async fn connect(target: &Target<'_>, deadline: Deadline) -> Result<TcpStream, Failure> {
    let socket = socket(target).map_err(|error| failure(&error, "opening a socket"))?;
    let mut stream = deadline
        .wait(Fault::ServerConnectTimeout, "connection", socket.connect(target.address))
        .await?
        .map_err(|error| failure(&error, &format!("connecting to {}", target.address)))?;
    if let Some(version) = target.proxy_protocol {
        let header = own_proxy_header(version);
        deadline
            .wait(Fault::ServerResponseTimeout, "room for the PROXY header", stream.write_all(&header))
            .await?
            .map_err(|error| failure(&error, "sending the PROXY header"))?;
    }
    Ok(stream)
}

fn socket(target: &Target<'_>) -> io::Result<TcpSocket> {
    let socket = if target.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Source::Addresses(own) = target.source
        && let Some(own) = own.iter().find(|own| own.is_ipv4() == target.address.is_ipv4())
    {
        socket.bind((*own, 0).into())?;
    }
    Ok(socket)
}

/// The header that says: this connection is the proxy's own (proxy-protocol.txt sections 2.1 and 2.2).
fn own_proxy_header(version: ProxyProtocol) -> Vec<u8> {
    let mut header = Vec::new();
    match version {
        ProxyProtocol::V1 => transom_wire::proxy_protocol::write_v1_unknown(&mut header),
        ProxyProtocol::V2 => transom_wire::proxy_protocol::write_v2_local(&mut header),
    }
    header
}

/// Puts an error of the socket into words; `doing` says what was tried.
pub(super) fn failure(error: &io::Error, doing: &str) -> Failure {
    let (fault, what) = match (Errno::from_io_error(error), error.kind()) {
        (Some(Errno::CONNREFUSED), _) => (Fault::ServerRefused, "nothing listens there"),
        (Some(Errno::HOSTUNREACH | Errno::NETUNREACH), _) => (Fault::ServerUnreachable, "no way there"),
        (Some(Errno::TIMEDOUT), _) => (Fault::ServerConnectTimeout, "no answer"),
        (Some(Errno::MFILE | Errno::NFILE), _) => (Fault::OutOfFiles, "we have no file descriptor left"),
        (Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE), _) => {
            (Fault::OutOfPorts, "no own address and port is free for it")
        }
        (Some(Errno::CONNRESET | Errno::PIPE), _) => (Fault::ServerReset, "the server reset the connection"),
        (_, io::ErrorKind::UnexpectedEof) => {
            (Fault::ServerClosedBeforeResponse, "the server closed the connection")
        }
        _ if doing.starts_with("connecting") => {
            return Failure::new(Fault::ServerUnreachable, format!("{doing}: {error}"));
        }
        _ => return Failure::new(Fault::ServerReset, format!("{doing}: {error}")),
    };
    Failure::new(fault, format!("{doing}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_kernel_have_their_words() {
        let table = [
            (Errno::CONNREFUSED, "server-refused"),
            (Errno::HOSTUNREACH, "server-unreachable"),
            (Errno::NETUNREACH, "server-unreachable"),
            (Errno::TIMEDOUT, "server-connect-timeout"),
            (Errno::MFILE, "out-of-files"),
            (Errno::ADDRNOTAVAIL, "out-of-ports"),
            (Errno::CONNRESET, "server-reset"),
            (Errno::ACCESS, "server-unreachable"),
        ];
        for (errno, want) in table {
            assert_eq!(failure(&errno.into(), "connecting").fault.code(), want, "{errno}");
        }
    }
}
