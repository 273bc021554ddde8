//! From targets to values: what a rule's operator gets to see.

use crate::Var;
use crate::byteset::ByteSet;
use crate::facts::{Entry, Facts, TxValue, names_of};
use crate::prefilter::{Lanes, Needs};
use crate::program::{ChainId, Exclusion, Member, Program, Select, TargetList};
use crate::store::{At, Store};
use crate::values::ValueId;
use crate::xform::{UnicodeMap, Xform};

/// A selected value and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) var: Var,
    /// The member's name; empty for single variables.
    pub(crate) name: ValueId,
    pub(crate) value: ValueId,
    /// It is a number of members, not a member.
    pub(crate) is_count: bool,
}

/// The values of a target list after a chain of transformations: kept for a whole phase.
///
/// Chains share their beginnings, so a column is made from that of the chain without its last step; and
/// where that step changes none of the values, the shorter chain's column serves for both.
#[derive(Default)]
pub(crate) struct Column {
    /// The generation of facts it was made from; zero is never.
    generation: u64,
    /// The column that has the same values.
    same_as: Option<u32>,
    /// What the list selected; only in the column of the chain without a step.
    pub(crate) hits: Vec<Hit>,
    /// Each different value once, in the order of the hits.
    pub(crate) unique: Vec<ValueId>,
    /// For each hit, which of `unique` it has become.
    pub(crate) lane_of: Vec<u32>,
    /// Every byte that occurs in a value.
    bytes: ByteSet,
    /// A block for every 64 of `unique`, if somebody asked for them.
    lanes: Vec<Lanes>,
    has_lanes: bool,
    /// Kept for their room: what became of the parent's values, and where those went.
    results: Vec<ValueId>,
    moved: Vec<u32>,
}

impl Column {
    /// Which of the 64 values of `block` may match.
    pub(crate) fn candidates(&self, needs: &Needs, block: usize) -> u64 {
        let count = self.unique.len() - block * Lanes::WIDTH;
        let valid = if count >= Lanes::WIDTH { u64::MAX } else { (1 << count) - 1 };
        match needs {
            Needs::Nothing => valid,
            _ => needs.ask(&self.lanes[block], valid),
        }
    }

    /// Which of the 64 values of `block` some hit has here and had not in `before`.
    pub(crate) fn changed_since(&self, before: &Self, block: usize) -> u64 {
        let here =
            self.lane_of.iter().enumerate().filter(|(_, lane)| **lane as usize / Lanes::WIDTH == block);
        here.fold(0, |changed, (index, lane)| {
            let is_new = before.value_of(index) != self.unique[*lane as usize];
            changed | u64::from(is_new) << (*lane as usize % Lanes::WIDTH)
        })
    }

    /// What hit number `index` has become.
    pub(crate) fn value_of(&self, index: usize) -> ValueId {
        self.unique[self.lane_of[index] as usize]
    }

    pub(crate) fn blocks(&self) -> usize {
        self.unique.len().div_ceil(Lanes::WIDTH)
    }

    /// Takes in what was selected.
    fn fill(&mut self, facts: &mut Facts) {
        self.unique.clear();
        self.lane_of.clear();
        facts.values.new_marks();
        for hit in &self.hits {
            self.lane_of.push(lane(&mut self.unique, hit.value, facts));
        }
        self.sum_up(facts);
    }

    /// Becomes what `xform` makes of `parent`; false if that is the same.
    fn derive(
        &mut self,
        parent: &Self,
        xform: Xform,
        unicode: Option<&UnicodeMap>,
        facts: &mut Facts,
    ) -> bool {
        self.results.clear();
        self.results.extend(parent.unique.iter().map(|value| facts.values.transform(*value, xform, unicode)));
        if self.results == parent.unique {
            return false;
        }
        facts.values.new_marks();
        self.unique.clear();
        self.moved.clear();
        for value in &self.results {
            self.moved.push(lane(&mut self.unique, *value, facts));
        }
        self.lane_of.clear();
        if self.unique.len() < self.results.len() {
            // Two values have become one.
            self.lane_of.extend(parent.lane_of.iter().map(|lane| self.moved[*lane as usize]));
            self.sum_up(facts);
        } else {
            self.lane_of.extend_from_slice(&parent.lane_of);
            self.sum_up(facts);
            self.index_changes(parent, facts);
        }
        true
    }

