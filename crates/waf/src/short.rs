//! Short texts without memory of their own: addresses, numbers, times.

use std::fmt::{Display, Write};

/// The longest address, with its port and zone, is shorter.
const BYTES_MAX: usize = 64;

/// Up to sixty-four bytes; what does not fit is cut off.
pub(crate) struct Short {
    bytes: [u8; BYTES_MAX],
    len: usize,
}

impl Short {
    /// What `shown` looks like.
    pub(crate) fn of(shown: impl Display) -> Self {
        let mut short = Self { bytes: [0; BYTES_MAX], len: 0 };
        // Writing here never fails.
        let _ = write!(short, "{shown}");
        short
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let length = text.len().min(BYTES_MAX - self.len);
        self.bytes[self.len..self.len + length].copy_from_slice(&text.as_bytes()[..length]);
        self.len += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Short;

    #[test]
    fn what_does_not_fit_is_cut_off() {
        assert_eq!(Short::of(-42).bytes(), b"-42");
        assert_eq!(Short::of("x".repeat(70)).bytes().len(), 64);
    }
}
