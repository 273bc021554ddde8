//! Bodies: from bytes to the variables that rules look at.

pub(crate) mod json;
pub(crate) mod multipart;
pub(crate) mod urlencoded;
pub(crate) mod xml;

/// A name and a value, as ARGS_POST has them.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);
