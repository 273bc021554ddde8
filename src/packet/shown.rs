//! What the packet plane shows of itself: counters and flows by the names of the configuration.

use std::collections::HashMap;

use transom_config::{Name, PacketMode, Transport};
use transom_packet::Fault;
use transom_packet::abi::{Outcome, Reason, Traffic};
use transom_packet::load::Tables;
use transom_packet::plan::{Plan, Protocol, VipKey};
use transom_state::{PacketCounts, PacketFlow, PacketServerCounts, PacketTraffic, ReasonCount, VipCounts};

use super::wish::Wish;

/// Whose numbers are whose, since the plan last changed.
#[derive(Debug, Default)]
pub(super) struct Shown {
    vips: Vec<ShownVip>,
    servers: Vec<ShownServer>,
}

#[derive(Debug)]
struct ShownVip {
    id: u32,
    counts: VipCounts,
}

#[derive(Debug)]
struct ShownServer {
    number: u16,
    pool: Name,
    server: Name,
    mode: PacketMode,
    reached: bool,
}

impl Shown {
    /// Takes note of who has which number; works out each ring's hash.
    pub(super) fn of(wishes: &[Wish], plan: &Plan) -> Self {
        let vip = |wish: &Wish| {
            let key: VipKey = wish.key();
            let counts = VipCounts {
                listener: wish.listener.clone(),
                address: wish.bind.to_string(),
                mode: wish.mode,
                pool: wish.pool.clone(),
                ring_hash: plan.ring_hash(key)?,
                traffic: PacketTraffic::default(),
            };
            Some(ShownVip { id: plan.vip_id(key)?, counts })
        };
        let mut servers: HashMap<u16, ShownServer> = HashMap::new();
        for wish in wishes {
            for (server, name) in wish.vip.servers.iter().zip(&wish.servers) {
                let Some(number) = plan.server_number(server) else { continue };
                let (pool, reached) = (wish.pool.clone(), server.hop.is_some());
                let shown = ShownServer { number, pool, server: name.clone(), mode: wish.mode, reached };
                servers.insert(number, shown);
            }
        }
        let mut servers: Vec<ShownServer> = servers.into_values().collect();
        servers.sort_by(|a, b| (&a.pool, &a.server, a.mode.word()).cmp(&(&b.pool, &b.server, b.mode.word())));
        Self { vips: wishes.iter().filter_map(vip).collect(), servers }
    }

    /// Everything counted so far.
    pub(super) fn counts(
        &self,
        tables: &Tables,
        faults: Vec<(&'static str, u64)>,
    ) -> Result<PacketCounts, Fault> {
        let mut counts = PacketCounts { faults, ..PacketCounts::default() };
        for vip in &self.vips {
            let traffic = traffic(tables.vip_traffic(vip.id)?);
            counts.vips.push(VipCounts { traffic, ..vip.counts.clone() });
        }
        let mut by_name: Vec<PacketServerCounts> = Vec::new();
        for one in &self.servers {
            let traffic = traffic(tables.server_traffic(one.number)?);
            let same = |known: &&mut PacketServerCounts| {
                (&known.pool, &known.server, known.mode) == (&one.pool, &one.server, one.mode)
            };
            match by_name.iter_mut().find(same) {
                // A name that resolves anew: another address, and another number.
                Some(known) => add(&mut known.traffic, traffic),
                None => by_name.push(PacketServerCounts {
                    pool: one.pool.clone(),
                    server: one.server.clone(),
                    mode: one.mode,
                    reached: one.reached,
                    traffic,
                }),
            }
        }
        counts.servers = by_name;
        let reason = |(reason, packets): (Reason, u64)| ReasonCount {
            reason: reason.name(),
            outcome: match reason.outcome() {
                Outcome::Passed => "passed",
                Outcome::Sent => "sent",
                Outcome::Dropped => "dropped",
            },
            packets,
        };
        counts.reasons = tables.reasons()?.into_iter().map(reason).collect();
        Ok(counts)
    }

    /// Up to `most` flows of the tables.
    pub(super) fn flows(&self, tables: &Tables, most: usize) -> Result<Vec<PacketFlow>, Fault> {
        let names: HashMap<u16, (&Name, &Name)> =
            self.servers.iter().map(|one| (one.number, (&one.pool, &one.server))).collect();
        let flow = |flow: transom_packet::flows::Flow| PacketFlow {
            transport: match flow.protocol {
                Protocol::Tcp => Transport::Tcp,
                Protocol::Udp => Transport::Udp,
            },
            client: flow.client,
            vip: flow.vip,
            server: names.get(&flow.server).map(|(pool, server)| (Name::clone(pool), Name::clone(server))),
        };
        Ok(tables.flows(most)?.into_iter().map(flow).collect())
    }
}

fn traffic(traffic: Traffic) -> PacketTraffic {
    let Traffic { packets, bytes, reply_packets, reply_bytes, opened } = traffic;
    PacketTraffic { packets, bytes, reply_packets, reply_bytes, flows: opened }
}

fn add(to: &mut PacketTraffic, more: PacketTraffic) {
    to.packets += more.packets;
    to.bytes += more.bytes;
    to.reply_packets += more.reply_packets;
    to.reply_bytes += more.reply_bytes;
    to.flows += more.flows;
}
