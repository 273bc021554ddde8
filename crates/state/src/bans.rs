//! Budgets of requests and of failed logins, for each source and each user, and the bans that follow from overdrawing.
//!
//! One table for all listeners, bounded: [`memory`] says how much it takes when full. It is split into shards by a keyed
//! hash, so that workers seldom meet at a lock and nobody can aim at one of them. At its size it forgets bans that are
//! over, then the subject unused for longest; a ban in force stays as long as anything else can go. Where all are bans in
//! force, a newcomer is not watched ([`Counts::unwatched`]), and a new ban takes the place of the one with least time left.
//!
//! A budget is a bucket of tokens (as GCRA, ITU-T I.371, counts them): `count` may come at once, and one more is earned in
//! each `per / count`. It takes eight bytes and no clock.
//!
//! A word of care about users: whoever knows a name can fail in it. A ban on a user locks the user out, from everywhere;
//! rules for users had better refuse what is over the budget and not ban.

mod shard;
mod subject;
#[cfg(test)]
mod tests;

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use siphasher::sip128::{Hasher128, SipHasher13};

use shard::{Entry, InForce, Nanos, Shard};
pub use subject::{NotASubject, Source, Subject};

/// Shards at most; fewer where they would be small.
const SHARDS_MAX: usize = 64;
const SHARD_ENTRIES_MIN: usize = 256;

/// Entries looked at in one go while a shard is locked.
const EXPIRE_BATCH: usize = 256;

/// The longest ban: a hundred years, which no sum of times overflows with.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Memory of a full table of this size, in bytes; it grows to that as subjects come.
pub const fn memory(size: u32) -> u64 {
    size as u64 * (shard::ENTRY_BYTES + subject::USER_BYTES_MAX) as u64
}

/// How many in how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// May come at once; 0 is none at all.
    pub count: u32,
    /// In this time the whole budget is earned again.
    pub per: Duration,
}

/// A budget and what overdrawing it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What may be spent.
    pub budget: Budget,
    /// How long the ban is; `None`: what is over the budget is refused, and nothing else happens.
    pub ban: Option<Duration>,
}

/// What a budget is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spent {
    /// A request.
    Request,
    /// A failed login.
    Failure,
}

/// Why a ban is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Too many requests.
    Requests,
    /// Too many failed logins.
    Failures,
    /// An administrator's.
    Hand,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Failures, Self::Hand];

    /// The word in metrics and in `transom ctl bans`: `requests`, `failures`, `hand`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Failures => "failures",
            Self::Hand => "hand",
        }
    }

    /// The reason of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// What to do with who spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Within the budget.
    Pass,
    /// Over it, and not banned for that.
    Over {
        /// When one more may come.
        retry_after: Duration,
    },
    /// Banned.
    Banned {
        /// Why.
        reason: Reason,
        /// For how much longer.
        left: Duration,
        /// This very event began the ban: one for the log.
        begins: bool,
    },
}

/// A ban in force. Times are what is left, so that it outlives the program: [`Bans::snapshot`], [`Bans::restore`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Who is banned.
    pub subject: Subject,
    /// Why.
    pub reason: Reason,
    /// For how much longer.
    pub left: Duration,
    /// What it has refused, up to the largest number of 32 bits.
    pub refused: u32,
}

/// What the table has come to, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Subjects it knows now.
    pub subjects: usize,
    /// Bans now; some may be over and not yet forgotten.
    pub bans: usize,
    /// Bans that began here, in the order of [`Reason::ALL`]; those taken over from elsewhere are not counted.
    pub begun: [u64; 3],
    /// Requests and connections refused by a ban.
    pub refused: u64,
    /// Requests refused over a budget without a ban.
    pub over: u64,
    /// Subjects forgotten to make room.
    pub evicted: u64,
    /// Bans in force that made room for another ban.
    pub displaced: u64,
    /// Events that were not counted, because all room was taken by bans in force.
    pub unwatched: u64,
}

/// The table.
#[derive(Debug)]
pub struct Bans {
    /// Times count from here.
    epoch: Instant,
    /// Of the hash.
    key: (u64, u64),
    /// A power of two of them.
    shards: Box<[Mutex<Shard>]>,
    /// Entries with a ban, so that nobody looks for one where there is none. Changed while the shard is locked.
    banned: AtomicUsize,
    begun: [AtomicU64; 3],
    refused: AtomicU64,
    over: AtomicU64,
    evicted: AtomicU64,
    displaced: AtomicU64,
    unwatched: AtomicU64,
}

