//! NTLM over HTTP ([MS-NLMP], [MS-NTHT], RFC 4559), both sides, written from the documents and with nothing of ours, so
//! that a mistake in our own parser shows.
//!
//! Only NTLMv2. The server checks the proof over the client's blob as it came, the integrity code over all three
//! messages where the client says there is one, and the channel binding (Extended Protection) where it is told to.

mod av;
mod binding;
mod client;
mod message;
mod proof;
mod server;
mod spnego;

pub use binding::tls_server_end_point;
pub use client::Client;
pub use message::{Authenticate, Challenge, Negotiate};
pub use server::{Acceptor, ExtendedProtection, Refusal, User};
pub use spnego::Wrapping;
