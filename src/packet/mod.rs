//! The packet plane in this program.
//!
//! Whoever holds privileges keeps the [`door`]: it loads the program, hands out the tables and attaches once they are
//! filled. The worker's [`driver`] fills them, from a [`wish`] made of configuration and state at every change of a
//! server, and shows what they count.

pub(crate) mod door;
pub(crate) mod driver;
mod shown;
mod ways;
pub(crate) mod wish;

use transom_packet::Fault;

/// A failure in words, with the code to look up.
fn words(fault: &Fault) -> String {
    format!("{fault} ({})", fault.code())
}
