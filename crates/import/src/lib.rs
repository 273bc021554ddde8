//! Other products' configuration files, written as ours: text in, TOML and an account of every line out.
//!
//! The stages are those of every importer here: the text becomes a tree with line numbers, the tree becomes blocks of
//! keys and values that remember their lines, and the blocks become text, with the source's comments where they were.
//! Nothing is dropped in silence: every line has a verdict ([`Account`]).
//!
//! This crate does no I/O: files that the source names, environment variables and password hashes come in through
//! [`Outside`].

mod account;
mod aloha;
mod block;
mod comments;
mod format;
mod haproxy;
mod import;
mod mistakes;
mod outside;
mod page;
mod squid;
mod table;
mod units;
mod write;

pub use account::{Account, Counts, Finding, Line, Verdict};
pub use format::{Format, recognise};
pub use import::{Failure, Imported, SOURCE_BYTES_MAX, import, import_bytes};
pub use outside::{Nothing, Outside};
pub use page::{coming_from, features};
