//! The file as written: its tables and values with their places, each of the type the model asks for. Nothing here
//! knows what a value means beyond its own key; that is `check`.

mod fields;
mod include;
mod merge;
mod read;
mod scalar;
mod syntax;

pub(crate) use fields::{Entry, Fields, Item, Named, Value};
pub(crate) use include::gather;
pub(crate) use merge::{Merged, add, merge};
pub(crate) use read::Reader;
#[cfg(test)]
pub(crate) use read::read_alone;
