//! What callgrind counted: instructions and allocations of a program that has ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

/// Its files in a folder begin so; the process number follows.
const FILES: &str = "callgrind.out.";
/// Functions of the C library that give out memory.
const ALLOCATORS: &[&str] =
    &["malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign", "__libc_memalign"];

/// Sums over all processes of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Instructions executed in user space.
    pub(crate) instructions: u64,
    /// Calls of functions that give out memory.
    pub(crate) allocations: u64,
}

/// The words before a command so that callgrind counts it. It runs as `nobody`, and so as one process.
pub(crate) fn prefix(dir: &Path) -> Vec<String> {
    let file = format!("--callgrind-out-file={}/{FILES}%p", dir.display());
    let words = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "valgrind", "--quiet"];
    words.iter().map(ToString::to_string).chain(["--tool=callgrind".into(), file]).collect()
}

impl Counted {
    /// Reads what callgrind left in a folder.
    ///
    /// # Errors
    /// A sentence when there is nothing, or not what its manual describes.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Counted> {
        let mut sum = Counted::default();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FILES)) {
                let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let one = Counted::parse(&String::from_utf8_lossy(&text));
                let one = one.with_context(|| format!("{} has no totals", path.display()))?;
                sum.instructions += one.instructions;
                sum.allocations += one.allocations;
            }
        }
        if sum.instructions == 0 {
            bail!("callgrind counted nothing");
        }
        Ok(sum)
    }

    /// Callgrind's format: a function's name stands where its number appears first; `calls=` follows the one called.
    fn parse(text: &str) -> Option<Counted> {
        let mut is_allocator = BTreeMap::new();
        let mut counted = Counted::default();
        let mut callee = "";
        let mut totals = None;
        for line in text.lines() {
            if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
                let (number, name) = function.split_once(' ').unwrap_or((function, ""));
                if !name.is_empty() {
                    is_allocator.insert(number, ALLOCATORS.contains(&name));
                }
                if line.starts_with('c') {
                    callee = number;
                }
            } else if let Some(calls) = line.strip_prefix("calls=") {
                if is_allocator.get(callee) == Some(&true) {
                    counted.allocations += calls.split(' ').next()?.parse::<u64>().ok()?;
                }
            } else if let Some(total) = line.strip_prefix("totals:") {
                totals = total.trim().parse().ok();
            }
        }
        counted.instructions = totals?;
        Some(counted)
    }

    /// What came to it since `earlier`, for each of `units`: instructions, allocations.
    pub(crate) fn each_since(&self, earlier: &Counted, units: u64) -> (f64, f64) {
        let each = |more: u64, less: u64| (more as f64 - less as f64) / units as f64;
        (each(self.instructions, earlier.instructions), each(self.allocations, earlier.allocations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_and_calls_of_allocators_are_read() {
        let text = "events: Ir\n\nfn=(1) main\n16 400\ncfn=(2) malloc\ncalls=3 0\n16 90\ncfn=(3) free\ncalls=9 0\n1 1\n\
                    fn=(4) other\n2 1\ncfn=(2)\ncalls=2 0\n1 1\nfn=(2)\n0 50\ncfn=(5) malloc_consolidate\ncalls=7 0\n0 \
                    7\ntotals: 549\n";
        assert_eq!(Counted::parse(text), Some(Counted { instructions: 549, allocations: 5 }));
        assert_eq!(Counted::parse("events: Ir\n"), None);
    }

    #[test]
    fn a_longer_run_less_a_shorter_one_is_the_work_alone() {
        let (short, long) = (
            Counted { instructions: 1_000_000, allocations: 500 },
            Counted { instructions: 1_600_000, allocations: 500 },
        );
        assert_eq!(long.each_since(&short, 100), (6000.0, 0.0));
    }
}
