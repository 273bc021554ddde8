//! What outlives the process: a directory in a BPF file system.
//!
//! ```text
//! /sys/fs/bpf/transom/            links, one an interface: they outlive versions, a new program takes their place
//! /sys/fs/bpf/transom/v1/         maps of one layout: a program of another layout never touches them
//! ```

use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use crate::{Fault, abi};

/// The directory of the maps.
pub(crate) fn maps(base: &Path) -> PathBuf {
    base.join(format!("v{}", abi::VERSION))
}

/// Makes the directories.
pub(crate) fn prepare(base: &Path) -> Result<(), Fault> {
    let no_file_system = || Fault::NoBpfFileSystem(base.to_owned());
    let existing = base.ancestors().find(|path| path.exists()).ok_or_else(no_file_system)?;
    let kind = statfs(existing).map_err(|_| no_file_system())?.filesystem_type();
    if kind != BPF_FS_MAGIC {
        return Err(no_file_system());
    }
    fs::create_dir_all(maps(base)).map_err(|error| fault(base, &error))
}

/// Removes everything: programs leave their interfaces, maps go once nobody holds them.
pub(crate) fn remove(base: &Path) -> Result<(), Fault> {
    clear(base, |_| true)?;
    match fs::remove_dir(base) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault(base, &error)),
        _ => Ok(()),
    }
}

/// Removes the maps of other versions: no program uses them any more.
pub(crate) fn remove_other_versions(base: &Path) -> Result<(), Fault> {
    let ours = maps(base);
    clear(base, |path| path.is_dir() && *path != ours)
}

/// Removes the links of interfaces that are no longer asked for: the program leaves them.
pub(crate) fn remove_other_links(base: &Path, kept: &[PathBuf]) -> Result<(), Fault> {
    clear(base, |path| !path.is_dir() && !kept.contains(&path.to_path_buf()))
}

/// Whether links are pinned there.
pub(crate) fn has_links(base: &Path) -> bool {
    let link = |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|entry| !entry.path().is_dir());
    fs::read_dir(base).is_ok_and(|mut entries| entries.any(link))
}

/// Removes what is chosen: files, and directories with the files in them.
fn clear(base: &Path, chosen: impl Fn(&PathBuf) -> bool) -> Result<(), Fault> {
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fault(base, &error)),
    };
    let paths: Result<Vec<PathBuf>, io::Error> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let paths = paths.map_err(|error| fault(base, &error))?;
    // One that cannot be removed does not keep the others.
    let remove =
        |path: &PathBuf| if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    let outcomes = paths
        .iter()
        .filter(|path| chosen(path))
        .map(|path| remove(path).map_err(|error| fault(path, &error)));
    outcomes.fold(Ok(()), Result::and)
}

fn fault(path: &Path, error: &io::Error) -> Fault {
    Fault::Map(format!("{}: {error}", path.display()))
}
