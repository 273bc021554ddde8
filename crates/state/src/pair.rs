//! Pairs: the server on which both channels of one client meet.
//!
//! RPC over HTTP and Remote Desktop Gateway split one connection into two requests, which IIS can join only on one server.
//! The two come over different client connections and often at the same time, to different workers: the first to claim
//! its server decides, and the other one follows. A pair is kept while a channel of it is open, and for a while after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use siphasher::sip128::{Hasher128, SipHasher13};
use transom_config::Name;

/// Shards: a power of two.
const SHARDS: usize = 16;

/// Memory of a full table of this size, in bytes, at most: the nodes of its trees are at least half full, which
/// with what holds them together is three times the bare entries. The servers' names are shared with the configuration.
pub const fn memory(size: u32) -> u64 {
    size as u64 * 3 * (size_of::<(PairKey, Pair)>() + size_of::<(Instant, PairKey)>()) as u64
}

/// What both channels of one client have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairKey {
    /// Remote Desktop Gateway's connections and clients of RPC over HTTP are never the same.
    by_client: bool,
    bytes: [u8; 16],
}

impl PairKey {
    /// Of Remote Desktop Gateway: `RDG-Connection-Id` (MS-TSGU).
    pub fn connection_id(id: [u8; 16]) -> Self {
        Self { by_client: false, bytes: id }
    }
}

impl fmt::Debug for PairKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PairKey({}{:032x})",
            if self.by_client { "client " } else { "" },
            u128::from_be_bytes(self.bytes)
        )
    }
}

/// What is known of one pair.
#[derive(Debug)]
struct Pair {
    server: Name,
    /// Channels that hold it. One that holds none stands in `idle` under `used`.
    open: u32,
    /// When it was last claimed or seen open.
    used: Instant,
}

#[derive(Debug, Default)]
struct Shard {
    pairs: BTreeMap<PairKey, Pair>,
    /// Those without an open channel, the one unused for longest first.
    idle: BTreeSet<(Instant, PairKey)>,
}

/// The table.
#[derive(Debug)]
pub struct Pairs {
    shards: [Mutex<Shard>; SHARDS],
    /// Pairs of one shard at most.
    shard_size: usize,
    /// How long a pair without an open channel is kept.
    keep: Duration,
    /// Of the hash.
    key: (u64, u64),
    evicted: AtomicU64,
    unpaired: AtomicU64,
}

/// An open channel's hold on its pair, until it is dropped.
#[derive(Debug)]
#[must_use = "the pair is forgotten some time after its last hold is dropped"]
pub struct Held {
    /// `None`: there was no room to remember it.
    pairs: Option<Arc<Pairs>>,
    key: PairKey,
    server: Name,
}