impl Bans {
    /// An empty table for `size` subjects, at least one. `seed` keys its hash and must not be guessable.
    pub fn new(size: u32, seed: u64, now: Instant) -> Self {
        let size = size.max(1) as usize;
        let count = 1_usize << (size / SHARD_ENTRIES_MIN).clamp(1, SHARDS_MAX).ilog2();
        // Rounded down: the table never holds more than it was asked to.
        let shards = (0..count).map(|_| Mutex::new(Shard::new(size / count))).collect();
        Self {
            epoch: now,
            key: (seed, seed.rotate_left(32) ^ 0x6261_6e73_5f6b_6579),
            shards,
            banned: AtomicUsize::new(0),
            begun: Default::default(),
            refused: AtomicU64::new(0),
            over: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            displaced: AtomicU64::new(0),
            unwatched: AtomicU64::new(0),
        }
    }

    /// Whether a ban is in force, which is then counted as refusing. Costs nearly nothing while there is no ban at all.
    pub fn check(&self, subject: &Subject, now: Instant) -> Option<Ban> {
        if self.banned.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let now = self.nanos(now);
        let key = self.hash(subject);
        self.with(key, |shard| {
            let at = shard.find(key, now)?;
            let entry = shard.entry(at);
            refuse(entry.ban.as_mut()?, &self.refused);
            shown(entry, now)
        })
    }

    /// Takes one from a subject's budget.
    pub fn spend(&self, subject: &Subject, spent: Spent, rule: &Rule, now: Instant) -> Verdict {
        let now = self.nanos(now);
        let key = self.hash(subject);
        self.with(key, |shard| {
            let found = shard.find(key, now).or_else(|| self.take_in(shard, key, subject, now));
            let Some(at) = found else {
                self.unwatched.fetch_add(1, Ordering::Relaxed);
                return Verdict::Pass;
            };
            shard.touch(at);
            let entry = shard.entry(at);
            if let Some(ban) = &mut entry.ban {
                refuse(ban, &self.refused);
                return Verdict::Banned { reason: ban.reason, left: between(now, ban.until), begins: false };
            }
            let (whole, reason) = match spent {
                Spent::Request => (&mut entry.requests, Reason::Requests),
                Spent::Failure => (&mut entry.failures, Reason::Failures),
            };
            let Err(retry_after) = take(whole, rule.budget, now) else { return Verdict::Pass };
            let Some(length) = rule.ban else {
                self.over.fetch_add(1, Ordering::Relaxed);
                return Verdict::Over { retry_after };
            };
            shard.set_ban(at, Some(InForce { until: after(now, length), reason, refused: 0 }));
            self.begun[reason as usize].fetch_add(1, Ordering::Relaxed);
            Verdict::Banned { reason, left: length.min(LONGEST), begins: true }
        })
    }

    /// Gives the budget of failed logins back: for a *user* whose login was accepted. Not for a source, where one account
    /// that is known would pay for guessing all others.
    pub fn forgive(&self, subject: &Subject, now: Instant) {
        let now = self.nanos(now);
        let key = self.hash(subject);
        self.with(key, |shard| {
            if let Some(at) = shard.find(key, now) {
                shard.entry(at).failures = 0;
            }
        });
    }

    /// Bans by hand, from now on for so long, whatever ban was in force before.
    pub fn ban(&self, subject: &Subject, length: Duration, now: Instant) {
        self.put(subject, length, Reason::Hand, 0, now);
        self.begun[Reason::Hand as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Lifts a ban and makes the subject's budgets whole; whether there was a ban.
    pub fn lift(&self, subject: &Subject, now: Instant) -> bool {
        let now = self.nanos(now);
        let key = self.hash(subject);
        self.with(key, |shard| {
            let Some(at) = shard.find(key, now) else { return false };
            let was_banned = shard.entry(at).ban.is_some();
            shard.remove(at);
            was_banned
        })
    }

    /// At most `limit` bans in force, those with most time left first.
    pub fn list(&self, limit: usize, now: Instant) -> Vec<Ban> {
        let now = self.nanos(now);
        let mut bans = Vec::new();
        for shard in &self.shards {
            bans.extend(shard.lock().entries().filter_map(|entry| shown(entry, now)));
        }
        bans.sort_by(|a: &Ban, b| b.left.cmp(&a.left).then_with(|| a.subject.cmp(&b.subject)));
        bans.truncate(limit);
        bans
    }

    /// All bans in force, to be given to [`restore`](Self::restore) of another table.
    pub fn snapshot(&self, now: Instant) -> Vec<Ban> {
        self.list(usize::MAX, now)
    }

    /// Takes bans over, of this table or another; those that are over in the meantime are left out by the caller, who
    /// knows how long it was. A ban in force here that ends later stays.
    pub fn restore(&self, bans: impl IntoIterator<Item = Ban>, now: Instant) {
        for ban in bans {
            let longer = self.peek(&ban.subject, now).is_some_and(|own| own.left >= ban.left);
            if !longer && !ban.left.is_zero() {
                self.put(&ban.subject, ban.left, ban.reason, ban.refused, now);
            }
        }
    }

    /// Forgets who says nothing any more. Never holds a shard for long; called once in a while.
    pub fn expire(&self, now: Instant) {
        let now = self.nanos(now);
        for shard in &self.shards {
            while self.locked(shard, |shard| shard.expire(now, EXPIRE_BATCH)) == EXPIRE_BATCH {}
        }
    }

    /// What it has come to.
    pub fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            subjects: self.shards.iter().map(|shard| shard.lock().len()).sum(),
            bans: self.banned.load(Ordering::Relaxed),
            begun: self.begun.each_ref().map(load),
            refused: load(&self.refused),
            over: load(&self.over),
            evicted: load(&self.evicted),
            displaced: load(&self.displaced),
            unwatched: load(&self.unwatched),
        }
    }

