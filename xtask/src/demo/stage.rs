//! What stands behind the guide: certificates, servers, the configuration, the program.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use transom_testkit::ca::{Authority, Leaf};
use transom_testkit::fake_exchange::{ANY, ExtendedProtection, FakeExchange, Options, Service};
use transom_testkit::process::Process;
use transom_testkit::server::{Behaviour, Server};
use transom_testkit::{ports, wait};

use super::control::{Servers, Target};
use crate::shell::{self, cargo, keep};

/// How long anything here may take.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Time between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// The configuration of the door, with words between `@` for what is known only here.
const CONFIGURATION: &str = include_str!("demo.toml");

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Where the door listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) https: u16,
    pub(crate) http: u16,
    pub(crate) smtp: u16,
    pub(crate) admin: u16,
}

impl Ports {
    /// The ones that are easy to remember, each only if it is free.
    pub(crate) fn usual() -> Result<Self> {
        let port = |wanted| ports::free_or(LOCALHOST, wanted);
        Ok(Self { https: port(8443)?, http: port(8080)?, smtp: port(2525)?, admin: port(8404)? })
    }

    /// Any.
    pub(crate) fn free() -> Result<Self> {
        let ports = ports::free_many(4)?;
        Ok(Self { https: ports[0], http: ports[1], smtp: ports[2], admin: ports[3] })
    }
}

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) ports: Ports,
    /// The program, as one would type it in the root.
    pub(crate) program: String,
    /// The configuration, as one would type it in the root.
    pub(crate) config: String,
    /// The admin socket, as one would type it in the root.
    pub(crate) socket: String,
    /// The access log, as one would type it in the root.
    pub(crate) access_log: String,
    door: Process,
    exchange: [Arc<FakeExchange>; 2],
    web: Arc<Server>,
}

impl Stage {
    /// Clears the folder, builds and starts everything, and waits until every server is up.
    pub(crate) fn set(folder: &Path, ports: Ports) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let program = build()?;
        let (exchange, web) = servers(folder)?;
        let config = folder.join("transom.toml");
        fs::write(&config, configuration(folder, ports, &exchange, &web))?;
        let mut command = Command::new(&program);
        command.current_dir(shell::root()).args(["run", "-c"]).arg(&config);
        let door = Process::start("transom", command)?;
        door.wait_for_line("ready listeners=", SOON)?;
        let stage = Self {
            ports,
            program: short(&program),
            config: short(&config),
            socket: short(&folder.join("admin.sock")),
            access_log: short(&folder.join("access.log")),
            door,
            exchange,
            web,
        };
        stage.wait_until_up()?;
        Ok(stage)
    }

    /// The servers by the names that orders use.
    pub(crate) fn servers(&self) -> Servers {
        let [ex1, ex2] = self.exchange.clone();
        let web = Arc::clone(&self.web);
        vec![("ex1", Target::Exchange(ex1)), ("ex2", Target::Exchange(ex2)), ("web", Target::Web(web))]
    }

    /// What the door wrote.
    pub(crate) fn log(&self) -> String {
        self.door.log()
    }

    /// Stops the door as an init system would.
    pub(crate) fn close(mut self) -> Result<()> {
        let status = self.door.stop(SOON)?;
        if !status.success() {
            bail!("transom ended with {status}; it wrote:\n{}", self.door.log());
        }
        Ok(())
    }

    /// Waits until the door has seen every server pass its health check.
    fn wait_until_up(&self) -> Result<()> {
        let ask = || {
            let mut ctl = Command::new(&self.program);
            let ctl =
                ctl.current_dir(shell::root()).args(["ctl", "--socket", &self.socket, "--json", "servers"]);
            let answer = keep(ctl).ok().filter(|ended| ended.success)?;
            let servers: serde_json::Value = serde_json::from_str(&answer.output).ok()?;
            let servers = servers["servers"].as_array()?;
            servers.iter().all(|server| server["condition"] == "up").then_some(())
        };
        wait::for_some("all servers up", SOON, ask)
            .with_context(|| format!("the door wrote:\n{}", self.door.log()))
    }
}

/// Builds the program and says where it is.
fn build() -> Result<PathBuf> {
    let built = keep(&mut cargo(&["build", "--package", "transom", "--locked"]))?;
    if !built.success {
        bail!("{}", built.output);
    }
    Ok(shell::target_folder()?.join("debug/transom"))
}

/// A path as one would type it in the root of the project.
fn short(path: &Path) -> String {
    let root = fs::canonicalize(shell::root()).unwrap_or_default();
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    path.strip_prefix(root).unwrap_or(&path).display().to_string()
}

/// Two Exchange servers that show one and the same certificate, as the door does, and a web server. Authority,
/// certificates and keys are written to the folder.
fn servers(folder: &Path) -> Result<([Arc<FakeExchange>; 2], Arc<Server>)> {
    let authority = Authority::new("Authority of the demo")?;
    authority.write(folder.join("ca.pem"))?;
    let exchange = authority.leaf(&["exchange.demo.test", "autodiscover.demo.test"])?;
    exchange.write(folder, "exchange")?;
    authority.leaf(&["www.demo.test"])?.write(folder, "www")?;
    let start = |name: &str, host: &str| -> Result<Arc<FakeExchange>> {
        Ok(Arc::new(FakeExchange::start(options(name, host, &exchange))?))
    };
    let servers = [start("Exchange01", "ex1.demo.test")?, start("Exchange02", "ex2.demo.test")?];
    Ok((servers, Arc::new(Server::start("WebServer", ANY, Behaviour::Http)?)))
}

fn options(name: &str, host: &str, leaf: &Leaf) -> Options {
    let services = vec![(Service::Https, ANY), (Service::Smtp, ANY)];
    let protection = ExtendedProtection::Allow;
    Options { host: host.to_owned(), services, protection, ..Options::tls(name, leaf) }
}

/// The configuration of the door with its addresses and files.
fn configuration(folder: &Path, ports: Ports, exchange: &[Arc<FakeExchange>; 2], web: &Server) -> String {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mail = |server: &FakeExchange| server.address_of(Service::Smtp).expect("the options name it");
    let words = [
        ("@folder@", folder.display().to_string()),
        ("@https@", ports.https.to_string()),
        ("@http@", ports.http.to_string()),
        ("@smtp@", ports.smtp.to_string()),
        ("@admin@", ports.admin.to_string()),
        ("@ex1@", exchange[0].address().to_string()),
        ("@ex2@", exchange[1].address().to_string()),
        ("@mail1@", mail(&exchange[0]).to_string()),
        ("@mail2@", mail(&exchange[1]).to_string()),
        ("@web@", web.address().to_string()),
    ];
    words.iter().fold(CONFIGURATION.to_owned(), |text, (word, value)| text.replace(word, value))
}
