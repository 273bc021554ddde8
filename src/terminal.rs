//! Standard output and error output. A reader that hung up (`transom ctl | head`) is no reason to complain.

use std::io::{self, IsTerminal, Write};

/// Writes text and a newline to the standard output.
pub(crate) fn out(text: &str) {
    let mut stream = io::stdout().lock();
    let _ = writeln!(stream, "{text}").and_then(|()| stream.flush());
}

/// Writes text and a newline to the standard error output, in one piece.
pub(crate) fn err(text: &str) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Whether colours make sense on the standard error output (<https://no-color.org>).
pub(crate) fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