    /// The ban in force, not counted as refusing.
    fn peek(&self, subject: &Subject, now: Instant) -> Option<Ban> {
        let now = self.nanos(now);
        let key = self.hash(subject);
        self.with(key, |shard| {
            let at = shard.find(key, now)?;
            shown(shard.entry(at), now)
        })
    }

    fn put(&self, subject: &Subject, length: Duration, reason: Reason, refused: u32, now: Instant) {
        let now = self.nanos(now);
        let key = self.hash(subject);
        self.with(key, |shard| {
            let found = shard.find(key, now).or_else(|| self.take_in(shard, key, subject, now));
            let at = found.unwrap_or_else(|| {
                if let Some(at) = shard.soonest_end() {
                    shard.remove(at);
                    self.displaced.fetch_add(1, Ordering::Relaxed);
                }
                shard.insert(key, subject.clone())
            });
            shard.set_ban(at, Some(InForce { until: after(now, length), reason, refused }));
        });
    }

    /// An entry for a subject that has none; `None`: all room is taken by bans in force.
    fn take_in(&self, shard: &mut Shard, key: u128, subject: &Subject, now: Nanos) -> Option<u32> {
        self.evicted.fetch_add(shard.make_room(now)?, Ordering::Relaxed);
        Some(shard.insert(key, subject.clone()))
    }

    fn with<T>(&self, key: u128, work: impl FnOnce(&mut Shard) -> T) -> T {
        self.locked(&self.shards[(key >> 64) as usize & (self.shards.len() - 1)], work)
    }

    /// Works on a shard and keeps the number of bans.
    fn locked<T>(&self, shard: &Mutex<Shard>, work: impl FnOnce(&mut Shard) -> T) -> T {
        let mut shard = shard.lock();
        let before = shard.bans();
        let result = work(&mut shard);
        let after = shard.bans();
        if after > before {
            self.banned.fetch_add(after - before, Ordering::Relaxed);
        } else if after < before {
            self.banned.fetch_sub(before - after, Ordering::Relaxed);
        }
        #[cfg(test)]
        shard.assert();
        result
    }

    /// Keyed, so that no client can choose where its entry lands or be taken for another.
    fn hash(&self, subject: &Subject) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        subject.hash(&mut hasher);
        hasher.write_u8(0xff);
        hasher.finish128().as_u128()
    }

    fn nanos(&self, now: Instant) -> Nanos {
        nanos_of(now.saturating_duration_since(self.epoch))
    }
}

/// Takes one token. `whole` is when the bucket is full again; the error is how long one must wait.
fn take(whole: &mut Nanos, budget: Budget, now: Nanos) -> Result<(), Duration> {
    let per = nanos_of(budget.per.min(LONGEST));
    if budget.count == 0 {
        return Err(budget.per);
    }
    let step = (per / u64::from(budget.count)).max(1);
    // A rule that is shorter than the one before must not be waited for as long as that.
    let start = (*whole).clamp(now, now.saturating_add(per));
    let end = start.saturating_add(step);
    if end > now.saturating_add(per.max(step)) {
        return Err(between(now.saturating_add(per), end));
    }
    *whole = end;
    Ok(())
}

fn refuse(ban: &mut InForce, all: &AtomicU64) {
    ban.refused = ban.refused.saturating_add(1);
    all.fetch_add(1, Ordering::Relaxed);
}

fn shown(entry: &Entry, now: Nanos) -> Option<Ban> {
    let ban = entry.ban.filter(|ban| ban.until > now)?;
    let subject = entry.subject.clone();
    Some(Ban { subject, reason: ban.reason, left: between(now, ban.until), refused: ban.refused })
}

fn after(now: Nanos, length: Duration) -> Nanos {
    now.saturating_add(nanos_of(length.min(LONGEST)))
}

fn between(now: Nanos, then: Nanos) -> Duration {
    Duration::from_nanos(then.saturating_sub(now))
}

fn nanos_of(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
