//! Hashes of names: the same on every node and in every version, unlike the standard library's.

/// FNV-1a, then a finalizer, because Maglev needs the high and the low half to be independent.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_one_letter_differ_in_both_halves() {
        let (one, two) = (hash(b"exchange/exchange1"), hash(b"exchange/exchange2"));
        assert!((one ^ two) >> 32 != 0 && (one ^ two) as u32 != 0);
    }

    #[test]
    fn a_hash_is_the_same_tomorrow() {
        assert_eq!(hash(b"exchange1"), hash(b"exchange1"));
        assert_ne!(hash(b""), 0);
    }
}
