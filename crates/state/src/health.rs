//! The condition of a server as probes and real connections tell it: a pure state machine, no clock, no locks.
//!
//! A server nobody has looked at yet is `unknown` and is used: after a start or a reload clients need not wait for the
//! first probes. The first probe decides alone, either way. From then on `rise` passes in a row bring a server up and
//! `fall` failures in a row take it down.
//!
//! Real connections are counted apart: `passive.fall` failed connects in a row take a server down as well. Then its
//! health check brings it back; without one it is tried again when `passive.hold` has passed, and the first failure
//! takes it out again, the first success settles that it is up.

use std::fmt;

/// Whether a server can be used, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Condition {
    /// Nobody has looked yet: used as if it were up.
    Unknown = 0,
    /// Works.
    Up = 1,
    /// Does not: no connection goes there.
    Down = 2,
}

impl Condition {
    /// The word in logs and in the admin API: `unknown`, `up`, `down`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an administrator wants of a server, whatever its condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AdminState {
    /// In service.
    Ready = 0,
    /// No new clients; those that stick to it keep it, as connections that exist do.
    Drain = 1,
    /// Out of service: nobody is sent there.
    Maint = 2,
}

impl AdminState {
    /// The word in logs and in the admin API: `ready`, `drain`, `maint`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }

    /// The admin state of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ready, Self::Drain, Self::Maint].into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<transom_config::StartState> for AdminState {
    fn from(start: transom_config::StartState) -> Self {
        match start {
            transom_config::StartState::Ready => Self::Ready,
            transom_config::StartState::Drain => Self::Drain,
            transom_config::StartState::Maint => Self::Maint,
        }
    }
}

/// How many results in a row decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Passes in a row that bring a server up; 0 counts as 1.
    pub rise: u32,
    /// Failures in a row that take it down; 0 counts as 1.
    pub fall: u32,
}

/// The machine: a condition, and how many results in a row speak against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    condition: Condition,
    /// Probes in a row that contradict `condition`; less than the threshold.
    against: u32,
    /// Failed real connections in a row; less than the passive threshold.
    failed_connections: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { condition: Condition::Unknown, against: 0, failed_connections: 0 }
    }
}

impl Health {
    /// Where it stands.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// Whether a real connection that succeeded would be news.
    pub fn has_failures(&self) -> bool {
        self.failed_connections > 0
    }

    /// Takes in the result of a probe; the new condition if it changed.
    pub fn probed(&mut self, passed: bool, limits: Thresholds) -> Option<Condition> {
        let (says, needed) =
            if passed { (Condition::Up, limits.rise) } else { (Condition::Down, limits.fall) };
        if self.condition == says {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.condition == Condition::Unknown || self.against >= needed {
            return self.turn(says);
        }
        None
    }

    /// Takes in a real connection that failed; `Some(Down)` if that was one too many in a row.
    pub fn connection_failed(&mut self, fall: u32) -> Option<Condition> {
        if self.condition == Condition::Down {
            return None;
        }
        self.failed_connections += 1;
        if self.failed_connections >= fall {
            return self.turn(Condition::Down);
        }
        None
    }

    /// Takes in a real connection that succeeded. Where no health check looks (`probed` is false) it settles that an
    /// unknown server is up.
    pub fn connection_succeeded(&mut self, probed: bool) -> Option<Condition> {
        self.failed_connections = 0;
        if probed || self.condition != Condition::Unknown {
            return None;
        }
        self.turn(Condition::Up)
    }

    /// The hold time of a server without a health check is over: it is unknown again, and one failure of `fall`
    /// suffices to take it down.
    pub fn hold_passed(&mut self, fall: u32) -> Option<Condition> {
        if self.condition != Condition::Down {
            return None;
        }
        let changed = self.turn(Condition::Unknown);
        self.failed_connections = fall.saturating_sub(1);
        changed
    }

    fn turn(&mut self, condition: Condition) -> Option<Condition> {
        *self = Self { condition, against: 0, failed_connections: 0 };
        Some(condition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a story: `+` and `-` are probes, `s` and `f` real connections that succeeded and failed, `h` the end of the
    /// hold time. Gives one letter a step: U, D, or ? for unknown. Two passes raise, three failures of either kind fell.
    fn run_as(story: &str, has_check: bool) -> String {
        let limits = Thresholds { rise: 2, fall: 3 };
        let mut health = Health::default();
        let step = |step| {
            let before = health.condition();
            let changed = match step {
                '+' => health.probed(true, limits),
                '-' => health.probed(false, limits),
                's' => health.connection_succeeded(has_check),
                'f' => health.connection_failed(3),
                'h' => health.hold_passed(3),
                _ => unreachable!("{step}"),
            };
            assert_eq!(changed.unwrap_or(before), health.condition());
            assert_ne!(changed, Some(before), "a change that is none");
            match health.condition() {
                Condition::Unknown => '?',
                Condition::Up => 'U',
                Condition::Down => 'D',
            }
        };
        story.chars().map(step).collect()
    }

    fn run(story: &str) -> String {
        run_as(story, true)
    }

    #[test]
    fn the_first_probe_decides_alone() {
        assert_eq!(run("+"), "U");
        assert_eq!(run("-"), "D");
    }

    #[test]
    fn falls_after_three_failures_in_a_row() {
        assert_eq!(run("+---"), "UUUD");
        assert_eq!(run("+--+--+---"), "UUUUUUUUUD");
    }

    #[test]
    fn rises_after_two_passes_in_a_row() {
        assert_eq!(run("-++"), "DDU");
        assert_eq!(run("-+-+-++"), "DDDDDDU");
    }

    #[test]
    fn real_connections_take_down_and_probes_bring_back() {
        assert_eq!(run("+fff++"), "UUUDDU");
        assert_eq!(run("+ffsff"), "UUUUUU");
        assert_eq!(run("+f+f+f"), "UUUUUD", "a probe that passes does not excuse connections that fail");
        assert_eq!(run("fff"), "??D");
    }

    #[test]
    fn without_a_check_the_first_success_settles_it() {
        assert_eq!(run_as("s", false), "U");
        assert_eq!(run("s"), "?", "with one, the check decides");
    }

    #[test]
    fn after_the_hold_one_failure_suffices() {
        assert_eq!(run_as("fffhf", false), "??D?D");
        assert_eq!(run_as("fffhsff", false), "??D?UUU");
    }

    #[test]
    fn a_threshold_of_zero_is_one() {
        let mut health = Health::default();
        let limits = Thresholds { rise: 0, fall: 0 };
        assert_eq!(health.probed(true, limits), Some(Condition::Up));
        assert_eq!(health.probed(false, limits), Some(Condition::Down));
        assert_eq!(health.probed(true, limits), Some(Condition::Up));
        assert_eq!(health.connection_failed(0), Some(Condition::Down));
    }
}
