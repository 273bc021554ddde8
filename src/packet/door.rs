//! The privileged side: the program in the kernel. Loaded before a worker is given its tables, attached when the worker
//! has filled them, taken off at a stop.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use transom_config::{Config, Driver, OnStop, Packet};
use transom_packet::load::{self, Door, Options, Tables};

use super::words;

/// The tables of the program, with the program where this process keeps it.
pub(crate) struct Packets {
    /// `NAME=ADDRESS/PROTOCOL` of each VIP, in the order of the file.
    pub(crate) addresses: Vec<String>,
    /// Name and descriptor of each table.
    pub(crate) tables: Vec<(String, OwnedFd)>,
    door: Option<Arc<Mutex<Kept>>>,
}

/// The program and what is known of it.
struct Kept {
    /// Nothing after it was taken off.
    door: Option<Door>,
    pins: PathBuf,
    /// It is, or an earlier process's program is, on interfaces.
    attached: bool,
}

impl Packets {
    /// What the configuration asks for, if it has packet listeners: the program that is there already, or a new one.
    pub(crate) fn gather(config: &Config, before: Option<&Self>) -> Result<Option<Self>, String> {
        if config.packet_listeners.is_empty() {
            return Ok(None);
        }
        if let Some(before) = before {
            let shared = before.shared().map_err(|error| error.to_string())?;
            return Ok(Some(Self { addresses: addresses(config), ..shared }));
        }
        let pins = config.packet.pins.to_path_buf();
        let attached = load::left_behind(&pins);
        let door = Door::load(&options(&config.packet)).map_err(|fault| words(&fault))?;
        let duplicate = |(name, table): (&str, std::os::fd::BorrowedFd<'_>)| {
            Ok((name.to_owned(), table.try_clone_to_owned()?))
        };
        let tables = door.tables.descriptors().into_iter().map(duplicate).collect::<std::io::Result<_>>();
        let tables = tables.map_err(|error| format!("tables of the packet program: {error}"))?;
        let kept = Kept { door: Some(door), pins, attached };
        Ok(Some(Self { addresses: addresses(config), tables, door: Some(Arc::new(Mutex::new(kept))) }))
    }

    /// As they came to a worker.
    pub(crate) fn handed_over(addresses: Vec<String>, tables: Vec<(String, OwnedFd)>) -> Self {
        Self { addresses, tables, door: None }
    }

    /// The same with descriptors of its own.
    pub(crate) fn shared(&self) -> std::io::Result<Self> {
        let tables = self.tables.iter().map(|(name, table)| Ok((name.clone(), table.try_clone()?)));
        let tables = tables.collect::<std::io::Result<_>>()?;
        Ok(Self { addresses: self.addresses.clone(), tables, door: self.door.clone() })
    }

    /// The tables, for whoever fills them.
    pub(crate) fn into_tables(self) -> Result<Tables, String> {
        Tables::from_descriptors(self.tables).map_err(|fault| words(&fault))
    }

    /// Puts the program on the interfaces, now that the tables are filled; says in the log where it runs.
    pub(crate) fn attach(&self, config: &Config) -> Result<(), String> {
        let Some(kept) = &self.door else { return Ok(()) };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(door) = &mut kept.door else { return Ok(()) };
        let Options { interfaces, driver, .. } = options(&config.packet);
        door.set_interfaces(interfaces, driver);
        door.attach().map_err(|fault| words(&fault))?;
        for one in door.attached() {
            let (interface, how) = (&one.interface, one.driver.word());
            let adopted = if one.adopted { ", taken over from an earlier process" } else { "" };
            let why = one.refused.as_ref().map(|why| format!(" (not native: {why})")).unwrap_or_default();
            log::info!("packets: the program is on {interface}, {how}{adopted}{why}");
        }
        kept.attached = true;
        Ok(())
    }

    /// A stop: the program leaves its interfaces, unless it is to go on by itself.
    pub(crate) fn retire(&self, config: &Config) {
        if config.packet.on_stop == OnStop::Keep {
            log::info!("packets: the program stays on its interfaces (`transom detach` takes it off)");
        } else {
            self.detach();
        }
    }

    /// The program leaves its interfaces.
    pub(crate) fn detach(&self) {
        if let Some(kept) = &self.door {
            kept.lock().unwrap_or_else(PoisonError::into_inner).detach();
        }
    }
}

impl Kept {
    fn detach(&mut self) {
        self.attached = false;
        let Some(door) = self.door.take() else { return };
        match door.stop() {
            Ok(()) => log::info!("packets: the program is off the interfaces"),
            Err(fault) => log::error!("packets: the program could not be taken off: {}", words(&fault)),
        }
    }
}

impl Drop for Kept {
    /// One that never came to be attached leaves nothing behind.
    fn drop(&mut self) {
        if !self.attached && self.door.is_some() {
            self.door = None;
            if let Err(fault) = load::detach(&self.pins) {
                log::error!("packets: {}", words(&fault));
            }
        }
    }
}

impl fmt::Debug for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packets").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

fn addresses(config: &Config) -> Vec<String> {
    let each = config.packet_listeners.iter();
    each.flat_map(|one| one.bind.iter().map(|bind| format!("{}={bind}", one.name))).collect()
}

fn options(packet: &Packet) -> Options {
    Options {
        pins: Some(packet.pins.to_path_buf()),
        interfaces: packet.interfaces.iter().map(ToString::to_string).collect(),
        driver: match packet.driver {
            Driver::Auto => None,
            Driver::Native => Some(load::Driver::Native),
            Driver::Generic => Some(load::Driver::Generic),
        },
        flows_max: packet.flows,
        vips_max: packet.vips,
        ..Options::default()
    }
}
