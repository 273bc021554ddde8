//! Stick tables: which server a client was given, until that is forgotten.
//!
//! A table is split into shards by a keyed hash of the client's address, so that workers seldom meet at a lock and
//! nobody can aim at one of them. An entry is 36 bytes and three more of hash table ([`entry_bytes`]); it names a
//! server by the number of its *name*, so that it outlives reloads and may serve several pools with servers of the same
//! names. At its size a table forgets the entry unused for longest (of the same shard).

mod names;
mod shard;

use std::hash::Hasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use siphasher::sip::SipHasher13;
use transom_config::{self as config, Name};

use names::Interner;
pub(crate) use names::Names;
use shard::{Key, Shard};

/// Shards at most.
const SHARDS_MAX: usize = 64;

/// A table of fewer entries a shard would notice that they are unevenly filled.
const SHARD_ENTRIES_MIN: usize = 1024;

/// The unit of `used` in an entry: 13 years fit into 32 bits.
const TICK: Duration = Duration::from_millis(100);

/// Entries forgotten in one go while a shard is locked.
const EXPIRE_BATCH: usize = 512;

/// Memory of one entry, in bytes, its part of the hash table included.
pub const fn entry_bytes() -> usize {
    shard::ENTRY_BYTES + shard::HEAD_BYTES_PER_ENTRY
}

/// Memory of a table that is full, in bytes; it grows to that as entries come.
pub fn memory(size: u32) -> u64 {
    u64::from(size) * entry_bytes() as u64 + (shard_count(size) * size_of::<Mutex<Shard>>()) as u64
}

/// One generation of a stick table. The entries are shared by all generations.
#[derive(Debug)]
pub struct StickTable {
    /// As it was asked for.
    pub config: Arc<config::StickTable>,
    core: Arc<Core>,
}

#[derive(Debug)]
struct Core {
    /// Ticks count from here.
    epoch: Instant,
    /// Of the hash.
    key: (u64, u64),
    shards: ArcSwap<Shards>,
    names: Mutex<Interner>,
    evicted: AtomicU64,
    expired: AtomicU64,
}

/// The entries; another one when the size changes.
#[derive(Debug)]
struct Shards {
    size: usize,
    /// Entries in all shards; at most `size`.
    used: AtomicUsize,
    /// A power of two of them.
    shards: Box<[Mutex<Shard>]>,
}

/// An entry as the admin API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StickEntry {
    /// The client.
    pub key: IpAddr,
    /// The name of the server it was given.
    pub server: Name,
    /// How long until it is forgotten if it is not used.
    pub expires_in: Duration,
}

/// Where [`StickTable::entries`] goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StickCursor {
    /// The shard.
    pub shard: u32,
    /// The place in it.
    pub slot: u32,
}

impl StickTable {
    /// An empty table. `seed` keys its hash and must not be guessable.
    pub(crate) fn new(config: &Arc<config::StickTable>, seed: u64, now: Instant) -> Arc<Self> {
        let core = Core {
            epoch: now,
            key: (seed, seed.rotate_left(32) ^ 0x7461_626c_655f_6b65),
            shards: ArcSwap::from_pointee(Shards::new(config.size)),
            names: Mutex::default(),
            evicted: AtomicU64::new(0),
            expired: AtomicU64::new(0),
        };
        Arc::new(Self { config: Arc::clone(config), core: Arc::new(core) })
    }

    /// The next generation: the same entries under a new size and expiry.
    pub(crate) fn next(&self, config: &Arc<config::StickTable>) -> Arc<Self> {
        if config.size != self.config.size {
            self.core.resize(config.size);
        }
        Arc::new(Self { config: Arc::clone(config), core: Arc::clone(&self.core) })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.config.name
    }

    /// Entries at most.
    pub fn size(&self) -> usize {
        self.core.shards.load().size
    }

