//! How every part of the program speaks TLS.
//!
//! | where | what |
//! |---|---|
//! | `provider` | the cryptographic provider, behind one function |
//! | `certificate`, `chain`, `facts`, `distinguished` | a certificate with its key from the bytes of files, in order, and what it says of itself |
//! | `authorities`, `revocation` | who is believed, and what has been taken back |
//! | `listener`, `by_name` | the side towards clients: [`Acceptor`], and which certificate a client is shown |
//! | `server_side`, `client`, `unverified` | the side towards servers: [`Connector`]; [`client_config`] is for probes |
//! | `connection`, `records` | one connection without I/O: [`Connection`] |
//! | `identity` | who the other side has proven to be, for headers |
//! | `fault`, `refusal` | why it failed: [`TlsFault`] is one stable word and a remedy |
//!
//! This crate does no I/O: files and the network's bytes are arguments. Configurations are immutable; a reload builds
//! new ones and swaps them. Which implementation speaks is hidden in [`Acceptor`], [`Connector`] and [`Connection`], so
//! that a second one may follow for servers that rustls cannot talk to (TLS 1.0, no ECDHE, renegotiation).

mod any_name;
mod authorities;
mod by_name;
mod certificate;
mod chain;
mod client;
mod connection;
mod distinguished;
mod facts;
mod fault;
mod identity;
mod listener;
mod provider;
mod records;
mod refusal;
mod revocation;
mod server_side;
mod unverified;

pub use authorities::{Authorities, Unusable};
pub use certificate::{CERTIFICATES_MAX, Certificate, KEYS_MAX, Unreadable};
pub use chain::Note;
pub use client::{Trust, client_config, server_name};
pub use connection::{Connection, Failure, HELD_BYTES_MAX};
pub use facts::{Facts, KeyKind, Validity};
pub use fault::{Peer, Progress, TlsFault, said_by};
pub use identity::Identity;
pub use listener::{
    Acceptor, ClientCertificates, HANDSHAKES_REMEMBERED_MAX, ListenerPlan, Oldest, Unbuildable,
};
pub use provider::provider;
pub use records::{RECORD_OVERHEAD_BYTES_MAX, RECORD_PLAIN_BYTES_MAX, Sent};
pub use refusal::Refusal;
pub use revocation::{RevocationList, UnusableList};
pub use rustls;
pub use server_side::{Connector, ServerSidePlan, TICKETS_PER_SERVER_MAX};
