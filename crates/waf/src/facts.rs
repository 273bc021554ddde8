//! What is known about one transaction: the value of every variable.

use crate::Var;
use crate::program::TxNames;
use crate::values::{ValueId, Values};

/// A member of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: ValueId,
    pub(crate) value: ValueId,
}

/// What a TX member holds. Scores are numbers and are added to more often than they are read as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TxValue {
    Number(i64),
    Value(ValueId),
}

/// All variables of a transaction.
pub(crate) struct Facts {
    pub(crate) values: Values,
    single: [ValueId; Var::COUNT],
    collections: Vec<Vec<Entry>>,
    tx: Vec<Option<TxValue>>,
    /// TX members whose names no rule writes literally.
    tx_named: Vec<(ValueId, TxValue)>,
    /// What each XML path of the program selects.
    pub(crate) xml: Vec<Vec<ValueId>>,
    /// Counts changes to what is not volatile, so that what was derived from it is known to be stale.
    pub(crate) generation: u64,
    /// A buffer for whoever needs one for a moment.
    pub(crate) scratch: Vec<u8>,
}

/// The collection whose names a `…_NAMES` collection has for values.
pub(crate) fn names_of(var: Var) -> Option<Var> {
    Some(match var {
        Var::ArgsNames => Var::Args,
        Var::ArgsGetNames => Var::ArgsGet,
        Var::ArgsPostNames => Var::ArgsPost,
        Var::FilesNames => Var::Files,
        Var::RequestHeadersNames => Var::RequestHeaders,
        Var::RequestCookiesNames => Var::RequestCookies,
        Var::ResponseHeadersNames => Var::ResponseHeaders,
        Var::MatchedVarsNames => Var::MatchedVars,
        _ => return None,
    })
}

impl Default for Facts {
    /// Nothing, and no room for anything.
    fn default() -> Self {
        Self {
            values: Values::default(),
            single: [ValueId::NONE; Var::COUNT],
            collections: Vec::new(),
            tx: Vec::new(),
            tx_named: Vec::new(),
            xml: Vec::new(),
            generation: 0,
            scratch: Vec::new(),
        }
    }
}

impl Facts {
    pub(crate) fn new(tx_slots: usize, xml_paths: usize) -> Self {
        Self {
            values: Values::new(),
            single: [ValueId::NONE; Var::COUNT],
            collections: vec![Vec::new(); Var::Xml as usize + 1],
            tx: vec![None; tx_slots],
            tx_named: Vec::new(),
            xml: vec![Vec::new(); xml_paths],
            generation: 1,
            scratch: Vec::new(),
        }
    }

    /// Forgets everything but the room it took. The generation goes on, so that nothing derived from before
    /// is taken for fresh.
    pub(crate) fn reset(&mut self) {
        self.values.reset();
        self.single.fill(ValueId::NONE);
        self.collections.iter_mut().for_each(Vec::clear);
        self.tx.fill(None);
        self.tx_named.clear();
        self.xml.iter_mut().for_each(Vec::clear);
        self.generation += 1;
    }

    pub(crate) fn set(&mut self, var: Var, value: &[u8]) {
        self.single[var as usize] = self.values.intern(value);
        self.generation += u64::from(!var.is_volatile());
    }

    pub(crate) fn set_number(&mut self, var: Var, number: usize) {
        self.single[var as usize] = self.values.intern_number(number as i64);
        self.generation += u64::from(!var.is_volatile());
    }

    /// Sets a variable to `parts` with `between` between them.
    pub(crate) fn set_joined(&mut self, var: Var, parts: &[&[u8]], between: &[u8]) {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        for (number, part) in parts.iter().enumerate() {
            text.extend_from_slice(if number == 0 { b"" } else { between });
            text.extend_from_slice(part);
        }
        self.set(var, &text);
        self.scratch = text;
    }

    pub(crate) fn set_flag(&mut self, var: Var, flag: bool) {
        self.set(var, if flag { b"1" } else { b"0" });
    }

    /// A single variable, `NONE` when it is not set.
    pub(crate) fn single(&self, var: Var) -> ValueId {
        self.single[var as usize]
    }

    /// The bytes of a single variable.
    pub(crate) fn bytes(&self, var: Var) -> &[u8] {
        self.values.get(self.single(var))
    }

