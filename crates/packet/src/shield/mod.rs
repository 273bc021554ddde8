//! The shield: what the door found to be lawful has to be welcome as well, before it is balanced or handed to the
//! kernel. Lists of sources, what a destination takes, budgets a source, proof of the source for openings under
//! attack, and connections that are known.
//!
//! The program (`bpf/shield/*.h`) does all of it by what the maps say, with or without this process. Here are its
//! maps' contents: [`plan`] turns the configuration into them, [`lists`] knows bans and their ends, [`filter`] keeps
//! long lists cheap, [`top`] says who sends most.
//!
//! ```no_run
//! use transom_packet::shield::{Kernel, Shield, Sizes};
//! use transom_packet::{Fault, load};
//!
//! fn start(config: &transom_config::Shield, random: [u8; 40]) -> Result<(load::Door, Shield), Fault> {
//!     let options = load::Options {
//!         interfaces: config.interfaces.clone(),
//!         shield: Some(Sizes::default()),
//!         ..load::Options::default()
//!     };
//!     Kernel::prepare().map_err(|error| Fault::Map(error.to_string()))?;
//!     let mut door = load::Door::load(&options)?;
//!     let maps = door.shield.take().expect("it was asked for");
//!     let mut shield = Shield::adopt(maps, random)?;
//!     shield.apply(config, &Kernel::read(1500))?;
//!     door.attach()?;
//!     Ok((door, shield))
//! }
//! ```

pub mod abi;
mod connections;
mod counters;
mod event;
pub mod filter;
mod kernel;
pub mod lists;
mod maps;
pub mod plan;
mod sizes;
pub mod top;
mod write;

use std::time::SystemTime;

use ipnet::IpNet;

pub use counters::ContextCounters;
pub use event::Sample;
pub use kernel::Kernel;
pub use lists::{Ban, Verdict};
pub use maps::Maps;
pub(crate) use maps::NAMES as MAPS;
pub use sizes::Sizes;

use crate::Fault;
use crate::abi::{Policy, Settings};
use connections::Connections;
use filter::Filter;
use lists::Lists;
use plan::Plan;
use top::{Counted, Top};
use transom_config::PacketPolicy;
use write::Written;

/// Names each of the two sketches keeps.
const TOP_NAMES: usize = 1024;

/// The shield in the kernel, and what this process knows of it.
pub struct Shield {
    maps: Maps,
    /// What the maps hold.
    written: Written,
    plan: Plan,
    lists: Lists,
    filter: Filter,
    /// Prefixes taken out since the filter was made.
    stale: usize,
    connections: Connections,
    hosts: Top,
    networks: Top,
}

impl Shield {
    /// Takes the maps over, empty or as an earlier process left them. `random` is for keys, if there are none yet.
    ///
    /// # Errors
    /// If the kernel refuses to tell what they hold.
    pub fn adopt(maps: Maps, random: [u8; 40]) -> Result<Self, Fault> {
        let written = Written::read(&maps)?;
        let plan = Plan { targets: written.targets.clone(), ..Plan::default() };
        let mut shield = Self {
            maps,
            written,
            plan,
            lists: Lists::default(),
            filter: Filter::default(),
            stale: 0,
            connections: Connections::default(),
            hosts: Top::new(TOP_NAMES),
            networks: Top::new(TOP_NAMES),
        };
        shield.written.start_keys(&mut shield.maps, random)?;
        shield.refilter()?;
        Ok(shield)
    }

    /// Brings everything to what the configuration says now. No packet sees half of it: rules are there before
    /// destinations lead to them, and go after.
    ///
    /// # Errors
    /// More than the maps have room for, or a write the kernel refuses.
    pub fn apply(&mut self, wanted: &transom_config::Shield, kernel: &Kernel) -> Result<(), Fault> {
        let plan = Plan::new(wanted, &self.written.targets, kernel, self.maps.contexts_max())?;
        self.written.set_kernel(&mut self.maps, kernel)?;
        self.written.apply(&mut self.maps, &plan)?;
        self.connections.limits(plan.connections.clone());
        self.connections.write(&mut self.maps)?;
        self.plan = plan;
        self.lists.configure(&wanted.block, &wanted.allow);
        self.relist()
    }

    /// The door's knobs that the shield's configuration has.
    #[must_use]
    pub fn settings(wanted: &transom_config::Shield, before: Settings) -> Settings {
        let policy = |policy| match policy {
            PacketPolicy::Pass => Policy::Pass as u8,
            PacketPolicy::Drop => Policy::Drop as u8,
        };
        Settings { fragments: policy(wanted.fragments), options: policy(wanted.options), ..before }
    }

    /// From now on a source gets nothing.
    ///
    /// # Errors
    /// More prefixes than the maps have room for.
    pub fn block(&mut self, prefix: IpNet, until: Option<SystemTime>) -> Result<(), Fault> {
        self.ban(prefix, Ban { verdict: Verdict::Block, until })
    }

    /// From now on a source is asked for nothing.
    ///
    /// # Errors
    /// As for [`Shield::block`].
    pub fn allow(&mut self, prefix: IpNet, until: Option<SystemTime>) -> Result<(), Fault> {
        self.ban(prefix, Ban { verdict: Verdict::Allow, until })
    }

