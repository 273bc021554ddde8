//! The values of one transaction: every string once, with what has been found out about it.
//!
//! Names, values and the results of transformations are *interned*: the same bytes have the same
//! [`ValueId`], so whatever is learnt of one (its byte set, what a transformation makes of it) is
//! learnt for all. Everything lies in one growing buffer that lives as long as the transaction.

use crate::byteset::ByteSet;
use crate::xform::{UnicodeMap, Xform};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// A value by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ValueId(u32);

impl ValueId {
    /// The empty value, which is always there.
    pub(crate) const EMPTY: Self = Self(0);
    /// No value at all, for single variables that are not set.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

struct Value {
    start: usize,
    end: usize,
    set: ByteSet,
    /// Newest of the transformations done on this value: an index into `steps`, or `u32::MAX`.
    steps: u32,
}

/// What a transformation made of a value.
struct Step {
    xform: Xform,
    result: ValueId,
    next: u32,
}

/// All values of a transaction.
#[derive(Default)]
pub(crate) struct Values {
    bytes: Vec<u8>,
    values: Vec<Value>,
    steps: Vec<Step>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    scratch: Vec<u8>,
    /// For each value a number, valid if it was set in this round.
    marks: Vec<(u32, u32)>,
    round: u32,
}

impl Values {
    pub(crate) fn new() -> Self {
        let mut values = Self {
            bytes: Vec::with_capacity(4096),
            values: Vec::with_capacity(128),
            steps: Vec::with_capacity(128),
            table: HashTable::with_capacity(128),
            hasher: DefaultHashBuilder::default(),
            scratch: Vec::new(),
            marks: Vec::new(),
            round: 0,
        };
        values.intern(b"");
        values
    }

    /// The bytes of a value.
    pub(crate) fn get(&self, id: ValueId) -> &[u8] {
        match self.values.get(id.0 as usize) {
            Some(value) => &self.bytes[value.start..value.end],
            None => b"",
        }
    }

    /// The bytes that occur in a value.
    pub(crate) fn set(&self, id: ValueId) -> ByteSet {
        self.values.get(id.0 as usize).map_or(ByteSet::EMPTY, |value| value.set)
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.values.len()
    }

    /// The id of `bytes`, which are copied if they are new.
    pub(crate) fn intern(&mut self, bytes: &[u8]) -> ValueId {
        let hash = self.hasher.hash_one(bytes);
        let (store, values, hasher) = (&self.bytes, &self.values, &self.hasher);
        let stored = |index: u32| {
            let value = &values[index as usize];
            &store[value.start..value.end]
        };
        if let Some(&found) = self.table.find(hash, |&index| stored(index) == bytes) {
            return ValueId(found);
        }
        let id = u32::try_from(values.len()).expect("a transaction has fewer than 2^32 values");
        self.table.insert_unique(hash, id, |&index| hasher.hash_one(stored(index)));
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.values.push(Value {
            start,
            end: self.bytes.len(),
            set: ByteSet::of_value(bytes),
            steps: u32::MAX,
        });
        ValueId(id)
    }

    /// The id of a number's text.
    pub(crate) fn intern_number(&mut self, number: i64) -> ValueId {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            at -= 1;
            digits[at] = b'-';
        }
        self.intern(&digits[at..])
    }

    /// Forgets all marks.
    pub(crate) fn new_marks(&mut self) {
        self.round += 1;
        self.marks.resize(self.values.len(), (0, 0));
    }

    /// The value's mark, which becomes `number` if it has none.
    pub(crate) fn mark(&mut self, id: ValueId, number: u32) -> u32 {
        let round = self.round;
        match self.marks.get_mut(id.0 as usize) {
            Some((at, known)) if *at == round => *known,
            Some(mark) => {
                *mark = (round, number);
                number
            }
            None => number,
        }
    }

    /// Forgets everything but the room it took.
    pub(crate) fn reset(&mut self) {
        self.bytes.clear();
        self.values.clear();
        self.steps.clear();
        self.table.clear();
        self.marks.clear();
        self.intern(b"");
    }

    /// The room it takes, in bytes.
    pub(crate) fn room(&self) -> usize {
        self.bytes.capacity() + self.values.capacity() * size_of::<Value>()
    }

    /// What `xform` makes of a value: mostly the value itself, which costs one look at its byte set.
    pub(crate) fn transform(&mut self, id: ValueId, xform: Xform, unicode: Option<&UnicodeMap>) -> ValueId {
        let set = self.set(id);
        let touched = set.meets(xform.triggers()) || id == ValueId::EMPTY && xform.changes_empty();
        if !touched {
            return id;
        }
        let mut step = self.values[id.0 as usize].steps;
        while let Some(known) = self.steps.get(step as usize) {
            if known.xform == xform {
                return known.result;
            }
            step = known.next;
        }
        let mut out = std::mem::take(&mut self.scratch);
        out.clear();
        xform.apply(self.get(id), unicode, &mut out);
        let result = self.intern(&out);
        self.scratch = out;
        let next = std::mem::replace(&mut self.values[id.0 as usize].steps, self.steps.len() as u32);
        self.steps.push(Step { xform, result, next });
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_the_same_value() {
        let mut values = Values::new();
        assert_eq!(values.intern(b""), ValueId::EMPTY);
        let a = values.intern(b"abc");
        assert_eq!(values.intern(b"abc"), a);
        assert_eq!(values.get(a), b"abc");
        assert_eq!(values.get(ValueId::NONE), b"");
        for n in 0..1000 {
            values.intern(format!("v{n}").as_bytes());
        }
        assert_eq!(values.intern(b"abc"), a);
        assert_eq!(values.count(), 1002);
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        let mut values = Values::new();
        for number in [0, 7, -1, 10, i64::MAX, i64::MIN] {
            let id = values.intern_number(number);
            assert_eq!(values.get(id), number.to_string().as_bytes());
        }
    }

    #[test]
    fn a_transformation_is_done_once() {
        let mut values = Values::new();
        let a = values.intern(b"ABC");
        let lower = values.transform(a, Xform::Lowercase, None);
        assert_eq!(values.get(lower), b"abc");
        let count = values.count();
        assert_eq!(values.transform(a, Xform::Lowercase, None), lower);
        assert_eq!(values.transform(lower, Xform::Lowercase, None), lower);
        assert_eq!(values.count(), count);
        assert_eq!(values.transform(ValueId::EMPTY, Xform::Length, None), values.intern(b"0"));
    }
}
