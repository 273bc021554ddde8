//! Loading: files in, a valid configuration or all that is wrong with it out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::check::check;
use crate::file::{Merged, gather, merge};
use crate::report::{Fault, Report};
use crate::source::SourceFile;
use crate::text::name;
use crate::{Config, report::Code};

/// Bytes of one file at most.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Files that are read for one configuration at most.
pub const FILES_MAX: usize = 1000;

/// How the loader gets at files: this crate opens none itself.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// What the system says; it stands in the report.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The files that a pattern stands for, in any order; `*` stands for any part of a file name. None is no error.
    ///
    /// # Errors
    /// What the system says of a directory that cannot be read; it stands in the report.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;

    /// The bytes of a file that a key names: authorities of a health check, say.
    ///
    /// # Errors
    /// What the system says; it stands in the report.
    fn named(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path)
    }
}

/// What was said outside the file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where this node stands; overrides `zone`.
    pub zone: Option<String>,
}

/// What came of loading.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration; `None` where there are errors.
    pub config: Option<Config>,
    /// All that is wrong, and what looks wrong.
    pub report: Report,
    /// Every file that was read, in the order in which they were named; empty when the first could not be.
    pub sources: Vec<SourceFile>,
}

/// Loads the file at `path` with all it includes.
pub fn load(path: &Path, files: &dyn Files, options: &Options) -> Loaded {
    let gathered = gather(path, files);
    let mut report = Report::new(Arc::from(gathered.sources.as_slice()));
    let readable = gathered.faults.is_empty();
    for fault in gathered.faults {
        report.push(fault);
    }
    let zone = zone_option(options, &mut report);
    let Merged { root, whole } = merge(&mut report);
    let config = check(&root, whole && readable, zone, files, &mut report);
    let config = (report.errors() == 0).then_some(config);
    Loaded { config, report, sources: gathered.sources }
}

/// Loads a text that stands alone, calling it `name` in messages. `include` finds no files, and files that keys name
/// are empty.
pub fn load_text(name: &str, text: &str) -> Loaded {
    load_bytes(name, text.as_bytes())
}

/// Loads bytes that stand alone and may be no text at all, calling them `name` in messages.
pub fn load_bytes(name: &str, bytes: &[u8]) -> Loaded {
    load(Path::new(name), &Alone { path: Path::new(name), bytes }, &Options::default())
}

/// One file and no others.
struct Alone<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

impl Files for Alone<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == self.path { Ok(self.bytes.to_vec()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn glob(&self, _pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn named(&self, _path: &Path) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// The zone said outside the file, if it is a name.
fn zone_option<'a>(options: &'a Options, report: &mut Report) -> Option<&'a str> {
    let zone = options.zone.as_deref()?;
    if let Err(problem) = name::name(zone) {
        let message = format!("the zone said with --zone is none: {}", problem.message);
        report.push(Fault::of_file(Code::BadName, message).remedy(problem.remedy));
    }
    Some(zone)
}
