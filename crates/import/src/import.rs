//! The whole way: text in, TOML and account out.

use std::fmt;

use crate::account::Account;
use crate::block::Draft;
use crate::comments::{Note, place};
use crate::outside::Outside;
use crate::{Format, aloha, haproxy, recognise, squid, write};

/// Bytes of a source at most.
pub const SOURCE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of one line at most.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Lines at most.
const LINES_MAX: usize = 100_000;

/// What came of importing.
#[derive(Debug, Clone)]
pub struct Imported {
    /// What the source was taken for.
    pub format: Format,
    /// Our configuration.
    pub toml: String,
    /// What became of every line of the source.
    pub account: Account,
}

/// Why a source cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The line, counted from 1; 0 is the whole file.
    pub line: u32,
    /// What is wrong with it, without a final dot.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(line: u32, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.message),
            line => write!(f, "line {line}: {}", self.message),
        }
    }
}

impl std::error::Error for Failure {}

/// Imports bytes that may be no text at all. `format` is what they are, if that is known.
///
/// # Errors
/// They are no configuration of a product known here: no text, too long, or of nobody's form.
pub fn import_bytes(
    bytes: &[u8],
    format: Option<Format>,
    outside: &dyn Outside,
) -> Result<Imported, Failure> {
    if bytes.len() > SOURCE_BYTES_MAX {
        return Err(Failure::new(0, format!("the file has more than {SOURCE_BYTES_MAX} bytes")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => import(text, format, outside),
        Err(error) => {
            // Comments in Latin-1 are common in files that have been around for long, and harm nobody.
            let line = line_of(bytes, error.valid_up_to());
            let text = bytes.get(line.start..).unwrap_or_default();
            let before = text.iter().take(error.valid_up_to() - line.start);
            if before.clone().any(|byte| *byte == b'#') && !bytes.contains(&0) {
                let latin: String = bytes.iter().map(|byte| char::from(*byte)).collect();
                return import(&latin, format, outside);
            }
            Err(Failure::new(line.number, "this is no text: configuration files are UTF-8"))
        }
    }
}

/// A line of bytes.
struct At {
    number: u32,
    start: usize,
}

fn line_of(bytes: &[u8], offset: usize) -> At {
    let before = bytes.get(..offset).unwrap_or_default();
    let number = before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    At { number, start }
}

/// Imports a text. `format` is what it is, if that is known.
///
/// # Errors
/// It is of no product known here, or too long.
pub fn import(text: &str, format: Option<Format>, outside: &dyn Outside) -> Result<Imported, Failure> {
    limits(text)?;
    let format = format.or_else(|| recognise(text)).ok_or_else(|| {
        Failure::new(0, "this is neither haproxy.cfg nor an ALOHA's nor squid.conf; say which with --from")
    })?;
    let mut account = Account::default();
    let (mut draft, mut notes) = match format {
        Format::Haproxy => haproxy::read(text, outside, &mut account)?,
        Format::Aloha => aloha::read(text, outside, &mut account)?,
        Format::Squid => squid::read(text, outside, &mut account)?,
    };
    crate::mistakes::look(&draft, &mut account);
    crate::mistakes::comments(text, &mut account);
    notes.extend(kept(text, &account));
    notes.sort_by_key(|note| note.about);
    place(&mut draft, notes);
    let toml = write::write(&draft);
    account.close(text);
    Ok(Imported { format, toml, account })
}

/// The unsupported lines, as comments.
fn kept(text: &str, account: &Account) -> Vec<Note> {
    let lines: Vec<&str> = text.lines().collect();
    let kept = account.kept().into_iter();
    kept.map(|(line, why)| {
        let text = lines.get(line as usize - 1).copied().unwrap_or_default();
        Note::kept(line, text, &why)
    })
    .collect()
}

fn limits(text: &str) -> Result<(), Failure> {
    if text.len() > SOURCE_BYTES_MAX {
        return Err(Failure::new(0, format!("the file has more than {SOURCE_BYTES_MAX} bytes")));
    }
    for (line, number) in text.lines().zip(1u32..) {
        if number as usize > LINES_MAX {
            return Err(Failure::new(number, format!("the file has more than {LINES_MAX} lines")));
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(Failure::new(number, format!("the line has more than {LINE_BYTES_MAX} bytes")));
        }
        if line.contains('\0') {
            return Err(Failure::new(number, "the line has a NUL character: this is no configuration"));
        }
    }
    Ok(())
}

/// What an importer returns.
pub(crate) type Read = Result<(Draft, Vec<Note>), Failure>;
