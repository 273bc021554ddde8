//! The way to a server: which interface, whose MAC address, how large a packet (rtnetlink, RFC 3549).
//!
//! The program sends frames by itself, past the kernel's routing, so somebody has to ask the kernel beforehand.
//! Ask again from time to time: routes and neighbours change, and a changed answer is a step of the plan.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use crate::Fault;
use crate::plan::{Hop, Mac};

const GET_LINK: u16 = 18;
const GET_ROUTE: u16 = 26;
const GET_NEIGHBOUR: u16 = 30;
const REQUEST: u16 = 1;
const ERROR: u16 = 2;

const ROUTE_DESTINATION: u16 = 1;
const ROUTE_INTERFACE: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;
const ROUTE_SOURCE: u16 = 7;
const ROUTE_VIA: u16 = 18;
const NEIGHBOUR_ADDRESS: u16 = 1;
const NEIGHBOUR_MAC: u16 = 2;
const LINK_MAC: u16 = 1;
const LINK_MTU: u16 = 4;

/// Port of the discard service (RFC 863): a packet there makes the kernel look for its neighbour.
const DISCARD: u16 = 9;

/// The way to a server, or nothing as long as the kernel does not know the next machine's MAC address; it is then
/// made to ask, so that another call a little later may know more.
///
/// # Errors
/// If the kernel has no route, or cannot be asked.
pub fn resolve(server: IpAddr) -> Result<Option<Hop>, Fault> {
    let fault = |error: io::Error| Fault::NoWay { server, why: error.to_string() };
    let kernel = Kernel::new().map_err(fault)?;
    let route = kernel.route(server).map_err(fault)?;
    let (ours, mtu) = kernel.link(route.interface).map_err(fault)?;
    let next = kernel.neighbour(route.interface, route.next).map_err(fault)?;
    if next.is_none() {
        poke(route.next);
    }
    let (Some(next), Some(ours), Some(source)) = (next, ours, route.source) else { return Ok(None) };
    Ok(Some(Hop { interface: route.interface, next, ours, source, mtu }))
}

/// Whether nobody stands between us and that address: its own MAC address is the next one.
///
/// # Errors
/// If the kernel has no route, or cannot be asked.
pub fn is_neighbour(server: IpAddr) -> Result<bool, Fault> {
    let fault = |error: io::Error| Fault::NoWay { server, why: error.to_string() };
    let route = Kernel::new().and_then(|kernel| kernel.route(server)).map_err(fault)?;
    Ok(route.next == server)
}

/// Failure is as good as success: the packet's only purpose is to be sent.
fn poke(neighbour: IpAddr) {
    let any: IpAddr =
        if neighbour.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    if let Ok(socket) = UdpSocket::bind((any, 0)) {
        drop(socket.send_to(&[], (neighbour, DISCARD)));
    }
}

/// The kernel's answer about a destination.
struct Route {
    interface: u32,
    /// The router, or the destination itself.
    next: IpAddr,
    source: Option<IpAddr>,
}

/// A netlink socket.
struct Kernel(OwnedFd);

impl Kernel {
    fn new() -> io::Result<Self> {
        let kind =
            (AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute);
        Ok(Self(socket(kind.0, kind.1, kind.2, kind.3)?))
    }

