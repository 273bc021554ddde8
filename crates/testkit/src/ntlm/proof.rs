//! The cryptography of NTLMv2 ([MS-NLMP] 3.3.2 and 3.1.5.1.2).

use hmac::{Hmac, KeyInit, Mac};
use md4::Digest;
use md4::Md4;
use md5::Md5;

/// UTF-16, little endian.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// HMAC-MD5 over all parts in a row.
pub(super) fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// `NTOWFv2`: the key made of user, domain and password.
pub(super) fn response_key(user: &str, domain: &str, password: &str) -> [u8; 16] {
    let hash = Md4::digest(utf16(password));
    hmac_md5(&hash, &[&utf16(&user.to_uppercase()), &utf16(domain)])
}

/// `NTProofStr`: that its maker knows the key, over the server's challenge and the client's blob.
pub(super) fn proof(key: &[u8; 16], challenge: &[u8; 8], blob: &[u8]) -> [u8; 16] {
    hmac_md5(key, &[challenge, blob])
}

/// The key of integrity codes: made of the proof or, where the client chose one, what it encrypted with that.
pub(super) fn exported_key(key: &[u8; 16], proof: &[u8; 16], encrypted: Option<&[u8]>) -> [u8; 16] {
    let base = hmac_md5(key, &[proof]);
    encrypted.and_then(|encrypted| encrypted.try_into().ok()).map_or(base, |chosen| rc4(&base, chosen))
}

/// RC4 of one block, all that is needed of it here.
fn rc4(key: &[u8; 16], block: [u8; 16]) -> [u8; 16] {
    let mut state: [u8; 256] = std::array::from_fn(|index| index.to_le_bytes()[0]);
    let mut j = 0u8;
    for i in 0..256 {
        j = j.wrapping_add(state[i]).wrapping_add(key[i % 16]);
        state.swap(i, usize::from(j));
    }
    let (mut i, mut j) = (0u8, 0u8);
    block.map(|byte| {
        i = i.wrapping_add(1);
        j = j.wrapping_add(state[usize::from(i)]);
        state.swap(usize::from(i), usize::from(j));
        byte ^ state[usize::from(state[usize::from(i)].wrapping_add(state[usize::from(j)]))]
    })
}

#[cfg(test)]
mod tests {
    use super::{exported_key, hmac_md5, proof, rc4, response_key};

    /// [MS-NLMP] 4.2.4: user "User", domain "Domain", password "Password".
    #[test]
    fn the_documents_own_numbers_come_out() {
        let key = response_key("User", "Domain", "Password");
        assert_eq!(hex(&key), "0c868a403bfd7a93a3001ef22ef02e3f");
        let challenge = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        let blob = unhex(concat!(
            "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000",
            "02000c0044006f006d00610069006e00",
            "01000c005300650072007600650072000000000000000000"
        ));
        let proved = proof(&key, &challenge, &blob);
        assert_eq!(hex(&proved), "68cd0ab851e51c96aabc927bebef6a1c");
        assert_eq!(hex(&hmac_md5(&key, &[&proved])), "8de40ccadbc14a82f15cb0ad0de95ca3");
        let encrypted = unhex("c5dad2544fc9799094ce1ce90bc9d03e");
        assert_eq!(exported_key(&key, &proved, Some(&encrypted)), [0x55; 16]);
    }

    /// RFC 6229, 128 bit key.
    #[test]
    fn rc4_gives_the_stream_of_the_rfc() {
        let key = std::array::from_fn(|index| index as u8 + 1);
        assert_eq!(hex(&rc4(&key, [0; 16])), "9ac7cc9a609d1ef7b2932899cde41b97");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}
