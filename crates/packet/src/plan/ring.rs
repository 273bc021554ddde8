//! A ring's words over time: what a change of servers does to each slot.

use crate::abi::{NO_SERVER, RING_SLOTS, word};

/// The words of one VIP, and since when each slot has had its mark.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    words: Vec<u32>,
    /// Seconds on the plan's clock; of interest for changed slots only.
    since: Vec<u32>,
}

impl Ring {
    /// A ring that has seen no flow yet.
    pub(super) fn fresh(table: &[u16]) -> Self {
        Self {
            words: table.iter().map(|&number| word::settled(number)).collect(),
            since: vec![0; RING_SLOTS],
        }
    }

    /// A ring an earlier process left: how old its marks are nobody knows, so they count from now.
    pub(super) fn adopted(words: &[u32], now: u32) -> Self {
        Self { words: words.to_vec(), since: vec![now; RING_SLOTS] }
    }

    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }

    /// Gives every slot the server the table says; `lives` says which numbers still take packets.
    /// Marks older than `oldest` go. Returns whether a word changed.
    pub(super) fn turn(&mut self, table: &[u16], lives: impl Fn(u16) -> bool, now: u32, oldest: u32) -> bool {
        let mut turned = false;
        for ((old, since), &wanted) in self.words.iter_mut().zip(&mut self.since).zip(table) {
            let settles = word::is_changed(*old) && *since < oldest;
            let new = next(*old, wanted, &lives, settles);
            if new == *old {
                continue;
            }
            if word::current(new) != word::current(*old) {
                *since = now;
            }
            *old = new;
            turned = true;
        }
        turned
    }
}

/// What becomes of a slot.
///
/// - The oldest server that still lives is the previous one: flows without a table entry are its.
/// - A slot stays marked as long as its table entries may matter: until it settles.
/// - A dead server is nobody's previous: its flows move at once.
fn next(old: u32, wanted: u16, lives: &impl Fn(u16) -> bool, settles: bool) -> u32 {
    let marked = word::is_changed(old) && !settles;
    let (current, previous) = (word::current(old), word::previous(old));
    let kept = |number: u16| number != NO_SERVER && lives(number);
    if marked {
        let oldest = [previous, current].into_iter().find(|&number| kept(number)).unwrap_or(wanted);
        return word::changed(wanted, oldest);
    }
    if current == wanted || !kept(current) {
        return word::settled(wanted);
    }
    word::changed(wanted, current)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVES: fn(u16) -> bool = |number| number < 10;

    #[test]
    fn slots_change_by_these_rules() {
        let (settled, changed) = (word::settled, word::changed);
        let cases = [
            ("nothing to do", settled(1), 1, false, settled(1)),
            ("a drained server keeps its flows", settled(1), 2, false, changed(2, 1)),
            ("a dead server keeps none", settled(11), 2, false, settled(2)),
            ("an empty slot has no flows", settled(NO_SERVER), 2, false, settled(2)),
            ("the last server is drained", settled(1), NO_SERVER, false, changed(NO_SERVER, 1)),
            ("a second change keeps the oldest", changed(2, 1), 3, false, changed(3, 1)),
            ("the drained server comes back: others' entries matter", changed(2, 1), 1, false, changed(1, 1)),
            ("the previous one died", changed(2, 11), 2, false, changed(2, 2)),
            ("the previous one died and the current one is drained", changed(2, 11), 3, false, changed(3, 2)),
            ("both died", changed(12, 11), 3, false, changed(3, 3)),
            ("a mark is old enough", changed(2, 1), 2, true, settled(2)),
            ("a mark is old enough, and the slot changes again", changed(2, 1), 3, true, changed(3, 2)),
        ];
        for (what, old, wanted, settles, new) in cases {
            assert_eq!(next(old, wanted, &LIVES, settles), new, "{what}");
        }
    }

    #[test]
    fn a_mark_goes_after_its_time() {
        let (one, two) = (vec![1; RING_SLOTS], vec![2; RING_SLOTS]);
        let mut ring = Ring::fresh(&one);
        assert!(ring.turn(&two, LIVES, 100, 0));
        assert!(!ring.turn(&two, LIVES, 150, 100));
        assert!(ring.turn(&two, LIVES, 200, 101));
        assert!(ring.words().iter().all(|&word| word == word::settled(2)));
    }
}