    /// Sends one request and gives its answer without the netlink header.
    fn ask(&self, kind: u16, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut message = (16 + body.len() as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(REQUEST.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        sendto(self.0.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        let mut answer = vec![0; 16 * 1024];
        let length = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        answer.truncate(length);
        unwrap(&answer)
    }

    fn route(&self, server: IpAddr) -> io::Result<Route> {
        let (family, octets) = family_and_octets(server);
        let mut body = vec![family, 8 * octets.len() as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        attribute(&mut body, ROUTE_DESTINATION, &octets);
        let answer = self.ask(GET_ROUTE, &body)?;
        let found: Vec<(u16, &[u8])> = attributes(answer.get(12..).unwrap_or_default());
        let get = |kind: u16| found.iter().find(|one| one.0 == kind).map(|one| one.1);
        let interface = get(ROUTE_INTERFACE).and_then(word).ok_or(io::ErrorKind::NotFound)?;
        let via = get(ROUTE_VIA).and_then(|via| via.get(2..)).and_then(address);
        let next = get(ROUTE_GATEWAY).and_then(address).or(via).unwrap_or(server);
        Ok(Route { interface, next, source: get(ROUTE_SOURCE).and_then(address) })
    }

    fn neighbour(&self, interface: u32, next: IpAddr) -> io::Result<Option<Mac>> {
        let (family, octets) = family_and_octets(next);
        let mut body = vec![family, 0, 0, 0];
        body.extend(interface.to_ne_bytes());
        body.extend([0; 4]);
        attribute(&mut body, NEIGHBOUR_ADDRESS, &octets);
        let answer = match self.ask(GET_NEIGHBOUR, &body) {
            Ok(answer) => answer,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = attributes(answer.get(12..).unwrap_or_default());
        Ok(found.iter().find(|one| one.0 == NEIGHBOUR_MAC).and_then(|one| one.1.try_into().ok()))
    }

    fn link(&self, interface: u32) -> io::Result<(Option<Mac>, u16)> {
        let mut body = vec![0; 4];
        body.extend(interface.to_ne_bytes());
        body.extend([0; 8]);
        let answer = self.ask(GET_LINK, &body)?;
        let found = attributes(answer.get(16..).unwrap_or_default());
        let get = |kind: u16| found.iter().find(|one| one.0 == kind).map(|one| one.1);
        let mtu = get(LINK_MTU).and_then(word).unwrap_or(1500);
        Ok((get(LINK_MAC).and_then(|mac| mac.try_into().ok()), u16::try_from(mtu).unwrap_or(u16::MAX)))
    }
}

/// The answer's body, or the error it carries.
fn unwrap(answer: &[u8]) -> io::Result<Vec<u8>> {
    let body = answer.get(16..).ok_or(io::ErrorKind::UnexpectedEof)?;
    if answer[4..6] != ERROR.to_ne_bytes() {
        return Ok(body.to_vec());
    }
    let number = body.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_ne_bytes);
    Err(io::Error::from_raw_os_error(-number))
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend((4 + value.len() as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// (kind, value) of every whole attribute.
fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let [a, b, c, d, ..] = *bytes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(value) = bytes.get(4..length) else { break };
        found.push((u16::from_ne_bytes([c, d]) & 0x3fff, value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn word(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.try_into().ok()?))
}

fn address(value: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(value).map(IpAddr::from).ok();
    four.or_else(|| <[u8; 16]>::try_from(value).map(IpAddr::from).ok())
}

fn family_and_octets(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (AddressFamily::Inet as u8, address.octets().to_vec()),
        IpAddr::V6(address) => (AddressFamily::Inet6 as u8, address.octets().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_out_as_they_went_in_and_torn_ones_do_not() {
        let mut bytes = Vec::new();
        attribute(&mut bytes, 4, &7_u32.to_ne_bytes());
        attribute(&mut bytes, 1, &[1, 2, 3, 4, 5, 6]);
        let whole = attributes(&bytes);
        assert_eq!(whole.len(), 2);
        assert_eq!(word(whole[0].1), Some(7));
        assert_eq!(whole[1], (1, &[1, 2, 3, 4, 5, 6][..]));
        for length in 0..bytes.len() {
            assert!(attributes(&bytes[..length]).len() < 3);
        }
        assert!(attributes(&[0; 8]).is_empty(), "a length of 0 ends it");
    }

    #[test]
    fn an_error_answer_is_an_error() {
        let mut answer = vec![0; 20];
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        answer[16..20].copy_from_slice(&(-2_i32).to_ne_bytes());
        assert_eq!(unwrap(&answer).map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
        assert!(unwrap(&[0; 3]).is_err());
    }

    #[test]
    fn the_way_to_ourselves_has_no_neighbour() {
        assert!(
            resolve(IpAddr::from([127, 0, 0, 1])).is_ok_and(|hop| hop.is_none())
                || cfg!(not(target_os = "linux"))
        );
    }
}
