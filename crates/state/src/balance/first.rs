//! The first in the file that is not at its limit.

use crate::roster::{Attempt, Member};

/// Members stand in the order of the file.
pub(super) fn pick(members: &[Member], attempt: &mut Attempt<'_>) -> Option<usize> {
    attempt.take_any(members, 0)
}
