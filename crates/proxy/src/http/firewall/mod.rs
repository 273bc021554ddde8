//! The firewall on the way of a request: its head before anything of it goes to a server, its body on the way or before
//! it, the response in the same way.
//!
//! `guard` is one request under a firewall; `guarded` is a client's stream that shows it what passes. Where no firewall is
//! configured there is no guard, and a stream that is not guarded costs one look at a null pointer a call.

mod guard;
mod guarded;

pub(super) use guard::{Guard, Refused};
pub(super) use guarded::Guarded;
