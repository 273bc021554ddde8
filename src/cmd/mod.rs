//! The subcommands that are not `run`.

pub(crate) mod check;
pub(crate) mod ctl;
pub(crate) mod decap;
pub(crate) mod detach;
pub(crate) mod file;
pub(crate) mod import;
mod table;
mod view;
pub(crate) mod waf;
