//! Memory of a process and all that descend from it. What the kernel keeps for sockets is not in it.

use std::fs;

use anyhow::Context;

use crate::process::family;

/// Bytes in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident; pages that processes share count in each.
    pub(crate) resident: u64,
    /// Resident; shared pages are divided among those that share them.
    pub(crate) proportional: u64,
}

impl Memory {
    /// What `root` and its descendants use.
    pub(crate) fn read(root: i32) -> anyhow::Result<Memory> {
        let mut sum = Memory::default();
        for process in family(root)? {
            let path = format!("/proc/{}/smaps_rollup", process.pid);
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            let one = Memory::parse(&text).with_context(|| format!("{path} is not as documented"))?;
            sum.resident += one.resident;
            sum.proportional += one.proportional;
        }
        Ok(sum)
    }

    fn parse(text: &str) -> Option<Memory> {
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        };
        Some(Memory { resident: bytes("Rss")?, proportional: bytes("Pss")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_is_read() {
        let text =
            "5581-7ffd ---p 00000000 00:00 0 [rollup]\nRss:  4096 kB\nPss:   512 kB\nPss_Dirty:  9 kB\n";
        assert_eq!(Memory::parse(text), Some(Memory { resident: 4 << 20, proportional: 512 << 10 }));
        assert_eq!(Memory::parse("Rss: 1 kB\n"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let own = Memory::read(std::process::id().try_into().unwrap()).unwrap();
        assert!(own.resident >= own.proportional && own.proportional > 0);
    }
}
