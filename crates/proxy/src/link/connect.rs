//! One try at one server: connect, from an address of ours if one is given or from the client's, and shake hands.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;

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
    client: IpAddr,
    header: &[u8],
) -> Result<Link, Fault> {
    let address = lease.server().address().ok_or(Fault::ServerDns)?;
    let source = (pool.config.source == Source::Client).then_some(client);
    let socket = connect_socket(worker, pool, source, address).await?;
    if !header.is_empty() {
        socket.write_all(header).await.map_err(refused)?;
    }
    let mut link = Link {
        end: ServerEnd::Plain(socket),
        early: Vec::new(),
        reused: false,
        server: Arc::clone(lease.server()),
        address,
        source,
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

/// From `client` if it is given. Where the pool has source addresses, each is used in turn until one has a port left.
async fn connect_socket(
    worker: &Worker,
    pool: &Pool,
    client: Option<IpAddr>,
    address: SocketAddr,
) -> Result<Socket, Fault> {
    runtime().deadline(pool.config.timeouts.connect);
    if let Some(client) = client {
        return connect_as(worker, client, address).await;
    }
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

/// From an address that is not ours: never from another one instead, which the server might take for one to be trusted.
async fn connect_as(worker: &Worker, client: IpAddr, to: SocketAddr) -> Result<Socket, Fault> {
    if !may_come_from(client, to) {
        return Err(Fault::SourceUnusable);
    }
    let (stock, v6) = (worker.stock(), to.is_ipv6());
    let refusals = stock.refusals(v6);
    let fd = poll_fn(|context| {
        if let Poll::Ready(outcome) = stock.poll_take(context, v6, refusals) {
            return Poll::Ready(outcome);
        }
        runtime()
            .poll_fate()
            .map(|stop| Err(if stop == Stop::Cut { Fault::AdminDrained } else { Fault::SourceUnavailable }))
    });
    let socket =
        Socket::connecting_on(fd.await?, to, Some(client)).map_err(|error| refused(Stop::Io(error)))?;
    socket.connected().await.map_err(refused)?;
    Ok(socket)
}

/// Whether a connection to `to` can come from the address: of the same family and of one host. Bound to the unspecified
/// address, a socket would get one of ours.
fn may_come_from(client: IpAddr, to: SocketAddr) -> bool {
    let one_link = matches!(client, IpAddr::V6(client) if client.is_unicast_link_local());
    client.is_ipv4() == to.is_ipv4() && !client.is_unspecified() && !client.is_multicast() && !one_link
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
    fn a_connection_comes_from_a_client_of_the_servers_family_and_from_one_host() {
        let table = [
            ("198.51.100.7", "10.0.0.1:25", true),
            ("2001:db8::7", "10.0.0.1:25", false),
            ("198.51.100.7", "[fd00::1]:25", false),
            ("2001:db8::7", "[fd00::1]:25", true),
            ("0.0.0.0", "10.0.0.1:25", false),
            ("::", "[fd00::1]:25", false),
            ("224.0.0.1", "10.0.0.1:25", false),
            ("fe80::1", "[fd00::1]:25", false),
        ];
        for (client, to, may) in table {
            assert_eq!(may_come_from(client.parse().unwrap(), to.parse().unwrap()), may, "{client} {to}");
        }
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