    /// As [`Column::index`], when every value stands where it stood in `parent`: only what has changed is
    /// written anew.
    fn index_changes(&mut self, parent: &Self, facts: &Facts) {
        self.lanes.truncate(parent.lanes.len());
        self.lanes.resize_with(parent.lanes.len(), Lanes::new);
        for (own, theirs) in self.lanes.iter_mut().zip(&parent.lanes) {
            own.copy_from(theirs);
        }
        for (lane, (value, before)) in self.unique.iter().zip(&parent.unique).enumerate() {
            if value != before {
                let (old, new) = (facts.values.set(*before), facts.values.set(*value));
                self.lanes[lane / Lanes::WIDTH].replace(lane, old, new);
            }
        }
        self.has_lanes = true;
    }

    fn sum_up(&mut self, facts: &Facts) {
        self.has_lanes = false;
        self.bytes =
            self.unique.iter().fold(ByteSet::EMPTY, |sum, value| sum.union(facts.values.set(*value)));
    }

    /// Says in which values each byte occurs, for [`Column::candidates`].
    pub(crate) fn index(&mut self, facts: &Facts) {
        if self.has_lanes {
            return;
        }
        let blocks = self.blocks();
        self.lanes.truncate(blocks);
        self.lanes.iter_mut().for_each(Lanes::clear);
        self.lanes.resize_with(blocks, Lanes::new);
        for (lane, value) in self.unique.iter().enumerate() {
            self.lanes[lane / Lanes::WIDTH].insert(lane, facts.values.set(*value));
        }
        self.has_lanes = true;
    }
}

/// Where `value` is in `unique`, to which it is appended if it is new.
fn lane(unique: &mut Vec<ValueId>, value: ValueId, facts: &mut Facts) -> u32 {
    let next = unique.len() as u32;
    let lane = facts.values.mark(value, next);
    if lane == next {
        unique.push(value);
    }
    lane
}

/// Everything selection reads.
pub(crate) struct Source<'s> {
    pub(crate) program: &'s Program,
    pub(crate) store: Option<&'s Store>,
    pub(crate) keys: &'s [Option<Vec<u8>>],
    pub(crate) now: u64,
}

/// The keys of the stored collections come in this order.
pub(crate) const STORED: [Var; 5] = [Var::Ip, Var::Global, Var::Session, Var::User, Var::Resource];

impl<'s> Source<'s> {
    /// The store and the place in it of a stored collection that was initialised.
    pub(crate) fn record(&self, var: Var) -> Option<(&'s Store, At<'s>)> {
        let index = STORED.iter().position(|stored| *stored == var)?;
        let key = self.keys[index].as_deref()?;
        let timeout = self.program.settings.collection_timeout_seconds;
        Some((self.store?, At { var, key, now: self.now, timeout }))
    }

    /// Appends what a target list selects.
    pub(crate) fn select(&self, list: &TargetList, facts: &mut Facts, hits: &mut Vec<Hit>) {
        for select in &list.selects {
            self.select_one(select, facts, hits);
        }
        for excluded in &list.excludes {
            hits.retain(|hit| !is_excluded(hit, excluded, facts));
        }
    }

    fn select_one(&self, select: &Select, facts: &mut Facts, hits: &mut Vec<Hit>) {
        match select {
            Select::Single(var) => {
                let value = facts.single(*var);
                if value != ValueId::NONE {
                    hits.push(Hit { var: *var, name: ValueId::EMPTY, value, is_count: false });
                }
            }
            Select::TxSlot(slot) => {
                if let Some(value) = facts.tx(*slot) {
                    let name = facts.values.intern(self.program.tx.name(*slot).as_bytes());
                    let value = facts.tx_value(value);
                    hits.push(Hit { var: Var::Tx, name, value, is_count: false });
                }
            }
            Select::Xml(path) => {
                let name = facts.values.intern(self.program.path_names[*path as usize].as_bytes());
                for at in 0..facts.xml[*path as usize].len() {
                    let value = facts.xml[*path as usize][at];
                    hits.push(Hit { var: Var::Xml, name, value, is_count: false });
                }
            }
            Select::Members(var, member) => self.select_members(*var, member, facts, hits),
            Select::Count(inner) => {
                let before = hits.len();
                self.select_one(inner, facts, hits);
                let number = hits.len() - before;
                hits.truncate(before);
                let value = facts.values.intern_number(number as i64);
                let (var, name) = self.counted(inner, facts);
                hits.push(Hit { var, name, value, is_count: true });
            }
        }
    }

