//! One shard of the table: entries by key, those without a ban from the one used last to the one unused for longest,
//! those with a ban by its end.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reason, Subject};

/// No entry.
const NONE: u32 = u32::MAX;

/// Nanoseconds since the table's beginning.
pub(super) type Nanos = u64;

/// What is known of one subject.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) subject: Subject,
    key: u128,
    /// When its budget of requests is whole again; before now, it is.
    pub(super) requests: Nanos,
    /// When its budget of failed logins is whole again.
    pub(super) failures: Nanos,
    /// The ban in force or just over.
    pub(super) ban: Option<InForce>,
    newer: u32,
    older: u32,
}

/// A ban as an entry keeps it.
#[derive(Debug, Clone, Copy)]
pub(super) struct InForce {
    pub(super) until: Nanos,
    pub(super) reason: Reason,
    /// Requests and connections it has refused.
    pub(super) refused: u32,
}

/// Bytes of an entry, of its place in the index and of one among the bans, both in trees whose nodes are at least half
/// full, which with what holds them together is three times the bare entries. A user's name comes on top.
pub(super) const ENTRY_BYTES: usize = size_of::<Option<Entry>>()
    + 3 * (size_of::<(u128, u32)>() + size_of::<(Nanos, u32)>())
    + 2 * size_of::<u32>();

#[derive(Debug)]
pub(super) struct Shard {
    /// Where each key's entry stands.
    index: BTreeMap<u128, u32>,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// The entries with a ban, by its end. They are in no list.
    ends: BTreeSet<(Nanos, u32)>,
    newest: u32,
    oldest: u32,
    capacity: usize,
}

impl Shard {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            index: BTreeMap::new(),
            // All at once, so that it never doubles; the kernel gives it as it is touched.
            slots: Vec::with_capacity(capacity),
            free: Vec::new(),
            ends: BTreeSet::new(),
            newest: NONE,
            oldest: NONE,
            capacity,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Entries with a ban, those over and not yet forgotten included.
    pub(super) fn bans(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    /// The entry of a key. A ban that is over is taken off it.
    pub(super) fn find(&mut self, key: u128, now: Nanos) -> Option<u32> {
        let at = *self.index.get(&key)?;
        if self.entry(at).ban.is_some_and(|ban| ban.until <= now) {
            self.set_ban(at, None);
        }
        Some(at)
    }

    pub(super) fn entry(&mut self, at: u32) -> &mut Entry {
        self.slots[at as usize]
            .as_mut()
            .expect("places come from the index, the list or the ends, which hold entries")
    }

    /// It was used now.
    pub(super) fn touch(&mut self, at: u32) {
        if self.entry(at).ban.is_none() {
            self.unlink(at);
            self.link_newest(at);
        }
    }

    /// Takes in a subject whose key is not there; the shard has room.
    pub(super) fn insert(&mut self, key: u128, subject: Subject) -> u32 {
        let entry = Entry { subject, key, requests: 0, failures: 0, ban: None, newer: NONE, older: NONE };
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("a table's size fits into 32 bits")
        });
        self.slots[at as usize] = Some(entry);
        self.index.insert(key, at);
        self.link_newest(at);
        at
    }

    /// Puts a ban on an entry, or another in its place, or takes it off.
    pub(super) fn set_ban(&mut self, at: u32, ban: Option<InForce>) {
        let before = std::mem::replace(&mut self.entry(at).ban, ban);
        match before {
            Some(before) => drop(self.ends.remove(&(before.until, at))),
            None => self.unlink(at),
        }
        match ban {
            Some(ban) => drop(self.ends.insert((ban.until, at))),
            None => self.link_newest(at),
        }
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, at: u32) {
        match self.entry(at).ban {
            Some(ban) => drop(self.ends.remove(&(ban.until, at))),
            None => self.unlink(at),
        }
        if let Some(entry) = self.slots[at as usize].take() {
            self.index.remove(&entry.key);
            self.free.push(at);
        }
    }

    /// Makes room for one more: takes the ban that is over, else the entry unused for longest. How many were taken; `None`
    /// if all are bans in force.
    pub(super) fn make_room(&mut self, now: Nanos) -> Option<u64> {
        if self.len() < self.capacity {
            return Some(0);
        }
        let over = self.ends.first().filter(|(until, _)| *until <= now).map(|(_, at)| *at);
        let at = over.or((self.oldest != NONE).then_some(self.oldest))?;
        self.remove(at);
        Some(1)
    }

    /// The ban with the least time left.
    pub(super) fn soonest_end(&self) -> Option<u32> {
        self.ends.first().map(|(_, at)| *at)
    }

    /// Forgets up to `most` entries that say nothing any more: their bans are over and their budgets whole. How many.
    pub(super) fn expire(&mut self, now: Nanos, most: usize) -> usize {
        for _ in 0..most {
            let Some((_, at)) = self.ends.first().filter(|(until, _)| *until <= now) else { break };
            self.set_ban(*at, None);
        }
        let mut at = self.oldest;
        let mut gone = 0;
        for _ in 0..most {
            if at == NONE {
                break;
            }
            let entry = self.entry(at);
            let (newer, whole) = (entry.newer, entry.requests <= now && entry.failures <= now);
            if whole {
                self.remove(at);
                gone += 1;
            }
            at = newer;
        }
        gone
    }

    fn link_newest(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        let entry = self.entry(at);
        (entry.newer, entry.older) = (NONE, before);
        if before == NONE {
            self.oldest = at;
        } else {
            self.entry(before).newer = at;
        }
    }

    fn unlink(&mut self, at: u32) {
        let entry = self.entry(at);
        let (newer, older) = (entry.newer, entry.older);
        match newer {
            NONE => self.newest = older,
            newer => self.entry(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.entry(older).newer = newer,
        }
    }

    /// The list holds every entry without a ban once, the ends every other.
    #[cfg(test)]
    pub(super) fn assert(&self) {
        let mut listed = 0;
        let (mut at, mut before) = (self.oldest, NONE);
        while at != NONE {
            let entry = self.slots[at as usize].as_ref().unwrap();
            assert!(entry.ban.is_none() && entry.older == before);
            (before, at) = (at, entry.newer);
            listed += 1;
        }
        assert_eq!(self.newest, before);
        assert_eq!(listed + self.ends.len(), self.index.len());
        assert_eq!(self.index.len() + self.free.len(), self.slots.len());
        assert!(self.len() <= self.capacity);
        for (until, at) in &self.ends {
            assert_eq!(self.slots[*at as usize].as_ref().unwrap().ban.unwrap().until, *until);
        }
    }
}
