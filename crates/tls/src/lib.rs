//! How every part of the program speaks TLS.
//!
//! The cryptographic provider stands behind one function ([`provider`]); what a client side trusts is said by
//! [`Trust`]; why a handshake failed is put into one word an operator can act on ([`Refusal`]). This crate does no I/O:
//! certificates come in as bytes.

mod authorities;
mod client;
mod provider;
mod refusal;
mod unverified;

pub use authorities::{Authorities, Unusable};
pub use client::{Trust, client_config, server_name};
pub use provider::provider;
pub use refusal::Refusal;
pub use rustls;