impl Pairs {
    /// An empty table for `size` pairs at least, rounded up to one in every shard. A pair without an open channel is kept
    /// for `keep`. `seed` keys the hash and must not be guessable.
    pub fn new(size: u32, keep: Duration, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            shards: Default::default(),
            shard_size: (size as usize).div_ceil(SHARDS).max(1),
            keep,
            key: (seed, seed.rotate_left(32) ^ 0x7061_6972_735f_6b65),
            evicted: AtomicU64::new(0),
            unpaired: AtomicU64::new(0),
        })
    }

    /// Of RPC over HTTP: the client's address and its request's query, which names the mailbox or server it wants
    /// (MS-RPCH section 2.2.2) and is the same for both channels. The user is not known before the server is chosen.
    pub fn client_key(&self, source: IpAddr, query: &[u8]) -> PairKey {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        match source.to_canonical() {
            IpAddr::V4(v4) => hasher.write(&v4.to_ipv6_mapped().octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        for byte in query {
            hasher.write_u8(byte.to_ascii_lowercase());
        }
        PairKey { by_client: true, bytes: hasher.finish128().as_u128().to_be_bytes() }
    }

    /// The server of a pair, if it has one. Where that cannot be used any more, [`replace`](Self::replace) says so.
    pub fn find(&self, key: &PairKey, now: Instant) -> Option<Name> {
        let shard = self.shard(key).lock();
        let pair = shard.pairs.get(key).filter(|pair| pair.lives(self.keep, now))?;
        Some(Arc::clone(&pair.server))
    }

    /// Opens a channel that was given this server. If the other channel was given another one in the meantime, that one
    /// holds: go to [`Held::server`].
    pub fn claim(self: &Arc<Self>, key: PairKey, server: &Name, now: Instant) -> Held {
        self.open(key, server, false, now)
    }

    /// Opens a channel with this server, whatever the pair's was, since that cannot be used any more. The other channel, if
    /// it is open, finds nobody to join there anyway.
    pub fn replace(self: &Arc<Self>, key: PairKey, server: &Name, now: Instant) -> Held {
        self.open(key, server, true, now)
    }

    /// Pairs it knows; some may be past their time and not yet forgotten.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().pairs.len()).sum()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pairs without an open channel that made room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Channels whose pair found no room, because all room was taken by pairs with an open channel.
    pub fn unpaired(&self) -> u64 {
        self.unpaired.load(Ordering::Relaxed)
    }

    /// Forgets pairs whose time is over. The time of a pair begins with the last call that saw it open: the oftener this is
    /// called, the more exact it is.
    pub fn expire(&self, now: Instant) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            for pair in shard.pairs.values_mut().filter(|pair| pair.open > 0) {
                pair.used = pair.used.max(now);
            }
            while let Some((used, key)) = shard.idle.first().copied() {
                if now.saturating_duration_since(used) < self.keep {
                    break;
                }
                shard.forget(used, key);
            }
        }
    }

    fn open(self: &Arc<Self>, key: PairKey, server: &Name, replace: bool, now: Instant) -> Held {
        let mut shard = self.shard(&key).lock();
        if let Some(pair) = shard.pairs.get_mut(&key) {
            if replace || !pair.lives(self.keep, now) {
                pair.server = Arc::clone(server);
            }
            let idle_since = (pair.open == 0).then_some(pair.used);
            pair.open += 1;
            pair.used = pair.used.max(now);
            let server = Arc::clone(&pair.server);
            if let Some(used) = idle_since {
                shard.idle.remove(&(used, key));
            }
            return Held { pairs: Some(Arc::clone(self)), key, server };
        }
        let room = shard.pairs.len() < self.shard_size || self.evict(&mut shard);
        if room {
            shard.pairs.insert(key, Pair { server: Arc::clone(server), open: 1, used: now });
        } else {
            self.unpaired.fetch_add(1, Ordering::Relaxed);
        }
        Held { pairs: room.then(|| Arc::clone(self)), key, server: Arc::clone(server) }
    }

    /// Forgets the pair without an open channel that is unused for longest; false if every pair has one.
    fn evict(&self, shard: &mut Shard) -> bool {
        let Some((used, key)) = shard.idle.first().copied() else { return false };
        shard.forget(used, key);
        self.evicted.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Clients choose connection ids, so it is not their bytes that say where a pair goes.
    fn shard(&self, key: &PairKey) -> &Mutex<Shard> {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(&key.bytes);
        &self.shards[hasher.finish128().h1 as usize % SHARDS]
    }
}

impl Pair {
    fn lives(&self, keep: Duration, now: Instant) -> bool {
        self.open > 0 || now.saturating_duration_since(self.used) < keep
    }
}

impl Shard {
    fn forget(&mut self, used: Instant, key: PairKey) {
        self.idle.remove(&(used, key));
        self.pairs.remove(&key);
    }
}

