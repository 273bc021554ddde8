//! What servers and clients' packets need around them, mode by mode: the text that a check of the configuration
//! shows, so that nobody finds out by silence.

use crate::abi::Mode;
use crate::plan::Vip;

/// What the machines behind a VIP must be set up with, one sentence a need, with the commands for Linux.
#[must_use]
pub fn needs(vip: &Vip) -> Vec<String> {
    let (address, bits) = (vip.address, if vip.address.is_ipv4() { 32 } else { 128 });
    let holds_vip =
        format!("each server holds {address} on its loopback: ip addr add {address}/{bits} dev lo");
    let silent = "and does not answer ARP for it: sysctl net.ipv4.conf.all.arp_ignore=1 \
                  net.ipv4.conf.all.arp_announce=2";
    let silent = vip.address.is_ipv4().then(|| silent.to_owned());
    match vip.mode {
        Mode::Local => Vec::new(),
        Mode::Nat => vec![
            "each server's way back to the clients leads through this machine: its default gateway, or a rule for \
             packets from its own address"
                .to_owned(),
            "clients and servers are not in one subnet: a server would answer its neighbour directly".to_owned(),
        ],
        Mode::Dsr => [holds_vip].into_iter().chain(silent).chain([on_link()]).collect(),
        Mode::Tunnel => [holds_vip].into_iter().chain(silent).chain(tunnel(vip)).collect(),
    }
}

fn on_link() -> String {
    "each server is in a subnet of this machine: only the MAC address says where a packet goes".to_owned()
}

fn tunnel(vip: &Vip) -> Vec<String> {
    let over_four = !vip.servers.is_empty() && vip.servers.iter().all(|server| server.address.is_ipv4());
    let wrapping = if over_four { 20 } else { 40 };
    let largest = vip.servers.iter().filter_map(|server| server.hop).map(|hop| hop.mtu).min().unwrap_or(1500);
    let headers = if vip.address.is_ipv4() { 40 } else { 60 };
    let segment = largest.saturating_sub(wrapping + headers);
    vec![
        "each server unwraps tunnelled packets: transom decap, or the kernel's own tunnel driver with rp_filter=0"
            .to_owned(),
        format!(
            "{wrapping} bytes of wrapping must fit: clients are told by ICMP; where that is filtered, servers announce \
             segments of {segment} bytes: ip route change default ... advmss {segment}"
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::HashOn;
    use crate::plan::Protocol;

    fn of(mode: Mode, address: &str) -> String {
        let address = address.parse().expect("an address");
        let (name, protocol) = ("listener".to_owned(), Protocol::Tcp);
        needs(&Vip { name, address, port: 443, protocol, mode, hash_on: HashOn::Flow, servers: vec![] })
            .join("\n")
    }

    #[test]
    fn every_mode_says_what_it_needs() {
        assert!(of(Mode::Nat, "192.0.2.1").contains("default gateway"));
        assert!(of(Mode::Dsr, "192.0.2.1").contains("arp_ignore=1"));
        assert!(!of(Mode::Dsr, "2001:db8::1").contains("arp_ignore"), "IPv6 has no ARP");
        assert!(of(Mode::Tunnel, "192.0.2.1").contains("advmss 1420"));
        assert_eq!(of(Mode::Local, "192.0.2.1"), "");
    }
}
