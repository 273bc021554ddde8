//! Addresses that two listeners would accept on.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Checker;
use crate::file::{Fields, Value};
use crate::report::{Code, Fault};
use crate::source::Span;

impl Checker<'_> {
    /// Reports an address and port that is bound twice, in listeners or `[admin]`. Port 0 never clashes. `[::]` takes
    /// IPv4 too and clashes with `0.0.0.0`; a single address beside a wildcard does not, as the kernel hands
    /// connections to the nearest match.
    pub(super) fn binds(&mut self, root: &Fields) {
        let mut seen: HashMap<SocketAddr, Span> = HashMap::new();
        for (address, span) in all(root) {
            if address.port() == 0 {
                continue;
            }
            let other = other_wildcard(address);
            if let Some(first) = seen.get(&address) {
                let fault = Fault::new(Code::DuplicateBind, span, format!("{address} is accepted on twice"));
                self.report.push(
                    fault.remedy("take one of the two out, or change its port").also(*first, "first here"),
                );
            } else if let Some((other, first)) = other.and_then(|other| Some((other, *seen.get(&other)?))) {
                let message = format!("{address} and {other} overlap: `[::]` takes IPv4 as well");
                let remedy = format!("keep \"[::]:{}\" alone, or bind single addresses", address.port());
                let fault = Fault::new(Code::DuplicateBind, span, message).also(first, "the other one");
                self.report.push(fault.remedy(remedy));
            }
            seen.entry(address).or_insert(span);
        }
    }
}

/// Every address that is bound, in the order of the files.
fn all(root: &Fields) -> Vec<(SocketAddr, Span)> {
    let listeners = root.named("listener").iter().flat_map(|one| one.fields.list("bind"));
    let admin = root.given("admin").and_then(|item| match &item.value {
        Value::Table(fields) => fields.given("bind"),
        _ => None,
    });
    let binds = listeners.chain(admin).filter_map(|item| match &item.value {
        Value::Bind(address) => Some((*address, item.span)),
        _ => None,
    });
    binds.collect()
}

/// For `[::]:443` it is `0.0.0.0:443`, and the other way round.
fn other_wildcard(address: SocketAddr) -> Option<SocketAddr> {
    let other: IpAddr = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv6Addr::UNSPECIFIED.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv4Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    Some(SocketAddr::new(other, address.port()))
}
