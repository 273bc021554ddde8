//! The program in the kernel: on interfaces, with its maps, and independent of this process's life.
//!
//! Links and maps are pinned in a BPF file system. If the process dies, packets go on flowing by what the maps
//! say; the next start finds the pins, adopts maps and links, and swaps the program in one step. Only
//! [`Door::stop`] takes it off the interfaces.

mod attach;
mod capability;
pub(crate) mod pins;
mod tables;

use std::io;
use std::path::{Path, PathBuf};

use aya::maps::Map;
use aya::programs::{ProgramError, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};

pub use self::attach::{Attached, Driver};
pub use self::capability::missing as missing_capabilities;
pub use self::tables::Tables;
pub(crate) use self::tables::fault as map_fault;
use crate::abi::Settings;
use crate::{Fault, object, shield};

/// Where pins are kept, unless the caller says otherwise.
pub const PINS: &str = "/sys/fs/bpf/transom";

/// What a door is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// A directory in a BPF file system, made if need be; without one nothing outlives the process.
    pub pins: Option<PathBuf>,
    /// By name.
    pub interfaces: Vec<String>,
    /// Where in the receive path it may run; without one native, or else generic.
    pub driver: Option<Driver>,
    /// Entries of each flow table; the least recently used gives way.
    pub flows_max: u32,
    /// As in the plan's limits.
    pub vips_max: u32,
    /// Knobs that may change later.
    pub settings: Settings,
    /// How big the shield's tables are; without them there is none.
    pub shield: Option<shield::Sizes>,
}

impl Default for Options {
    /// A million flows a table: about 100 MB each when full, and only then.
    fn default() -> Self {
        Self {
            pins: Some(PathBuf::from(PINS)),
            interfaces: Vec::new(),
            driver: None,
            flows_max: 1_000_000,
            vips_max: 64,
            settings: Settings::default(),
            shield: None,
        }
    }
}

/// The program, attached.
pub struct Door {
    /// Keeps the program loaded.
    ebpf: Ebpf,
    /// What it reads and writes.
    pub tables: Tables,
    /// The shield's, if there is one: [`shield::Shield`] takes them.
    pub shield: Option<shield::Maps>,
    name: &'static str,
    interfaces: Vec<String>,
    driver: Option<Driver>,
    attached: Vec<Attached>,
    pins: Option<PathBuf>,
}

/// The program without the shield and with it: the same source, and without it nothing of it is left.
const PROGRAMS: [&str; 2] = ["door", "shielded"];

impl Door {
    /// Loads the program and makes its maps, or adopts those an earlier process pinned. No interface has it yet:
    /// time for the maps to get the contents they should have.
    ///
    /// # Errors
    /// Says what is missing: clang at build time, capabilities, a BPF file system.
    pub fn load(options: &Options) -> Result<Self, Fault> {
        let code = object::DOOR.ok_or(Fault::NotBuilt)?;
        ready(options.pins.as_deref())?;
        let mut ebpf = load(code, options)?;
        let mut tables = Tables::take(&mut ebpf)?;
        tables.set_settings(options.settings)?;
        let shield =
            options.shield.map(|_| shield::Maps::from_maps(|name| ebpf.take_map(name))).transpose()?;
        let name = PROGRAMS[usize::from(shield.is_some())];
        verify(program(&mut ebpf, name)?).map_err(|error| Fault::Load(chain(&error)))?;
        let (interfaces, pins) = (options.interfaces.clone(), options.pins.clone());
        Ok(Self {
            ebpf,
            tables,
            shield,
            name,
            interfaces,
            driver: options.driver,
            attached: Vec::new(),
            pins,
        })
    }

