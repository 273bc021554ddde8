//! Collections that outlive a transaction: IP, GLOBAL, SESSION, USER and RESOURCE.
//!
//! The store keeps no time of its own: every question comes with *now*, in seconds.

use crate::Var;
use crate::ops::parse_number;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Records a store holds before it lets the oldest go.
pub(crate) const RECORDS_MAX: usize = 65_536;
/// Members a record holds before new ones are refused.
pub(crate) const MEMBERS_MAX: usize = 1_024;

/// Shared by every transaction of an engine; survives reloads if its owner keeps it.
#[derive(Default)]
pub struct Store {
    records: Mutex<HashMap<(Var, Vec<u8>), Record>>,
}

#[derive(Default)]
struct Record {
    members: Vec<Member>,
    /// The record goes away when it was not written for the collection timeout.
    expires: u64,
}

struct Member {
    name: Vec<u8>,
    value: Vec<u8>,
    expires: Option<u64>,
}

impl Member {
    fn is(&self, name: &[u8], now: u64) -> bool {
        self.name.eq_ignore_ascii_case(name) && self.lives(now)
    }

    fn lives(&self, now: u64) -> bool {
        self.expires.is_none_or(|at| now < at)
    }
}

/// Which record, and when.
#[derive(Clone, Copy)]
pub(crate) struct At<'k> {
    pub(crate) var: Var,
    pub(crate) key: &'k [u8],
    pub(crate) now: u64,
    pub(crate) timeout: u64,
}

impl Store {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Var, Vec<u8>), Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, at: At<'_>, name: &[u8]) -> Option<Vec<u8>> {
        let records = self.lock();
        let record = records.get(&(at.var, at.key.to_vec())).filter(|record| at.now < record.expires)?;
        record.members.iter().find(|member| member.is(name, at.now)).map(|member| member.value.clone())
    }

    pub(crate) fn members(&self, at: At<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let records = self.lock();
        let Some(record) = records.get(&(at.var, at.key.to_vec())) else { return Vec::new() };
        let living = record.members.iter().filter(|member| at.now < record.expires && member.lives(at.now));
        living.map(|member| (member.name.clone(), member.value.clone())).collect()
    }

    /// Puts `value` in place of what was there; `None` takes the member away.
    pub(crate) fn set(&self, at: At<'_>, name: &[u8], value: Option<&[u8]>) {
        self.change(at, name, |_| value.map(<[u8]>::to_vec));
    }

    /// Adds to a number, in one step, so that no two transactions count the same thing once.
    pub(crate) fn add(&self, at: At<'_>, name: &[u8], number: i64) {
        self.change(at, name, |old| {
            let sum = parse_number(old.unwrap_or(b"0")).saturating_add(number);
            Some(sum.to_string().into_bytes())
        });
    }

    fn change(&self, at: At<'_>, name: &[u8], new: impl FnOnce(Option<&[u8]>) -> Option<Vec<u8>>) {
        let mut records = self.lock();
        make_room(&mut records, at.now);
        let record = records.entry((at.var, at.key.to_vec())).or_default();
        if at.now >= record.expires {
            record.members.clear();
        }
        record.expires = at.now.saturating_add(at.timeout);
        record.members.retain(|member| member.lives(at.now));
        let found = record.members.iter().position(|member| member.is(name, at.now));
        match (found, new(found.map(|found| record.members[found].value.as_slice()))) {
            (Some(found), Some(value)) => record.members[found].value = value,
            (Some(found), None) => drop(record.members.remove(found)),
            (None, Some(value)) if record.members.len() < MEMBERS_MAX => {
                record.members.push(Member { name: name.to_vec(), value, expires: None });
            }
            _ => {}
        }
    }

    /// Lets a member go away after some seconds.
    pub(crate) fn expire(&self, at: At<'_>, name: &[u8], seconds: u64) {
        let mut records = self.lock();
        let Some(record) = records.get_mut(&(at.var, at.key.to_vec())) else { return };
        for member in record.members.iter_mut().filter(|member| member.is(name, at.now)) {
            member.expires = Some(at.now.saturating_add(seconds));
        }
    }
}

/// When full, drops what has expired, and failing that the record nearest to its end.
fn make_room(records: &mut HashMap<(Var, Vec<u8>), Record>, now: u64) {
    if records.len() < RECORDS_MAX {
        return;
    }
    records.retain(|_, record| now < record.expires);
    if records.len() >= RECORDS_MAX {
        let oldest = records.iter().min_by_key(|(_, record)| record.expires).map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            records.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now: u64) -> At<'static> {
        At { var: Var::Ip, key: b"192.0.2.1", now, timeout: 100 }
    }

    #[test]
    fn members_count_and_expire() {
        let store = Store::new();
        store.add(at(0), b"n", 1);
        store.add(at(1), b"N", 2);
        assert_eq!(store.get(at(1), b"n").as_deref(), Some(&b"3"[..]));
        store.expire(at(1), b"n", 10);
        assert!(store.get(at(10), b"n").is_some());
        assert_eq!(store.get(at(11), b"n"), None);
    }

    #[test]
    fn a_record_goes_when_nobody_writes_it() {
        let store = Store::new();
        store.set(at(0), b"a", Some(b"1"));
        assert!(store.get(at(99), b"a").is_some());
        assert!(store.get(at(100), b"a").is_none() && store.members(at(100)).is_empty());
        store.set(at(200), b"b", Some(b"2"));
        assert_eq!(store.members(at(200)).len(), 1);
    }
}
