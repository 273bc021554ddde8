//! Free ports, for programs that cannot be told to take any. Ours can: port 0 is better wherever it is possible.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::wait;

/// A TCP port of 127.0.0.1 nobody listens on at the moment.
pub fn free() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// So many different free ports.
pub fn free_many(count: usize) -> io::Result<Vec<u16>> {
    let held: io::Result<Vec<_>> = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    held?.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// `wanted` if nobody listens there, else a free one.
pub fn free_or(address: IpAddr, wanted: u16) -> io::Result<u16> {
    match TcpListener::bind((address, wanted)) {
        Ok(_) => Ok(wanted),
        Err(_) => Ok(TcpListener::bind((address, 0))?.local_addr()?.port()),
    }
}

/// Waits until a connection to `address` is accepted.
pub fn wait_for(address: SocketAddr, within: Duration) -> io::Result<()> {
    wait::until(&format!("listener on {address}"), within, || {
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use super::{free_many, free_or, wait_for};

    #[test]
    fn free_ports_are_different_and_can_be_bound() {
        let ports = free_many(3).unwrap();
        assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2]);
    }

    #[test]
    fn a_taken_port_is_replaced_by_a_free_one() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        assert_ne!(free_or(address.ip(), address.port()).unwrap(), address.port());
        wait_for(address, Duration::from_secs(5)).unwrap();
    }
}
