//! The control plane: health checks, servers by name, administration and metrics, on a thread of its own.
//!
//! It meets the data planes only in `transom_state`: it writes conditions, addresses and admin states, they read them
//! and move counters. What it cannot do itself, reading the configuration again, it asks of the program ([`Command`]).

mod admin;
mod chance;
mod check;
mod client;
mod control;
#[cfg(test)]
mod fixture;
pub mod metrics;
mod resolve;
mod shared;
mod transition;

pub use admin::{AdminSocket, reference as admin_reference};
pub use check::{Asked, Failure, Target, Trusted, probe};
pub use client::{Client, ClientError, Reply};
pub use control::{Command, Control, ReloadOutcome, Setup};
pub use resolve::{Answer, Resolve, Resolving, System};
