//! The client's side.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::av::{self, Pairs};
use super::message::{
    ALWAYS_SIGN, Authenticate, Challenge, EXTENDED_SECURITY, KEY_56, KEY_128, NTLM, Negotiate,
    REQUEST_TARGET, TARGET_INFO, UNICODE,
};
use super::proof::{exported_key, hmac_md5, proof, response_key, utf16};

/// From 1601, where FILETIME begins, to 1970.
const FILETIME_EPOCH: Duration = Duration::from_secs(11_644_473_600);

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The user's domain.
    pub domain: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
    /// What the client calls itself.
    pub workstation: String,
    /// The hash the login is bound to ([`super::tls_server_end_point`]); `None` for clients that do not bind.
    pub binding: Option<[u8; 16]>,
}

impl Client {
    /// Somebody of a domain, bound to nothing.
    pub fn new(domain: &str, user: &str, password: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            workstation: "TESTKIT".to_owned(),
            binding: None,
        }
    }

    /// The first message.
    pub fn negotiate(&self) -> Vec<u8> {
        let flags = UNICODE
            | REQUEST_TARGET
            | NTLM
            | ALWAYS_SIGN
            | EXTENDED_SECURITY
            | TARGET_INFO
            | KEY_128
            | KEY_56;
        Negotiate { flags }.encode()
    }

    /// The answer to a challenge, with an integrity code over all three messages. `None`: it is no challenge.
    pub fn authenticate(&self, negotiate: &[u8], challenge: &[u8], nonce: [u8; 8]) -> Option<Vec<u8>> {
        let asked = Challenge::decode(challenge)?;
        let mut pairs = Pairs::decode(&asked.target_info)?;
        let time = pairs.get(av::TIMESTAMP).map_or_else(now, <[u8]>::to_vec);
        pairs.0.retain(|(id, _)| *id != av::FLAGS);
        pairs.0.push((av::FLAGS, av::FLAG_MIC.to_le_bytes().to_vec()));
        pairs.0.push((av::CHANNEL_BINDINGS, self.binding.unwrap_or_default().to_vec()));
        pairs.0.push((av::TARGET_NAME, utf16("HTTP/exchange")));
        let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
        blob.extend(time);
        blob.extend(nonce);
        blob.extend([0; 4]);
        blob.extend(pairs.encode());
        blob.extend([0; 4]);
        let key = response_key(&self.user, &self.domain, &self.password);
        let proof = proof(&key, &asked.nonce, &blob);
        let message = Authenticate {
            flags: asked.flags,
            domain: self.domain.clone(),
            user: self.user.clone(),
            workstation: self.workstation.clone(),
            nt_response: [&proof[..], &blob].concat(),
            encrypted_key: Vec::new(),
        };
        let mut bytes = message.encode();
        let mic = hmac_md5(&exported_key(&key, &proof, None), &[negotiate, challenge, &bytes]);
        bytes[Authenticate::MIC].copy_from_slice(&mic);
        Some(bytes)
    }
}

pub(super) fn now() -> Vec<u8> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + FILETIME_EPOCH;
    let ticks = u64::try_from(since.as_nanos() / 100).unwrap_or_default();
    ticks.to_le_bytes().to_vec()
}