    /// Attaches the program. An interface that already has our program gets the new one in one step: no packet in
    /// between is without. Interfaces no longer named, and maps of other versions, are let go.
    ///
    /// # Errors
    /// An interface that is not there or takes no program.
    pub fn attach(&mut self) -> Result<(), Fault> {
        let program = program(&mut self.ebpf, self.name)?;
        self.attached = attach_all(program, &self.interfaces, self.pins.as_deref(), self.driver)?;
        self.pins.as_deref().map_or(Ok(()), pins::remove_other_versions)
    }

    /// From the next [`attach`](Door::attach) on these interfaces have the program, and there.
    pub fn set_interfaces(&mut self, interfaces: Vec<String>, driver: Option<Driver>) {
        (self.interfaces, self.driver) = (interfaces, driver);
    }

    /// [`Door::load`] and [`Door::attach`] in one, for empty maps or contents that are right already.
    ///
    /// # Errors
    /// As those two.
    pub fn start(options: &Options) -> Result<Self, Fault> {
        let mut door = Self::load(options)?;
        door.attach()?;
        Ok(door)
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
        program(&mut self.ebpf, self.name)
    }

    /// Takes the program off every interface and removes the pins.
    ///
    /// # Errors
    /// A pin that could not be removed; the others are.
    pub fn stop(self) -> Result<(), Fault> {
        drop(self.attached);
        self.pins.as_deref().map_or(Ok(()), pins::remove)
    }
}

/// Takes a program off every interface although nobody runs it: what is pinned at `pins` goes.
///
/// # Errors
/// A pin that could not be removed.
pub fn detach(pins: &Path) -> Result<(), Fault> {
    pins::remove(pins)
}

/// Whether an earlier process left a program on interfaces.
#[must_use]
pub fn left_behind(pins: &Path) -> bool {
    pins::has_links(pins)
}

/// Can this process load at all? Makes the directories of the pins.
pub(crate) fn ready(pins: Option<&Path>) -> Result<(), Fault> {
    let missing = capability::missing();
    if !missing.is_empty() {
        return Err(Fault::Capabilities(missing));
    }
    pins.map_or(Ok(()), pins::prepare)
}

/// Attaches to every interface; the program leaves those that are no longer asked for.
pub(crate) fn attach_all(
    program: &mut Xdp,
    interfaces: &[String],
    pins: Option<&Path>,
    driver: Option<Driver>,
) -> Result<Vec<Attached>, Fault> {
    let attach = |name: &String| attach::attach(program, name, pins, driver);
    let attached = interfaces.iter().map(attach).collect::<Result<Vec<_>, _>>()?;
    if let Some(pins) = pins {
        pins::remove_other_links(pins, &attach::pin_paths(pins, &attached))?;
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

fn load(code: &[u8], options: &Options) -> Result<Ebpf, Fault> {
    let mut loader = EbpfLoader::new();
    for table in ["flows4", "flows6", "nats4", "nats6"] {
        loader.map_max_entries(table, options.flows_max);
    }
    loader.map_max_entries("rings", 2 * options.vips_max);
    if let Some(sizes) = options.shield {
        sizes.set(&mut loader);
    }
    if let Some(base) = &options.pins {
        let shields = options.shield.map_or(&[][..], |_| &shield::MAPS);
        for map in tables::NAMES.iter().chain(shields) {
            loader.map_pin_path(map, pins::maps(base).join(map));
        }
    }
    loader.load(code).map_err(|error| Fault::Load(chain(&error)))
}

/// How often the kernel is asked to verify a program while signals interrupt it; as many times as libbpf does.
const VERIFY_TRIES: usize = 5;

/// Has the kernel verify a program. A signal that is pending makes the verifier give up (`EAGAIN`, bpf(2)): that says
/// nothing of the program.
fn verify(program: &mut Xdp) -> Result<(), ProgramError> {
    for _ in 1..VERIFY_TRIES {
        match program.load() {
            Err(ProgramError::LoadError { io_error, .. }) if io_error.kind() == io::ErrorKind::WouldBlock => {
            }
            outcome => return outcome,
        }
    }
    program.load()
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
