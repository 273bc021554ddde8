//! What stands behind the guide: certificates, servers, the configuration, the program.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use transom_testkit::ca::Authority;
use transom_testkit::process::Process;
use transom_testkit::server::{Behaviour, Server};
use transom_testkit::{ports, wait};

use super::control::Servers;
use crate::shell::{self, cargo, keep};

/// How long anything here may take.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Time between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Where the door listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) https: u16,
    pub(crate) http: u16,
    pub(crate) admin: u16,
}

impl Ports {
    /// The ones that are easy to remember, each only if it is free.
    pub(crate) fn usual() -> Result<Self> {
        let port = |wanted| ports::free_or(LOCALHOST, wanted);
        Ok(Self { https: port(8443)?, http: port(8080)?, admin: port(8404)? })
    }

    /// Any.
    pub(crate) fn free() -> Result<Self> {
        let ports = ports::free_many(3)?;
        Ok(Self { https: ports[0], http: ports[1], admin: ports[2] })
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
    exchange: [Arc<Server>; 2],
    web: [Arc<Server>; 2],
}

impl Stage {
    /// Clears the folder, builds and starts everything, and waits until every server is up.
    pub(crate) fn set(folder: &Path, ports: Ports) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let program = build()?;
        let (exchange, web) = servers()?;
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
        let [web, web_tls] = self.web.clone();
        vec![("ex1", ex1), ("ex2", ex2), ("web", web), ("web", web_tls)]
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

type Pair = [Arc<Server>; 2];

/// Two Exchange servers with certificates of their own for the same names, and a web server in plain and over TLS.
fn servers() -> Result<(Pair, Pair)> {
    let any = SocketAddr::new(LOCALHOST, 0);
    let authority = Authority::new("Authority of the demo")?;
    let secure = |name: &str, names: &[&str]| -> Result<Arc<Server>> {
        let leaf = authority.leaf(names)?;
        let server = Server::start_tls(name, any, Behaviour::Http, &leaf)?;
        server.set_answer("/owa/healthcheck.htm", 200, "200 OK");
        Ok(Arc::new(server))
    };
    let both = ["exchange.demo.test", "autodiscover.demo.test"];
    let ex1 = secure("Exchange01", &["exchange01.demo.test", both[0], both[1]])?;
    let ex2 = secure("Exchange02", &["exchange02.demo.test", both[0], both[1]])?;
    let web_tls = secure("WebServer", &["www.demo.test"])?;
    let web = Arc::new(Server::start("WebServer", any, Behaviour::Http)?);
    Ok(([ex1, ex2], [web, web_tls]))
}

/// The configuration of the door, written to be read.
fn configuration(folder: &Path, ports: Ports, exchange: &Pair, web: &Pair) -> String {
    let Ports { https, http, admin } = ports;
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let folder = folder.display();
    let (ex1, ex2) = (exchange[0].address(), exchange[1].address());
    let (web, web_tls) = (web[0].address(), web[1].address());
    format!(
        r#"# The demo: Exchange by name, everything else to a web server, one address.

[listener.https]
bind = ["127.0.0.1:{https}"]
mode = "passthrough"                      # read the server name, decrypt nothing
pool = "web-https"                        # no server name, or one not listed below
routes = [
  {{ sni = ["exchange.demo.test"], pool = "exchange" }},
  {{ sni = ["autodiscover.demo.test"], pool = "exchange-sticky" }},
]

[listener.http]
bind = ["127.0.0.1:{http}"]
mode = "tcp"
pool = "web-http"

[pool.exchange]
health-check = {{ https = "/owa/healthcheck.htm", expect = 200, every = "500ms", rise = 1, fall = 2 }}
servers = [
  {{ name = "ex1", address = "{ex1}" }},
  {{ name = "ex2", address = "{ex2}" }},
]

[pool.exchange-sticky]
stick = {{ on = "source", table = "clients" }}
health-check = {{ https = "/owa/healthcheck.htm", expect = 200, every = "500ms", rise = 1, fall = 2 }}
servers = [
  {{ name = "ex1", address = "{ex1}" }},
  {{ name = "ex2", address = "{ex2}" }},
]

[pool.web-https]
health-check = {{ tls = true, every = "500ms", rise = 1, fall = 2 }}
servers = [{{ name = "web", address = "{web_tls}" }}]

[pool.web-http]
health-check = {{ http = "/", every = "500ms", rise = 1, fall = 2 }}
servers = [{{ name = "web", address = "{web}" }}]

[stick-table.clients]
key = "ip"
size = 1_000
expire = "30m"

[admin]
socket = "{folder}/admin.sock"
bind = "127.0.0.1:{admin}"

[log]
access = "{folder}/access.log"

[process]
drain = "1s"
"#
    )
}
