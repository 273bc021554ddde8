//! `transom run`: one process, or as root two.

use std::process::ExitCode;

use crate::gather::Request;
use crate::{keeper, serve, users};

/// Serves until it is told to stop.
pub(crate) fn run(request: Request) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    log::info!("transom {version} starts as {}", users::own_name());
    if users::is_root() { keeper::keep(request) } else { serve::alone(request) }
}
