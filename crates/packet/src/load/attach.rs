//! The program on an interface: native if its driver can, generic otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use aya::programs::Xdp;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::XdpLink;

use super::{chain, mode};
use crate::Fault;

/// Where in the receive path the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// In the driver, before the kernel has made anything of the frame.
    Native,
    /// In the stack: works everywhere, several times slower.
    Generic,
}

/// The program on one interface.
#[derive(Debug)]
pub struct Attached {
    /// Its name.
    pub interface: String,
    /// Where it runs.
    pub driver: Driver,
    /// Whether an earlier process's link was taken over.
    pub adopted: bool,
    /// Why the driver does not take it, if it does not.
    pub refused: Option<String>,
    _link: Link,
}

/// What keeps it there; nobody reads it.
#[derive(Debug)]
enum Link {
    /// The file, whatever becomes of us.
    Pinned { _link: PinnedLink },
    /// This process, or the file as well if the link was adopted.
    Held { _link: XdpLink },
}

impl Driver {
    /// `native` or `generic`
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

const BOTH: [Driver; 2] = [Driver::Native, Driver::Generic];

fn pin_path(pins: &Path, interface: &str, driver: Driver) -> PathBuf {
    pins.join(format!("link-{}-{interface}", driver.word()))
}

/// Puts the program on an interface: in the place of ours if it has one.
pub(super) fn attach(
    program: &mut Xdp,
    interface: &str,
    pins: Option<&Path>,
    only: Option<Driver>,
) -> Result<Attached, Fault> {
    let wanted: Vec<Driver> =
        BOTH.into_iter().filter(|driver| only.is_none_or(|only| only == *driver)).collect();
    if let Some(pins) = pins {
        // One that runs where it may not any longer leaves first: an interface takes the program once.
        for driver in BOTH.into_iter().filter(|driver| !wanted.contains(driver)) {
            forget(&pin_path(pins, interface, driver))
                .map_err(|error| fault(interface, error.to_string()))?;
        }
        for &driver in &wanted {
            if let Some(attached) = adopt(program, interface, pins, driver)? {
                return Ok(attached);
            }
        }
    }
    let mut refused = None;
    for &driver in &wanted {
        let id = match program.attach(interface, mode(driver)) {
            Ok(id) => id,
            Err(error) if driver == Driver::Native && wanted.len() > 1 => {
                refused = Some(chain(&error));
                continue;
            }
            Err(error) => {
                let before = refused.map(|native| format!("native: {native}; ")).unwrap_or_default();
                return Err(fault(interface, format!("{before}{}: {}", driver.word(), chain(&error))));
            }
        };
        let link = program.take_link(id).map_err(|error| fault(interface, chain(&error)))?;
        let link = keep(link, interface, pins, driver)?;
        return Ok(Attached {
            interface: interface.to_owned(),
            driver,
            adopted: false,
            refused,
            _link: link,
        });
    }
    Err(fault(interface, refused.unwrap_or_default()))
}

/// Removes a pin if it is there.
fn forget(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Swaps our program into the link an earlier process pinned. A link whose interface is gone is removed.
fn adopt(program: &mut Xdp, interface: &str, pins: &Path, driver: Driver) -> Result<Option<Attached>, Fault> {
    let path = pin_path(pins, interface, driver);
    if !path.exists() {
        return Ok(None);
    }
    let failed =
        |error: &dyn std::error::Error| fault(interface, format!("{}: {}", path.display(), chain(error)));
    let pinned = PinnedLink::from_pin(&path).map_err(|error| failed(&error))?;
    let link = XdpLink::try_from(FdLink::from(pinned)).map_err(|error| failed(&error))?;
    let Ok(id) = program.attach_to_link(link) else {
        fs::remove_file(&path).map_err(|error| failed(&error))?;
        return Ok(None);
    };
    // The file still pins it; what we hold is one more reference.
    let link = program.take_link(id).map_err(|error| failed(&error))?;
    let _link = Link::Held { _link: link };
    Ok(Some(Attached { interface: interface.to_owned(), driver, adopted: true, refused: None, _link }))
}

fn keep(link: XdpLink, interface: &str, pins: Option<&Path>, driver: Driver) -> Result<Link, Fault> {
    let Some(pins) = pins else { return Ok(Link::Held { _link: link }) };
    let link: FdLink = link.try_into().map_err(|_| {
        fault(interface, "the kernel has no links for packet programs: Linux 5.9 or later is needed".into())
    })?;
    let pinned = link.pin(pin_path(pins, interface, driver));
    pinned.map(|link| Link::Pinned { _link: link }).map_err(|error| fault(interface, chain(&error)))
}

/// Where the links of these interfaces are pinned.
pub(super) fn pin_paths(pins: &Path, attached: &[Attached]) -> Vec<PathBuf> {
    attached.iter().map(|one| pin_path(pins, &one.interface, one.driver)).collect()
}

fn fault(interface: &str, why: String) -> Fault {
    Fault::Attach { interface: interface.to_owned(), why }
}