    /// What a count is a count of.
    fn counted(&self, select: &Select, facts: &mut Facts) -> (Var, ValueId) {
        match select {
            Select::Single(var) => (*var, ValueId::EMPTY),
            Select::TxSlot(slot) => (Var::Tx, facts.values.intern(self.program.tx.name(*slot).as_bytes())),
            Select::Members(var, Member::Named(name)) => (*var, facts.values.intern(name)),
            Select::Members(var, _) => (*var, ValueId::EMPTY),
            Select::Xml(_) => (Var::Xml, ValueId::EMPTY),
            Select::Count(inner) => self.counted(inner, facts),
        }
    }

    fn select_members(&self, var: Var, member: &Member, facts: &mut Facts, hits: &mut Vec<Hit>) {
        let owned: Vec<Entry>;
        let (entries, only_names) = match var {
            Var::Tx => {
                owned = facts.tx_members(&self.program.tx, |name| member.is(name));
                (owned.as_slice(), false)
            }
            var if var.is_stored() => {
                let members = self.record(var).map_or_else(Vec::new, |(store, at)| store.members(at));
                owned = members
                    .iter()
                    .map(|(name, value)| Entry {
                        name: facts.values.intern(name),
                        value: facts.values.intern(value),
                    })
                    .collect();
                (owned.as_slice(), false)
            }
            var => match names_of(var) {
                Some(source) => (facts.members(source), true),
                None => (facts.members(var), false),
            },
        };
        let wanted = entries.iter().filter(|entry| member.is(facts.values.get(entry.name)));
        hits.extend(wanted.map(|entry| {
            let value = if only_names { entry.name } else { entry.value };
            Hit { var, name: entry.name, value, is_count: false }
        }));
    }

    /// Does a chain's steps to a value.
    pub(crate) fn transform(&self, value: ValueId, chain: ChainId, facts: &mut Facts) -> ValueId {
        if chain == 0 {
            return value;
        }
        let (before, xform) = self.program.chains[chain as usize];
        let value = self.transform(value, before, facts);
        facts.values.transform(value, xform, self.program.unicode.as_ref())
    }

    /// The value after each step of a chain that changes it, itself first.
    pub(crate) fn stages(&self, value: ValueId, chain: ChainId, facts: &mut Facts) -> Vec<ValueId> {
        if chain == 0 {
            return vec![value];
        }
        let (before, xform) = self.program.chains[chain as usize];
        let mut stages = self.stages(value, before, facts);
        let last = stages.last().copied().unwrap_or(value);
        let next = facts.values.transform(last, xform, self.program.unicode.as_ref());
        if next != last {
            stages.push(next);
        }
        stages
    }

    /// Brings a column up to date; answers which column has its values.
    pub(crate) fn refresh(&self, columns: &mut [Column], column: u32, facts: &mut Facts) -> u32 {
        let at = column as usize;
        if columns[at].generation == facts.generation {
            return columns[at].same_as.unwrap_or(column);
        }
        let place = self.program.columns[at];
        columns[at].generation = facts.generation;
        columns[at].same_as = None;
        if place.chain == 0 {
            let mut hits = std::mem::take(&mut columns[at].hits);
            hits.clear();
            self.select(&self.program.lists[place.list as usize], facts, &mut hits);
            columns[at].hits = hits;
            columns[at].fill(facts);
            return column;
        }
        let parent = self.refresh(columns, place.parent, facts);
        let (_, xform) = self.program.chains[place.chain as usize];
        let source = &columns[parent as usize];
        let touched = source.bytes.meets(xform.triggers())
            || xform.changes_empty() && source.unique.contains(&ValueId::EMPTY);
        if touched {
            columns[parent as usize].index(facts);
            let mut fresh = std::mem::take(&mut columns[at]);
            let differs =
                fresh.derive(&columns[parent as usize], xform, self.program.unicode.as_ref(), facts);
            columns[at] = fresh;
            if differs {
                return column;
            }
        }
        columns[at].same_as = Some(parent);
        parent
    }
}

/// Whether an exclusion means this hit. Counts are of what is there, whatever is excluded.
pub(crate) fn is_excluded(hit: &Hit, excluded: &Exclusion, facts: &Facts) -> bool {
    hit.var == excluded.var && !hit.is_count && excluded.member.is(facts.values.get(hit.name))
}

/// A number from TX, without making a text of it.
pub(crate) fn tx_number(value: TxValue, facts: &Facts) -> i64 {
    match value {
        TxValue::Number(number) => number,
        TxValue::Value(id) => crate::ops::parse_number(facts.values.get(id)),
    }
}
