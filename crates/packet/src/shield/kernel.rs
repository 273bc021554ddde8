//! What the kernel must be set to, and how it will behave: SYN cookies that we send are taken by the kernel, which
//! reads the options out of the timestamps it gets back and chooses its window scale by itself.

use std::fs;
use std::io;

/// What is true of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// CPUs that packets may come by.
    pub cpus: u32,
    /// The largest segment an interface takes, IPv4; IPv6's is 20 less.
    pub segment: u16,
    /// The window scale of connections that begin with a cookie.
    pub window_scale: u8,
    /// Whether options come back out of cookies' timestamps.
    pub options: bool,
}

/// Always cookies, so that one SYN a second is enough for a listener to take ours; timestamps without an offset that
/// only the kernel knows (Documentation/networking/ip-sysctl.rst).
const KNOBS: [(&str, &str); 2] = [("ipv4/tcp_syncookies", "2"), ("ipv4/tcp_timestamps", "2")];

impl Kernel {
    /// Sets what has to be set in this network namespace.
    ///
    /// # Errors
    /// If the kernel refuses; without them clients behind cookies are lost.
    pub fn prepare() -> io::Result<()> {
        KNOBS.iter().try_for_each(|(name, value)| fs::write(format!("/proc/sys/net/{name}"), value))
    }

    /// How it is set now. `mtu` is the smallest of the interfaces.
    #[must_use]
    pub fn read(mtu: u16) -> Self {
        let text = |name: &str| fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap_or_default();
        let number = |text: &str| text.split_whitespace().last().and_then(|word| word.parse::<u32>().ok());
        let buffers = [text("ipv4/tcp_rmem"), text("core/rmem_max")];
        let is = |name: &str, wanted: u32| number(&text(name)) == Some(wanted);
        Self {
            cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
            segment: mtu.saturating_sub(40).max(536),
            window_scale: window_scale(buffers.iter().filter_map(|text| number(text)).max().unwrap_or(0)),
            options: is("ipv4/tcp_timestamps", 2)
                && is("ipv4/tcp_sack", 1)
                && is("ipv4/tcp_window_scaling", 1),
        }
    }
}

/// As `tcp_select_initial_window` does for the largest receive buffer.
fn window_scale(buffer: u32) -> u8 {
    buffer.checked_ilog2().map_or(0, |log| log.saturating_sub(15).min(14) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_scale_is_the_kernels() {
        for (buffer, scale) in [(0, 0), (65_535, 0), (65_536, 1), (6_291_456, 7), (u32::MAX, 14)] {
            assert_eq!(window_scale(buffer), scale, "{buffer}");
        }
    }
}
