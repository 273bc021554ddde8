//! The program in the kernel: on interfaces, with its maps, and independent of this process's life.
//!
//! Links and maps are pinned in a BPF file system. If the process dies, packets go on flowing by what the maps
//! say; the next start finds the pins, adopts maps and links, and swaps the program in one step. Only
//! [`Door::stop`] takes it off the interfaces.

mod attach;
mod capability;
mod tables;

use std::path::{Path, PathBuf};
use std::{fs, io};

use aya::maps::Map;
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

pub use self::attach::{Attached, Driver};
pub use self::capability::missing as missing_capabilities;
pub use self::tables::Tables;
pub(crate) use self::tables::fault as map_fault;
use crate::abi::{self, Settings};
use crate::{Fault, object};

/// Where pins are kept, unless the caller says otherwise.
pub const PINS: &str = "/sys/fs/bpf/transom";

/// What a door is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// A directory in a BPF file system, made if need be; without one nothing outlives the process.
    pub pins: Option<PathBuf>,
    /// By name.
    pub interfaces: Vec<String>,
    /// Entries of each flow table; the least recently used gives way.
    pub flows_max: u32,
    /// As in the plan's limits.
    pub vips_max: u32,
    /// Knobs that may change later.
    pub settings: Settings,
}

impl Default for Options {
    /// A million flows a table: about 100 MB each when full, and only then.
    fn default() -> Self {
        Self {
            pins: Some(PathBuf::from(PINS)),
            interfaces: Vec::new(),
            flows_max: 1_000_000,
            vips_max: 64,
            settings: Settings::default(),
        }
    }
}

/// The program, attached.
pub struct Door {
    /// Keeps the program loaded.
    ebpf: Ebpf,
    /// What it reads and writes.
    pub tables: Tables,
    attached: Vec<Attached>,
    pins: Option<PathBuf>,
}

const PROGRAM: &str = "door";

impl Door {
    /// Loads the program, adopting what an earlier process pinned, and attaches it. An interface that already has
    /// our program gets the new one in one step: no packet in between is without.
    ///
    /// # Errors
    /// Says what is missing: clang at build time, capabilities, a BPF file system, a driver that takes programs.
    pub fn start(options: &Options) -> Result<Self, Fault> {
        let code = object::DOOR.ok_or(Fault::NotBuilt)?;
        let pins = ready(options.pins.as_deref())?;
        let mut ebpf = load(code, options, pins.as_deref())?;
        let mut tables = Tables::take(&mut ebpf)?;
        tables.set_settings(options.settings)?;
        let program = program(&mut ebpf, PROGRAM)?;
        program.load().map_err(|error| Fault::Load(chain(&error)))?;
        let attached = attach_all(program, &options.interfaces, pins.as_deref())?;
        Ok(Self { ebpf, tables, attached, pins })
    }

    /// The interfaces, and how the program is attached to each.
    #[must_use]
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// The loaded program, to be run on made-up packets.
    ///
    /// # Errors
    /// Never after a successful start.
    pub fn program(&mut self) -> Result<&mut Xdp, Fault> {
        program(&mut self.ebpf, PROGRAM)
    }

    /// Takes the program off every interface and removes the pins.
    ///
    /// # Errors
    /// A pin that could not be removed; the others are.
    pub fn stop(self) -> Result<(), Fault> {
        drop(self.attached);
        self.pins.as_deref().map_or(Ok(()), remove_pins)
    }
}

/// Takes a program off every interface although nobody runs it: what is pinned at `pins` goes.
///
/// # Errors
/// A pin that could not be removed.
pub fn detach(pins: &Path) -> Result<(), Fault> {
    remove_pins(&pins.join(version_directory()))
}

/// Can this process load at all? Gives the directory of the pins, made if need be.
pub(crate) fn ready(pins: Option<&Path>) -> Result<Option<PathBuf>, Fault> {
    let missing = capability::missing();
    if !missing.is_empty() {
        return Err(Fault::Capabilities(missing));
    }
    pins.map(prepare_pins).transpose()
}

/// Attaches to every interface; the program leaves those that are no longer asked for.
pub(crate) fn attach_all(
    program: &mut Xdp,
    interfaces: &[String],
    pins: Option<&Path>,
) -> Result<Vec<Attached>, Fault> {
    let attach = |name: &String| attach::attach(program, name, pins);
    let attached = interfaces.iter().map(attach).collect::<Result<Vec<_>, _>>()?;
    if let Some(pins) = pins {
        attach::drop_others(pins, &attached)?;
    }
    Ok(attached)
}

pub(crate) fn take(ebpf: &mut Ebpf, name: &str) -> Result<Map, Fault> {
    ebpf.take_map(name).ok_or_else(|| Fault::Map(format!("there is no {name}")))
}

pub(crate) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, Fault> {
    let absent = || Fault::Load(format!("the object has no program {name}"));
    let program = ebpf.program_mut(name).ok_or_else(absent)?;
    program.try_into().map_err(|error| Fault::Load(chain(&error)))
}

fn load(code: &[u8], options: &Options, pins: Option<&Path>) -> Result<Ebpf, Fault> {
    let mut loader = EbpfLoader::new();
    for table in ["flows4", "flows6", "nats4", "nats6"] {
        loader.map_max_entries(table, options.flows_max);
    }
    loader.map_max_entries("rings", 2 * options.vips_max);
    if let Some(pins) = pins {
        for map in tables::NAMES {
            loader.map_pin_path(map, pins.join(map));
        }
    }
    loader.load(code).map_err(|error| Fault::Load(chain(&error)))
}

/// Maps of another layout have another directory: they are never adopted.
fn version_directory() -> String {
    format!("v{}", abi::VERSION)
}

fn prepare_pins(base: &Path) -> Result<PathBuf, Fault> {
    let pins = base.join(version_directory());
    let no_file_system = || Fault::NoBpfFileSystem(base.to_owned());
    let existing = base.ancestors().find(|path| path.exists()).ok_or_else(no_file_system)?;
    let kind = statfs(existing).map_err(|_| no_file_system())?.filesystem_type();
    if kind != BPF_FS_MAGIC {
        return Err(no_file_system());
    }
    fs::create_dir_all(&pins).map_err(|error| Fault::Map(format!("{}: {error}", pins.display())))?;
    Ok(pins)
}

pub(crate) fn remove_pins(pins: &Path) -> Result<(), Fault> {
    let fault = |error: io::Error| Fault::Map(format!("{}: {error}", pins.display()));
    let entries = match fs::read_dir(pins) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fault(error)),
    };
    let mut outcome = Ok(());
    for entry in entries {
        outcome = outcome.and(entry.and_then(|entry| fs::remove_file(entry.path())).map_err(fault));
    }
    outcome?;
    fs::remove_dir(pins).map_err(fault)?;
    // The directory above is ours as well, unless another version's pins are in it.
    if let Some(base) = pins.parent() {
        drop(fs::remove_dir(base));
    }
    Ok(())
}

/// An error with its causes: aya keeps the verifier's log in one of them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// How the loader is asked for one mode only.
fn mode(driver: Driver) -> XdpMode {
    match driver {
        Driver::Native => XdpMode::Driver,
        Driver::Generic => XdpMode::Skb,
    }
}
