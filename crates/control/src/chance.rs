//! Random numbers, as an argument.

/// Where random numbers come from: the system, or a test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance(pub(crate) fn() -> u64);

impl Chance {
    /// The system's.
    pub(crate) fn system() -> Self {
        // A kernel that gives none leaves the spread of probes as the only loss.
        Self(|| getrandom::u64().unwrap_or(u64::MAX / 2))
    }

    /// Any number.
    pub(crate) fn draw(self) -> u64 {
        self.0()
    }
}
