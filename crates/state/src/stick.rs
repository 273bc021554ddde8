//! Stick tables: which server a client was given, until that is forgotten.
//!
//! A table is split into shards by a keyed hash of the client's address, so that workers seldom meet at a lock and
//! nobody can aim at one of them. An entry is 36 bytes and three more of hash table ([`entry_bytes`]); it names a
//! server by the number of its *name*, so that it outlives reloads and may serve several pools with servers of the same
//! names. At its size a table forgets the entry unused for longest (of the same shard).

mod key;
mod names;
mod shard;

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use siphasher::sip::SipHasher13;
use transom_config::{self as config, Name};

pub use key::StickKey;
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
    /// Held by who replaces `shards`, and by who must see them all before that.
    resizing: Mutex<()>,
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
    pub key: StickKey,
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
            resizing: Mutex::new(()),
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
    pub(crate) fn get(&self, key: impl Into<StickKey>, now: Instant) -> Option<u32> {
        let (key, tick, lifetime) = (key.into().bytes(), self.core.tick(now), self.lifetime());
        self.core.with(&key, |_, shard, hash| {
            let at = shard.find(&key, hash)?;
            (shard.age(at, tick) <= lifetime).then(|| shard.touch(at, tick))
        })
    }

    /// Remembers the server that this client was given.
    pub(crate) fn set(&self, key: impl Into<StickKey>, server: u32, now: Instant) {
        let (key, tick) = (key.into().bytes(), self.core.tick(now));
        self.core.with(&key, |shards, shard, hash| {
            if let Some(at) = shard.find(&key, hash) {
                shard.rewrite(at, server, tick);
            } else if self.core.make_room(shards, shard) {
                shard.insert(key, hash, server, tick);
            }
        });
    }

    /// Forgets a client; whether it was known.
    pub fn clear(&self, key: impl Into<StickKey>) -> bool {
        let key = key.into().bytes();
        self.core.with(&key, |shards, shard, hash| {
            let found = shard.find(&key, hash).map(|at| shard.remove(at, hash)).is_some();
            shards.used.fetch_sub(usize::from(found), Ordering::Relaxed);
            found
        })
    }

    /// Forgets everybody; how many they were.
    pub fn clear_all(&self) -> usize {
        let _resizing = self.core.resizing.lock();
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
            Some(StickEntry { key: StickKey::of_bytes(key), server, expires_in: TICK * (lifetime - age) })
        };
        (found.into_iter().filter_map(show).collect(), next)
    }

    /// Forgets whose time is over. Never holds a shard for long.
    pub(crate) fn expire(&self, now: Instant) {
        let (tick, lifetime) = (self.core.tick(now), self.lifetime());
        let _resizing = self.core.resizing.lock();
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
        ticks(self.config.expire.saturating_add(TICK - Duration::from_nanos(1)))
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

    /// Moves the entries into shards for another size; if they are too many, those used last. Whoever wants an entry
    /// waits meanwhile.
    fn resize(&self, size: u32) {
        let _resizing = self.resizing.lock();
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
#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::fixture::{Chance, client, seconds, seeds, start, table};

    fn new(size: u32, expire: u64, now: Instant) -> Arc<StickTable> {
        StickTable::new(&Arc::new(table(size, expire)), 7, now)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_entry_takes_at_most_forty_bytes() {
        assert!(entry_bytes() <= 40, "{}", entry_bytes());
        let size = 100_000;
        let now = start();
        let table = new(size, 60, now);
        (0..size).for_each(|number| table.set(client(number), 0, now));
        let shards = table.core.shards.load();
        let bytes: usize =
            shards.shards.iter().map(|shard| shard.lock().bytes() + size_of::<Mutex<Shard>>()).sum();
        assert!(bytes <= 40 * table.len(), "{bytes} bytes for {} entries", table.len());
        assert!(table.len() >= size as usize * 99 / 100, "{} of {size} fit", table.len());
        assert!(memory(size).abs_diff(bytes as u64) < u64::from(size), "{} and {bytes}", memory(size));
    }

    #[test]
    fn an_entry_lives_as_long_as_it_is_used() {
        let now = start();
        let table = new(10, 60, now);
        table.set(client(1), 5, now);
        table.set(client(2), 6, now);
        assert_eq!(table.get(client(1), now + seconds(60)), Some(5));
        assert_eq!(table.get(client(1), now + seconds(119)), Some(5));
        assert_eq!(table.get(client(2), now + seconds(61)), None);
        table.expire(now + seconds(119));
        assert_eq!((table.len(), table.expired(), table.evicted()), (1, 1, 0));
        table.expire(now + seconds(180));
        assert_eq!((table.len(), table.expired()), (0, 2));
    }

    #[test]
    fn at_its_size_it_forgets_the_one_unused_for_longest() {
        let now = start();
        let table = new(3, 60, now);
        (1..=3).for_each(|number| table.set(client(number), number, now));
        table.get(client(1), now);
        table.set(client(4), 4, now);
        let known: Vec<_> = (1..=4).filter_map(|number| table.get(client(number), now)).collect();
        assert_eq!((known, table.len(), table.evicted()), (vec![1, 3, 4], 3, 1));
    }

    #[test]
    fn ipv4_is_the_same_client_inside_ipv6() {
        let now = start();
        let table = new(3, 60, now);
        table.set(ip("192.0.2.7"), 1, now);
        assert_eq!(table.get(ip("::ffff:192.0.2.7"), now), Some(1));
        assert_eq!(table.get(ip("::c000:207"), now), None);
        table.set(ip("2001:db8::7"), 2, now);
        let (mut entries, next) = table.entries(StickCursor::default(), 10, now);
        entries.sort_by_key(|entry| entry.key);
        assert_eq!(
            entries.iter().map(|entry| entry.key).collect::<Vec<_>>(),
            Vec::<StickKey>::new(),
            "no names yet"
        );
        assert_eq!(next, None);
    }

    #[test]
    fn a_page_follows_the_other_until_all_are_shown() {
        let now = start();
        let table = new(5000, 60, now);
        let names: Vec<Name> = vec!["a".into(), "b".into()];
        let numbers = table.intern(names.iter());
        let server = |number: u32| numbers.id(number as usize % 2).unwrap();
        (0..4000).for_each(|number| table.set(client(number), server(number), now));
        table.set(client(1), server(1), now + seconds(5));
        let (mut shown, mut from) = (Vec::new(), Some(StickCursor::default()));
        while let Some(cursor) = from {
            let (page, next) = table.entries(cursor, 37, now + seconds(10));
            assert!(page.len() <= 37);
            shown.extend(page);
            from = next;
        }
        shown.sort_by_key(|entry| entry.key);
        assert_eq!(shown.len(), 4000);
        let entry = |at: usize, left| StickEntry {
            key: client(at as u32).into(),
            server: Name::clone(&names[at % 2]),
            expires_in: seconds(left),
        };
        assert_eq!((&shown[0], &shown[1]), (&entry(0, 50), &entry(1, 55)));
    }

    #[test]
    fn clearing_makes_room() {
        let now = start();
        let table = new(2, 60, now);
        (1..=2).for_each(|number| table.set(client(number), number, now));
        assert!(table.clear(client(1)) && !table.clear(client(1)));
        table.set(client(3), 3, now);
        assert_eq!((table.get(client(2), now), table.evicted()), (Some(2), 0));
        assert_eq!((table.clear_all(), table.len()), (2, 0));
        table.set(client(1), 1, now);
        assert_eq!(table.get(client(1), now), Some(1));
    }

    #[test]
    fn another_size_keeps_those_used_last() {
        let now = start();
        let old = new(100, 60, now);
        (0..100).for_each(|number| old.set(client(number), number, now + seconds(number.into())));
        let later = now + seconds(100);
        let small = old.next(&Arc::new(table(10, 600)));
        assert_eq!((small.len(), small.size(), small.evicted()), (10, 10, 90));
        assert!((90..100).all(|number| small.get(client(number), later) == Some(number)));
        let large = small.next(&Arc::new(table(100_000, 600)));
        (200..20_000).for_each(|number| old.set(client(number), number, later));
        assert_eq!(large.len(), 10 + 19_800, "all generations share the entries");
        assert!((90..100).all(|number| large.get(client(number), later) == Some(number)));
    }

    #[test]
    fn shards_follow_the_size() {
        let table = [(1, 1), (2047, 1), (2048, 2), (50_000, 32), (1_000_000, 64), (u32::MAX, 64)];
        for (size, shards) in table {
            assert_eq!(shard_count(size), shards, "{size}");
        }
    }

    /// Against a plain map: whatever is asked in whatever order, an entry is what was set last and not expired, cleared
    /// or made to go.
    #[test]
    fn behaves_like_a_map_that_forgets() {
        for seed in seeds() {
            let mut chance = Chance::new(seed);
            let mut now = start();
            let size = 1 + chance.below(20) as u32;
            let table = new(size, 10, now);
            let mut model: Vec<(u32, u32, Instant)> = Vec::new();
            for _ in 0..500 {
                let number = chance.below(30) as u32;
                now += Duration::from_millis(100) * chance.below(20) as u32;
                model.retain(|(_, _, used)| now - *used <= seconds(10));
                let known = model.iter().position(|(own, ..)| *own == number).map(|at| model.remove(at));
                match chance.below(4) {
                    0 => {
                        assert_eq!(
                            table.get(client(number), now),
                            known.map(|(_, server, _)| server),
                            "SEED={seed}"
                        );
                        model.extend(known.map(|(number, server, _)| (number, server, now)));
                    }
                    1 if known.is_some() => assert!(table.clear(client(number)), "SEED={seed}"),
                    _ => {
                        table.expire(now);
                        let server = chance.below(5) as u32;
                        table.set(client(number), server, now);
                        model.push((number, server, now));
                        let surplus = model.len().saturating_sub(size as usize);
                        model.drain(..surplus);
                    }
                }
            }
        }
    }

    #[test]
    fn many_threads_and_a_resize_lose_nothing() {
        let now = start();
        let first = new(100_000, 60, now);
        let writers: Vec<_> = (0..4)
            .map(|part| {
                let table = Arc::clone(&first);
                std::thread::spawn(move || {
                    (part * 5000..(part + 1) * 5000)
                        .for_each(|number| table.set(client(number), number, now));
                })
            })
            .collect();
        let mut latest = Arc::clone(&first);
        for size in [90_000, 30_000, 200_000, 50_000] {
            latest = latest.next(&Arc::new(table(size, 60)));
        }
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!((latest.len(), latest.evicted()), (20_000, 0));
        assert!((0..20_000).all(|number| latest.get(client(number), now) == Some(number)));
    }
}
