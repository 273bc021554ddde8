//! Changes of condition in the program log.

use transom_state::{Condition, Transition};

/// One line for a change: a warning when a server went down.
pub(crate) fn log(transition: &Transition) {
    match transition.to {
        Condition::Down => log::warn!("{transition}"),
        Condition::Up | Condition::Unknown => log::info!("{transition}"),
    }
}