    /// Takes either back; what the configuration says holds again.
    ///
    /// # Errors
    /// If the kernel refuses the write.
    pub fn unblock(&mut self, prefix: IpNet) -> Result<bool, Fault> {
        let was = self.lists.bans().any(|(banned, _)| *banned == prefix.trunc());
        let change = self.lists.unban(prefix);
        self.write_lists(change)?;
        Ok(was)
    }

    fn ban(&mut self, prefix: IpNet, ban: Ban) -> Result<(), Fault> {
        let change = self.lists.ban(prefix, ban);
        self.write_lists(change)
    }

    /// What was said while running.
    pub fn bans(&self) -> impl Iterator<Item = (&IpNet, Ban)> {
        self.lists.bans()
    }

    /// The same as text, for [`Shield::restore`] after a restart.
    #[must_use]
    pub fn snapshot(&self) -> String {
        self.lists.snapshot()
    }

    /// Says again what a snapshot says, as far as it still holds; gives how many lines were not understood.
    ///
    /// # Errors
    /// As for [`Shield::block`].
    pub fn restore(&mut self, text: &str, now: SystemTime) -> Result<usize, Fault> {
        let (bans, refused) = lists::parse(text);
        for (prefix, ban) in bans {
            self.lists.ban(prefix, ban);
        }
        self.lists.expire(now);
        self.relist()?;
        Ok(refused)
    }

    /// Once a second or so: ends what has expired, and cleans up.
    ///
    /// # Errors
    /// If the kernel refuses a write.
    pub fn tick(&mut self, now: SystemTime) -> Result<(), Fault> {
        let changes = self.lists.expire(now);
        self.write_lists(changes)?;
        if self.stale > 1000.max(self.written.listed.len() / 8) {
            self.refilter()?;
        }
        Ok(())
    }

    /// A new key for challenges; those of the one before are still taken. Once an hour is often enough.
    ///
    /// # Errors
    /// If the kernel refuses the write.
    pub fn rotate(&mut self, random: [u8; 16]) -> Result<(), Fault> {
        self.written.rotate(&mut self.maps, random)
    }

    /// Makes the maps say what the lists say, whatever they said before.
    fn relist(&mut self) -> Result<(), Fault> {
        let gone = self.written.listed.keys().filter(|prefix| self.lists.of(prefix).is_none());
        let mut changes: Vec<lists::Change> = gone.map(|prefix| (*prefix, None)).collect();
        let held = |prefix: &IpNet, verdict| self.written.listed.get(prefix) != Some(&verdict);
        let new = self.lists.holding().filter(|(prefix, verdict)| held(prefix, *verdict));
        changes.extend(new.map(|(prefix, verdict)| (*prefix, Some(verdict))));
        self.write_lists(changes)
    }

    fn write_lists(&mut self, changes: impl IntoIterator<Item = lists::Change>) -> Result<(), Fault> {
        for (prefix, verdict) in changes {
            match verdict {
                Some(verdict) => {
                    self.written.list(&mut self.maps, prefix, verdict)?;
                    if !filter::is_wide(&prefix) {
                        let lines = self.filter.add(&prefix);
                        write::lines(&mut self.maps, &self.filter, lines)?;
                    }
                }
                None => {
                    self.written.unlist(&mut self.maps, &prefix)?;
                    self.stale += 1;
                }
            }
        }
        self.written.note_lists(&mut self.maps)
    }

    fn refilter(&mut self) -> Result<(), Fault> {
        let old: Vec<u32> = self.filter.rebuild(self.written.listed.keys()).into_iter().collect();
        self.stale = 0;
        write::lines(&mut self.maps, &self.filter, old)
    }

    /// Takes in what the program told since the last call, and gives it: at most `most`, the rest waits. What nobody
    /// fetches is overwritten by nothing and simply not told.
    pub fn poll(&mut self, most: usize) -> Vec<Sample> {
        let mut samples = Vec::new();
        while samples.len() < most {
            let Some(event) = self.maps.next_event() else { break };
            let Some(sample) = Sample::of(&event) else { continue };
            self.count_source(&sample);
            samples.push(sample);
        }
        samples
    }

    fn count_source(&mut self, sample: &Sample) {
        let (host, network) = if sample.source.is_ipv4() { (32, 24) } else { (64, 48) };
        if sample.weight == 0 || sample.source.is_unspecified() {
            return;
        }
        for (top, bits) in [(&mut self.hosts, host), (&mut self.networks, network)] {
            if let Ok(prefix) = IpNet::new(sample.source, bits) {
                top.add(prefix.trunc(), u64::from(sample.weight));
            }
        }
    }

    /// Which addresses (a /64 of IPv6) sent most packets, by what [`Shield::poll`] was told.
    #[must_use]
    pub fn top_hosts(&self, most: usize) -> Vec<Counted> {
        self.hosts.top(most)
    }

    /// Which networks (/24, /48) did.
    #[must_use]
    pub fn top_networks(&self, most: usize) -> Vec<Counted> {
        self.networks.top(most)
    }

    /// Lets what was long ago count less: called every minute, the last minutes are what counts.
    pub fn fade(&mut self) {
        self.hosts.fade();
        self.networks.fade();
    }

    /// The maps, to be handed to a process with fewer rights.
    #[must_use]
    pub fn maps(&self) -> &Maps {
        &self.maps
    }
}
