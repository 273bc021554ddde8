//! What the kernel says of this process.

use rustix::process::{Resource, getrlimit};

/// Read anew at each scrape; a part that cannot be read is left out.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    pub(super) resident_bytes: Option<u64>,
    /// User space and kernel together.
    pub(super) cpu_seconds: f64,
}

impl Process {
    pub(super) fn read() -> Self {
        // The listing itself holds one descriptor.
        let open_fds =
            std::fs::read_dir("/proc/self/fd").ok().map(|fds| (fds.count() as u64).saturating_sub(1));
        let page = rustix::param::page_size() as u64;
        let resident = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| second(&text));
        Self {
            open_fds,
            max_fds: getrlimit(Resource::Nofile).current,
            resident_bytes: resident.map(|pages| pages.saturating_mul(page)),
            cpu_seconds: cpu_seconds(),
        }
    }
}

fn second(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