    /// Entries now; some may be past their time and not yet forgotten.
    pub fn len(&self) -> usize {
        self.core.shards.load().used.load(Ordering::Relaxed)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries that made room for others, since the program first saw the table.
    pub fn evicted(&self) -> u64 {
        self.core.evicted.load(Ordering::Relaxed)
    }

    /// Entries whose time was over, since the program first saw the table.
    pub fn expired(&self) -> u64 {
        self.core.expired.load(Ordering::Relaxed)
    }

    /// The server (by the number of its name) that this client was given, which counts as a use.
    pub(crate) fn get(&self, source: IpAddr, now: Instant) -> Option<u32> {
        let (key, tick, lifetime) = (key_of(source), self.core.tick(now), self.lifetime());
        self.core.with(&key, |_, shard, hash| {
            let at = shard.find(&key, hash)?;
            (shard.age(at, tick) <= lifetime).then(|| shard.touch(at, tick))
        })
    }

    /// Remembers the server that this client was given.
    pub(crate) fn set(&self, source: IpAddr, server: u32, now: Instant) {
        let (key, tick) = (key_of(source), self.core.tick(now));
        self.core.with(&key, |shards, shard, hash| {
            if let Some(at) = shard.find(&key, hash) {
                shard.rewrite(at, server, tick);
            } else if self.core.make_room(shards, shard) {
                shard.insert(key, hash, server, tick);
            }
        });
    }

    /// Forgets a client; whether it was known.
    pub fn clear(&self, source: IpAddr) -> bool {
        let key = key_of(source);
        self.core.with(&key, |shards, shard, hash| {
            let found = shard.find(&key, hash).map(|at| shard.remove(at, hash)).is_some();
            shards.used.fetch_sub(usize::from(found), Ordering::Relaxed);
            found
        })
    }

    /// Forgets everybody; how many they were.
    pub fn clear_all(&self) -> usize {
        let shards = self.core.shards.load_full();
        let cleared = shards.shards.iter().map(|shard| shard.lock().clear()).sum();
        shards.used.fetch_sub(cleared, Ordering::Relaxed);
        cleared
    }

    /// A page of at most `limit` entries from `from` on, in no order worth speaking of, and where the next one starts.
    /// Entries that come or go meanwhile may be missed; those that stay are shown once.
    pub fn entries(
        &self,
        from: StickCursor,
        limit: usize,
        now: Instant,
    ) -> (Vec<StickEntry>, Option<StickCursor>) {
        let (tick, lifetime) = (self.core.tick(now), self.lifetime());
        let shards = self.core.shards.load_full();
        let mut found: Vec<(Key, u32, u32)> = Vec::new();
        let mut next = None;
        for (at, shard) in shards.shards.iter().enumerate().skip(from.shard as usize) {
            let first = if at == from.shard as usize { from.slot } else { 0 };
            let room = limit.saturating_sub(found.len());
            let stopped = shard.lock().page(first, room, tick, lifetime, &mut found);
            if let Some(slot) = stopped {
                next = Some(StickCursor { shard: at as u32, slot });
                break;
            }
        }
        let names = self.core.names.lock();
        let show = |(key, server, age): (Key, u32, u32)| {
            let server = names.name(server)?;
            Some(StickEntry { key: ip_of(key), server, expires_in: TICK * (lifetime - age) })
        };
        (found.into_iter().filter_map(show).collect(), next)
    }

    /// Forgets whose time is over. Never holds a shard for long.
    pub(crate) fn expire(&self, now: Instant) {
        let (tick, lifetime) = (self.core.tick(now), self.lifetime());
        let shards = self.core.shards.load_full();
        for shard in &shards.shards {
            loop {
                let gone = self.core.expire_some(shard, tick, lifetime);
                shards.used.fetch_sub(gone, Ordering::Relaxed);
                self.core.expired.fetch_add(gone as u64, Ordering::Relaxed);
                if gone < EXPIRE_BATCH {
                    break;
                }
            }
        }
    }

    /// The numbers of these servers' names.
    pub(crate) fn intern<'n>(&self, names: impl Iterator<Item = &'n Name>) -> Names {
        Names::new(&mut self.core.names.lock(), names)
    }

