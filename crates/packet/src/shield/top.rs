//! Who sends most: a space-saving sketch (Metwally, Agrawal, El Abbadi, 2005). It keeps so many names and no more; who
//! is new takes the place of whoever has least, and its count as a possible error.

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;

/// A name with its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Who.
    pub who: IpNet,
    /// At most so many.
    pub count: u64,
    /// And at least so many fewer.
    pub error: u64,
}

/// The sketch.
#[derive(Clone, Debug)]
pub struct Top {
    room: usize,
    counts: HashMap<IpNet, (u64, u64)>,
    /// The same, least first.
    order: BTreeSet<(u64, IpNet)>,
}

impl Top {
    /// For so many names.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self { room: room.max(1), counts: HashMap::new(), order: BTreeSet::new() }
    }

    /// Counts somebody.
    pub fn add(&mut self, who: IpNet, weight: u64) {
        let (count, error) = match self.counts.get(&who) {
            Some(&(count, error)) => {
                self.order.remove(&(count, who));
                (count, error)
            }
            None if self.counts.len() < self.room => (0, 0),
            None => self.least().map_or((0, 0), |count| (count, count)),
        };
        let count = count.saturating_add(weight);
        self.counts.insert(who, (count, error));
        self.order.insert((count, who));
    }

    /// Takes out whoever has least.
    fn least(&mut self) -> Option<u64> {
        let (count, who) = self.order.pop_first()?;
        self.counts.remove(&who);
        Some(count)
    }

    /// The `most` who sent most.
    #[must_use]
    pub fn top(&self, most: usize) -> Vec<Counted> {
        let best = self.order.iter().rev().take(most);
        best.map(|(count, who)| Counted { who: *who, count: *count, error: self.counts[who].1 }).collect()
    }

    /// Halves everything, so that what was long ago counts little.
    pub fn fade(&mut self) {
        let halved = self.counts.drain().map(|(who, (count, error))| (who, (count / 2, error / 2)));
        let kept: HashMap<_, _> = halved.filter(|(_, (count, _))| *count > 0).collect();
        self.order = kept.iter().map(|(who, (count, _))| (*count, *who)).collect();
        self.counts = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u32) -> IpNet {
        IpNet::from(std::net::IpAddr::from(n.to_be_bytes()))
    }

    #[test]
    fn who_sends_much_is_found_among_many() {
        let mut top = Top::new(64);
        for n in 0..100_000 {
            top.add(host(n), 1);
            if n % 10 == 0 {
                top.add(host(7), 1);
            }
            if n % 20 == 0 {
                top.add(host(9), 1);
            }
        }
        let best = top.top(2);
        assert_eq!(best.iter().map(|one| one.who).collect::<Vec<_>>(), [host(7), host(9)]);
        assert!(best[0].count >= 10_001 && best[0].count - best[0].error <= 10_001, "{best:?}");
        assert_eq!(top.top(1000).len(), 64, "and no more are kept");
    }

    #[test]
    fn what_was_long_ago_fades() {
        let mut top = Top::new(4);
        top.add(host(1), 5);
        top.add(host(2), 1);
        top.fade();
        assert_eq!(top.top(9), [Counted { who: host(1), count: 2, error: 0 }]);
    }
}
