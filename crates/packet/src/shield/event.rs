//! x
use super::abi::Event;
pub(crate) fn decode(_b: &[u8]) -> Option<Event> { None }
