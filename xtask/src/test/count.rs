//! How many tests a runner says it ran.

use std::ops::AddAssign;

/// Tests by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    /// `N passed, N failed`, and `, N skipped` only if there are any.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

impl Counts {
    /// One check that passed or failed.
    pub(crate) fn one(passed: bool) -> Self {
        Self { passed: passed.into(), failed: (!passed).into(), skipped: 0 }
    }

    /// So many checks, of which some failed.
    pub(crate) fn of(all: usize, failed: usize) -> Self {
        Self { passed: (all - failed) as u64, failed: failed as u64, skipped: 0 }
    }

    /// Reads what `cargo nextest` or `cargo test` wrote. Tests a filter left out are another area's and not skipped;
    /// tests marked `#[ignore]` are. A runner that failed without saying how many tests did (it did not compile, it
    /// was killed) counts as one failure.
    pub(crate) fn read(output: &str, success: bool) -> Self {
        let mut counts = Self::default();
        for line in output.lines() {
            counts += read_libtest(line).or_else(|| read_nextest(line)).unwrap_or_default();
        }
        if !success && counts.failed == 0 {
            counts.failed = 1;
        }
        counts
    }
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn read_libtest(line: &str) -> Option<Counts> {
    let rest = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut counts = Counts::default();
    for part in rest.split("; ") {
        add(&mut counts, part);
    }
    Some(counts)
}

/// `Summary [   0.262s] 22 tests run: 21 passed (1 slow), 1 failed, 2 timed out, 3 skipped`
///
/// Its "skipped" are tests that a filter left out or that are ignored; it does not tell which, so that ignored tests
/// are forbidden by `tidy` instead of counted here.
fn read_nextest(line: &str) -> Option<Counts> {
    let rest = line.trim().strip_prefix("Summary [")?.split_once(" run: ")?.1;
    let mut counts = Counts::default();
    for part in rest.split(", ").filter(|part| !part.ends_with("skipped")) {
        add(&mut counts, part);
    }
    Some(counts)
}

/// Adds `N WORD`, where the word says what became of so many tests.
fn add(counts: &mut Counts, part: &str) {
    let mut words = part.split(' ');
    let Some(number) = words.next().and_then(|number| number.parse::<u64>().ok()) else { return };
    match words.next() {
        Some("passed") => counts.passed += number,
        Some("failed" | "timed" | "exec") => counts.failed += number,
        Some("ignored") => counts.skipped += number,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts { passed, failed, skipped }
    }

    #[test]
    fn what_runners_write_is_read() {
        let table = [
            ("", true, counts(0, 0, 0)),
            ("", false, counts(0, 1, 0)),
            ("error: could not compile `x`", false, counts(0, 1, 0)),
            (
                "test result: ok. 23 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
                true,
                counts(23, 0, 0),
            ),
            (
                "test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 9 filtered out",
                false,
                counts(2, 1, 4),
            ),
            (
                "test result: ok. 2 passed; 0 failed; 0 ignored\n\ntest result: ok. 3 passed; 0 failed",
                true,
                counts(5, 0, 0),
            ),
            ("test result: ok. 2 passed; 0 failed; 0 ignored\nerror: killed", false, counts(2, 1, 0)),
            ("     Summary [   0.262s] 22 tests run: 22 passed, 0 skipped", true, counts(22, 0, 0)),
            ("     Summary [   0.005s] 1 test run: 1 passed, 21 skipped", true, counts(1, 0, 0)),
            (
                "     Summary [  11.095s] 13/22 tests run: 12 passed, 1 failed, 0 skipped",
                false,
                counts(12, 1, 0),
            ),
            (
                "     Summary [   9.1s] 9 tests run: 6 passed (2 slow), 1 failed, 2 timed out, 1 skipped",
                false,
                counts(6, 3, 0),
            ),
            (
                "     Summary [   9.1s] 3 tests run: 2 passed (1 leaky), 1 exec failed, 0 skipped",
                false,
                counts(2, 1, 0),
            ),
        ];
        for (output, success, expected) in table {
            assert_eq!(Counts::read(output, success), expected, "{output}");
        }
    }

    #[test]
    fn skipped_is_said_only_when_there_are_some() {
        assert_eq!(counts(5, 0, 0).to_string(), "5 passed, 0 failed");
        assert_eq!(counts(5, 1, 2).to_string(), "5 passed, 1 failed, 2 skipped");
    }
}
