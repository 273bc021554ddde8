//! What packet listeners ask for, as the plan of the packet plane takes it. Pure.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use transom_config::{Address, Config, HashOn, Name, PacketBind, PacketListener, PacketMode, Transport};
use transom_packet::abi::{self, Mode};
use transom_packet::plan::{Hop, Protocol, Server, ServerState, Vip, VipKey};
use transom_state::{Share, World};

/// A server of a pool as it is now.
struct Standing {
    name: Name,
    /// Nothing: its name does not resolve.
    address: Option<SocketAddr>,
    share: Share,
}

/// A VIP, and of whom it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) vip: Vip,
    pub(super) listener: Name,
    pub(super) bind: PacketBind,
    pub(super) mode: PacketMode,
    pub(super) pool: Name,
    /// Names of `vip.servers`, in their order.
    pub(super) servers: Vec<Name>,
}

/// Every VIP with the servers of its pool as they are now. `way` knows how to reach one.
pub(super) fn wishes(
    world: &World,
    way: impl Fn(PacketMode, IpAddr) -> Option<Hop>,
    now: Instant,
) -> Vec<Wish> {
    let standing = |pool: &Name| -> Vec<Standing> {
        let Some(pool) = world.pool(pool) else { return Vec::new() };
        let servers = pool.servers().iter().zip(pool.shares(now));
        let stand = |(server, share): (&Arc<transom_state::Server>, Share)| Standing {
            name: server.name().clone(),
            address: server.address(),
            share,
        };
        servers.map(stand).collect()
    };
    let mut wishes = Vec::new();
    for listener in &world.config.packet_listeners {
        let standing = standing(&listener.pool);
        wishes.extend(listener.bind.iter().map(|bind| wish(listener, *bind, &standing, &way)));
    }
    wishes
}

/// Every VIP of a configuration as if all its servers were up and nobody knew the way to them: to say what they need.
pub(crate) fn asked(config: &Config) -> Vec<(Name, Vip)> {
    let mut asked = Vec::new();
    for listener in &config.packet_listeners {
        let servers = config.pool(&listener.pool).map_or(&[][..], |pool| &pool.servers);
        let stand = |server: &transom_config::Server| Standing {
            name: server.name.clone(),
            address: match server.address {
                Address::Ip(address) => Some(address),
                Address::Name { .. } => None,
            },
            share: Share::New(server.weight),
        };
        let standing: Vec<Standing> = servers.iter().map(stand).collect();
        let mtu = config.packet.mtu;
        let way = |_: PacketMode, address: IpAddr| mtu.map(|mtu| nowhere(address, mtu));
        let vips = listener.bind.iter().map(|bind| wish(listener, *bind, &standing, &way).vip);
        asked.extend(vips.map(|vip| (listener.name.clone(), vip)));
    }
    asked
}

fn nowhere(source: IpAddr, mtu: u16) -> Hop {
    Hop { interface: 0, next: [0; 6], ours: [0; 6], source, mtu }
}

