//! The subcommands that are not `run`.

pub(crate) mod check;
pub(crate) mod ctl;
mod table;
mod view;