impl Held {
    /// The server to go to.
    pub fn server(&self) -> &Name {
        &self.server
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(pairs) = &self.pairs else { return };
        let mut shard = pairs.shard(&self.key).lock();
        let Some(pair) = shard.pairs.get_mut(&self.key) else { return };
        pair.open -= 1;
        let used = pair.used;
        if pair.open == 0 {
            shard.idle.insert((used, self.key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Chance, client, seconds, seeds, start};

    fn id(number: u8) -> PairKey {
        PairKey::connection_id([number; 16])
    }

    fn name(text: &str) -> Name {
        text.into()
    }

    #[test]
    fn the_first_channel_decides_and_the_other_follows() {
        let now = start();
        let pairs = Pairs::new(100, seconds(60), 7);
        assert_eq!(pairs.find(&id(1), now), None);
        let output = pairs.claim(id(1), &name("ex1"), now);
        let input = pairs.claim(id(1), &name("ex2"), now);
        assert_eq!((&**output.server(), &**input.server()), ("ex1", "ex1"));
        assert_eq!(pairs.find(&id(1), now), Some(name("ex1")));
        assert_eq!(&**pairs.claim(id(2), &name("ex2"), now).server(), "ex2");
    }

    #[test]
    fn a_pair_lives_while_a_channel_is_open_and_a_while_after() {
        let now = start();
        let pairs = Pairs::new(100, seconds(60), 7);
        let held = pairs.claim(id(1), &name("ex1"), now);
        pairs.expire(now + seconds(1000));
        assert!(pairs.find(&id(1), now + seconds(5000)).is_some());
        drop(held);
        assert!(pairs.find(&id(1), now + seconds(1059)).is_some());
        assert_eq!(pairs.find(&id(1), now + seconds(1060)), None);
        let late = pairs.claim(id(1), &name("ex2"), now + seconds(1060));
        assert_eq!(&**late.server(), "ex2", "what is over binds nobody, forgotten or not");
        drop(late);
        pairs.expire(now + seconds(1120));
        assert!(pairs.is_empty());
    }

    #[test]
    fn a_server_that_is_gone_is_replaced() {
        let now = start();
        let pairs = Pairs::new(100, seconds(60), 7);
        let _old = pairs.claim(id(1), &name("ex1"), now);
        let _new = pairs.replace(id(1), &name("ex2"), now);
        assert_eq!(&**pairs.claim(id(1), &name("ex1"), now).server(), "ex2");
    }

    #[test]
    fn clients_are_told_apart_by_address_and_query() {
        let pairs = Pairs::new(100, seconds(60), 7);
        let key = pairs.client_key(client(1), b"6B2A@lab.test:6001");
        assert_eq!(pairs.client_key("::ffff:10.0.0.1".parse().unwrap(), b"6b2a@LAB.test:6001"), key);
        assert_ne!(pairs.client_key(client(2), b"6b2a@lab.test:6001"), key);
        assert_ne!(pairs.client_key(client(1), b"77aa@lab.test:6001"), key);
        assert_ne!(pairs.client_key(client(1), b""), Pairs::new(1, seconds(1), 8).client_key(client(1), b""));
    }

    #[test]
    fn invented_ids_push_no_open_pair_out() {
        let now = start();
        let pairs = Pairs::new(64, seconds(60), 7);
        let open: Vec<_> = (0..16).map(|number| pairs.claim(id(number), &name("ex1"), now)).collect();
        let invented = |number: u64| PairKey::connection_id(u128::from(number + (1 << 40)).to_be_bytes());
        for number in 0..5000 {
            drop(pairs.claim(invented(number), &name("ex2"), now));
        }
        let kept = open.iter().filter(|held| held.pairs.is_some()).count() as u64;
        let found = (0..16).filter(|number| pairs.find(&id(*number), now).is_some()).count() as u64;
        assert_eq!((found, kept + pairs.unpaired()), (kept, 16));
        assert!(pairs.len() <= 64 && pairs.evicted() > 4000);
        let many: Vec<_> = (0..500).map(|number| pairs.claim(invented(number), &name("ex3"), now)).collect();
        assert!(pairs.len() <= 64 && pairs.unpaired() >= 400);
        assert!(many.iter().all(|held| &**held.server() == "ex3" || &**held.server() == "ex2"));
        drop(many);
        assert!(memory(1) <= 384, "{} bytes for one pair", memory(1));
    }

    /// Channels open and close in an order drawn from a seed; a plain list says what must come out.
    #[test]
    fn both_channels_are_on_one_server_in_any_order() {
        for seed in seeds() {
            let mut chance = Chance::new(seed);
            let mut now = start();
            let pairs = Pairs::new(1000, seconds(10), seed);
            let mut open: Vec<(u8, Held)> = Vec::new();
            for _ in 0..300 {
                now += Duration::from_millis(chance.below(2000) as u64);
                let number = chance.below(5) as u8;
                let other =
                    open.iter().find(|(own, _)| *own == number).map(|(_, held)| held.server().clone());
                match chance.below(5) {
                    0 | 1 => {
                        let wish = name(["ex1", "ex2", "ex3"][chance.below(3)]);
                        let found = pairs.find(&id(number), now);
                        let held = pairs.claim(id(number), found.as_ref().unwrap_or(&wish), now);
                        assert_eq!(*held.server(), other.or(found).unwrap_or(wish), "SEED={seed}");
                        open.push((number, held));
                    }
                    2 | 3 if !open.is_empty() => drop(open.swap_remove(chance.below(open.len()))),
                    _ => pairs.expire(now),
                }
                for (number, held) in &open {
                    assert_eq!(pairs.find(&id(*number), now).as_ref(), Some(held.server()), "SEED={seed}");
                }
            }
            drop(open);
            pairs.expire(now + seconds(10));
            assert!(pairs.is_empty(), "SEED={seed}");
        }
    }
}