fn wish(
    listener: &PacketListener,
    bind: PacketBind,
    standing: &[Standing],
    way: &impl Fn(PacketMode, IpAddr) -> Option<Hop>,
) -> Wish {
    let PacketListener { mode, ref pool, .. } = *listener;
    let fits = |address: &SocketAddr| mode != PacketMode::Nat || address.is_ipv4() == bind.address.is_ipv4();
    let (mut names, mut servers) = (Vec::new(), Vec::new());
    for one in standing {
        let Some(address) = one.address.filter(fits) else { continue };
        let (state, weight) = match one.share {
            Share::New(weight) => (ServerState::Active, weight),
            Share::Kept => (ServerState::Draining, 0),
            Share::Nothing => (ServerState::Dead, 0),
        };
        names.push(one.name.clone());
        servers.push(Server {
            // The mode is part of the name: what a server's packets must look like depends on it.
            name: format!("{pool}/{}@{}", one.name, mode.word()),
            address: address.ip(),
            port: address.port(),
            weight: u32::from(weight),
            state,
            hop: way(mode, address.ip()),
            source_spread_bits: 0,
        });
    }
    let vip = Vip {
        name: listener.name.to_string(),
        address: bind.address.ip(),
        port: bind.address.port(),
        protocol: match bind.transport {
            Transport::Tcp => Protocol::Tcp,
            Transport::Udp => Protocol::Udp,
        },
        mode: match mode {
            PacketMode::Nat => Mode::Nat,
            PacketMode::Dsr => Mode::Dsr,
            PacketMode::Tunnel => Mode::Tunnel,
        },
        hash_on: match listener.hash_on {
            HashOn::Flow => abi::HashOn::Flow,
            HashOn::Source => abi::HashOn::Source,
        },
        servers,
    };
    Wish { vip, listener: listener.name.clone(), bind, mode, pool: pool.clone(), servers: names }
}

impl Wish {
    /// What its packets are looked up by.
    pub(super) fn key(&self) -> VipKey {
        self.vip.key()
    }
}

#[cfg(test)]
mod tests {
    use transom_state::AdminState;

    use super::*;

    const CONFIG: &str = r#"
        [packet]
        interfaces = ["eth0"]
        mtu = 1400
        [listener.nat]
        bind = ["192.0.2.9:443", "[2001:db8::9]:53/udp"]
        mode = "nat"
        pool = "mail"
        [listener.tunnel]
        bind = ["192.0.2.10:443"]
        mode = "tunnel"
        pool = "mail"
        balance = "hash"
        [pool.mail]
        servers = [
          { name = "ex1", address = "10.0.0.1:443", weight = 3 },
          { name = "ex2", address = "[2001:db8:1::2]:443" },
          { name = "ex3", address = "10.0.0.3:443", backup = true },
          { name = "ex4", address = "ex4.internal:443" },
        ]
    "#;

    fn world() -> World {
        let loaded = transom_config::load_text("x.toml", CONFIG);
        let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false)));
        World::first(Arc::new(config), 1, 7, Instant::now())
    }

    fn servers(wish: &Wish) -> Vec<String> {
        let one = |server: &Server| format!("{} {:?} {}", server.name, server.state, server.weight);
        wish.vip.servers.iter().map(one).collect()
    }

    #[test]
    fn a_wish_follows_the_state_of_its_pool() {
        let (world, now) = (world(), Instant::now());
        let all = wishes(&world, |_, _| None, now);
        assert_eq!(all.len(), 3);
        assert_eq!(servers(&all[0]), ["mail/ex1@nat Active 3", "mail/ex3@nat Draining 0"]);
        assert_eq!(servers(&all[1]), ["mail/ex2@nat Active 1"], "nat keeps to its family");
        assert_eq!(
            servers(&all[2]),
            ["mail/ex1@tunnel Active 3", "mail/ex2@tunnel Active 1", "mail/ex3@tunnel Draining 0"]
        );
        assert_eq!((all[1].vip.protocol, all[2].vip.hash_on), (Protocol::Udp, abi::HashOn::Source));
        world.pools()[0].servers()[0].set_admin(AdminState::Maint, now);
        world.pools()[0].servers()[1].set_weight(Some(0), now);
        let all = wishes(&world, |_, _| None, now);
        assert_eq!(servers(&all[0]), ["mail/ex1@nat Dead 0", "mail/ex3@nat Active 1"]);
        assert_eq!(servers(&all[1]), ["mail/ex2@nat Draining 0"]);
    }

    #[test]
    fn what_is_asked_for_knows_the_mtu_that_was_written() {
        let asked = asked(&world().config);
        assert_eq!(asked.len(), 3);
        assert!(transom_packet::needs::needs(&asked[2].1).join("\n").contains("advmss 1320"));
    }
}
