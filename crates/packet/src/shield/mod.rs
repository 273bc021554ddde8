//! The shield.
pub mod abi;
mod event;
mod maps;
mod sizes;

pub use maps::Maps;
pub(crate) use maps::NAMES as MAPS;
pub use sizes::Sizes;
