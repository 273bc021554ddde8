//! One try at one server: connect, from our own address if one is given, and shake hands.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustix::io::Errno;
use transom_config::Source;
use transom_state::{Fault, Lease, Pool};

use super::{Link, ServerEnd};
use crate::runtime::{Stop, runtime};
use crate::socket::Socket;
use crate::tls;
use crate::worker::Worker;

/// One try, up to the end of the TLS handshake where there is one.
/// `header` is sent first.
pub(super) async fn connect(
    worker: &Worker,
    pool: &Pool,
    lease: &Lease,
    header: &[u8],
) -> Result<Link, Fault> {
    let address = lease.server().address().ok_or(Fault::ServerDns)?;
    let socket = connect_socket(worker, pool, address).await?;
    if !header.is_empty() {
        socket.write_all(header).await.map_err(refused)?;
    }
    let mut link = Link {
        end: ServerEnd::Plain(socket),
        early: Vec::new(),
        reused: false,
        server: Arc::clone(lease.server()),
        address,
        tls: None,
        reuse: pool.config.reuse,
        proven: runtime().now(),
    };
    if pool.config.tls.is_some() {
        link = shake_hands(worker, pool, link).await?;
    }
    Ok(link)
}

async fn shake_hands(worker: &Worker, pool: &Pool, mut link: Link) -> Result<Link, Fault> {
    let ServerEnd::Plain(socket) = link.end else { return Ok(link) };
    let world = worker.tls();
    // A reload in between may have taken the pool or the server away.
    let tls = world.pools.get(&pool.config.name).and_then(|pool| pool.servers.get(link.server.name()));
    let end = tls::connect(socket, tls.ok_or(Fault::ReloadCut)?, &mut link.early).await?;
    Ok(Link { end: ServerEnd::Tls(end), tls: Some(world), ..link })
}

/// Where the pool has source addresses, each is used in turn until one has a port left.
async fn connect_socket(worker: &Worker, pool: &Pool, address: SocketAddr) -> Result<Socket, Fault> {
    runtime().deadline(pool.config.timeouts.connect);
    let mut outcome = Err(Fault::OutOfPorts);
    for source in sources(&pool.config.source, address, worker.turn()) {
        outcome = connect_from(source, address).await;
        if !matches!(outcome, Err(Fault::OutOfPorts)) {
            return outcome;
        }
    }
    outcome
}

fn sources(source: &Source, to: SocketAddr, turn: usize) -> Vec<Option<IpAddr>> {
    let Source::Addresses(addresses) = source else { return vec![None] };
    let mut fit: Vec<_> =
        addresses.iter().filter(|own| own.is_ipv4() == to.is_ipv4()).copied().map(Some).collect();
    if fit.is_empty() {
        return vec![None];
    }
    let first = turn % fit.len();
    fit.rotate_left(first);
    fit
}

async fn connect_from(source: Option<IpAddr>, to: SocketAddr) -> Result<Socket, Fault> {
    let socket = Socket::connecting(to, source).map_err(|error| refused(Stop::Io(error)))?;
    socket.connected().await.map_err(refused)?;
    Ok(socket)
}

/// The word for a connection that did not come about.
fn refused(stop: Stop) -> Fault {
    match stop {
        Stop::Cut => Fault::AdminDrained,
        Stop::Expired | Stop::Io(Errno::TIMEDOUT) => Fault::ServerConnectTimeout,
        Stop::Io(Errno::CONNREFUSED) => Fault::ServerRefused,
        Stop::Io(Errno::ADDRNOTAVAIL | Errno::AGAIN | Errno::ADDRINUSE) => Fault::OutOfPorts,
        Stop::Io(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Fault::OutOfFiles,
        Stop::Io(Errno::CONNRESET) => Fault::ServerReset,
        Stop::Io(_) => Fault::ServerUnreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_addresses_take_turns_and_fit_the_server() {
        let source =
            Source::Addresses(["10.0.0.9", "10.0.0.19", "fd00::9"].map(|ip| ip.parse().unwrap()).to_vec());
        let v4 = "10.0.0.13:443".parse().unwrap();
        let names = |turn| {
            sources(&source, v4, turn).into_iter().map(|ip| ip.unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["10.0.0.9", "10.0.0.19"]);
        assert_eq!(names(1), ["10.0.0.19", "10.0.0.9"]);
        assert_eq!(
            sources(&source, "[fd00::13]:443".parse().unwrap(), 5),
            [Some("fd00::9".parse().unwrap())]
        );
        assert_eq!(sources(&Source::Any, v4, 3), [None]);
    }

    #[test]
    fn what_the_network_says_becomes_a_word() {
        for (stop, fault) in [
            (Stop::Expired, Fault::ServerConnectTimeout),
            (Stop::Io(Errno::CONNREFUSED), Fault::ServerRefused),
            (Stop::Io(Errno::HOSTUNREACH), Fault::ServerUnreachable),
            (Stop::Io(Errno::ADDRNOTAVAIL), Fault::OutOfPorts),
            (Stop::Io(Errno::MFILE), Fault::OutOfFiles),
        ] {
            assert_eq!(refused(stop), fault, "{stop:?}");
        }
    }
}
