//! Bytes that both ends can make for themselves: whoever receives them knows at which place one is wrong, missing or
//! twice.

use aws_lc_rs::digest::{Context, SHA256};

/// Bytes after which the pattern repeats: a prime, so that no buffer size divides it.
const PERIOD: usize = 65_521;

/// The endless pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    period: Vec<u8>,
}

impl Default for Pattern {
    fn default() -> Self {
        Self::new()
    }
}

impl Pattern {
    /// Always the same one.
    pub fn new() -> Self {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        Self { period: (0..PERIOD).map(next).collect() }
    }

    /// Fills a buffer with what stands from `offset` on.
    pub fn fill(&self, offset: u64, buffer: &mut [u8]) {
        let (mut at, mut filled) = (self.place(offset), 0);
        while filled < buffer.len() {
            let count = (PERIOD - at).min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&self.period[at..at + count]);
            filled += count;
            at = 0;
        }
    }

    /// So many bytes from the beginning.
    pub fn bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(0, &mut bytes);
        bytes
    }

    /// The place of the first byte that is not the pattern's, counted from its beginning, if `bytes` came at `offset`.
    pub fn fault(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let mut expected = vec![0; bytes.len()];
        self.fill(offset, &mut expected);
        let wrong = bytes.iter().zip(&expected).position(|(byte, expected)| byte != expected)?;
        Some(offset + wrong as u64)
    }

    /// SHA-256 of so many bytes from the beginning, in hex.
    pub fn sha256(&self, len: u64) -> String {
        let mut sum = Sum::default();
        let (mut left, whole) = (len, self.period.len() as u64);
        while left >= whole {
            sum.add(&self.period);
            left -= whole;
        }
        sum.add(&self.period[..self.place(left)]);
        sum.hex()
    }

    fn place(&self, offset: u64) -> usize {
        usize::try_from(offset % PERIOD as u64).expect("less than the period")
    }
}

/// SHA-256 of what comes in pieces.
pub struct Sum(Context);

impl Default for Sum {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Sum {
    /// Adds a piece.
    pub fn add(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The sum of all pieces, in hex.
    pub fn hex(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{PERIOD, Pattern, Sum};

    #[test]
    fn pieces_make_the_whole() {
        let pattern = Pattern::new();
        let whole = pattern.bytes(3 * PERIOD + 100);
        let (mut sum, mut offset) = (Sum::default(), 0);
        for piece in whole.chunks(10_007) {
            assert_eq!(pattern.fault(offset, piece), None);
            sum.add(piece);
            offset += piece.len() as u64;
        }
        assert_eq!(sum.hex(), pattern.sha256(whole.len() as u64));
        let mut wrong = whole[..50].to_vec();
        wrong[7] ^= 1;
        assert_eq!(pattern.fault(0, &wrong), Some(7));
    }
}
