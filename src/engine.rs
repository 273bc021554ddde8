//! What serves: the planes and the world they share. Started with a supply, given another at each reload.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};
use transom_config::{Config, Name, Options};
use transom_control::{AdminSocket, Command, Control, Setup};
use transom_proxy::{AccessSink, Bound, Plane, TlsWorld};
use transom_state::{Current, World};

use crate::limits;
use crate::log::{self as program_log, Sink};
use crate::overrides::{self, Override};
use crate::packet::door::Packets;
use crate::packet::driver::{Driver, Flows};
use crate::supply::{AdminTcp, AdminUnix, Listening, Supply};
use crate::tls::{self, Acceptors};

/// The planes at work.
pub(crate) struct Engine {
    current: Arc<Current>,
    plane: Plane,
    control: Control,
    /// Where there are packet listeners.
    packets: Option<Driver>,
    /// TLS of the listeners in force: what follows goes on with their tickets.
    acceptors: Acceptors,
}

/// What is in force after a supply was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Counts configurations, from 1.
    pub(crate) generation: u64,
}

impl Engine {
    /// Starts the planes. Requests that need the whole program go to `commands`. The error is a sentence.
    pub(crate) fn start(
        mut supply: Supply,
        commands: mpsc::Sender<Command>,
    ) -> Result<(Self, Taken), String> {
        let Loaded { config, ceiling, tls } = load(&supply, &Acceptors::new())?;
        let acceptors = tls.acceptors.clone();
        let world = World::first(Arc::new(config), supply.workers, seed()?, Instant::now());
        world.totals.set_ceiling(ceiling, &world.config);
        overrides::put_back(&supply.overrides, &world, Instant::now());
        let taken = Taken { generation: world.generation };
        let current = Arc::new(Current::from_pointee(world));
        let packets = supply.packets.take().map(|packets| drive(packets, &current)).transpose()?;
        let plane = Plane::start(supply.workers, Arc::clone(&current))
            .map_err(|error| format!("the workers cannot be started: {error}"))?;
        let (serving, admin) = split(supply, &current.load().config);
        let setup = Setup { current: Arc::clone(&current), admin, commands, started: SystemTime::now() };
        let control =
            Control::start(setup).map_err(|error| format!("the control plane cannot be started: {error}"))?;
        let engine = Self { current, plane, control, packets, acceptors };
        engine.serve(serving, tls)?;
        Ok((engine, taken))
    }

    /// Serves another configuration from here on, in one step. An error, a sentence, leaves everything as it was.
    pub(crate) fn take(&mut self, mut supply: Supply) -> Result<Taken, String> {
        let Loaded { config, ceiling, tls } = load(&supply, &self.acceptors)?;
        let acceptors = tls.acceptors.clone();
        let current = self.current.load();
        current.totals.set_ceiling(ceiling, &config);
        let next = current.next(Arc::new(config), Instant::now());
        let taken = Taken { generation: next.generation };
        let packets = supply.packets.take();
        let (serving, admin) = split(supply, &next.config);
        let before = self.current.swap(Arc::new(next));
        let served = self.follow(packets).and_then(|()| self.serve(serving, tls));
        if let Err(sentence) = served {
            // Limits followed the new generation: another one after the former configuration brings them back.
            let back = before.next(Arc::clone(&before.config), Instant::now());
            self.current.store(Arc::new(back));
            if let Some(packets) = &self.packets
                && let Err(why) = packets.follow(&self.current.load_full())
            {
                log::error!("packets: the configuration before cannot be gone back to: {why}");
            }
            return Err(sentence);
        }
        if let Err(error) = self.control.set_admin(admin) {
            log::error!("the admin API cannot be reached where the new configuration says: {error}");
        }
        self.acceptors = acceptors;
        self.control.world_changed();
        Ok(taken)
    }

    /// Lets packets follow the generation in force.
    fn follow(&mut self, packets: Option<Packets>) -> Result<(), String> {
        let world = self.current.load_full();
        match (&self.packets, packets) {
            (Some(driver), Some(_)) => driver.follow(&world)?,
            (Some(driver), None) => {
                driver.follow(&world)?;
                self.leave_packets();
                world.totals.packets.store(None);
            }
            (None, Some(packets)) => self.packets = Some(drive(packets, &self.current)?),
            (None, None) => {}
        }
        Ok(())
    }