    pub(crate) fn add(&mut self, var: Var, name: &[u8], value: &[u8]) -> Entry {
        let entry = Entry { name: self.values.intern(name), value: self.values.intern(value) };
        self.add_entry(var, entry);
        entry
    }

    pub(crate) fn add_entry(&mut self, var: Var, entry: Entry) {
        self.collections[var as usize].push(entry);
        self.generation += u64::from(!var.is_volatile());
    }

    pub(crate) fn clear(&mut self, var: Var) {
        self.collections[var as usize].clear();
        self.generation += u64::from(!var.is_volatile());
    }

    /// The members of a collection. Those of the `…_NAMES` collections are not stored: see [`names_of`].
    pub(crate) fn members(&self, var: Var) -> &[Entry] {
        &self.collections[var as usize]
    }

    pub(crate) fn tx(&self, slot: u32) -> Option<TxValue> {
        self.tx.get(slot as usize).copied().flatten()
    }

    pub(crate) fn set_tx(&mut self, slot: u32, value: Option<TxValue>) {
        if let Some(place) = self.tx.get_mut(slot as usize) {
            *place = value;
        }
    }

    pub(crate) fn tx_named(&self, name: &[u8]) -> Option<TxValue> {
        let found = self.tx_named.iter().find(|(own, _)| self.values.get(*own).eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    }

    pub(crate) fn set_tx_named(&mut self, name: &[u8], value: Option<TxValue>) {
        let values = &self.values;
        let found = self.tx_named.iter().position(|(own, _)| values.get(*own).eq_ignore_ascii_case(name));
        match (found, value) {
            (Some(at), Some(value)) => self.tx_named[at].1 = value,
            (Some(at), None) => drop(self.tx_named.remove(at)),
            (None, Some(value)) => {
                let name = self.values.intern(name);
                self.tx_named.push((name, value));
            }
            (None, None) => {}
        }
    }

    /// A TX member as a value like any other.
    pub(crate) fn tx_value(&mut self, value: TxValue) -> ValueId {
        match value {
            TxValue::Value(id) => id,
            TxValue::Number(number) => self.values.intern_number(number),
        }
    }

    /// The TX members whose names are wanted.
    pub(crate) fn tx_members(&mut self, names: &TxNames, wanted: impl Fn(&[u8]) -> bool) -> Vec<Entry> {
        let mut members = Vec::new();
        for slot in 0..self.tx.len() {
            if let Some(value) = self.tx[slot].filter(|_| wanted(names.name(slot as u32).as_bytes())) {
                let name = self.values.intern(names.name(slot as u32).as_bytes());
                members.push(Entry { name, value: self.tx_value(value) });
            }
        }
        for at in 0..self.tx_named.len() {
            let (name, value) = self.tx_named[at];
            if !wanted(self.values.get(name)) {
                continue;
            }
            members.push(Entry { name, value: self.tx_value(value) });
        }
        members
    }

    /// Appends a TX member as text.
    pub(crate) fn write_tx(&self, value: TxValue, out: &mut Vec<u8>) {
        match value {
            TxValue::Value(id) => out.extend_from_slice(self.values.get(id)),
            TxValue::Number(number) => out.extend_from_slice(crate::short::Short::of(number).bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tx_members_have_slots_or_names() {
        let mut names = TxNames::new();
        let slot = names.add("Score");
        let mut facts = Facts::new(names.len(), 0);
        facts.set_tx(slot, Some(TxValue::Number(5)));
        facts.set_tx_named(b"other", Some(TxValue::Number(1)));
        facts.set_tx_named(b"OTHER", Some(TxValue::Number(2)));
        let members = facts.tx_members(&names, |_| true);
        let texts: Vec<_> =
            members.iter().map(|m| (facts.values.get(m.name), facts.values.get(m.value))).collect();
        assert_eq!(texts, [(&b"Score"[..], &b"5"[..]), (b"other", b"2")]);
        facts.set_tx_named(b"other", None);
        assert_eq!(facts.tx_named(b"other"), None);
    }

    #[test]
    fn changes_make_what_was_derived_stale() {
        let mut facts = Facts::new(0, 0);
        let before = facts.generation;
        facts.set(Var::MatchedVar, b"x");
        assert_eq!(facts.generation, before);
        facts.add(Var::Args, b"a", b"b");
        assert!(facts.generation > before);
    }
}
