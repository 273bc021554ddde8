//! What tests of several files share.

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A hash that is quick to compute.
pub(crate) fn password_hash(password: &str) -> String {
    let params = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(password.as_bytes()).unwrap().to_string()
}

/// The value of an `Authorization` header for `name:password`.
pub(crate) fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}
