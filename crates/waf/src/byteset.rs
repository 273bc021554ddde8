//! A set of byte values: four words, one bit a byte.

/// Which of the 256 bytes are present, or wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(crate) const EMPTY: Self = Self([0; 4]);
    pub(crate) const FULL: Self = Self([u64::MAX; 4]);

    /// The bytes that occur in `bytes`.
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        let mut set = Self::EMPTY;
        let mut at = 0;
        while at < bytes.len() {
            set.insert(bytes[at]);
            at += 1;
        }
        set
    }

    /// As [`ByteSet::of`], fast for long values: every byte is one store that waits for no other.
    pub(crate) fn of_value(bytes: &[u8]) -> Self {
        if bytes.len() < 160 {
            return Self::of(bytes);
        }
        let mut present = [0u8; 256];
        for byte in bytes {
            present[usize::from(*byte)] = 1;
        }
        let mut words = [0u64; 4];
        for (word, flags) in words.iter_mut().zip(present.chunks_exact(64)) {
            for (at, flag) in flags.iter().enumerate() {
                *word |= u64::from(*flag) << at;
            }
        }
        Self(words)
    }

    /// The bytes from `first` to `last`, both included.
    pub(crate) const fn range(first: u8, last: u8) -> Self {
        let mut set = Self::EMPTY;
        let mut byte = first as u16;
        while byte <= last as u16 {
            set.insert(byte as u8);
            byte += 1;
        }
        set
    }

    pub(crate) const fn insert(&mut self, byte: u8) {
        self.0[(byte >> 6) as usize] |= 1 << (byte & 63);
    }

    #[cfg(test)]
    pub(crate) const fn contains(self, byte: u8) -> bool {
        self.0[(byte >> 6) as usize] & (1 << (byte & 63)) != 0
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        Self([a[0] | b[0], a[1] | b[1], a[2] | b[2], a[3] | b[3]])
    }

    /// The bytes of this one that the other has not.
    pub(crate) const fn without(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        Self([a[0] & !b[0], a[1] & !b[1], a[2] & !b[2], a[3] & !b[3]])
    }

    pub(crate) const fn meets(self, other: Self) -> bool {
        let (a, b) = (self.0, other.0);
        (a[0] & b[0]) | (a[1] & b[1]) | (a[2] & b[2]) | (a[3] & b[3]) != 0
    }

    pub(crate) const fn is_subset(self, of: Self) -> bool {
        let (a, b) = (self.0, of.0);
        (a[0] & !b[0]) | (a[1] & !b[1]) | (a[2] & !b[2]) | (a[3] & !b[3]) == 0
    }

    pub(crate) const fn len(self) -> u32 {
        self.0[0].count_ones() + self.0[1].count_ones() + self.0[2].count_ones() + self.0[3].count_ones()
    }

    /// Visits its bytes, smallest first.
    pub(crate) fn for_each(self, mut visit: impl FnMut(u8)) {
        for (word, mut bits) in self.0.into_iter().enumerate() {
            while bits != 0 {
                visit((word as u32 * 64 + bits.trailing_zeros()) as u8);
                bits &= bits - 1;
            }
        }
    }

    /// Its bytes, smallest first.
    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        self.0.into_iter().enumerate().flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                if bits == 0 {
                    return None;
                }
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                Some((word as u32 * 64 + bit) as u8)
            })
        })
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.iter().map(char::from).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in() {
        let set = ByteSet::of(b"az\0\xff@");
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, b'@', b'a', b'z', 255]);
        assert_eq!(set.len(), 5);
        assert!(set.contains(255) && !set.contains(254));
        assert!(set.meets(ByteSet::range(b'a', b'c')) && !set.meets(ByteSet::range(b'b', b'c')));
        assert!(ByteSet::of(b"a").is_subset(set) && !ByteSet::range(b'a', b'b').is_subset(set));
        assert_eq!(ByteSet::range(0, 255), ByteSet::FULL);
        let long: Vec<u8> = (0..=255).step_by(3).cycle().take(200).collect();
        assert_eq!(ByteSet::of_value(&long), ByteSet::of(&long));
    }
}
