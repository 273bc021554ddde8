//! Listening sockets: one a worker on the same address, so that the kernel shares connections out (`SO_REUSEPORT`).

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

/// Listens on `address` with one socket for each worker. Port 0 takes a free one; the address with the real port comes
/// back. `[::]` takes IPv4 clients as well. Errors: what the kernel says (address in use, permission, no such address).
pub fn bind(address: SocketAddr, backlog: u32, workers: usize) -> io::Result<(SocketAddr, Vec<OwnedFd>)> {
    refuse_shared(address)?;
    let mut real = address;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = listen(real, backlog)?;
        real = SocketAddr::try_from(net::getsockname(&socket)?).map_err(|_| io::ErrorKind::Unsupported)?;
        sockets.push(socket);
    }
    Ok((real, sockets))
}

/// `SO_REUSEPORT` would let a second instance of ours take a share of the clients without a word: one socket without it
/// tells whether anybody listens there already.
fn refuse_shared(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = unbound(address)?;
    Ok(net::bind(&socket, &address)?)
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<OwnedFd> {
    let socket = unbound(address)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    // Accepted connections inherit it: one call a listener instead of one a connection.
    sockopt::set_tcp_nodelay(&socket, true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

fn unbound(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_a_socket_on_the_same_free_port() {
        let (address, sockets) = bind("127.0.0.1:0".parse().unwrap(), 16, 3).unwrap();
        assert_ne!(address.port(), 0);
        assert_eq!(sockets.len(), 3);
        for socket in &sockets {
            let own = SocketAddr::try_from(net::getsockname(socket).unwrap()).unwrap();
            assert_eq!(own, address);
        }
    }

    #[test]
    fn an_address_that_somebody_listens_on_is_refused() {
        let (address, _held) = bind("127.0.0.1:0".parse().unwrap(), 16, 1).unwrap();
        assert_eq!(bind(address, 16, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_address_that_is_not_ours_is_refused() {
        assert!(bind("192.0.2.1:0".parse().unwrap(), 16, 1).is_err());
    }
}
