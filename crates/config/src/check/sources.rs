//! `allow`, `refuse` and `accept-proxy`.

use std::collections::HashMap;

use ipnet::IpNet;

use super::Checker;
use crate::Sources;
use crate::file::{Fields, Item, Value};
use crate::report::{Code, Fault};
use crate::source::Span;

impl Checker<'_> {
    /// `allow` and `refuse` of a listener.
    pub(super) fn sources(&mut self, listener: &Fields) -> Sources {
        let refused: HashMap<IpNet, Span> = networks(listener.list("refuse")).collect();
        for (network, span) in networks(listener.list("allow")) {
            let covering =
                supernets(network).find_map(|wider| refused.get(&wider).map(|span| (wider, *span)));
            if let Some((wider, refuse)) = covering {
                let message =
                    format!("`{network}` is never admitted: `refuse` is asked first and has `{wider}`");
                let fault = Fault::new(Code::SourceNeverAdmitted, span, message).also(refuse, "refused here");
                self.report.push(fault.remedy("take it out of one of the two"));
            }
        }
        Sources { allow: only(listener, "allow"), refuse: only(listener, "refuse") }
    }

    /// `accept-proxy` of a listener.
    pub(super) fn accept_proxy(&mut self, listener: &Fields) -> Vec<IpNet> {
        for (network, span) in networks(listener.list("accept-proxy")) {
            if network.prefix_len() == 0 {
                self.fault(
                    Code::EverybodyBelieved,
                    span,
                    format!("`{network}` believes anybody: each client may claim to have any address"),
                    "list the addresses of the balancers in front of this one",
                );
            }
        }
        only(listener, "accept-proxy")
    }
}

fn networks(items: &[Item]) -> impl Iterator<Item = (IpNet, Span)> {
    items.iter().filter_map(|item| match &item.value {
        Value::Network(network) => Some((*network, item.span)),
        _ => None,
    })
}

fn only(listener: &Fields, key: &str) -> Vec<IpNet> {
    networks(listener.list(key)).map(|(network, _)| network).collect()
}

/// The network and all wider ones that hold it: at most 129.
fn supernets(network: IpNet) -> impl Iterator<Item = IpNet> {
    (0..=network.prefix_len())
        .rev()
        .filter_map(move |length| IpNet::new(network.addr(), length).ok().map(|wider| wider.trunc()))
}
