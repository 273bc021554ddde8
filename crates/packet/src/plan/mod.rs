//! What is wanted -> what the program's maps should hold. Pure: no I/O, no clock.
//!
//! [`Plan::update`] compares the wish with what it planned before and gives the [`Step`]s between the two, in an
//! order in which every moment is consistent: VIPs that go, servers, then the ring generation that is not in use,
//! then the VIP entry, whose one update switches generations; last server numbers that come free.
//!
//! No change moves an established flow, as long as its server lives: see [`ring`] for how.

mod identity;
mod maglev;
mod numbers;
mod ring;
mod vip;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

pub(crate) use self::vip::address;
pub use self::vip::{Hop, Mac, Protocol, Server, ServerState, Vip, VipKey};
use crate::Fault;
use crate::abi::{self, NO_SERVER, RING_SLOTS};
use maglev::Share;
use numbers::Numbers;
use ring::Ring;

/// How much a plan may hold and how long it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// VIPs, each with two rings of 256 KiB.
    pub vips_max: u32,
    /// After a slot changed its server, flows of the previous one are looked for this long.
    pub settle_after: Duration,
}

impl Default for Limits {
    /// 64 VIPs (32 MiB of rings), and a day: longer than any mail client keeps a connection.
    fn default() -> Self {
        Self { vips_max: 64, settle_after: Duration::from_secs(24 * 3600) }
    }
}

/// One write to the program's maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A server's record, and whose number it is.
    SetServer {
        /// Its number.
        number: u16,
        /// Hash of its name and address.
        owner: u64,
        /// The record.
        server: abi::Server,
    },
    /// One generation of a ring.
    SetRing {
        /// Row in `rings`, not in use until the VIP says so.
        row: u32,
        /// [`RING_SLOTS`] words.
        words: Vec<u32>,
    },
    /// A VIP's entry: from here on it is balanced, by this ring.
    SetVip(VipKey, abi::Vip),
    /// A server's counters start at zero: its number was another's.
    ClearServer(u16),
    /// A VIP's counters start at zero: its id was another's.
    ClearVip(u32),
    /// The VIP is no more.
    RemoveVip(VipKey),
}

/// What the maps of an earlier process hold.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Every VIP entry,
    pub vips: Vec<(VipKey, abi::Vip)>,
    /// the words of its ring, in the same order,
    pub rings: Vec<Vec<u32>>,
    /// and every server number that was ever given: number, owner (0 if it is free now), record.
    pub servers: Vec<(u16, u64, abi::Server)>,
}

/// A VIP as planned.
#[derive(Clone, Debug)]
struct Planned {
    entry: abi::Vip,
    ring: Ring,
    /// From which the table below was made.
    shares: Vec<Share>,
    table: Vec<u16>,
    /// Made the present plan's wish; false for adopted ones until they are asked for.
    name: String,
}

/// The maps' contents as they should be.
#[derive(Clone, Debug)]
pub struct Plan {
    limits: Limits,
    began: Instant,
    vips: BTreeMap<VipKey, Planned>,
    numbers: Numbers,
}