    /// From here on somebody else may fill the packet plane's tables: packets go on as they are.
    pub(crate) fn leave_packets(&mut self) {
        if let Some(driver) = self.packets.take() {
            driver.stop();
        }
    }

    /// Answers with flows of the packet plane's tables.
    pub(crate) fn flows(&self, most: usize, answer: oneshot::Sender<Flows>) {
        match &self.packets {
            Some(driver) => driver.flows(most, answer),
            // Whoever asked may have hung up.
            None => drop(answer.send(Err("no listener balances packets".to_owned()))),
        }
    }

    fn serve(&self, serving: Serving, tls: TlsWorld) -> Result<(), String> {
        self.plane
            .apply(serving.bound, serving.access, tls)
            .map_err(|error| format!("the workers did not take up the listeners: {error}"))?;
        program_log::point_to(serving.program, self.current.load().config.log.level);
        self.control.set_listeners(serving.addresses);
        Ok(())
    }

    /// Counts a reload that came to nothing.
    pub(crate) fn reload_failed(&self) {
        self.current.load().totals.reloads_failed.add_shared(1);
    }

    /// Every server that is not as its configuration says.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        overrides::all(&self.current.load())
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.current.load().config)
    }

    /// Takes no further connection; `/ready` says so.
    pub(crate) fn drain(&self) {
        self.control.set_draining();
        self.plane.drain();
    }

    /// Client connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.plane.connections()
    }

    /// Closes the connections that are left.
    pub(crate) fn cut(&self) {
        self.plane.cut();
    }

    /// Ends the planes.
    pub(crate) fn stop(mut self) {
        self.leave_packets();
        self.plane.stop();
        self.control.stop();
    }
}

/// Starts the thread that fills the packet plane's tables.
fn drive(packets: Packets, current: &Arc<Current>) -> Result<Driver, String> {
    Driver::start(packets.into_tables()?, current.load_full(), Arc::clone(current))
}

/// For hashes that nobody outside may guess.
fn seed() -> Result<u64, String> {
    getrandom::u64().map_err(|error| format!("there is no randomness: {error}"))
}

/// The parts of a supply that each plane takes, and the log.
struct Serving {
    addresses: Vec<(Name, std::net::SocketAddr)>,
    bound: Vec<Bound>,
    access: AccessSink,
    program: Sink,
}

/// What a supply's text says.
struct Loaded {
    config: Config,
    /// Connections that this process can hold under it.
    ceiling: u32,
    tls: TlsWorld,
}

/// Reads what the supply's text says; `before` is the TLS of the listeners in force.
fn load(supply: &Supply, before: &Acceptors) -> Result<Loaded, String> {
    let options = Options { zone: supply.zone.clone() };
    let loaded = transom_config::load(&supply.path, &supply.files, &options);
    let config = loaded.config.ok_or_else(|| loaded.report.render(false))?;
    let standing = limits::standing(&config, supply.workers);
    let room = limits::room(&config, standing, limits::files().soft).map_err(|short| short.to_string())?;
    let tls = tls::build(&config, before, SystemTime::now()).map_err(|faults| faults.join("\n"))?.world;
    Ok(Loaded { config, ceiling: room.fit, tls })
}

fn split(supply: Supply, config: &Config) -> (Serving, Vec<AdminSocket>) {
    let bound: Vec<Bound> = supply.listeners.into_iter().map(|one| bound(one, config)).collect();
    let addresses = bound.iter().map(|one| (Name::clone(&one.listener), one.address)).collect();
    let access = supply.access.map_or(AccessSink::Off, AccessSink::Fd);
    let serving = Serving { addresses, bound, access, program: Sink::from(supply.program) };
    let unix = supply.unix.map(|AdminUnix { socket, .. }| AdminSocket::Unix(socket));
    let tcp = supply.tcp.map(|AdminTcp { socket, address, .. }| AdminSocket::Tcp { fd: socket, address });
    (serving, unix.into_iter().chain(tcp).collect())
}

/// The listener's own name where there is one: it is shared, not copied.
fn bound(listening: Listening, config: &Config) -> Bound {
    let Listening { listener, address, sockets, .. } = listening;
    let name = config.listener(&listener).map_or_else(|| listener.into(), |own| Name::clone(&own.name));
    Bound { listener: name, address, sockets }
}
