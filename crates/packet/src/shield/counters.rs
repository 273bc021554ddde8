//! What the shield counted, summed over the CPUs.

use std::time::Duration;

use ipnet::IpNet;

use super::Shield;
use super::abi::CONTEXT_NONE;
use crate::Fault;
use crate::abi::{Outcome, Reason};
use crate::load::map_fault;

/// Packets of one context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextCounters {
    /// Its number; 0 is every destination that no context names.
    pub number: u32,
    /// Its destinations.
    pub destinations: Vec<IpNet>,
    /// Packets by reason, those that are 0 left out.
    pub reasons: Vec<(Reason, u64)>,
}

impl ContextCounters {
    /// Packets that came.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.reasons.iter().map(|(_, count)| count).sum()
    }

    /// Packets that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let dropped = self.reasons.iter().filter(|(reason, _)| reason.outcome() == Outcome::Dropped);
        dropped.map(|(_, count)| count).sum()
    }
}

impl Shield {
    /// Every context in the order of its number, the one of unnamed destinations first.
    ///
    /// # Errors
    /// If the kernel refuses a read.
    pub fn counters(&self) -> Result<Vec<ContextCounters>, Fault> {
        let numbers = std::iter::once(CONTEXT_NONE).chain(self.plan.contexts.keys().copied());
        numbers.map(|number| self.context_counters(number)).collect()
    }

    fn context_counters(&self, number: u32) -> Result<ContextCounters, Fault> {
        let tallies = self.maps.tallies.get(&number, 0).map_err(map_fault)?;
        let sum = |reason: Reason| tallies.iter().map(|tally| tally.by[reason as usize]).sum();
        let reasons =
            Reason::ALL.into_iter().map(|reason| (reason, sum(reason))).filter(|(_, count)| *count > 0);
        let own = self.plan.targets.iter().filter(|(_, context)| **context == number);
        Ok(ContextCounters {
            number,
            destinations: own.map(|(prefix, _)| *prefix).collect(),
            reasons: reasons.collect(),
        })
    }

    /// Contexts whose openings have to prove their source at this moment of the monotonic clock.
    ///
    /// # Errors
    /// If the kernel refuses a read.
    pub fn under_attack(&self, monotonic: Duration) -> Result<Vec<u32>, Fault> {
        let mut hot = Vec::new();
        for (number, context) in &self.plan.contexts {
            let pressure = self.maps.pressures.get(number, 0).map_err(map_fault)?;
            let above = context.proof == 1 && u128::from(pressure.hot_until) > monotonic.as_nanos();
            if above || context.proof == 2 {
                hot.push(*number);
            }
        }
        Ok(hot)
    }

    /// How many sources proved themselves and are remembered.
    ///
    /// # Errors
    /// If the kernel refuses a read.
    pub fn known_sources(&self) -> Result<usize, Fault> {
        self.maps.known.keys().try_fold(0, |count, key| key.map(|_| count + 1)).map_err(map_fault)
    }
}
