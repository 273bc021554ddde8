//! One shard: a hash table with chains, threaded by a list from the entry used last to the one unused for longest.

/// An IPv6 address, IPv4 mapped into it.
pub(super) type Key = [u8; 16];

/// No entry.
const NONE: u32 = u32::MAX;

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = size_of::<Entry>();

/// Three heads of chains for four entries, four bytes each.
pub(super) const HEAD_BYTES_PER_ENTRY: usize = 3;

#[derive(Debug)]
pub(super) struct Shard {
    /// The first entry of each chain.
    heads: Box<[u32]>,
    /// In use and free ones. Room for all is asked for at once; the kernel gives it as it is touched.
    entries: Vec<Entry>,
    /// Entries at most.
    capacity: usize,
    /// The first free entry, chained.
    free: u32,
    newest: u32,
    oldest: u32,
    /// The entries live elsewhere now.
    pub(super) moved: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    key: Key,
    /// Ticks at the last use.
    used: u32,
    /// The number of a server's name; [`NONE`] in a free entry.
    server: u32,
    newer: u32,
    older: u32,
    /// The next in the chain of its hash, or of free entries.
    chain: u32,
}

impl Shard {
    /// For about so many entries; `uneven`: one of several, which are never filled quite alike.
    pub(super) fn new(share: usize, uneven: bool) -> Self {
        let capacity = if uneven { share + share / 8 + 32 } else { share };
        Self {
            heads: vec![NONE; (share * HEAD_BYTES_PER_ENTRY / 4).max(1)].into(),
            entries: Vec::with_capacity(capacity),
            capacity,
            free: NONE,
            newest: NONE,
            oldest: NONE,
            moved: false,
        }
    }

    pub(super) fn find(&self, key: &Key, hash: u64) -> Option<u32> {
        let mut at = self.heads[self.head(hash)];
        while at != NONE {
            let entry = &self.entries[at as usize];
            if entry.key == *key {
                return Some(at);
            }
            at = entry.chain;
        }
        None
    }

    /// Ticks since the last use. Workers' clocks may be a little apart: never less than none.
    pub(super) fn age(&self, at: u32, tick: u32) -> u32 {
        tick.saturating_sub(self.entries[at as usize].used)
    }

    /// Ticks since the last use of the one unused for longest.
    pub(super) fn oldest_age(&self, tick: u32) -> Option<u32> {
        (self.oldest != NONE).then(|| self.age(self.oldest, tick))
    }

    /// Used now; its server.
    pub(super) fn touch(&mut self, at: u32, tick: u32) -> u32 {
        let entry = &mut self.entries[at as usize];
        entry.used = entry.used.max(tick);
        let server = entry.server;
        if self.newest != at {
            self.unlink(at);
            self.link_newest(at);
        }
        server
    }

    /// Another server, used now.
    pub(super) fn rewrite(&mut self, at: u32, server: u32, tick: u32) {
        self.touch(at, tick);
        self.entries[at as usize].server = server;
    }

    /// Memory in use, this struct apart.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.heads.len() * size_of::<u32>() + self.entries.len() * ENTRY_BYTES
    }

    pub(super) fn is_full(&self) -> bool {
        self.free == NONE && self.entries.len() >= self.capacity
    }

    /// Takes in an entry whose key is not there; the shard is not full.
    pub(super) fn insert(&mut self, key: Key, hash: u64, server: u32, used: u32) {
        let head = self.head(hash);
        let chain = self.heads[head];
        let entry = Entry { key, used, server, newer: NONE, older: NONE, chain };
        let at = self.free;
        let at = if at == NONE {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        } else {
            let slot = &mut self.entries[at as usize];
            self.free = slot.chain;
            *slot = entry;
            at
        };
        self.heads[head] = at;
        self.link_newest(at);
    }

    /// Forgets an entry of that hash.
    pub(super) fn remove(&mut self, at: u32, hash: u64) {
        self.unlink(at);
        self.unchain(at, hash);
        let entry = &mut self.entries[at as usize];
        entry.server = NONE;
        entry.chain = self.free;
        self.free = at;
    }

    /// Forgets the one unused for longest; false when there is none.
    pub(super) fn remove_oldest(&mut self, hash: impl Fn(&Key) -> u64) -> bool {
        let at = self.oldest;
        if at == NONE {
            return false;
        }
        let hash = hash(&self.entries[at as usize].key);
        self.remove(at, hash);
        true
    }

    /// Forgets all; how many they were. Their memory goes back.
    pub(super) fn clear(&mut self) -> usize {
        let count = self.oldest_first().count();
        self.heads.fill(NONE);
        self.entries = Vec::with_capacity(self.capacity);
        (self.free, self.newest, self.oldest) = (NONE, NONE, NONE);
        count
    }

    /// Key, server and last use of every entry.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = (Key, u32, u32)> + '_ {
        let first = self.entries.get(self.oldest as usize);
        let ordered = std::iter::successors(first, |entry| self.entries.get(entry.newer as usize));
        ordered.map(|entry| (entry.key, entry.server, entry.used))
    }

    /// Appends key, server and age of living entries from the slot `from` on; where to go on if `room` was too little.
    pub(super) fn page(
        &self,
        from: u32,
        room: usize,
        tick: u32,
        lifetime: u32,
        out: &mut Vec<(Key, u32, u32)>,
    ) -> Option<u32> {
        let end = out.len() + room;
        for (slot, entry) in self.entries.iter().enumerate().skip(from as usize) {
            let age = tick.saturating_sub(entry.used);
            if entry.server == NONE || age > lifetime {
                continue;
            }
            if out.len() == end {
                return Some(slot as u32);
            }
            out.push((entry.key, entry.server, age));
        }
        None
    }

    /// Scales the low half of the hash to the number of chains.
    fn head(&self, hash: u64) -> usize {
        ((u64::from(hash as u32) * self.heads.len() as u64) >> 32) as usize
    }

    fn link_newest(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        let entry = &mut self.entries[at as usize];
        (entry.newer, entry.older) = (NONE, before);
        match self.entries.get_mut(before as usize) {
            Some(before) => before.newer = at,
            None => self.oldest = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let Entry { newer, older, .. } = self.entries[at as usize];
        match self.entries.get_mut(newer as usize) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn unchain(&mut self, at: u32, hash: u64) {
        let next = self.entries[at as usize].chain;
        let head = self.head(hash);
        if self.heads[head] == at {
            self.heads[head] = next;
            return;
        }
        let mut before = self.heads[head];
        while before != NONE {
            let entry = &mut self.entries[before as usize];
            if entry.chain == at {
                entry.chain = next;
                return;
            }
            before = entry.chain;
        }
    }
}
