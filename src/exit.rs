//! Exit codes, as tools rely on them: 0 fine, 1 found something, 2 could not run.

use std::process::ExitCode;

/// 1: errors in a checked file, a reload that was refused, something that is not there.
pub(crate) fn found_something() -> ExitCode {
    ExitCode::from(1)
}

/// 2: bad arguments, a missing file, a refused bind.
pub(crate) fn could_not_run() -> ExitCode {
    ExitCode::from(2)
}