impl Plan {
    /// An empty plan, for empty maps.
    #[must_use]
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self { limits, began: now, vips: BTreeMap::new(), numbers: Numbers::new() }
    }

    /// A plan that goes on from what an earlier process left in the maps.
    #[must_use]
    pub fn adopt(limits: Limits, contents: &Contents, now: Instant) -> Self {
        let mut plan = Self::new(limits, now);
        for &(number, owner, server) in &contents.servers {
            plan.numbers.adopt(number, owner, server, 0);
        }
        for ((key, entry), words) in contents.vips.iter().zip(&contents.rings) {
            let planned = Planned {
                entry: *entry,
                ring: Ring::adopted(words, 0),
                shares: Vec::new(),
                table: Vec::new(),
                name: String::new(),
            };
            plan.vips.insert(*key, planned);
        }
        plan
    }

    /// The steps from what was planned before to what is wanted now. Asked again later with the same wish, it
    /// gives the steps that time brings: marks that settle, numbers that come free.
    ///
    /// # Errors
    /// A mode that cannot do what is asked of it, or more VIPs or servers than there is room for. The plan is then
    /// unchanged.
    pub fn update(&mut self, wanted: &[Vip], now: Instant) -> Result<Vec<Step>, Fault> {
        self.check(wanted)?;
        let now = self.seconds(now);
        let settle = u32::try_from(self.limits.settle_after.as_secs()).unwrap_or(u32::MAX);
        let oldest = now.saturating_sub(settle);
        let mut steps = self.remove_unwanted(wanted);
        let shares = self.set_servers(wanted, now, &mut steps)?;
        let leaving = self.retire(oldest, &mut steps);
        let mut switches = Vec::new();
        for (vip, shares) in wanted.iter().zip(shares) {
            self.turn_vip(vip, shares, (now, oldest), &mut steps, &mut switches)?;
        }
        steps.append(&mut switches);
        for number in leaving {
            let server = self.numbers.free(number);
            steps.push(Step::SetServer { number, owner: 0, server });
        }
        Ok(steps)
    }

    /// A hash of a VIP's ring by server names: nodes with the same ring have the same hash.
    #[must_use]
    pub fn ring_hash(&self, key: VipKey) -> Option<u64> {
        let planned = self.vips.get(&key)?;
        let owner = |number: u16| self.numbers.seat(number).map_or(0, |seat| seat.identity);
        let owners = planned.ring.words().iter().map(|&word| owner(abi::word::current(word)));
        Some(identity::hash(&owners.flat_map(u64::to_be_bytes).collect::<Vec<u8>>()))
    }

    /// The number of a VIP's server: its row in the counters.
    #[must_use]
    pub fn server_number(&self, server: &Server) -> Option<u16> {
        self.numbers.find(server.identity())
    }

    /// A VIP's id: its row in the counters.
    #[must_use]
    pub fn vip_id(&self, key: VipKey) -> Option<u32> {
        self.vips.get(&key).map(|planned| planned.entry.id)
    }

    /// The name under which a VIP was wanted.
    #[must_use]
    pub fn vip_name(&self, key: VipKey) -> Option<&str> {
        self.vips.get(&key).map(|planned| planned.name.as_str())
    }

    fn seconds(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.began).as_secs()).unwrap_or(u32::MAX)
    }

    /// Everything that can be wrong with a wish, before anything is done about it.
    fn check(&self, wanted: &[Vip]) -> Result<(), Fault> {
        let limit = self.limits.vips_max as usize;
        if wanted.len() > limit {
            return Err(Fault::TooMany { what: "packet listeners", limit });
        }
        let mut keys = BTreeSet::new();
        let mut servers = BTreeSet::new();
        for vip in wanted {
            vip.check()?;
            if !keys.insert(vip.key()) {
                return Err(Fault::Impossible {
                    vip: vip.name.clone(),
                    why: "another listener has this address",
                });
            }
            servers.extend(vip.servers.iter().map(Server::identity));
        }
        self.numbers.check_room(&servers)
    }

    /// Writes every wanted server's record; gives the shares of each VIP's ring.
    fn set_servers(
        &mut self,
        wanted: &[Vip],
        now: u32,
        steps: &mut Vec<Step>,
    ) -> Result<Vec<Vec<Share>>, Fault> {
        let mut shares = Vec::with_capacity(wanted.len());
        let mut in_use = vec![false; usize::from(NO_SERVER)];
        for vip in wanted {
            let mut of_vip = Vec::with_capacity(vip.servers.len());
            for server in &vip.servers {
                let owner = server.identity();
                let (number, new) = self.numbers.number(owner)?;
                if new {
                    steps.push(Step::ClearServer(number));
                }
                in_use[usize::from(number)] = true;
                // A server that takes no packet yet has its number all the same.
                if self.numbers.set(number, server.record(vip)) || new {
                    let server = self.numbers.record(number);
                    steps.push(Step::SetServer { number, owner, server });
                }
                if server.takes_new_flows() {
                    of_vip.push(Share { identity: owner, number, weight: server.weight });
                }
            }
            shares.push(of_vip);
        }
        self.numbers.leave_unless(&in_use, now);
        Ok(shares)
    }

    /// Servers nobody has named for so long that no flow is left: dead from here on.
    fn retire(&mut self, oldest: u32, steps: &mut Vec<Step>) -> Vec<u16> {
        let leaving = self.numbers.left_before(oldest);
        for &number in &leaving {
            let (owner, server) = self.numbers.kill(number);
            steps.push(Step::SetServer { number, owner, server });
        }
        leaving
    }

    fn turn_vip(
        &mut self,
        vip: &Vip,
        shares: Vec<Share>,
        (now, oldest): (u32, u32),
        steps: &mut Vec<Step>,
        switches: &mut Vec<Step>,
    ) -> Result<(), Fault> {
        let key = vip.key();
        let (mode, hash_on) = (vip.mode as u8, vip.hash_on as u8);
        let Some(planned) = self.vips.get_mut(&key) else {
            let id = self.free_id()?;
            let table = maglev::table(&shares);
            let ring = Ring::fresh(&table);
            let entry = abi::Vip { id, ring: 2 * id, mode, hash_on, reserved: 0 };
            steps.push(Step::SetRing { row: entry.ring, words: ring.words().to_vec() });
            switches.extend([Step::ClearVip(id), Step::SetVip(key, entry)]);
            self.vips.insert(key, Planned { entry, ring, shares, table, name: vip.name.clone() });
            return Ok(());
        };
        planned.name.clone_from(&vip.name);
        if planned.table.len() != RING_SLOTS || planned.shares != shares {
            planned.table = maglev::table(&shares);
            planned.shares = shares;
        }
        let was = planned.entry;
        planned.entry = abi::Vip { mode, hash_on, ..was };
        let numbers = &self.numbers;
        if planned.ring.turn(&planned.table, |number| numbers.lives(number), now, oldest) {
            planned.entry.ring = 2 * was.id + (was.ring + 1) % 2;
            steps.push(Step::SetRing { row: planned.entry.ring, words: planned.ring.words().to_vec() });
        }
        if planned.entry != was {
            switches.push(Step::SetVip(key, planned.entry));
        }
        Ok(())
    }

    fn free_id(&self) -> Result<u32, Fault> {
        let taken = |id: &u32| self.vips.values().any(|planned| planned.entry.id == *id);
        let limit = self.limits.vips_max;
        let too_many = || Fault::TooMany { what: "packet listeners", limit: limit as usize };
        (0..limit).find(|id| !taken(id)).ok_or_else(too_many)
    }

    fn remove_unwanted(&mut self, wanted: &[Vip]) -> Vec<Step> {
        let gone = |key: &VipKey| !wanted.iter().any(|vip| vip.key() == *key);
        let removed: Vec<VipKey> = self.vips.keys().filter(|key| gone(key)).copied().collect();
        for key in &removed {
            self.vips.remove(key);
        }
        removed.into_iter().map(Step::RemoveVip).collect()
    }
}

#[cfg(test)]
mod tests;
