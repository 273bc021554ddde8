//! What stands between quotation marks: durations, addresses, names, hashes. Each reader gives the value, or what is
//! wrong with the text and what to write instead.

pub(crate) mod address;
pub(crate) mod duration;
pub(crate) mod field;
pub(crate) mod hash;
pub(crate) mod key;
pub(crate) mod name;
pub(crate) mod number;
mod punycode;
pub(crate) mod rate;
pub(crate) mod shield;
pub(crate) mod size;
pub(crate) mod spelling;
pub(crate) mod template;

use crate::report::Code;

/// Why a text cannot be taken for what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its code.
    pub(crate) code: Code,
    /// What is wrong, as a sentence without its stop.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) remedy: String,
}

impl Problem {
    /// A problem of this kind.
    pub(crate) fn new(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, message: message.into(), remedy: remedy.into() }
    }
}
