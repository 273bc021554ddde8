//! The program log: what the program itself says, one line a message, behind the `log` facade.
//!
//! A line is the time (RFC 3339, UTC, milliseconds), the level in five columns, the message. A message of several
//! lines (the report of a broken configuration) becomes several log lines; control characters are written out, so
//! that nothing a peer sent can forge a line.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use transom_config::Level;

/// Where lines go.
pub(crate) enum Sink {
    /// Nowhere.
    Off,
    /// The standard error output: until a configuration says otherwise.
    Stderr,
    /// A file or another descriptor that was opened for us.
    Descriptor(File),
}

impl From<Option<OwnedFd>> for Sink {
    fn from(fd: Option<OwnedFd>) -> Self {
        fd.map_or(Self::Off, |fd| Self::Descriptor(fd.into()))
    }
}

/// The one logger of the process.
struct ProgramLog {
    sink: Mutex<Sink>,
}

static PROGRAM_LOG: ProgramLog = ProgramLog { sink: Mutex::new(Sink::Stderr) };

/// Starts logging to the standard error output, from `info` up. A second call changes nothing.
pub(crate) fn install() {
    if log::set_logger(&PROGRAM_LOG).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

/// From here on lines go to `sink`, those of `level` and worse.
pub(crate) fn point_to(sink: Sink, level: Level) {
    *PROGRAM_LOG.sink.lock().unwrap_or_else(PoisonError::into_inner) = sink;
    log::set_max_level(match level {
        Level::Error => log::LevelFilter::Error,
        Level::Warn => log::LevelFilter::Warn,
        Level::Info => log::LevelFilter::Info,
        Level::Debug => log::LevelFilter::Debug,
    });
}

impl log::Log for ProgramLog {
    /// Libraries are heard from `warn` up, our own crates as configured.
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn || metadata.target().starts_with("transom")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = lines(Timestamp::now(), record.level(), &record.args().to_string());
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written has nobody left to tell.
        let _ = match &mut *sink {
            Sink::Off => Ok(()),
            Sink::Stderr => std::io::stderr().write_all(text.as_bytes()),
            Sink::Descriptor(file) => file.write_all(text.as_bytes()),
        };
    }

    fn flush(&self) {}
}

/// The log lines of one message, each ended by a newline; empty ones are left out.
fn lines(now: Timestamp, level: log::Level, message: &str) -> String {
    let time = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let level = match level {
        log::Level::Error => "error",
        log::Level::Warn => "warn ",
        log::Level::Info => "info ",
        log::Level::Debug | log::Level::Trace => "debug",
    };
    let mut text = String::new();
    for line in message.split('\n').filter(|line| !line.trim().is_empty()) {
        text.push_str(&format!("{time} {level} {}\n", Printable(line)));
    }
    text
}

/// Text with its control characters written out (`\u{1b}`).
struct Printable<'a>(&'a str);

impl std::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        for letter in self.0.chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_line_is_time_level_message() {
        let cases = [
            (log::Level::Error, "2026-11-20T14:02:31.214Z error down\n"),
            (log::Level::Warn, "2026-11-20T14:02:31.214Z warn  down\n"),
            (log::Level::Info, "2026-11-20T14:02:31.214Z info  down\n"),
            (log::Level::Debug, "2026-11-20T14:02:31.214Z debug down\n"),
        ];
        for (level, expected) in cases {
            assert_eq!(lines(at("2026-11-20T14:02:31.214987Z"), level, "down"), expected);
        }
    }

    #[test]
    fn a_message_of_several_lines_is_several_log_lines() {
        let text = lines(at("2026-01-01T00:00:00Z"), log::Level::Info, "one\n\n two\n");
        assert_eq!(text, "2026-01-01T00:00:00.000Z info  one\n2026-01-01T00:00:00.000Z info   two\n");
    }

    #[test]
    fn control_characters_cannot_forge_a_line_or_colour_a_terminal() {
        let text = lines(at("2026-01-01T00:00:00Z"), log::Level::Warn, "host \r\u{1b}[31m\u{85}x");
        assert_eq!(text, "2026-01-01T00:00:00.000Z warn  host \\r\\u{1b}[31m\\u{85}x\n");
    }
}