    /// In ticks, rounded up.
    fn lifetime(&self) -> u32 {
        ticks(self.config.expire + TICK - Duration::from_nanos(1))
    }
}

impl Core {
    fn tick(&self, now: Instant) -> u32 {
        ticks(now.saturating_duration_since(self.epoch))
    }

    /// Keyed, so that no client can choose where its entry lands.
    fn hash(&self, key: &Key) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(key);
        hasher.finish()
    }

    /// Works on the shard of a key. A shard that moved while its lock was waited for is looked up again.
    fn with<T>(&self, key: &Key, mut work: impl FnMut(&Shards, &mut Shard, u64) -> T) -> T {
        let hash = self.hash(key);
        loop {
            let shards = self.shards.load();
            let mut shard = shards.of(hash).lock();
            if !shard.moved {
                return work(&shards, &mut shard, hash);
            }
        }
    }

    /// Makes sure one more entry fits. False: only by taking from another shard, which is not worth it.
    fn make_room(&self, shards: &Shards, shard: &mut Shard) -> bool {
        let more = |used: usize| (used < shards.size).then_some(used + 1);
        if !shard.is_full() && shards.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            return true;
        }
        self.evicted.fetch_add(1, Ordering::Relaxed);
        shard.remove_oldest(|key| self.hash(key))
    }

    fn expire_some(&self, shard: &Mutex<Shard>, tick: u32, lifetime: u32) -> usize {
        let mut shard = shard.lock();
        let mut gone = 0;
        while gone < EXPIRE_BATCH
            && shard.oldest_age(tick).is_some_and(|age| age > lifetime)
            && shard.remove_oldest(|key| self.hash(key))
        {
            gone += 1;
        }
        gone
    }

    /// Moves the entries into shards for another size, those used last first. Whoever wants an entry waits meanwhile:
    /// some 50 ms for a million.
    fn resize(&self, size: u32) {
        let old = self.shards.load_full();
        let new = Shards::new(size);
        let mut locked: Vec<_> = old.shards.iter().map(|shard| shard.lock()).collect();
        let mut entries: Vec<_> = locked.iter().flat_map(|shard| shard.oldest_first()).collect();
        entries.sort_by_key(|(_, _, used)| *used);
        let surplus = entries.len().saturating_sub(new.size);
        for (key, server, used) in entries.into_iter().skip(surplus) {
            let hash = self.hash(&key);
            let mut shard = new.of(hash).lock();
            if self.make_room(&new, &mut shard) {
                shard.insert(key, hash, server, used);
            }
        }
        self.evicted.fetch_add(surplus as u64, Ordering::Relaxed);
        self.shards.store(Arc::new(new));
        for shard in &mut locked {
            shard.moved = true;
        }
    }
}

impl Shards {
    fn new(size: u32) -> Self {
        let (count, size) = (shard_count(size), size as usize);
        let shards = (0..count).map(|_| Mutex::new(Shard::new(size.div_ceil(count), count > 1))).collect();
        Self { size, used: AtomicUsize::new(0), shards }
    }

    fn of(&self, hash: u64) -> &Mutex<Shard> {
        &self.shards[(hash >> 48) as usize & (self.shards.len() - 1)]
    }
}

/// A power of two, up to [`SHARDS_MAX`].
fn shard_count(size: u32) -> usize {
    let wanted = (size as usize / SHARD_ENTRIES_MIN).clamp(1, SHARDS_MAX);
    1 << wanted.ilog2()
}

fn ticks(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}

/// IPv4 and IPv4 written inside IPv6 are one client.
fn key_of(source: IpAddr) -> Key {
    match source {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn ip_of(key: Key) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(key)).to_canonical()
}
