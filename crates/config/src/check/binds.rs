//! Addresses that two listeners would accept on.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::Checker;
use crate::Transport;
use crate::file::{Fields, Value};
use crate::report::{Code, Fault};
use crate::source::Span;

/// An address that is bound, and where that was written.
type Bind = (SocketAddr, Span);

/// The same with its protocol.
type Protocolled = (SocketAddr, Transport, Span);

/// What is bound of one port: the first of each kind, which is enough to name one that overlaps.
#[derive(Default)]
struct Port {
    every_v6: Option<Bind>,
    every_v4: Option<Bind>,
    some_v6: Option<Bind>,
    some_v4: Option<Bind>,
    /// Each single address.
    exact: HashMap<SocketAddr, Span>,
}

impl Port {
    /// One bound before that takes connections to `address` too. `[::]` takes IPv4 as well.
    fn overlap(&self, address: SocketAddr) -> Option<Bind> {
        if let Some(span) = self.exact.get(&address) {
            return Some((address, *span));
        }
        match (address.ip().is_unspecified(), address.is_ipv6()) {
            (true, true) => self.every_v4.or(self.some_v6).or(self.some_v4),
            (true, false) => self.every_v6.or(self.some_v4),
            (false, true) => self.every_v6,
            (false, false) => self.every_v4.or(self.every_v6),
        }
    }

    fn add(&mut self, address: SocketAddr, span: Span) {
        let kind = match (address.ip().is_unspecified(), address.is_ipv6()) {
            (true, true) => &mut self.every_v6,
            (true, false) => &mut self.every_v4,
            (false, true) => &mut self.some_v6,
            (false, false) => &mut self.some_v4,
        };
        kind.get_or_insert((address, span));
        self.exact.entry(address).or_insert(span);
    }
}

impl Checker<'_> {
    /// Reports addresses of listeners and `[admin]` that overlap: the same one twice, or one address beside all of
    /// them. The kernel could tell those apart, but only for sockets that also let another program share the port
    /// without a word (`SO_REUSEPORT`), which is looked for before each start. Port 0 never overlaps.
    pub(super) fn binds(&mut self, root: &Fields) {
        let mut ports: HashMap<(u16, Transport), Port> = HashMap::new();
        for (address, transport, span) in all(root).into_iter().filter(|(address, ..)| address.port() != 0) {
            let port = ports.entry((address.port(), transport)).or_default();
            if let Some((other, first)) = port.overlap(address) {
                self.report.push(overlap(address, other, span).also(first, "the other one"));
            }
            port.add(address, span);
        }
    }
}

fn overlap(address: SocketAddr, other: SocketAddr, span: Span) -> Fault {
    if address == other {
        let message = format!("{address} is accepted on twice");
        return Fault::new(Code::DuplicateBind, span, message)
            .remedy("take one of the two out, or change its port");
    }
    // The wider one; of two wildcards that is `[::]`.
    let rank = |one: &SocketAddr| (one.ip().is_unspecified(), one.is_ipv6());
    let every = if rank(&address) > rank(&other) { address } else { other };
    let takes = if every.is_ipv6() { "all addresses, IPv4 too" } else { "all IPv4 addresses" };
    Fault::new(Code::DuplicateBind, span, format!("{address} and {other} overlap: {every} takes {takes}"))
        .remedy(format!("keep {every} alone, or list single addresses in its place"))
}

/// Every address that is bound, in the order of the files.
fn all(root: &Fields) -> Vec<Protocolled> {
    let listeners = root.named("listener").iter().flat_map(|one| one.fields.list("bind"));
    let admin = root.given("admin").and_then(|item| match &item.value {
        Value::Table(fields) => fields.given("bind"),
        _ => None,
    });
    let binds = listeners.chain(admin).filter_map(|item| match &item.value {
        Value::Bind(address) => Some((*address, Transport::Tcp, item.span)),
        Value::Listen(address, transport) => Some((*address, *transport, item.span)),
        _ => None,
    });
    binds.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_beside_all_of_them_overlaps() {
        for (first, second, overlaps) in [
            ("[::]:1", "[::]:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("[::]:1", "10.0.0.1:1", true),
            ("[::]:1", "[::1]:1", true),
            ("[::]:1", "[::]:2", false),
            ("0.0.0.0:1", "10.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("10.0.0.1:1", "10.0.0.1:1", true),
            ("10.0.0.1:1", "10.0.0.2:1", false),
            ("10.0.0.1:1", "[::1]:1", false),
        ] {
            for (first, second) in [(first, second), (second, first)] {
                let mut port = Port::default();
                let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
                if address(first).port() == address(second).port() {
                    port.add(address(first), Span::new(0, 0..0));
                }
                assert_eq!(port.overlap(address(second)).is_some(), overlaps, "{first} {second}");
            }
        }
    }
}
