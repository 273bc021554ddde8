//! What a process may do, as the kernel tells it: no attempt, no guess from an error number.

use std::fs;

/// What loading, attaching and the helpers need, with their bits (linux/capability.h).
const NEEDED: [(&str, u32); 3] = [("CAP_NET_ADMIN", 12), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];

/// The capabilities this process lacks; all of them if the kernel does not say.
#[must_use]
pub fn missing() -> Vec<&'static str> {
    lacking(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn lacking(status: &str) -> Vec<&'static str> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    NEEDED.iter().filter(|(_, bit)| effective >> bit & 1 == 0).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_a_process_lacks() {
        assert!(lacking("Name:\tx\nCapEff:\t000001ffffffffff\n").is_empty());
        assert_eq!(lacking("CapEff:\t0000000000001000\n"), ["CAP_PERFMON", "CAP_BPF"]);
        assert_eq!(lacking("nothing").len(), 3);
    }
}
